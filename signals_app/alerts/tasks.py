"""Functions of alerts."""

from typing import Any

from django.utils import timezone

from oppspot.jobs.context import Context
from oppspot.jobs.models import Priority
from oppspot.jobs.registry import function
from signals_app.alerts.delivering import try_delivery, wake_forgotten
from signals_app.alerts.events import AlertChannelDisabled, AlertDeliver, AlertDigestSend, AlertDigestsStart
from signals_app.alerts.models import Delivery
from signals_app.alerts.raising import raise_alerts, send_digest, start_due_digests
from signals_app.alerts.retention import delete_old_alerts
from signals_app.alerts.services import tell_admins_of_disabled_channel
from signals_app.events import BuyingSignalDetected, LogsTidy


@function(on=BuyingSignalDetected, retries=10, timeout=60)
def alert(ctx: Context, data: BuyingSignalDetected) -> dict[str, int]:
    if ctx.org is None:
        return {"alerts": 0}  # signals are an organisation's
    alerts = raise_alerts(
        org=ctx.org, business_id=data.company_id, signal_type=data.signal_type, signal_id=data.signal_id
    )
    return {"alerts": len(alerts)}


@function(on=AlertDeliver, retries=3, timeout=60, concurrency=("channel_id", 1), priority=Priority.HIGH)
def deliver(ctx: Context, data: AlertDeliver) -> dict[str, str]:
    """A failure of the other side is a result, not one of the run: the delivery has its own schedule.

    One at a time for a channel, so that a server that hangs holds up a single worker.
    """
    delivery = Delivery.objects.for_org(ctx.org).select_related("channel").filter(pk=data.delivery_id).first()
    if delivery is None or ctx.org is None:
        return {"state": "deleted"}
    return {"state": try_delivery(org=ctx.org, delivery=delivery)}


@function(on=AlertDigestsStart, retries=0, timeout=60)
def start_digests(ctx: Context, data: AlertDigestsStart) -> dict[str, int]:
    now = timezone.now()
    return {"digests": start_due_digests(now), "forgotten": wake_forgotten(now)}


@function(on=AlertDigestSend, retries=10, timeout=120)
def digest(ctx: Context, data: AlertDigestSend) -> dict[str, int]:
    if ctx.org is None:
        return {"alerts": 0}
    return {"alerts": send_digest(org=ctx.org, rule_id=data.rule_id, slot=data.slot)}


@function(on=AlertChannelDisabled, retries=5, timeout=120)
def tell_admins(ctx: Context, data: AlertChannelDisabled) -> dict[str, Any]:
    if ctx.org is None:
        return {"told": 0}
    return {"told": tell_admins_of_disabled_channel(org=ctx.org, event=data, once=ctx.step)}


@function(on=LogsTidy)
def tidy(ctx: Context, data: LogsTidy) -> dict[str, int]:
    return delete_old_alerts()
