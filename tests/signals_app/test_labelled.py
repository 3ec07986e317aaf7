"""Labelled sets are sound: readable, balanced, invented, and independent of the day they are evaluated on."""

import csv
import json
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest

from businesses.models import EventKind
from businesses.normalise import normalise_name
from signals_app.labelled import AS_OF, GOLDEN, HELD_OUT, Case, InvalidCase, cases_in, parsing_cases
from signals_app.models import SignalType
from tests.businesses.register_files import REAL_REGISTER, real_file

Sets = list[tuple[Path, list[Case]]]
SETS: Sets = [(directory, cases_in(directory)) for directory in (GOLDEN, HELD_OUT)]
each_set = pytest.mark.parametrize("cases", [cases for _, cases in SETS], ids=["golden", "held_out"])


def test_ids_and_facts_are_unique_in_all_sets() -> None:
    cases = [case for _, cases in SETS for case in cases]
    ids = [case.id for case in cases] + [case.id for case in parsing_cases()]
    assert [name for name, times in Counter(ids).items() if times > 1] == []
    fingerprints = [fact.fingerprint for case in cases for fact in case.history.facts]
    assert len(set(fingerprints)) == len(fingerprints)


@each_set
def test_there_are_as_many_cases_as_a_verdict_needs(cases: list[Case]) -> None:
    assert len(cases) >= 320
    silent = sum(not case.expect for case in cases)
    assert 0.4 < silent / len(cases) < 0.6


@each_set
@pytest.mark.parametrize("kind", SignalType)
def test_each_type_has_signals_and_look_alikes(kind: SignalType, cases: list[Case]) -> None:
    about = [case for case in cases if case.about == kind]
    positive = sum(any(expected.signal_type == kind for expected in case.expect) for case in about)
    assert positive >= 20
    # A look-alike in which the type may be signalled could not show that a detector is wrong.
    assert sum(all(e.signal_type != kind for e in case.expect) and kind not in case.may for case in about) >= 20


@each_set
def test_negative_signals_are_among_the_expected(cases: list[Case]) -> None:
    assert sum(expected.is_negative for case in cases for expected in case.expect) >= 9


@each_set
def test_facts_are_of_known_kinds_and_in_order(cases: list[Case]) -> None:
    kinds = {fact.kind for case in cases for fact in case.history.facts}
    assert kinds <= set(EventKind.values)
    assert kinds >= {
        "news",
        "job_posted",
        "web_changed",
        "filing",
        "officer_appointed",
        "insolvency",
        "control_notified",
    }
    for case in cases:
        days = [fact.on for fact in case.history.facts]
        assert days == sorted(days), case.id
        assert days[-1] <= AS_OF, case.id


@each_set
def test_payloads_hold_only_fields_of_their_kind(cases: list[Case]) -> None:
    """A payload may hold more than its schema says; here that would be a slip of the pen."""
    strays = {
        (case.id, name)
        for case in cases
        for fact in case.history.facts
        if fact.kind in EventKind.values
        for name in fact.payload.model_extra or {}
    }
    assert strays == set()


@each_set
def test_what_may_be_signalled_is_not_what_must_be_the_only_answer(cases: list[Case]) -> None:
    """`may` leaves room; where it names all types of a case, nothing is left to be wrong about."""
    assert [case.id for case in cases if len(case.may) > 3] == []


@each_set
def test_urls_lead_nowhere(cases: list[Case]) -> None:
    urls = [fact.url for case in cases for fact in case.history.facts]
    assert all(".example/" in url for url in urls)
    assert len(set(urls)) == len(urls)


def test_days_move_with_the_day_of_evaluation() -> None:
    week = timedelta(days=7)
    later = cases_in(GOLDEN, as_of=AS_OF + week)
    for before, after in zip(cases_in(GOLDEN), later, strict=True):
        assert [fact.on + week for fact in before.history.facts] == [fact.on for fact in after.history.facts]
    appointed = next(case for case in later if case.id == "exec-10").history.facts[0]
    assert appointed.payload.model_dump()["action_date"] == date(2024, 6, 3) + week - timedelta(days=24)
    assert appointed.payload.model_dump()["description_values"]["appointment_date"] == "2024-05-17"


@each_set
def test_companies_and_rivals_are_invented(cases: list[Case]) -> None:
    with real_file("yc_companies.jsonl").open(encoding="utf-8") as lines:
        real = {normalise_name(json.loads(line)["name"]) for line in lines}
    with real_file(REAL_REGISTER.name).open(encoding="utf-8-sig", newline="") as file:
        real |= {normalise_name(row["CompanyName"]) for row in csv.DictReader(file)}
    assert len(real) > 5_000
    names = {case.history.company.name for case in cases}
    names |= {name for case in cases for rival in case.history.rivals for name in rival.names}
    assert [name for name in names if normalise_name(name) in real] == []


@each_set
def test_every_company_is_of_one_case(cases: list[Case]) -> None:
    names = Counter(normalise_name(case.history.company.name) for case in cases)
    assert [name for name, times in names.items() if times > 1] == []


@pytest.mark.parametrize(("directory", "cases"), SETS, ids=["golden", "held_out"])
def test_all_files_are_read(directory: Path, cases: list[Case]) -> None:
    texts = {"parsing"} if directory == GOLDEN else set()
    assert {path.stem for path in directory.glob("*.jsonl")} == {*SignalType.values, *texts}
    lines = sum(len((directory / f"{kind}.jsonl").read_text(encoding="utf-8").splitlines()) for kind in SignalType)
    assert lines == len(cases)


FACT = '{"kind": "news", "on": "D-3", "source": "s", "url": "", "payload": {%s}, "is_dated": true}'
LINE = '{"id": "x", "company": {"name": "A"%s}, "facts": [' + FACT + '], "expect": [%s], "why": "w"}'


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("{", "Expecting"),
        (LINE % ("", '"title": {}', ""), "payload.title"),
        (LINE % (', "colour": "red"', "", ""), "colour"),
        (LINE % ("", "", '{"signal_type": "weather"}'), "signal_type"),
        ((LINE % ("", "", "")).replace('"w"', '""'), "why"),
        ((LINE % ("", "", "")).replace("D-3", "yesterday"), "on"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str, names: str) -> None:
    for kind in SignalType:
        (tmp_path / f"{kind}.jsonl").write_text("")
    (tmp_path / "expansion.jsonl").write_text(LINE % ("", "", "") + "\n" + line)
    with pytest.raises(InvalidCase, match=rf"(?s)expansion\.jsonl, line 2: .*{names}"):
        cases_in(tmp_path)


def test_parsing_tasks_are_known_and_large_enough() -> None:
    assert len(parsing_cases()) >= 120
    counts = Counter(case.task for case in parsing_cases())
    assert set(counts) == {"money", "stage", "title", "technologies"}
    assert min(counts.values()) >= 20
