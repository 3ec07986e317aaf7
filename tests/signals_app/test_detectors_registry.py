"""What holds for every detector: found, pure, deterministic, quick, quoting, never raising."""

import random
import time
from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from businesses.models import EventKind
from businesses.payloads import SCHEMAS, Payload
from signals_app.detectors import registry
from signals_app.detectors.base import Fact, History, Rival
from signals_app.detectors.reading import corroborated, texts
from signals_app.detectors.registry import all_detectors, detect_all
from signals_app.models import SignalType
from signals_app.text.funding import stage_of
from signals_app.text.money import amounts
from signals_app.text.people import title_of
from signals_app.text.technologies import named_in, uses_in
from tests.signals_app.histories import ACME, fact, filing, history, news

RIVALS = (Rival("Quillstack", ("Quillstack", "Quill Stack")),)
TEXTS = {EventKind.NEWS, EventKind.JOB_POSTED, EventKind.WEB_CHANGED}
BUSY = [
    news("Acme Robotics raises £5m Series A", "It moves from Quillstack to Salesforce.", url="https://a.example/1"),
    news("York's Acme Robotics secures £5 million investment", on="2026-05-04", url="https://b.example/2"),
    news("Acme Robotics appoints Jane Smith as CTO", "Acme opens new office in Leeds.", on="2026-05-05"),
    filing("SH01", "2026-06-01", description="capital-allotment-shares"),
    filing("TM01", "2026-05-01", description="termination-director-company-with-name-termination-date",
           description_values={"officer_name": "Bob Jones"}),
    filing("DS01", "2026-05-01", description="dissolution-application-strike-off-company"),
    fact("job_posted", title="Head of Sales", description="You use Salesforce and HubSpot daily.", locations=["Leeds"]),
    fact("web_changed", pages_added=["/pricing"], technologies_added=["HubSpot"], cities_added=["Leeds"]),
]  # fmt: skip


def test_detectors_are_found_once_by_name() -> None:
    names = [detector.name for detector in all_detectors()]
    assert names == sorted(set(names))
    expected = {*map(str, SignalType), "insolvency", "ownership", "charges"}
    assert set(names) == expected
    assert all(detector.label for detector in all_detectors())
    assert registry.detect_all(History(ACME, ())) == []


def test_the_order_of_facts_does_not_matter() -> None:
    expected = detect_all(History(ACME, tuple(BUSY), RIVALS))
    assert len({detection.signal_type for detection in expected}) == 8
    for seed in range(5):
        shuffled = random.Random(seed).sample(BUSY, len(BUSY))
        assert detect_all(History(ACME, tuple(shuffled), RIVALS)) == expected


def test_a_fact_told_twice_changes_nothing() -> None:
    assert detect_all(history(*BUSY, *BUSY, rivals=RIVALS)) == detect_all(history(*BUSY, rivals=RIVALS))


def test_quotes_of_texts_are_exact() -> None:
    quoted = [item for detection in detect_all(history(*BUSY, rivals=RIVALS)) for item in detection.evidence]
    in_texts = [item for item in quoted if item.fact.kind in {EventKind.NEWS, EventKind.JOB_POSTED}]
    assert in_texts
    for item in in_texts:
        assert item.quote
        assert any(item.quote in text for text in texts(item.fact))


def test_more_sources_make_it_surer_up_to_a_limit() -> None:
    facts = [news("t", url=f"https://{name}.example/1") for name in "abcdefghijklmnop"]
    assert corroborated(70, facts[:1]) == 70
    assert corroborated(70, facts[:3]) == 80
    assert corroborated(70, facts) == 98


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.dates().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=6,
)
FORMS = st.sampled_from(["SH01", "SH02", "AP01", "TM01", "PSC02", "PSC07", "MR01", "MR04", "AD01", "CERTNM", "NEWINC",
                         "AA", "AA01", "LIQ01", "DS01", "GAZ2", "RESOLUTIONS", "", "\x00"])  # fmt: skip


@st.composite
def facts(draw: Callable[[Any], Any]) -> Fact:
    """Of any kind, with any payload that its schema takes, or one that nobody has looked at."""
    kind = draw(st.sampled_from([*map(str, EventKind), "unheard_of"]))
    schema = SCHEMAS.get(kind, Payload)
    values = draw(st.dictionaries(st.sampled_from([*schema.model_fields, "open_count", "other"]), JSON, max_size=6))
    if kind == EventKind.FILING:
        values["type"] = draw(FORMS)
    payload: Payload
    try:
        payload = schema.model_validate(values)
    except ValidationError:
        payload = Payload.model_validate(values)
    number = draw(st.integers(0, 10**6))
    day = date.fromordinal(date(2026, 1, 1).toordinal() + draw(st.integers(0, 400)))
    return Fact(f"event:{number}", UUID(int=number), kind, day, True, "any", draw(st.text(max_size=20)), payload)


@settings(max_examples=150, deadline=None)
@given(st.lists(facts(), max_size=8, unique_by=lambda found: found.fingerprint))
def test_no_payload_makes_a_detector_raise(found: list[Fact]) -> None:
    detections = detect_all(History(ACME, tuple(found), RIVALS, address_companies=1))
    assert detections == detect_all(History(ACME, tuple(reversed(found)), RIVALS, address_companies=1))
    for detection in detections:
        assert detection.evidence
        assert 0 <= detection.weight <= 100
        assert 0 <= detection.confidence <= 98
        assert detection.days > 0


HOSTILE = ["£1," * 2_700, "a " * 4_000, "raises " * 1_200, "Acme " * 1_600, "Acme Robotics raises £" * 360, "(" * 8_000,
           "Acme, " * 1_400, "A" * 8_000, "Go, " * 2_000, "the board of the " * 500, "- " * 4_000, "x.\n" * 2_700,
           "Jane Smith " * 730, "we have " * 1_000, "Series A " * 900, "new office in " * 600, "9" * 8_000]  # fmt: skip


@pytest.mark.parametrize("text", [hostile[:8_000] for hostile in HOSTILE], ids=[text[:14] for text in HOSTILE])
def test_hostile_texts_take_no_long_time(text: str) -> None:
    found = [
        fact("news", title=text[:500], summary=text),
        fact("job_posted", title=text[:500], description=text),
        fact("web_changed", text_added=[text]),
    ]
    start = time.process_time()
    for parse in (amounts, stage_of, title_of, named_in, lambda text: list(uses_in(text))):
        parse(text)
    detect_all(history(*found, rivals=RIVALS))
    assert time.process_time() - start < 3


def test_time_grows_with_the_number_of_facts_and_not_faster() -> None:
    def seconds(count: int) -> float:
        many = [
            news(
                f"Acme Robotics raises £{number + 1}m",
                on=f"2026-05-{number % 28 + 1:02}",
                url=f"https://{number}.example/",
            )
            for number in range(count)
        ] + [filing("AP01", f"2026-05-{number % 28 + 1:02}", transaction_id=str(number)) for number in range(count)]
        start = time.process_time()
        detect_all(history(*many))
        return time.process_time() - start

    seconds(20)
    assert seconds(800) < 12 * max(seconds(200), 0.05)
