"""Counting what detectors find: small sets with results worked out by hand, and the command around it."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from io import StringIO
from types import ModuleType
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from signals_app.detectors.base import Detection, Detector, Evidence, History
from signals_app.evaluation import (
    Counts,
    Detect,
    by_keywords,
    evaluate,
    evaluate_parsing,
    never,
    same_name,
    wilson,
)
from signals_app.labelled import GOLDEN, Case, Expectation, ParsingCase, cases_in, parsing_cases
from signals_app.models import SignalType

FUNDING, JOB, FILING = SignalType.FUNDING_ROUND, SignalType.JOB_POSTING, SignalType.COMPANIES_HOUSE_FILING
HISTORY = cases_in(GOLDEN)[0].history


def found(kind: SignalType, *, is_negative: bool = False, **data: Any) -> Detection:
    fact = HISTORY.facts[0]
    return Detection(kind, "rule", "1", 50, 50, 30, fact.on, (Evidence(fact),), data=data, is_negative=is_negative)


def wanted(kind: SignalType, *, is_negative: bool = False, **data: Any) -> Expectation:
    return Expectation(signal_type=kind, is_negative=is_negative, data=data)


def case(name: str, about: SignalType, *expect: Expectation, may: Iterable[SignalType] = ()) -> Case:
    return Case(name, about, replace(HISTORY), expect, frozenset(may), f"why {name}")


def detecting(answers: dict[str, list[Detection]], cases: list[Case]) -> Detect:
    """Answers by the case that a history is of."""
    by_history = {id(one.history): answers.get(one.id, []) for one in cases}
    return lambda history: by_history[id(history)]


def test_right_false_and_missed_are_counted_by_type() -> None:
    cases = [
        case("found", FUNDING, wanted(FUNDING)),
        case("missed", FUNDING, wanted(FUNDING)),
        case("twice", FUNDING, wanted(FUNDING)),
        case("quiet", FUNDING),
        case("fooled", FUNDING),
        case("other", JOB, wanted(JOB)),
    ]
    answers = {
        "found": [found(FUNDING)],
        "twice": [found(FUNDING), found(FUNDING)],
        "fooled": [found(FUNDING)],
        "other": [found(JOB), found(FUNDING)],
    }
    counts = evaluate(cases, detecting(answers, cases)).counts
    assert counts[FUNDING] == Counts(right=2, false=3, missed=1, cases=5, cases_right=2)
    assert counts[JOB] == Counts(right=1, false=0, missed=0, cases=1, cases_right=1)
    assert counts[FUNDING].precision == 2 / 5
    assert counts[FUNDING].recall == 2 / 3
    assert counts[FUNDING].f1 == pytest.approx(0.5)


def test_a_type_that_may_be_signalled_is_neither_right_nor_wrong() -> None:
    cases = [case("open", JOB, wanted(JOB), may=[FUNDING, JOB])]
    answers = {"open": [found(FUNDING), found(JOB), found(JOB), found(FILING)]}
    counts = evaluate(cases, detecting(answers, cases)).counts
    assert (counts[FUNDING].right, counts[FUNDING].false) == (0, 0)
    assert (counts[JOB].right, counts[JOB].false) == (1, 0)
    assert counts[FILING].false == 1


def test_a_positive_signal_does_not_answer_for_a_negative_one() -> None:
    cases = [case("closing", FILING, wanted(FILING, is_negative=True))]
    wrong = evaluate(cases, detecting({"closing": [found(FILING)]}, cases))
    assert wrong.counts[FILING] == Counts(right=0, false=1, missed=1, cases=1, cases_right=0)
    right = evaluate(cases, detecting({"closing": [found(FILING, is_negative=True)]}, cases))
    assert right.counts[FILING] == Counts(right=1, false=0, missed=0, cases=1, cases_right=1)


def test_data_is_counted_apart_and_taken_from_the_detection_that_fits_best() -> None:
    cases = [case("data", FUNDING, wanted(FUNDING, amount=5_000_000, currency="USD", stage="seed"))]
    near = found(FUNDING, amount=Decimal("5000000.00"), currency="usd", stage="series_a")
    result = evaluate(cases, detecting({"data": [found(FUNDING), near]}, cases))
    assert (result.data_right, result.data_compared) == (2, 3)
    assert result.counts[FUNDING] == Counts(right=1, false=1, missed=0, cases=1, cases_right=0)
    assert [(f.problem, f.what) for f in result.failures] == [
        ("data", "stage: 'series_a' instead of 'seed'"),
        ("false", "rule"),
    ]


@pytest.mark.parametrize(
    ("value", "data", "agrees"),
    [
        ("NetSuite", {"technology": "Oracle NetSuite"}, True),
        ("NetSuite", {"technology": ["Sage", "netsuite"]}, True),
        ("NetSuite", {"technology": "Net"}, False),
        ("NetSuite", {}, False),
        (5, {"technology": "5.0"}, True),
        (5, {"technology": "five"}, False),
        (5, {"technology": None}, False),
    ],
)
def test_values_agree(value: str | int, data: dict[str, Any], agrees: bool) -> None:
    cases = [case("value", JOB, wanted(JOB, technology=value))]
    result = evaluate(cases, detecting({"value": [found(JOB, **data)]}, cases))
    assert result.data_right == agrees


def test_failures_say_why() -> None:
    cases = [case("closing", FILING, wanted(FILING, is_negative=True)), case("fooled", JOB)]
    failures = evaluate(cases, detecting({"fooled": [found(JOB)]}, cases)).failures
    assert [(f.case, f.signal_type, f.problem, f.why) for f in failures] == [
        ("closing", FILING, "missed", "why closing"),
        ("fooled", JOB, "false", "why fooled"),
    ]


def test_an_error_of_a_detector_names_the_case() -> None:
    def broken(history: History) -> Iterator[Detection]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as error:
        evaluate([case("first", JOB)], broken)
    assert error.value.__notes__ == ["in case first"]


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (8, 10, 0.4902, 0.9433),  # the worked figures of the score interval
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table I
        (15, 148, 0.0624, 0.1605),  # Newcombe 1998, table I
        (1, 29, 0.0061, 0.1718),  # Newcombe 1998, table I
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilson_intervals_are_the_published_ones(successes: int, trials: int, low: float, high: float) -> None:
    assert list(wilson(successes, trials)) == pytest.approx([low, high], abs=5e-5)


@given(right=st.integers(0, 200), false=st.integers(0, 200), missed=st.integers(0, 200))
def test_intervals_hold_their_value(right: int, false: int, missed: int) -> None:
    counts = Counts(right=right, false=false, missed=missed)
    for value, (low, high) in ((counts.f1, counts.f1_interval), (counts.precision, wilson(right, right + false))):
        assert 0 <= low <= high <= 1
        assert value is None or low - 1e-12 <= value <= high + 1e-12


def test_f1_interval_of_a_hand_worked_case() -> None:
    """8 right, 1 false, 1 missed: J = 8/10 with (0.4902, 0.9433), so F1 = 16/18 with (2J / (1 + J)) of each bound."""
    counts = Counts(right=8, false=1, missed=1)
    assert counts.f1 == pytest.approx(16 / 18)
    assert list(counts.f1_interval) == pytest.approx([0.6579, 0.9708], abs=1e-4)


def test_precision_below_the_least_or_nothing_found_is_not_enough() -> None:
    cases = [case(str(number), FUNDING, wanted(FUNDING)) for number in range(9)] + [case("hard", FUNDING)]
    answers = {str(number): [found(FUNDING)] for number in range(9)}
    assert evaluate(cases, detecting(answers, cases)).imprecise() == []
    answers["hard"] = [found(FUNDING)]
    assert evaluate(cases, detecting(answers, cases)).imprecise() == []  # 9 of 10 is the least
    answers["8"] = []
    assert evaluate(cases, detecting(answers, cases)).imprecise() == [FUNDING]
    assert evaluate(cases, never).imprecise() == [FUNDING]


def test_saying_no_is_right_about_half_of_the_cases() -> None:
    result = evaluate(cases_in(GOLDEN), never)
    for counts in result.counts.values():
        assert (counts.right, counts.false, counts.recall, counts.precision) == (0, 0, 0.0, None)
        assert 0.35 < counts.cases_right / counts.cases < 0.65


def test_keywords_are_a_baseline_that_finds_much_and_is_often_wrong() -> None:
    result = evaluate(cases_in(GOLDEN), by_keywords)
    assert len(result.imprecise()) == len(SignalType)
    assert all((counts.recall or 0) > 0.4 for counts in result.counts.values())


def test_keywords_are_whole_words() -> None:
    by_id = {one.id: one.history for one in cases_in(GOLDEN)}
    kitchen = next(one for one in by_id.values() if one.company.name == "Marrick Kitchens Ltd")
    assert [d.signal_type for d in by_keywords(kitchen)] == []
    assert [d.signal_type for d in by_keywords(by_id["fund-01"])] == [FUNDING]


@dataclass
class Money:
    amount: Decimal
    currency: str


@dataclass
class Title:
    seniority: str
    department: str


PARSING = [
    ParsingCase(id="m1", task="money", text="two", expect=[{"amount": 2, "currency": "GBP"}] * 2),
    ParsingCase(id="m2", task="money", text="none", expect=[]),
    ParsingCase(id="s1", task="stage", text="seed", expect="seed"),
    ParsingCase(id="s2", task="stage", text="none", expect=None),
    ParsingCase(id="t1", task="title", text="CTO", expect={"seniority": "c_level", "department": "engineering"}),
    ParsingCase(id="t2", task="title", text="porter", expect={"seniority": "staff", "department": None}),
    ParsingCase(id="t3", task="title", text="weather", expect=None),
    ParsingCase(id="k1", task="technologies", text="a", expect=["Dynamics 365", "Xero"]),
    ParsingCase(id="k2", task="technologies", text="b", expect=[]),
]


def test_parsers_that_read_everything_as_expected() -> None:
    answers: dict[str, Any] = {
        "two": [Money(Decimal("2.00"), "GBP"), Money(Decimal(2), "GBP")],
        "none": [],
        "CTO": Title("c_level", "engineering"),
        "porter": None,
        "weather": None,
        "a": ["Xero", "Microsoft Dynamics 365"],
        "b": [],
    }
    stages = {"seed": "seed", "none": None}
    parsers = dict.fromkeys(("money", "title", "technologies"), answers.__getitem__)
    result = evaluate_parsing(PARSING, parsers | {"stage": stages.__getitem__})
    assert {task: (counts.right, counts.cases) for task, counts in result.items()} == {
        "money": (2, 2),
        "stage": (2, 2),
        "title": (3, 3),
        "technologies": (2, 2),
    }
    assert all(counts.failures == [] for counts in result.values())


def test_parsers_that_read_amiss() -> None:
    result = evaluate_parsing(
        PARSING,
        {
            "money": lambda text: [Money(Decimal(2), "GBP")],
            "stage": lambda text: "seed",
            "title": lambda text: Title("staff", ""),
            "technologies": lambda text: ["Xero"],
        },
    )
    assert {task: (counts.right, counts.cases) for task, counts in result.items()} == {
        "money": (0, 2),
        "stage": (1, 2),
        "title": (1, 3),
        "technologies": (0, 2),
    }
    assert result["stage"].failures == ["s2: 'none' was read as 'seed' instead of None"]


def test_a_name_is_the_same_with_or_without_its_maker() -> None:
    assert same_name("Dynamics 365", "microsoft dynamics 365")
    assert same_name("Oracle NetSuite", "NetSuite")
    assert not same_name("SAP", "Sapling")


class Half(Detector):
    """Finds the funding that it is told of."""

    name = "half"
    label = "Half"

    def detect(self, history: History) -> Iterator[Detection]:
        expected = PERFECT.get(history.company.id, [])
        return (detection for detection in expected if detection.signal_type == FUNDING)


PERFECT = {
    one.history.company.id: [found(e.signal_type, is_negative=e.is_negative, **e.data) for e in one.expect]
    for one in cases_in(GOLDEN)
}


def module(name: str, **contents: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(contents)
    return made


@pytest.fixture
def detectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry whose detectors know the answers, and parsers that answer with nothing."""
    fakes: dict[str, dict[str, Any]] = {
        "signals_app.detectors.registry": {"detect_all": lambda history: PERFECT[history.company.id]},
        "signals_app.detectors.half": {"Half": Half},
        "signals_app.detectors.hollow": {},
        "signals_app.text": {},
        "signals_app.text.money": {"amounts": lambda text: []},
        "signals_app.text.funding": {"stage_of": lambda text: None},
        "signals_app.text.people": {"title_of": lambda text: None},
        "signals_app.text.technologies": {"named_in": lambda text: []},
    }
    for name, contents in fakes.items():
        monkeypatch.setitem(sys.modules, name, module(name, **contents))


def run(*options: str) -> str:
    out = StringIO()
    call_command("evaluate_detectors", *options, stdout=out)
    return out.getvalue()


@pytest.mark.usefixtures("detectors")
def test_the_command_prints_every_type_beside_its_baselines() -> None:
    text = run()
    assert "fictional companies" in text
    assert "no sample of the world" in text
    blocks = [line for line in text.splitlines() if line.startswith("  ")]
    assert len(blocks) == 3 * len(SignalType)
    assert all("precision 1.00" in line for line in blocks if line.strip().startswith("detectors"))
    assert all("precision none" in line for line in blocks if line.strip().startswith("always no"))
    empty = sum(case.expect == [] for case in parsing_cases() if case.task == "money")
    assert f"Parsing of money: {empty} of " in text


@pytest.mark.usefixtures("detectors")
def test_the_command_prints_json() -> None:
    report = json.loads(run("--json", "--failures"))
    assert set(report["types"]) == set(SignalType.values)
    funding = report["types"]["funding_round"]["detectors"]
    assert (funding["false_positives"], funding["false_negatives"], funding["precision"], funding["f1"]) == (0, 0, 1, 1)
    assert funding["precision_95"][0] == pytest.approx(wilson(funding["true_positives"], funding["true_positives"])[0])
    assert report["data"]["right"] == report["data"]["compared"] > 50
    assert set(report["parsing"]) == {"money", "stage", "title", "technologies"}
    assert report["failures"]
    assert all("was read as" in failure for failure in report["failures"])


@pytest.mark.usefixtures("detectors")
def test_the_command_measures_one_detector_alone() -> None:
    report = json.loads(run("--detector", "half", "--json", "--failures"))
    assert set(report["types"]) == {"funding_round"}
    assert report["types"]["funding_round"]["detectors"]["recall"] == 1
    assert report["parsing"] == {}
    assert report["failures"] == []


@pytest.mark.usefixtures("detectors")
@pytest.mark.parametrize("name", ["nosuch", "hollow", "../base"])
def test_the_command_refuses_a_detector_that_is_not_there(name: str) -> None:
    with pytest.raises(CommandError, match="no detector"):
        run("--detector", name)


def test_the_command_fails_when_a_type_is_imprecise(detectors: None, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = module("registry", detect_all=by_keywords)
    monkeypatch.setitem(sys.modules, "signals_app.detectors.registry", registry)
    out = StringIO()
    with pytest.raises(CommandError, match=r"Precision below 0\.9.*funding_round"):
        call_command("evaluate_detectors", "--failures", stdout=out)
    assert "fund-25: funding_round false (keyword). Raises awareness, not money." in out.getvalue()


def test_a_detector_that_finds_nothing_fails(detectors: None, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = type("Silent", (Half,), {"name": "silent", "detect": lambda self, history: iter(())})
    monkeypatch.setitem(sys.modules, "signals_app.detectors.silent", module("silent", Silent=silent))
    with pytest.raises(CommandError, match="silent finds nothing"):
        run("--detector", "silent")
