"""Deliveries: made with what they carry, tried until they get through or it is no use, every try written down.

The row says whether a try is due. Events only wake a worker: one that comes twice finds nothing to do.
"""

import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from oppspot.jobs.services import emit
from oppspot.organizations.models import Organization
from signals_app.alerts.events import AlertChannelDisabled, AlertDeliver
from signals_app.alerts.messages import Message, body_for
from signals_app.alerts.models import Alert, AlertRule, Attempt, Carried, Channel, Delivery, Purpose, Result, State
from signals_app.alerts.times import sending_time
from signals_app.alerts.transports import Sent, send

# Seconds between tries, as the Standard Webhooks specification suggests; about 28 hours together.
RETRIES_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 36_000)
SPREAD = 0.1  # each pause is up to this much longer, so that many messages to one server do not return together
DISABLED_AFTER = timedelta(days=5)
EARLY = timedelta(seconds=5)  # clocks differ
FORGOTTEN_AFTER = timedelta(minutes=15)
MAX_FORGOTTEN = 500  # that are woken at a time

logger = structlog.get_logger(__name__)


def make_deliveries(
    *,
    org: Organization,
    channels: Iterable[Channel],
    message: Message,
    purpose: Purpose,
    key: str,
    first_try_at: datetime,
    alerts: Sequence[Alert] = (),
) -> list[Delivery]:
    """A delivery of `message` for each channel, in the caller's transaction; those new under `key` come back."""
    made = [
        Delivery(
            org=org,
            channel=channel,
            purpose=purpose,
            dedupe_key=key,
            subject=message.subject,
            body=body_for(channel, message),
            alerts_count=len(alerts),
            next_try_at=first_try_at,
            created_at=timezone.now(),
        )
        for channel in channels
    ]
    deliveries = Delivery.objects.for_org(org)
    with transaction.atomic(savepoint=False):
        deliveries.bulk_create(made, ignore_conflicts=True)
        stored = set(deliveries.filter(pk__in=[one.pk for one in made]).values_list("pk", flat=True))
        new = [one for one in made if one.pk in stored]
        carried = [Carried(org=org, delivery=one, alert=alert) for one in new for alert in alerts]
        Carried.objects.for_org(org).bulk_create(carried, batch_size=1_000)
        for one in new:
            wake(org=org, delivery=one, at=first_try_at)
    return new


def wake(*, org: Organization, delivery: Delivery, at: datetime, dedupe_key: str = "") -> None:
    """Have a worker look at `delivery` then."""
    emit(
        AlertDeliver,
        AlertDeliver(delivery_id=delivery.pk, channel_id=delivery.channel_id),
        org=org,
        run_after=at,
        dedupe_key=dedupe_key,
    )


def try_delivery(*, org: Organization, delivery: Delivery) -> str:
    """One try, if one is due; returns the state that the delivery has then.

    No transaction is open while the other side takes its time. A try counts once it is begun: after a crash there is
    another with the same message id, but not for ever.
    """
    if delivery.state != State.PENDING or delivery.next_try_at is None:
        return delivery.state
    started_at = timezone.now()
    if delivery.next_try_at > started_at + EARLY:
        return delivery.state
    if given_up := _given_up(delivery):
        _end(org, delivery, *given_up)
        return given_up[0]
    loud_at = _loud_at(org, delivery, max(started_at, delivery.next_try_at))
    if loud_at > started_at + EARLY:
        _postpone(org, delivery, loud_at)
        return State.PENDING
    attempt = _begin(org, delivery, started_at)
    if attempt is None:
        return delivery.state
    clock = time.monotonic()
    sent = send(delivery)
    attempt.duration_ms = round((time.monotonic() - clock) * 1_000)
    return _record(org, delivery, attempt, sent)


def _given_up(delivery: Delivery) -> tuple[State, str] | None:
    """How a delivery ends that is not tried any more, and why."""
    channel = delivery.channel
    if not channel.is_enabled and delivery.purpose != Purpose.TEST:
        return State.ABANDONED, f"The channel is disabled: {channel.disabled_reason}"
    if delivery.tries > len(RETRIES_S):
        return State.FAILED, "Its worker vanished at the last try."
    return None


def _loud_at(org: Organization, delivery: Delivery, at: datetime) -> datetime:
    """`at`, or the end of the quiet hours of the rule it is for: they are for retries and late workers, too.

    What a person sends again is sent at once.
    """
    carried = Carried.objects.for_org(org).filter(delivery=delivery)
    rule = AlertRule.objects.for_org(org).filter(pk__in=carried.values("alert__rule"), quiet_from__isnull=False).first()
    if rule is None:
        return at
    is_by_hand = delivery.tries == 0 and Attempt.objects.for_org(org).filter(delivery=delivery).exists()
    return at if is_by_hand else sending_time(rule, at)


def _postpone(org: Organization, delivery: Delivery, at: datetime) -> None:
    with transaction.atomic():
        seen = Delivery.objects.for_org(org).filter(pk=delivery.pk, state=State.PENDING, tries=delivery.tries)
        if seen.filter(next_try_at=delivery.next_try_at).update(next_try_at=at):
            wake(org=org, delivery=delivery, at=at)


def _begin(org: Organization, delivery: Delivery, at: datetime) -> Attempt | None:
    """Count a try and note that it has begun; None if somebody else has begun it."""
    with transaction.atomic():
        due = Delivery.objects.for_org(org).filter(pk=delivery.pk, state=State.PENDING, tries=delivery.tries)
        if not due.update(tries=F("tries") + 1):
            return None
        delivery.tries += 1
        attempts = Attempt.objects.for_org(org).filter(delivery=delivery)
        begun: Attempt = attempts.create(org=org, delivery=delivery, number=attempts.count() + 1, started_at=at)
        return begun


def _record(org: Organization, delivery: Delivery, attempt: Attempt, sent: Sent) -> str:
    """Write down what came of a try, and what follows from it; returns the new state."""
    attempt.result, attempt.status_code, attempt.answer = sent.result, sent.status_code, sent.answer
    logger.info(
        "alert_delivery_tried", delivery=str(delivery.pk), channel=str(delivery.channel_id), result=sent.result.value,
        status_code=sent.status_code,
    )  # fmt: skip
    with transaction.atomic():
        attempt.save(update_fields=["result", "status_code", "answer", "duration_ms"])
        if sent.result != Result.DELIVERED:
            return _after_failure(org, delivery, sent, attempt.started_at)
        _end(org, delivery, State.DELIVERED, "")
        failing = Channel.objects.for_org(org).filter(pk=delivery.channel_id, failing_since__isnull=False)
        failing.update(failing_since=None)
        return State.DELIVERED


def _after_failure(org: Organization, delivery: Delivery, sent: Sent, at: datetime) -> str:
    reason = sent.answer or sent.result.label
    is_last = delivery.tries > len(RETRIES_S) or sent.is_hopeless or delivery.purpose == Purpose.TEST
    if why := _why_to_disable(org, delivery, sent, at, is_last=is_last):
        disable_channel(org=org, channel_id=delivery.channel_id, reason=why)
        is_last = True
    if is_last:
        _end(org, delivery, State.FAILED, reason)
        return State.FAILED
    next_try_at = timezone.now() + pause_before(delivery, sent.retry_after)
    Delivery.objects.for_org(org).filter(pk=delivery.pk).update(next_try_at=next_try_at, reason=reason)
    wake(org=org, delivery=delivery, at=next_try_at)
    return State.PENDING


def pause_before(delivery: Delivery, retry_after: float | None) -> timedelta:
    """After `delivery.tries` tries until the next: the schedule's, or as long as the other side asked for."""
    spread = 1 + SPREAD * (delivery.pk.int % 1_000) / 1_000
    return timedelta(seconds=max(RETRIES_S[delivery.tries - 1] * spread, retry_after or 0))


def _why_to_disable(org: Organization, delivery: Delivery, sent: Sent, at: datetime, *, is_last: bool) -> str:
    """Notes since when the channel fails; empty unless that is too long, or the other side is gone.

    It is too long when a delivery has had its last try: a channel that is seldom used would be disabled by its first
    failure in a week, because the one before was never followed by a success.
    """
    if sent.is_gone:
        return f"It answered with status {sent.status_code}: nobody is there any more."
    if delivery.purpose == Purpose.TEST:
        return ""
    channels = Channel.objects.for_org(org).filter(pk=delivery.channel_id)
    channels.filter(failing_since=None).update(failing_since=at)
    since = channels.values_list("failing_since", flat=True).get()
    if is_last and since is not None and at - since >= DISABLED_AFTER:
        return f"Every try since {since:%Y-%m-%d %H:%M} UTC failed, the last so: {sent.answer or sent.result.label}"
    return ""


def _end(org: Organization, delivery: Delivery, state: State, reason: str) -> None:
    values = {"delivered_at": timezone.now()} if state == State.DELIVERED else {}
    Delivery.objects.for_org(org).filter(pk=delivery.pk, state=State.PENDING).update(
        state=state, reason=reason, next_try_at=None, **values
    )


def disable_channel(*, org: Organization, channel_id: object, reason: str, is_told: bool = True) -> bool:
    """Stop sending through a channel; whether it was enabled. `is_told`: the organisation's admins get an e-mail."""
    now = timezone.now()
    with transaction.atomic():
        enabled = Channel.objects.for_org(org).filter(pk=channel_id, is_enabled=True)
        if not enabled.update(is_enabled=False, disabled_at=now, disabled_reason=reason):
            return False
        channel = Channel.objects.for_org(org).get(pk=channel_id)
        logger.warning("alert_channel_disabled", channel=str(channel.pk), reason=reason)
        if is_told:
            data = AlertChannelDisabled(channel_id=channel.pk, name=channel.name, reason=reason)
            emit(AlertChannelDisabled, data, org=org, dedupe_key=f"{channel.pk}:{now.isoformat()}")
    return True


def wake_forgotten(now: datetime) -> int:
    """Deliveries that are overdue lost their run (it was cancelled, or is a dead letter): wake them, once an hour."""
    overdue = Delivery.all_orgs.filter(state=State.PENDING, next_try_at__lt=now - FORGOTTEN_AFTER)
    found = list(overdue.select_related("org").defer("body").order_by("next_try_at")[:MAX_FORGOTTEN])
    for delivery in found:
        wake(org=delivery.org, delivery=delivery, at=now, dedupe_key=f"overdue:{delivery.pk}:{now:%Y%m%d%H}")
    return len(found)
