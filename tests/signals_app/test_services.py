"""What people and the clock do to signals."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from oppspot.core.errors import InvalidInput
from oppspot.jobs.models import Event
from oppspot.organizations.models import Organization
from signals_app.models import BusinessScore, BuyingSignal, SignalStatus, SourceReliability
from signals_app.scoring import explain, refresh_scores
from signals_app.services import (
    ALLOWED,
    WrongStatus,
    change_status,
    change_statuses,
    confirm,
    expire_signals,
    record_signal,
)
from tests.factories import make_business
from tests.signals_app.factories import make_signal

pytestmark = pytest.mark.django_db
DETECTED = "signals/buying_signal.detected"


def score(org: Organization, signal: BuyingSignal) -> float | None:
    row = BusinessScore.objects.for_org(org).filter(business=signal.business_id).first()
    return row and row.score


def test_acting_upon_a_signal_is_noted_and_speaks_for_its_source(org_a: Organization) -> None:
    signal = make_signal(org_a)
    refresh_scores(org_a)
    changed = change_status(org=org_a, signal_id=signal.pk, status="acted_upon", by="alice", outcome="Meeting booked")
    assert (changed.status, changed.outcome, changed.handled_by) == ("acted_upon", "Meeting booked", "alice")
    assert changed.handled_at is not None
    assert score(org_a, signal) is None
    trust = SourceReliability.objects.for_org(org_a).get()
    assert (trust.source, trust.confirmed, trust.refuted) == ("companies_house_api", 1, 0)


def test_a_false_signal_lowers_what_its_source_is_worth_to_this_organisation_alone(
    org_a: Organization, org_b: Organization
) -> None:
    false, other, elsewhere = make_signal(org_a), make_signal(org_a), make_signal(org_b)
    unrelated = make_signal(org_a, source="news_feeds")
    refresh_scores(org_a)
    refresh_scores(org_b)
    change_status(org=org_a, signal_id=false.pk, status="false_positive", by="alice")
    assert score(org_a, other) == pytest.approx(60 * 5 / 6)
    assert explain(org_a, other.business_id).score == pytest.approx(50)
    assert score(org_a, unrelated) == pytest.approx(60)
    assert score(org_b, elsewhere) == pytest.approx(60)
    change_status(org=org_a, signal_id=false.pk, status="active", by="alice")
    assert score(org_a, other) == pytest.approx(60)


def test_a_source_with_a_long_name_is_judged_like_any(org_a: Organization) -> None:
    """An organisation's own systems are named by it."""
    false, other = (make_signal(org_a, source="our CRM, " * 20) for _ in range(2))
    change_status(org=org_a, signal_id=false.pk, status="false_positive", by="alice")
    assert score(org_a, other) == pytest.approx(60 * 5 / 6)
    assert explain(org_a, other.business_id).score == pytest.approx(50)


def test_many_are_changed_together_and_what_cannot_be_is_told(org_a: Organization, org_b: Organization) -> None:
    signals = [make_signal(org_a) for _ in range(5)]
    used, other = make_signal(org_a, status="false_positive", handled_at=timezone.now()), make_signal(org_a)
    theirs = make_signal(org_b)
    refresh_scores(org_a)
    ids = [one.pk for one in (*signals, used, theirs)]
    changed, refused = change_statuses(org=org_a, signal_ids=ids, status="acted_upon", by="olga")
    assert {one.pk for one in changed} == {one.pk for one in signals}
    assert [error.message for error in refused] == [
        "A signal that is false_positive cannot become acted_upon; it can become active."
    ]
    assert BusinessScore.objects.for_org(org_a).get().business_id == other.business_id
    assert SourceReliability.objects.for_org(org_a).get().confirmed == 5
    theirs.refresh_from_db()
    assert theirs.status == "active"


@pytest.mark.parametrize("before", SignalStatus.values)
@pytest.mark.parametrize("after", SignalStatus.values)
def test_only_allowed_steps_are_taken(org_a: Organization, before: str, after: str) -> None:
    signal = make_signal(org_a, status=before, handled_at=timezone.now())
    if after == before or after in ALLOWED[SignalStatus(before)]:
        assert change_status(org=org_a, signal_id=signal.pk, status=after, by="alice").status == after
    else:
        with pytest.raises(WrongStatus, match=f"{before} cannot become {after}"):
            change_status(org=org_a, signal_id=signal.pk, status=after, by="alice")


def test_what_is_taken_back_too_late_is_over(org_a: Organization) -> None:
    signal = make_signal(org_a, status="false_positive", handled_at=timezone.now(), days_ago=400)
    assert change_status(org=org_a, signal_id=signal.pk, status="active", by="alice").status == "expired"


def test_another_organisations_signal_is_not_there(org_a: Organization, org_b: Organization) -> None:
    signal = make_signal(org_b)
    with pytest.raises(BuyingSignal.DoesNotExist):
        change_status(org=org_a, signal_id=signal.pk, status="acted_upon", by="alice")
    with pytest.raises(BuyingSignal.DoesNotExist):
        confirm(org=org_a, signal_id=signal.pk, by="alice")


def test_a_confirmed_signal_counts_and_is_announced(org_a: Organization) -> None:
    signal = make_signal(org_a, needs_review=True)
    refresh_scores(org_a)
    assert score(org_a, signal) is None
    confirm(org=org_a, signal_id=signal.pk, by="alice")
    assert score(org_a, signal) == pytest.approx(60)
    assert Event.all_orgs.get(name=DETECTED).data["signal_id"] == str(signal.pk)
    with pytest.raises(WrongStatus):
        confirm(org=org_a, signal_id=signal.pk, by="alice")


def told(org: Organization, **changes: Any) -> tuple[BuyingSignal, bool]:
    values: dict[str, Any] = {
        "signal_type": "expansion", "strength": "strong", "confidence": 90, "told_by": "ospt_x", "quote": "New plant",
    }  # fmt: skip
    return record_signal(org=org, **(values | changes))


def test_an_organisation_tells_of_its_own_signal_once(org_a: Organization, org_b: Organization) -> None:
    business = make_business()
    signal, is_new = told(org_a, business_id=business.pk)
    assert is_new
    assert (signal.weight, signal.rule, signal.detected_by) == (65, "told", "ospt_x")
    assert score(org_a, signal) == pytest.approx(58.5)
    again, is_new = told(org_a, business_id=business.pk)
    assert (again.pk, is_new) == (signal.pk, False)
    other, is_new = told(org_a, business_id=business.pk, dedupe_key="crm-7")
    assert is_new
    assert told(org_a, business_id=business.pk, dedupe_key="crm-7", quote="Other words")[0].pk == other.pk
    assert told(org_b, business_id=business.pk)[1]
    assert Event.all_orgs.filter(name=DETECTED).count() == 3


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"occurred_on": timezone.now().date() + timedelta(days=1)}, "occurred_on"),
        ({"occurred_on": timezone.now().date() - timedelta(days=91)}, "occurred_on"),
        ({"business_id": uuid4()}, "business"),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(org_a: Organization, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        told(org_a, **({"business_id": make_business().pk} | changes))
    assert list(caught.value.fields) == [field]
    assert not BuyingSignal.objects.for_org(org_a).exists()


def test_signals_expire_with_their_scores(org_a: Organization, org_b: Organization) -> None:
    over, lasting = make_signal(org_a, days_ago=181), make_signal(org_a)
    elsewhere = make_signal(org_b, days_ago=181)
    BusinessScore.objects.for_org(org_a).create(
        org=org_a, business=over.business, score=5, signals=1, latest_on=over.occurred_on, as_of=over.occurred_on
    )
    assert expire_signals(org_a) == 1
    assert expire_signals(org_a) == 0
    over.refresh_from_db()
    lasting.refresh_from_db()
    elsewhere.refresh_from_db()
    assert (over.status, lasting.status, elsewhere.status) == ("expired", "active", "active")
    assert score(org_a, over) is None
