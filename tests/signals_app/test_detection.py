"""From events to signals: once, with their evidence, each organisation's own."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from businesses.models import Appointment, Officer, OrgEvent
from businesses.sources.pull import fingerprint_of
from oppspot.jobs.models import Event
from oppspot.organizations.models import Organization
from signals_app.detection import DetectionReport, detect_signals
from signals_app.detectors.base import Detection, Evidence, History
from signals_app.histories import load_histories
from signals_app.models import BusinessScore, BuyingSignal, Competitor, SignalType
from signals_app.services import change_status, expire_signals
from tests.factories import make_business
from tests.signals_app.factories import make_event

pytestmark = pytest.mark.django_db


def found(evidence: Sequence[Evidence], **fields: Any) -> Detection:
    values: dict[str, Any] = {
        "weight": 80,
        "confidence": 75,
        "days": 180,
        "data": {"n": len(evidence)},
        "version": "1",
    } | fields
    values.setdefault("signal_type", SignalType.FUNDING_ROUND)
    values.setdefault("rule", "share_allotment")
    values.setdefault("on", evidence[0].fact.on)
    return Detection(evidence=tuple(evidence), **values)


def one_for_all(history: History) -> list[Detection]:
    """All news of a company is one happening."""
    facts = history.of("news")
    return [found([Evidence(fact, "quoted") for fact in facts])] if facts else []


def run(org: Organization, ids: Sequence[Any], detect: Any = one_for_all, **options: Any) -> DetectionReport:
    return detect_signals(org=org, business_ids=ids, detect=detect, **options)


def test_a_signal_holds_its_evidence_and_is_announced(org_a: Organization) -> None:
    business = make_business()
    event = make_event(business, days_ago=10)
    assert event.occurred_on
    report = run(org_a, [business.pk], detected_by="scout:7")
    assert (report.businesses, report.facts, report.new, report.renewed) == (1, 1, 1, 0)
    signal = BuyingSignal.objects.for_org(org_a).get()
    assert signal.evidence == [
        {"fact": f"event:{event.pk}", "source": "news_feeds", "url": "https://news.example/1",
         "on": event.occurred_on.isoformat(), "quote": "quoted"}
    ]  # fmt: skip
    assert (signal.event_id, signal.source, signal.detected_by) == (event.pk, "news_feeds", "scout:7")
    assert (signal.signal_strength, signal.half_life_days, signal.occurred_on) == ("very_strong", 60, event.occurred_on)
    assert signal.expires_at.date() == event.occurred_on + timedelta(days=180)
    told = Event.all_orgs.get(name="signals/buying_signal.detected")
    assert (told.org_id, told.data["company_id"], told.data["signal_id"]) == (
        org_a.pk, str(business.pk), str(signal.pk),
    )  # fmt: skip
    assert BusinessScore.objects.for_org(org_a).get().score > 50


def test_a_second_pass_adds_and_writes_nothing(org_a: Organization) -> None:
    business = make_business()
    make_event(business)
    run(org_a, [business.pk])
    before = BuyingSignal.objects.for_org(org_a).values().get()
    report = run(org_a, [business.pk])
    assert (report.new, report.renewed) == (0, 0)
    assert BuyingSignal.objects.for_org(org_a).values().get() == before
    assert Event.all_orgs.filter(name="signals/buying_signal.detected").count() == 1


@pytest.mark.parametrize("days_ago", [1, 30])
def test_another_report_of_it_joins_the_signal(org_a: Organization, days_ago: int) -> None:
    """Also one of an earlier day, which becomes the main evidence."""
    business = make_business()
    make_event(business, days_ago=10)
    run(org_a, [business.pk])
    make_event(business, days_ago=days_ago, source="other")
    report = run(org_a, [business.pk])
    assert (report.new, report.renewed) == (0, 1)
    signal = BuyingSignal.objects.for_org(org_a).get()
    assert (len(signal.evidence), signal.signal_data) == (2, {"n": 2})
    assert run(org_a, [business.pk]).renewed == 0


def test_what_people_dealt_with_stays_as_it_is(org_a: Organization) -> None:
    business = make_business()
    make_event(business)
    run(org_a, [business.pk])
    signal = BuyingSignal.objects.for_org(org_a).get()
    change_status(org=org_a, signal_id=signal.pk, status="false_positive", by="alice")
    make_event(business, days_ago=2)
    report = run(org_a, [business.pk])
    assert (report.new, report.renewed) == (0, 0)
    signal.refresh_from_db()
    assert (signal.status, len(signal.evidence)) == ("false_positive", 1)


def test_what_a_person_closed_is_not_opened_again_by_the_next_pass(org_a: Organization) -> None:
    business = make_business()
    make_event(business)
    run(org_a, [business.pk])
    signal = BuyingSignal.objects.for_org(org_a).get()
    change_status(org=org_a, signal_id=signal.pk, status="expired", by="alice", outcome="They bought elsewhere")
    make_event(business, days_ago=2)
    assert run(org_a, [business.pk]).renewed == 0
    signal.refresh_from_db()
    assert (signal.status, signal.outcome) == ("expired", "They bought elsewhere")


def test_what_was_over_is_active_again_by_a_later_report_of_it(org_a: Organization) -> None:
    business = make_business()
    make_event(business, days_ago=300)
    run(org_a, [business.pk], day=timezone.now().date() - timedelta(days=290))
    assert expire_signals(org_a) == 1
    make_event(business, days_ago=5)

    def latest(history: History) -> list[Detection]:
        facts = history.of("news")
        return [found([Evidence(fact) for fact in facts], on=facts[-1].on)]

    assert run(org_a, [business.pk], latest).renewed == 1
    assert BuyingSignal.objects.for_org(org_a).get().status == "active"


def test_each_organisation_has_its_own_signals_and_its_own_events(org_a: Organization, org_b: Organization) -> None:
    business = make_business()
    make_event(business)
    OrgEvent.objects.for_org(org_a).create(
        org=org_a, business=business, kind="news", source="crm", payload={"title": "Secret"},
        fingerprint=fingerprint_of("news", "crm"), occurred_on=timezone.now().date(),
    )  # fmt: skip
    run(org_a, [business.pk])
    run(org_b, [business.pk])
    assert len(BuyingSignal.objects.for_org(org_a).get().evidence) == 2
    assert len(BuyingSignal.objects.for_org(org_b).get().evidence) == 1


def test_an_organisations_event_alone_is_enough(org_a: Organization) -> None:
    business = make_business()
    own = OrgEvent.objects.for_org(org_a).create(
        org=org_a, business=business, kind="news", source="crm", fingerprint=fingerprint_of("news", "crm")
    )
    run(org_a, [business.pk])
    signal = BuyingSignal.objects.for_org(org_a).get()
    assert (signal.org_event_id, signal.event_id) == (own.pk, None)


def test_what_is_long_over_or_too_unsure_or_not_asked_for_makes_no_signal(org_a: Organization) -> None:
    old = make_business()
    make_event(old, days_ago=200)
    assert run(org_a, [old.pk]).new == 0
    business = make_business()
    make_event(business, days_ago=1)
    assert run(org_a, [business.pk], min_confidence=90).new == 0
    assert run(org_a, [business.pk], signal_types=["expansion"]).new == 0
    assert run(org_a, [business.pk], signal_types=["funding_round"]).new == 1


def test_a_signal_for_review_is_not_announced(org_a: Organization) -> None:
    business = make_business()
    make_event(business)
    run(org_a, [business.pk], lambda history: [found([Evidence(history.facts[0])], needs_review=True)])
    assert BuyingSignal.objects.for_org(org_a).get().needs_review
    assert not Event.all_orgs.filter(name="signals/buying_signal.detected").exists()
    assert not BusinessScore.objects.for_org(org_a).exists()


def test_what_was_withdrawn_no_longer_counts(org_a: Organization) -> None:
    business = make_business()
    make_event(business, "filing", days_ago=20, payload={"type": "DS01"})

    def strike_off(history: History) -> list[Detection]:
        detections = []
        for fact in history.of("filing"):
            is_end = fact.payload.type == "DISS40"  # type: ignore[attr-defined]
            detections.append(
                found([Evidence(fact)], rule="withdrawn" if is_end else "strike_off", is_negative=not is_end,
                      weight=0 if is_end else 80, clears=("strike_off",) if is_end else (),
                      signal_type=SignalType.COMPANIES_HOUSE_FILING)
            )  # fmt: skip
        return detections

    assert run(org_a, [business.pk], strike_off).new == 1
    make_event(business, "filing", days_ago=5, payload={"type": "DISS40"})
    assert run(org_a, [business.pk], strike_off).cleared == 1
    signal = BuyingSignal.objects.for_org(org_a).get()
    assert (signal.status, signal.outcome) == ("expired", "withdrawn")
    report = run(org_a, [business.pk], strike_off)
    assert (report.new, report.renewed, report.cleared) == (0, 0, 0)


def test_events_that_cannot_be_read_are_told_and_the_others_count(org_a: Organization) -> None:
    business = make_business()
    bad = make_event(business, payload={"title": ["not", "a", "text"]})
    make_event(business)
    report = run(org_a, [business.pk])
    assert report.new == 1
    assert report.unreadable == [(f"event:{bad.pk}", report.unreadable[0][1])]
    assert "payload.title" in report.unreadable[0][1]


def test_histories_tell_what_detectors_need(org_a: Organization) -> None:
    business = make_business("Boring Ltd", postcode="LS1 4AP", address_line1="1 PARK ROW", sic_codes=["62012"])
    for _ in range(2):
        make_business(postcode="LS1 4AP", address_line1="1 PARK ROW")
    make_business(postcode="LS1 4AP", address_line1="2 PARK ROW")
    make_event(business, "address_changed", payload={"before": {"town": "YORK"}, "after": {"town": "LEEDS"}})
    make_event(business, "officer_appointed", days_ago=3, payload={"name": "SMITH, Ann", "officer_id": "o1"})
    officer = Officer.objects.create(external_id="o1", name="SMITH, Ann", name_normalised="smith ann")
    for number, (where, status, resigned) in enumerate(
        [(business, "", None), (None, "active", None), (None, "dissolved", None), (None, "active", timezone.now())]
    ):
        Appointment.objects.create(
            external_id=f"a{number}", officer=officer, business=where or make_business(status=status), role="director",
            resigned_on=resigned, source="x",
        )  # fmt: skip
    Competitor.objects.for_org(org_a).create(org=org_a, name="Rival", aliases=["Rival Software"])
    (history,) = load_histories(org_a, [business.pk], day=timezone.now().date()).histories
    assert [fact.kind for fact in history.facts] == ["officer_appointed", "address_changed"]
    assert history.address_companies == 3
    assert history.directorships == {"o1": 1}
    assert history.rivals[0].names == ("Rival", "Rival Software")
    assert (history.company.name, history.company.sic_codes) == ("Boring Ltd", ("62012",))


def test_the_number_of_queries_does_not_grow_with_companies(org_a: Organization) -> None:
    """Neither for what is new, nor for what is renewed, nor when there is nothing to write."""
    businesses = [make_business() for _ in range(41)]

    def happens_to(some: Sequence[Any]) -> None:
        for business in some:
            make_event(business)
            make_event(business, "officer_appointed", payload={"officer_id": "o"})
            make_event(business, "address_changed", payload={"after": {"town": "LEEDS"}})

    def statements_for(some: Sequence[Any]) -> tuple[int, int]:
        with CaptureQueriesContext(connection) as queries:
            report = run(org_a, [business.pk for business in some])
        return len(queries), report.new + report.renewed

    happens_to(businesses)
    one, rest = businesses[:1], businesses[1:]
    (for_one, _), (for_many, made) = statements_for(one), statements_for(rest)
    assert (for_many, made) == (for_one, 40)
    happens_to(businesses)
    (for_one, _), (for_many, made) = statements_for(one), statements_for(rest)
    assert (for_many, made) == (for_one, 40)
    assert statements_for(one) == statements_for(rest)


def test_a_signal_that_turns_out_to_mean_something_else_changes_and_is_told(org_a: Organization) -> None:
    """An allotment that waits for a review becomes a round when a resolution shows what it was for."""
    business = make_business()
    make_event(business, "filing", days_ago=10, payload={"type": "SH01"})

    def allotment(history: History) -> list[Detection]:
        facts = history.of("filing")
        is_round = len(facts) > 1
        rule = "equity_round" if is_round else "share_allotment"
        return [found([Evidence(fact) for fact in facts], rule=rule, needs_review=not is_round)]

    assert run(org_a, [business.pk], allotment).new == 1
    make_event(business, "filing", days_ago=5, payload={"type": "RESOLUTIONS"})
    report = run(org_a, [business.pk], allotment)
    assert (report.new, report.renewed) == (0, 1)
    signal = BuyingSignal.objects.for_org(org_a).get()
    assert (signal.rule, signal.needs_review, len(signal.evidence)) == ("equity_round", False, 2)
    assert Event.all_orgs.filter(name="signals/buying_signal.detected").count() == 1
    again = run(org_a, [business.pk], allotment)
    assert (again.new, again.renewed) == (0, 0)


def test_one_report_may_mean_two_things_and_both_stay(org_a: Organization) -> None:
    business = make_business()
    make_event(business)

    def both(history: History) -> list[Detection]:
        evidence = [Evidence(fact) for fact in history.facts]
        return [found(evidence), found(evidence, signal_type=SignalType.EXPANSION, rule="new_office")]

    assert run(org_a, [business.pk], both).new == 2
    assert run(org_a, [business.pk], both, min_confidence=80).renewed == 0
    make_event(business, days_ago=2)
    assert (run(org_a, [business.pk], both).new, BuyingSignal.objects.for_org(org_a).count()) == (0, 2)
