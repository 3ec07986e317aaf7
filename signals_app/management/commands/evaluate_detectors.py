"""`manage.py evaluate_detectors`: the detectors on a labelled set, beside keywords and always saying no."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from signals_app.detectors.base import Detector
from signals_app.evaluation import (
    LEAST_PRECISION,
    Counts,
    Detect,
    Evaluation,
    ParsingCounts,
    by_keywords,
    evaluate,
    evaluate_parsing,
    never,
    wilson,
)
from signals_app.labelled import GOLDEN, HELD_OUT, cases_in, parsing_cases
from signals_app.models import SignalType


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """`is_gate`: the rules were corrected by it, so that a fault on it is one that came back."""

    title: str
    directory: Path
    about: str
    is_gate: bool


SETS = {
    "golden": LabelledSet(
        "Golden set",
        GOLDEN,
        "Written by hand by the project's authors about fictional companies, half of it made to look like signals "
        "that it is not. It shows whether the rules do what they say on the traps that were thought of; it is no "
        "sample of the world, and says nothing about how often signals of your companies will be right.",
        is_gate=True,
    ),
    "held-out": LabelledSet(
        "Held-out set",
        HELD_OUT,
        "Written by hand by one writer without knowledge of the rules, about fictional companies, half of it made to "
        "look like signals that it is not; docs/detectors.md tells which rules were corrected since. It is no "
        "sample of the world.",
        is_gate=False,
    ),
}
PARSERS = {  # task of the golden set: module and function that does it
    "money": ("signals_app.text.money", "amounts"),
    "stage": ("signals_app.text.funding", "stage_of"),
    "title": ("signals_app.text.people", "title_of"),
    "technologies": ("signals_app.text.technologies", "named_in"),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """What is told of a set: `types` alone; `baselines` and `parsing` by name."""

    labelled: LabelledSet
    cases: int
    types: Sequence[SignalType]
    evaluation: Evaluation
    baselines: dict[str, Evaluation]
    parsing: dict[str, ParsingCounts]

    @property
    def methods(self) -> dict[str, Evaluation]:
        return {"detectors": self.evaluation, **self.baselines}


class Command(BaseCommand):
    help = (
        "Measure the detectors on a labelled set and, with the golden set, the parsers of texts. With the golden set "
        f"exits 1 if the precision of any type is below {LEAST_PRECISION}, or nothing of it is found."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--set", choices=SETS, default="golden", help="which cases (default: %(default)s)")
        parser.add_argument("--detector", metavar="NAME", help="this one alone, and the types that it finds")
        parser.add_argument("--failures", action="store_true", help="list what was wrong, and why it is")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        labelled, only = SETS[options["set"]], options["detector"]
        cases = cases_in(labelled.directory)
        evaluation = evaluate(cases, _detector(only) if only else _all_detectors())
        types = _types_of(only, evaluation) if only else list(SignalType)
        if not types:
            raise CommandError(f"{only} finds nothing in {len(cases)} cases.")
        baselines = {"keywords": evaluate(cases, by_keywords), "always no": evaluate(cases, never)}
        parsing = {} if only or not labelled.is_gate else _parsing()
        measured = Measured(labelled, len(cases), types, evaluation, baselines, parsing)
        if options["json"]:
            report = _report(measured, with_failures=options["failures"])
            self.stdout.write(json.dumps(report, ensure_ascii=False, indent=2))
        else:
            self.stdout.write("\n".join(_lines(measured)))
            if options["failures"]:
                self.stdout.write("\n".join(_failures(measured)))
        imprecise = [kind for kind in evaluation.imprecise() if kind in types]
        if imprecise and labelled.is_gate:
            raise CommandError(f"Precision below {LEAST_PRECISION}, or nothing found: {', '.join(imprecise)}.")


def _all_detectors() -> Detect:
    detect: Detect = import_module("signals_app.detectors.registry").detect_all
    return detect


def _detector(name: str) -> Detect:
    """The detector of this name, which is the name of its module too."""
    if not name.isidentifier():
        raise CommandError(f"There is no detector {name!r}.")
    path = f"{Detector.__module__.rpartition('.')[0]}.{name}"
    try:
        module = import_module(path)
    except ModuleNotFoundError as error:
        if error.name != path:
            raise
        raise CommandError(f"There is no detector {name!r}.") from error
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Detector) and vars(value).get("name") == name:
            return value().detect
    raise CommandError(f"signals_app/detectors/{name}.py has no detector named {name!r}.")


def _parser(task: str) -> Callable[[str], Any]:
    module, function = PARSERS[task]
    parse: Callable[[str], Any] = getattr(import_module(module), function)
    return parse


def _parsing() -> dict[str, ParsingCounts]:
    return evaluate_parsing(parsing_cases(), {task: _parser(task) for task in PARSERS})


def _types_of(name: str, evaluation: Evaluation) -> list[SignalType]:
    """Types that the detector found anything of, and the one that it is named after."""
    return [kind for kind, counts in evaluation.counts.items() if counts.right or counts.false or kind == name]


def _lines(measured: Measured) -> list[str]:
    labelled, evaluation = measured.labelled, measured.evaluation
    lines = [f"{labelled.title}: {measured.cases} cases. {labelled.about}", "In brackets: 95 % Wilson intervals.", ""]
    for kind in measured.types:
        lines.append(str(kind))
        for name, result in measured.methods.items():
            lines.append(f"  {name:<10} {_row(result.counts[kind])}")
    lines += ["", f"Data of signals found: {evaluation.data_right} of {evaluation.data_compared} values as expected."]
    for task, counts in measured.parsing.items():
        low, high = wilson(counts.right, counts.cases)
        lines.append(
            f"Parsing of {task}: {counts.right} of {counts.cases} right, "
            f"{counts.right / counts.cases:.2f} [{low:.2f}, {high:.2f}]"
        )
    return lines


def _row(counts: Counts) -> str:
    measures = {
        "precision": (counts.precision, wilson(counts.right, counts.right + counts.false)),
        "recall": (counts.recall, wilson(counts.right, counts.right + counts.missed)),
        "F1": (counts.f1, counts.f1_interval),
    }
    shown = "  ".join(
        f"{name} {'none' if value is None else f'{value:.2f}'} [{low:.2f}, {high:.2f}]"
        for name, (value, (low, high)) in measures.items()
    )
    return (
        f"TP {counts.right:3}  FP {counts.false:3}  FN {counts.missed:3}  {shown}  "
        f"cases about it {counts.cases_right}/{counts.cases}"
    )


def _failures(measured: Measured) -> list[str]:
    of_cases = [
        f"{failure.case}: {failure.signal_type} {failure.problem} ({failure.what}). {failure.why}"
        for failure in measured.evaluation.failures
        if failure.signal_type in measured.types
    ]
    return ["", *of_cases, *(failure for counts in measured.parsing.values() for failure in counts.failures)]


def _report(measured: Measured, *, with_failures: bool) -> dict[str, Any]:
    evaluation = measured.evaluation
    report: dict[str, Any] = {
        "about": measured.labelled.about,
        "cases": measured.cases,
        "types": {
            str(kind): {name: result.counts[kind].as_dict() for name, result in measured.methods.items()}
            for kind in measured.types
        },
        "data": {"right": evaluation.data_right, "compared": evaluation.data_compared},
        "parsing": {task: {"right": counts.right, "cases": counts.cases} for task, counts in measured.parsing.items()},
    }
    if with_failures:
        report["failures"] = [line for line in _failures(measured) if line]
    return report
