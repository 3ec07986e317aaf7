"""From signals to alerts: which rules, at most once a day, in one digest, and never for another organisation."""

import json
import uuid
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from businesses.models import Business, Watchlist, WatchlistEntry
from oppspot.jobs.execution import drain
from oppspot.jobs.heartbeat import Heart
from oppspot.jobs.models import Event, Run
from oppspot.jobs.services import emit
from oppspot.organizations.models import Organization
from signals_app.alerts.events import AlertDigestsStart
from signals_app.alerts.models import Alert, AlertRule, Carried, Channel, Delivery, Frequency
from signals_app.alerts.raising import raise_alerts, send_digest, start_due_digests
from signals_app.alerts.services import save_rule
from signals_app.events import BuyingSignalDetected
from signals_app.models import BusinessScore, BuyingSignal, SignalType, Strength
from tests.factories import make_business
from tests.signals_app.alert_factories import make_channel, make_rule, make_signal
from tests.signals_app.threads import at_once

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def alerts_of(org: Organization) -> list[Alert]:
    return list(Alert.objects.for_org(org).order_by("id"))


def deliveries_of(org: Organization) -> list[Delivery]:
    return list(Delivery.objects.for_org(org).order_by("id"))


def alert_on(signal: BuyingSignal) -> list[Alert]:
    return raise_alerts(
        org=signal.org, business_id=signal.business_id, signal_type=signal.signal_type, signal_id=signal.pk
    )


def detected(signal: BuyingSignal, **changes: Any) -> BuyingSignalDetected:
    data = {"company_id": signal.business_id, "signal_type": signal.signal_type, "signal_id": signal.pk}
    return BuyingSignalDetected(signal_data={}, **(data | changes))


# Which rules


@pytest.mark.parametrize(
    ("rule", "signal", "expected"),
    [
        ({}, {}, 1),
        ({"signal_types": ["funding_round", "expansion"]}, {}, 1),
        ({"signal_types": ["expansion"]}, {}, 0),
        ({"min_strength": Strength.STRONG}, {}, 1),
        ({"min_strength": Strength.STRONG}, {"signal_strength": Strength.VERY_STRONG}, 1),
        ({"min_strength": Strength.STRONG}, {"signal_strength": Strength.MODERATE}, 0),
        ({"min_strength": Strength.VERY_STRONG}, {}, 0),
        ({"min_confidence": 80}, {}, 1),
        ({"min_confidence": 81}, {}, 0),
        ({"is_active": False}, {}, 0),
        ({}, {"is_negative": True}, 0),
        ({"include_negative": True}, {"is_negative": True}, 1),
        ({"include_negative": True}, {}, 1),
        ({}, {"needs_review": True}, 0),
        ({}, {"status": "expired"}, 0),
        ({}, {"status": "false_positive", "handled_at": timezone.now()}, 0),
    ],
)
def test_conditions(org_a: Organization, rule: dict[str, Any], signal: dict[str, Any], expected: int) -> None:
    make_rule(org_a, **rule)
    assert len(alert_on(make_signal(org_a, **signal))) == expected


@pytest.mark.parametrize(("score", "expected"), [(None, 0), (39.9, 0), (40.0, 1)])
def test_the_score_of_the_company(org_a: Organization, org_b: Organization, score: float | None, expected: int) -> None:
    signal = make_signal(org_a)
    make_rule(org_a, min_score=40)
    terms = {"business": signal.business, "signals": 1, "latest_on": NOON.date(), "as_of": NOON.date()}
    BusinessScore.objects.for_org(org_b).create(org=org_b, score=100, **terms)
    if score is not None:
        BusinessScore.objects.for_org(org_a).create(org=org_a, score=score, **terms)
    assert len(alert_on(signal)) == expected


def test_a_watchlist(org_a: Organization) -> None:
    watchlist = Watchlist.objects.for_org(org_a).create(org=org_a, name="Brewers")
    rule = make_rule(org_a, watchlist=watchlist)
    signal = make_signal(org_a)
    assert alert_on(signal) == []
    WatchlistEntry.objects.for_org(org_a).create(org=org_a, watchlist=watchlist, business=signal.business)
    assert [alert.rule for alert in alert_on(signal)] == [rule]


# The event


def test_an_event_leads_to_an_alert_and_its_deliveries(org_a: Organization) -> None:
    channels = [make_channel(org_a), make_channel(org_a, kind="email", address="team@alpha.example")]
    rule = make_rule(org_a, *channels)
    signal = make_signal(org_a)
    emit(BuyingSignalDetected, detected(signal), org=org_a)
    waiting = Run.objects.for_org(org_a).filter(function="signals_app.alerts.alert", status="queued")
    assert waiting.exists()
    while waiting.exists():  # others listen to the event, too, in any order
        assert drain(Heart("default"), limit=1) == 1
    [alert] = alerts_of(org_a)
    assert (alert.rule, alert.signal, alert.business) == (rule, signal, signal.business)
    assert alert.told_at is not None
    deliveries = deliveries_of(org_a)
    assert {delivery.channel for delivery in deliveries} == set(channels)
    carried = Carried.objects.for_org(org_a).values_list("delivery_id", "alert_id")
    assert set(carried) == {(delivery.pk, alert.pk) for delivery in deliveries}
    assert Run.objects.for_org(org_a).filter(function="signals_app.alerts.deliver").count() == 2


@pytest.mark.parametrize("named", [True, False])
def test_an_event_without_the_signal_means_the_newest_of_its_type(org_a: Organization, named: bool) -> None:
    company = make_business()
    old, new = make_signal(org_a, company), make_signal(org_a, company)
    make_signal(org_a, company, signal_type=SignalType.EXPANSION)
    make_signal(org_a)
    make_rule(org_a)
    emit(BuyingSignalDetected, detected(old, **({} if named else {"signal_id": None})), org=org_a)
    drain(Heart("default"))
    assert [alert.signal for alert in alerts_of(org_a)] == [old if named else new]


def test_the_newest_signal_is_not_passed_over_for_an_older_one(org_a: Organization) -> None:
    company = make_business()
    make_rule(org_a)
    make_signal(org_a, company)
    newest = make_signal(org_a, company, needs_review=True)
    assert raise_alerts(org=org_a, business_id=company.pk, signal_type=newest.signal_type) == []


def test_an_event_of_the_system_or_without_a_signal_raises_nothing(org_a: Organization) -> None:
    make_rule(org_a)
    signal = make_signal(org_a)
    emit(BuyingSignalDetected, detected(signal))
    emit(BuyingSignalDetected, detected(signal, signal_id=uuid.uuid4()), org=org_a)
    assert drain(Heart("default"))
    assert Run.all_orgs.filter(function="signals_app.alerts.alert").count() == 2
    assert alerts_of(org_a) == []
    assert set(Run.all_orgs.values_list("status", flat=True)) == {"completed"}


def test_few_queries_however_many_rules(org_a: Organization, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for _ in range(12):
        make_rule(org_a, make_channel(org_a), frequency=Frequency.HOURLY)
    signal = make_signal(org_a)
    # signal, score, rules, their channels, savepoint, insert, which are new, release
    with django_assert_num_queries(8):
        assert len(alert_on(signal)) == 12


# At most once


def test_once_a_rule_company_and_day(org_a: Organization) -> None:
    make_rule(org_a, make_channel(org_a), time_zone="America/New_York")
    company = make_business()
    with time_machine.travel(NOON, tick=False) as clock:
        assert len(alert_on(make_signal(org_a, company))) == 1
        assert alert_on(make_signal(org_a, company, signal_type=SignalType.EXPANSION)) == []
        assert len(alert_on(make_signal(org_a))) == 1, "another company"
        clock.move_to(NOON.replace(hour=23))
        assert alert_on(make_signal(org_a, company)) == [], "still the same day in New York"
        clock.move_to(NOON + timedelta(hours=17))
        assert [str(alert.day) for alert in alert_on(make_signal(org_a, company))] == ["2026-06-02"]
    assert len(deliveries_of(org_a)) == 3


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_raise_one_alert(org_a: Organization) -> None:
    for _ in range(3):
        make_rule(org_a, make_channel(org_a))
    company = make_business()
    signals = [make_signal(org_a, company) for _ in range(8)]
    waiting = iter(signals)
    raised = at_once(*[lambda: len(alert_on(next(waiting)))] * 8)
    assert sum(raised) == 3
    assert len(alerts_of(org_a)) == len(deliveries_of(org_a)) == 3


def test_the_database_itself_refuses_a_second(org_a: Organization) -> None:
    make_rule(org_a)
    signal = make_signal(org_a)
    [alert] = alert_on(signal)
    alert.pk = uuid.uuid4()
    stored = Alert.objects.for_org(org_a)
    stored.bulk_create([alert], ignore_conflicts=True)
    assert stored.count() == 1


# Quiet hours


def test_what_comes_in_quiet_hours_is_sent_at_their_end(org_a: Organization) -> None:
    make_rule(org_a, make_channel(org_a), quiet_from=time(22), quiet_until=time(7))
    with time_machine.travel(datetime(2026, 10, 24, 23, tzinfo=UTC), tick=False):  # the clock goes back in the night
        alert_on(make_signal(org_a))
    [delivery] = deliveries_of(org_a)
    assert delivery.next_try_at == datetime(2026, 10, 25, 7, tzinfo=UTC)
    run = Run.objects.for_org(org_a).get(function="signals_app.alerts.deliver")
    assert run.run_after == delivery.next_try_at


# Digests


def digest_rule(org: Organization, *channels: Channel, at: datetime = NOON, **terms: Any) -> AlertRule:
    with time_machine.travel(at, tick=False):
        return make_rule(org, *channels, **({"frequency": Frequency.HOURLY} | terms))


def test_a_digest_tells_all_that_waits_in_one_message(org_a: Organization) -> None:
    rule = digest_rule(org_a, make_channel(org_a))
    assert rule.next_digest_at == NOON + timedelta(hours=1)
    with time_machine.travel(NOON, tick=False) as clock:
        for name, weight in (("Second Ltd", 60), ("First Ltd", 75), ("Third Ltd", 55)):
            alert_on(make_signal(org_a, make_business(name), weight=weight))
        assert deliveries_of(org_a) == []
        clock.move_to(rule.next_digest_at)
        assert start_due_digests(timezone.now()) == 1
        assert drain(Heart("default"), limit=1) == 1
    [delivery] = deliveries_of(org_a)
    assert (delivery.purpose, delivery.alerts_count) == ("digest", 3)
    names = [one["business"]["name"] for one in json.loads(delivery.body)["data"]["alerts"]]
    assert names == ["First Ltd", "Second Ltd", "Third Ltd"], "the strongest first"
    rule.refresh_from_db()
    assert rule.next_digest_at == NOON + timedelta(hours=2)
    assert all(alert.told_at for alert in alerts_of(org_a))


def test_an_empty_digest_is_not_sent(org_a: Organization) -> None:
    rule = digest_rule(org_a, make_channel(org_a))
    slot = rule.next_digest_at
    assert slot is not None
    assert send_digest(org=org_a, rule_id=rule.pk, slot=slot, now=slot) == 0
    assert deliveries_of(org_a) == []


def test_after_a_downtime_there_is_one_digest(org_a: Organization) -> None:
    rule = digest_rule(org_a, make_channel(org_a), frequency=Frequency.DAILY, digest_at=time(8, 30))
    with time_machine.travel(NOON, tick=False) as clock:
        alert_on(make_signal(org_a))
        clock.shift(timedelta(days=3))
        start_due_digests(timezone.now())
        start_due_digests(timezone.now())
        assert drain(Heart("default"), limit=2) >= 1
        start_due_digests(timezone.now())
        rule.refresh_from_db()
        assert rule.next_digest_at == datetime(2026, 6, 5, 7, 30, tzinfo=UTC)
    assert len(deliveries_of(org_a)) == 1
    assert Event.all_orgs.filter(name="signals/alert_digest.send").count() == 1


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_send_one_digest(org_a: Organization) -> None:
    rule = digest_rule(org_a, make_channel(org_a))
    slot = rule.next_digest_at
    assert slot is not None
    alert_on(make_signal(org_a))
    told = at_once(*[lambda: send_digest(org=org_a, rule_id=rule.pk, slot=slot)] * 6)
    assert sorted(told) == [0, 0, 0, 0, 0, 1]
    assert len(deliveries_of(org_a)) == 1


def test_an_event_of_a_slot_that_is_over_sends_nothing(org_a: Organization) -> None:
    rule = digest_rule(org_a, make_channel(org_a))
    slot = rule.next_digest_at
    assert slot is not None
    send_digest(org=org_a, rule_id=rule.pk, slot=slot, now=slot)
    alert_on(make_signal(org_a))
    assert send_digest(org=org_a, rule_id=rule.pk, slot=slot, now=slot + timedelta(minutes=1)) == 0
    assert deliveries_of(org_a) == [], "it waits for the next"


def test_the_clock_starts_digests(org_a: Organization) -> None:
    rule = digest_rule(org_a, make_channel(org_a))
    alert_on(make_signal(org_a))
    AlertRule.objects.for_org(org_a).filter(pk=rule.pk).update(next_digest_at=timezone.now())
    emit(AlertDigestsStart, AlertDigestsStart())
    assert drain(Heart("default"), limit=2) == 2
    assert [delivery.purpose for delivery in deliveries_of(org_a)] == ["digest"]


def test_a_rule_that_gives_up_digests_tells_what_waited(org_a: Organization) -> None:
    rule = digest_rule(org_a, make_channel(org_a))
    alert_on(make_signal(org_a))
    rule.frequency = Frequency.IMMEDIATE
    save_rule(rule=rule)
    assert rule.next_digest_at is None
    assert start_due_digests(timezone.now()) == 1
    drain(Heart("default"), limit=1)
    assert len(deliveries_of(org_a)) == 1
    assert start_due_digests(timezone.now()) == 0


def test_a_paused_rule_keeps_what_waits(org_a: Organization) -> None:
    rule = digest_rule(org_a, make_channel(org_a))
    alert_on(make_signal(org_a))
    rule.is_active = False
    save_rule(rule=rule)
    assert start_due_digests(timezone.now() + timedelta(days=9)) == 0
    rule.is_active = True
    save_rule(rule=rule)
    assert rule.next_digest_at is not None
    assert send_digest(org=org_a, rule_id=rule.pk, slot=rule.next_digest_at) == 1


# Organisations apart


def test_two_organisations_and_one_happening(org_a: Organization, org_b: Organization) -> None:
    company: Business = make_business("Acme Ltd")
    orgs = (org_a, org_b)
    channels = {org: make_channel(org, address=f"https://{org.slug}.example/hook") for org in orgs}
    rules = {org: make_rule(org, channels[org]) for org in orgs}
    signals = {org: make_signal(org, company) for org in orgs}
    emit(BuyingSignalDetected, detected(signals[org_a]), org=org_a)
    drain(Heart("default"), limit=1)
    assert alerts_of(org_b) == []
    assert deliveries_of(org_b) == []
    emit(BuyingSignalDetected, detected(signals[org_b]), org=org_b)
    while Run.all_orgs.filter(function="signals_app.alerts.alert", status="queued").exists():
        drain(Heart("default"), limit=1)
    for org in orgs:
        [alert] = alerts_of(org)
        assert (alert.rule, alert.signal) == (rules[org], signals[org])
        assert [delivery.channel for delivery in deliveries_of(org)] == [channels[org]]


def test_an_event_cannot_name_a_foreign_signal(org_a: Organization, org_b: Organization) -> None:
    make_rule(org_b, make_channel(org_b))
    signal = make_signal(org_a)
    found = raise_alerts(org=org_b, business_id=signal.business_id, signal_type=signal.signal_type, signal_id=signal.pk)
    assert found == []
    without = raise_alerts(org=org_b, business_id=signal.business_id, signal_type=signal.signal_type)
    assert without == []


def test_a_foreign_digest_is_not_sent(org_a: Organization, org_b: Organization) -> None:
    rule = digest_rule(org_a, make_channel(org_a))
    alert_on(make_signal(org_a))
    assert rule.next_digest_at is not None
    assert send_digest(org=org_b, rule_id=rule.pk, slot=rule.next_digest_at) == 0
    assert [alert.told_at for alert in alerts_of(org_a)] == [None]
