"""What is long over is deleted; what waits or is still tried stays."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from oppspot.jobs.execution import drain
from oppspot.jobs.heartbeat import Heart
from oppspot.jobs.services import emit
from oppspot.organizations.models import Organization
from signals_app.alerts.models import Alert, Attempt, Carried, Delivery, State
from signals_app.alerts.retention import KEPT, delete_old_alerts
from signals_app.events import LogsTidy
from signals_app.models import BuyingSignal, DetectionPass
from signals_app.watching import delete_old_passes
from tests.signals_app.alert_factories import make_alert, make_channel, make_delivery, make_rule

pytestmark = pytest.mark.django_db


def days_ago(days: int) -> Any:
    return timezone.now() - timedelta(days=days)


def sent(org: Organization, *, days: int, tried: int | None = None, **fields: Any) -> tuple[Alert, Delivery]:
    """An alert of some days ago, in a delivery that was tried on the day, or `tried` days ago."""
    alert = make_alert(make_rule(org), created_at=days_ago(days))
    delivery = make_delivery(make_channel(org), created_at=days_ago(days), **fields)
    Carried.objects.for_org(org).create(org=org, delivery=delivery, alert=alert)
    Attempt.objects.for_org(org).create(
        org=org, delivery=delivery, number=1, started_at=days_ago(days if tried is None else tried)
    )
    return alert, delivery


def test_what_ended_long_ago_goes_with_its_tries(org_a: Organization, org_b: Organization) -> None:
    for org in (org_a, org_b):
        for state in (State.FAILED, State.ABANDONED, State.DELIVERED):
            sent(org, days=91, state=state)
        untold_by_any_channel = make_alert(make_rule(org), created_at=days_ago(91))
        assert untold_by_any_channel.told_at
    kept = sent(org_a, days=89)
    assert delete_old_alerts(batch_size=2) == {"deliveries": 6, "alerts": 8}
    assert (Alert.all_orgs.get(), Delivery.all_orgs.get()) == kept
    assert (Attempt.all_orgs.count(), Carried.all_orgs.count()) == (1, 1)
    assert BuyingSignal.all_orgs.count() == 9, "signals stay"
    assert delete_old_alerts() == {"deliveries": 0, "alerts": 0}


def test_what_waits_or_is_tried_stays_however_old(org_a: Organization) -> None:
    tried = sent(org_a, days=200, state=State.PENDING, next_try_at=timezone.now(), delivered_at=None)
    again = sent(org_a, days=200, tried=3)
    waiting = make_alert(make_rule(org_a), created_at=days_ago(200), told_at=None)
    assert delete_old_alerts() == {"deliveries": 0, "alerts": 0}
    assert {alert.pk for alert in Alert.all_orgs.all()} == {tried[0].pk, again[0].pk, waiting.pk}
    assert {delivery.pk for delivery in Delivery.all_orgs.all()} == {tried[1].pk, again[1].pk}


def test_the_last_pass_of_each_organisation_stays(org_a: Organization, org_b: Organization) -> None:
    def passed(org: Organization, days: int, *, ended: bool = True) -> DetectionPass:
        at = days_ago(days)
        made: DetectionPass = DetectionPass.objects.for_org(org).create(
            org=org, started_at=at, finished_at=at if ended else None
        )
        return made

    passed(org_a, 300)
    passed(org_a, 200, ended=False)
    kept = [passed(org_a, 100), passed(org_a, 95, ended=False), passed(org_b, 400)]
    assert delete_old_passes() == 2
    assert set(DetectionPass.all_orgs.all()) == set(kept)


def test_the_night_deletes_both(org_a: Organization) -> None:
    sent(org_a, days=KEPT.days + 1)
    for _ in range(2):
        DetectionPass.objects.for_org(org_a).create(
            org=org_a, started_at=days_ago(KEPT.days + 1), finished_at=timezone.now()
        )
    emit(LogsTidy, LogsTidy())
    drain(Heart("default"))
    assert not Delivery.all_orgs.exists()
    assert DetectionPass.all_orgs.count() == 1
