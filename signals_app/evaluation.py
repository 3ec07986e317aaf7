"""How well detectors and parsers do on labelled sets: counts, precision, recall, F1. Pure: no database, no clock.

What the cases are and what a label means: `signals_app/golden/README.md`, and of the held-out set its own.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from businesses.models import EventKind
from signals_app.detectors.base import Detection, Evidence, History
from signals_app.labelled import Case, Expectation, ParsingCase
from signals_app.models import SignalType

LEAST_PRECISION = 0.9
Z_95 = 1.959963984540054  # the 97.5 % point of the normal distribution

Detect = Callable[[History], Iterable[Detection]]


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion (Wilson 1927); (0, 1) when nothing was tried."""
    if not trials:
        return (0.0, 1.0)
    share, spread = successes / trials, Z_95**2 / trials
    middle = share + spread / 2
    half = Z_95 * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return (max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread)))


@dataclass(slots=True)
class Counts:
    """Right, false and missed signals of one type; of the cases about it, how many were judged right throughout."""

    right: int = 0
    false: int = 0
    missed: int = 0
    cases: int = 0
    cases_right: int = 0

    @property
    def precision(self) -> float | None:
        return self.right / found if (found := self.right + self.false) else None

    @property
    def recall(self) -> float | None:
        return self.right / expected if (expected := self.right + self.missed) else None

    @property
    def f1(self) -> float | None:
        return 2 * self.right / whole if (whole := 2 * self.right + self.false + self.missed) else None

    @property
    def f1_interval(self) -> tuple[float, float]:
        """F1 is no proportion, but 2J / (1 + J) of one, J = right / (right + false + missed), and grows with it."""
        low, high = wilson(self.right, self.right + self.false + self.missed)
        return (2 * low / (1 + low), 2 * high / (1 + high))

    def as_dict(self) -> dict[str, Any]:
        return {
            "true_positives": self.right,
            "false_positives": self.false,
            "false_negatives": self.missed,
            "precision": self.precision,
            "precision_95": wilson(self.right, self.right + self.false),
            "recall": self.recall,
            "recall_95": wilson(self.right, self.right + self.missed),
            "f1": self.f1,
            "f1_95": self.f1_interval,
            "cases": self.cases,
            "cases_right": self.cases_right,
        }


@dataclass(frozen=True, slots=True)
class Failure:
    """What was wrong in a case: `problem` is missed, false or data."""

    case: str
    signal_type: SignalType
    problem: str
    what: str
    why: str


@dataclass(slots=True)
class Evaluation:
    counts: dict[SignalType, Counts]
    failures: list[Failure] = field(default_factory=list)
    data_right: int = 0
    data_compared: int = 0

    def imprecise(self) -> list[SignalType]:
        """Types whose precision is below `LEAST_PRECISION`, or of which nothing was found though it was there."""
        return [
            kind
            for kind, counts in self.counts.items()
            if (counts.right + counts.missed + counts.false) and (counts.precision or 0) < LEAST_PRECISION
        ]


def evaluate(cases: Iterable[Case], detect: Detect) -> Evaluation:
    """Compares what `detect` finds in each case with what is expected of it; an error names its case in a note."""
    result = Evaluation({kind: Counts() for kind in SignalType})
    for case in cases:
        try:
            detections = list(detect(case.history))
        except Exception as error:
            error.add_note(f"in case {case.id}")
            raise
        before = len(result.failures)
        _compare(case, detections, result)
        wrong = {failure.signal_type for failure in result.failures[before:] if failure.problem != "data"}
        result.counts[case.about].cases += 1
        result.counts[case.about].cases_right += case.about not in wrong
    return result


def _compare(case: Case, detections: list[Detection], result: Evaluation) -> None:
    """Each expectation takes one detection, the one whose data fits best; what is left over is false."""
    rest = list(detections)
    for wanted in case.expect:
        fitting = [d for d in rest if d.signal_type == wanted.signal_type and d.is_negative == wanted.is_negative]
        if not fitting:
            result.counts[wanted.signal_type].missed += 1
            what = f"{'negative ' if wanted.is_negative else ''}{wanted.rule}"
            result.failures.append(Failure(case.id, wanted.signal_type, "missed", what, case.why))
            continue
        taken = min(fitting, key=lambda detection: len(_differing(wanted, detection)))
        rest = [detection for detection in rest if detection is not taken]
        result.counts[wanted.signal_type].right += 1
        result.data_compared += len(wanted.data)
        differing = _differing(wanted, taken)
        result.data_right += len(wanted.data) - len(differing)
        for key in differing:
            what = f"{key}: {taken.data.get(key)!r} instead of {wanted.data[key]!r}"
            result.failures.append(Failure(case.id, wanted.signal_type, "data", what, case.why))
    for detection in rest:
        if detection.signal_type not in case.may:
            result.counts[detection.signal_type].false += 1
            what = f"{'negative ' if detection.is_negative else ''}{detection.rule}"
            result.failures.append(Failure(case.id, detection.signal_type, "false", what, case.why))


def _differing(wanted: Expectation, detection: Detection) -> list[str]:
    return [key for key, value in wanted.data.items() if not _same(value, detection.data.get(key))]


def _same(wanted: str | int | Decimal, found: Any) -> bool:
    """Numbers by value, texts apart from case; a product also with or without its maker; of several, any one."""
    if isinstance(found, list | tuple):
        return any(_same(wanted, one) for one in found)
    if isinstance(wanted, str):
        return same_name(wanted, str(found))
    return isinstance(found, int | float | Decimal | str) and _number(found) == Decimal(wanted)


def _number(value: float | Decimal | str) -> Decimal | None:
    try:
        return Decimal(str(value))
    except ArithmeticError:
        return None


def same_name(one: str, other: str) -> bool:
    """Equal apart from case, or one is a run of whole words of the other: Dynamics 365, Microsoft Dynamics 365."""
    one, other = f" {one.casefold()} ", f" {other.casefold()} "
    return one in other or other in one


# What one would look for first, and in which kinds of facts (all, if none is named): a comparison worth beating.
_TOLD = (EventKind.NEWS, EventKind.WEB_CHANGED)
KEYWORDS: tuple[tuple[SignalType, bool, tuple[str, ...], tuple[str, ...]], ...] = (
    (
        SignalType.FUNDING_ROUND,
        False,
        (*_TOLD, EventKind.FILING),
        (
            "raises",
            "raised",
            "funding",
            "investment",
            "equity",
            "seed",
            "series a",
            "series b",
            "series c",
            "allotment",
        ),
    ),
    (
        SignalType.EXECUTIVE_CHANGE,
        False,
        (*_TOLD, EventKind.FILING, EventKind.OFFICER_APPOINTED, EventKind.OFFICER_RESIGNED),
        ("appoints", "appointed", "appoint", "hires", "joins", "promotes", "step down", "resigns", "director"),
    ),
    (SignalType.JOB_POSTING, False, (EventKind.JOB_POSTED,), ("head", "chief", "director", "vp", "svp", "cto", "cfo")),
    (
        SignalType.TECHNOLOGY_ADOPTION,
        False,
        (),
        ("salesforce", "sap", "netsuite", "shopify", "hubspot", "xero", "oracle", "azure", "aws", "power bi", "ai"),
    ),
    (
        SignalType.EXPANSION,
        False,
        (*_TOLD, EventKind.FILING, EventKind.ADDRESS_CHANGED),
        (
            "opens",
            "open",
            "expands",
            "expansion",
            "new office",
            "factory",
            "market",
            "jobs",
            "change registered office",
        ),
    ),
    (
        SignalType.WEBSITE_ACTIVITY,
        False,
        (EventKind.WEB_CHANGED,),
        ("new", "now", "launch", "launching", "live", "introducing", "products", "pricing", "services", "partners"),
    ),
    (
        SignalType.COMPANIES_HOUSE_FILING,
        False,
        (),
        ("registered charge", "mortgage", "significant control", "change of name", "auditors"),
    ),
    (
        SignalType.COMPANIES_HOUSE_FILING,
        True,
        (),
        ("insolvency", "liquidation", "administration", "gazette", "strike off", "dissolved"),
    ),
)


def by_keywords(history: History) -> Iterator[Detection]:
    """The baseline of keywords: a signal of each type of which any word occurs, as a whole word, in the facts."""
    texts = {fact.id: _words(_strings(fact.payload.model_dump(mode="json"))) for fact in history.facts}
    rivals = tuple(name for rival in history.rivals for name in rival.names)
    for signal_type, is_negative, kinds, words in (*KEYWORDS, (SignalType.COMPETITOR_MENTION, False, (), rivals)):
        facts = history.of(*kinds) if kinds else history.facts
        hit = next((fact for fact in facts if any(_words([word]) in texts[fact.id] for word in words)), None)
        if hit:
            yield Detection(signal_type, "keyword", "1", 50, 50, 30, hit.on, (Evidence(hit),), is_negative=is_negative)


def never(history: History) -> Iterator[Detection]:
    """The baseline that always says no."""
    return iter(())


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _words(texts: Iterable[str]) -> str:
    """Whole words in lower case between spaces, so that a word is found by ` word `."""
    words = re.findall(r"[^\W_]+", " ".join(texts).casefold())
    return f" {' '.join(words)} "


@dataclass(slots=True)
class ParsingCounts:
    right: int = 0
    cases: int = 0
    failures: list[str] = field(default_factory=list)


def evaluate_parsing(
    cases: Sequence[ParsingCase], parsers: Mapping[str, Callable[[str], Any]]
) -> dict[str, ParsingCounts]:
    """How many texts of each task its parser reads as expected. Every task needs a parser."""
    result: dict[str, ParsingCounts] = {}
    for case in cases:
        counts = result.setdefault(case.task, ParsingCounts())
        answer = parsers[case.task](case.text)
        counts.cases += 1
        if _AGREES[case.task](case.expect, answer):
            counts.right += 1
        else:
            counts.failures.append(f"{case.id}: {case.text!r} was read as {answer!r} instead of {case.expect!r}")
    return result


def _money_agrees(expect: list[dict[str, Any]], answer: Iterable[Any]) -> bool:
    wanted = sorted((Decimal(str(money["amount"])), money["currency"]) for money in expect)
    return wanted == sorted((Decimal(str(money.amount)), str(money.currency)) for money in answer)


def _stage_agrees(expect: str | None, answer: Any) -> bool:
    return expect == (str(answer) if answer else None)


def _title_agrees(expect: dict[str, str | None] | None, answer: Any) -> bool:
    if answer is None:
        return expect is None or expect == {"seniority": "staff", "department": None}
    department = str(answer.department) if answer.department else None
    return expect == {"seniority": str(answer.seniority), "department": department}


def _technologies_agree(expect: list[str], answer: Iterable[str]) -> bool:
    rest = list(answer)
    for wanted in expect:
        found = next((name for name in rest if same_name(wanted, name)), None)
        if found is None:
            return False
        rest.remove(found)
    return not rest


_AGREES: dict[str, Callable[[Any, Any], bool]] = {
    "money": _money_agrees,
    "stage": _stage_agrees,
    "title": _title_agrees,
    "technologies": _technologies_agree,
}
