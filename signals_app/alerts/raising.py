"""From a signal to alerts: which rules wait for it, and what they have sent."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from businesses.models import WatchlistEntry
from oppspot.jobs.services import emit
from oppspot.organizations.models import Organization
from signals_app.alerts.delivering import make_deliveries
from signals_app.alerts.events import AlertDigestSend
from signals_app.alerts.messages import alert_message
from signals_app.alerts.models import Alert, AlertRule, Frequency, Purpose
from signals_app.alerts.times import next_digest, sending_time
from signals_app.models import STRENGTH_FLOORS, BusinessScore, BuyingSignal, SignalStatus

MAX_DIGESTS = 1_000  # that are started at a time

logger = structlog.get_logger(__name__)


def raise_alerts(
    *,
    org: Organization,
    business_id: UUID,
    signal_type: str,
    signal_id: UUID | None = None,
    now: datetime | None = None,
) -> list[Alert]:
    """The new alerts of `org` for a signal: without `signal_id` its newest of the company and type.

    A signal that is not active, or needs review, is told to nobody.
    """
    now = now or timezone.now()
    signals = BuyingSignal.objects.for_org(org).filter(business_id=business_id, signal_type=signal_type)
    named = signals.filter(pk=signal_id) if signal_id else signals.order_by("-detected_at", "-id")
    signal = named.select_related("business").first()
    if signal is None or signal.needs_review or signal.status != SignalStatus.ACTIVE:
        return []
    rules = list(rules_for(org=org, signal=signal).prefetch_related("channels"))
    with transaction.atomic():
        alerts = _insert(org, rules, signal, now)
        for alert in alerts:
            if alert.rule.frequency == Frequency.IMMEDIATE:
                at = sending_time(alert.rule, now)
                _tell(alert.rule, [alert], org=org, purpose=Purpose.ALERT, key=f"alert:{alert.pk}", at=at)
    logger.info("alerts_raised", signal=str(signal.pk), rules=len(rules), alerts=len(alerts))
    return alerts


def rules_for(*, org: Organization, signal: BuyingSignal) -> QuerySet[AlertRule]:
    """The active rules of `org` that wait for such a signal."""
    floor = STRENGTH_FLOORS[signal.signal_strength]  # type: ignore[index]
    weaker_or_equal = [strength for strength, least in STRENGTH_FLOORS.items() if least <= floor]
    scores = BusinessScore.objects.for_org(org).filter(business_id=signal.business_id)
    score = scores.values_list("score", flat=True).first()
    watched = WatchlistEntry.objects.for_org(org).filter(
        watchlist=OuterRef("watchlist"), business_id=signal.business_id
    )
    rules: QuerySet[AlertRule] = AlertRule.objects.for_org(org).filter(
        Q(signal_types=[]) | Q(signal_types__contains=[signal.signal_type]),
        Q(watchlist=None) | Exists(watched),
        is_active=True,
        min_strength__in=weaker_or_equal,
        min_confidence__lte=signal.confidence_score,
        min_score__lte=score or 0,
    )
    return rules.filter(include_negative=True) if signal.is_negative else rules


def _insert(org: Organization, rules: list[AlertRule], signal: BuyingSignal, now: datetime) -> list[Alert]:
    """The alerts that were not there: for each rule one a company and day, whoever else inserts them meanwhile."""
    alerts = [
        Alert(
            org=org,
            rule=rule,
            business=signal.business,
            signal=signal,
            day=now.astimezone(ZoneInfo(rule.time_zone)).date(),
            created_at=now,
            told_at=now if rule.frequency == Frequency.IMMEDIATE else None,
        )
        for rule in sorted(rules, key=lambda rule: rule.pk)  # one order for all, so that no two wait for each other
    ]
    stored = Alert.objects.for_org(org)
    stored.bulk_create(alerts, ignore_conflicts=True)
    new = set(stored.filter(pk__in=[alert.pk for alert in alerts]).values_list("pk", flat=True))
    return [alert for alert in alerts if alert.pk in new]


def start_due_digests(now: datetime) -> int:
    """Have the digests sent that are due, each by a run of its organisation: one that fails holds up no other.

    A rule that was switched from digests to alerts at once may leave some that wait: they are due now.
    """
    waiting = Alert.all_orgs.filter(told_at=None).values("rule")
    AlertRule.all_orgs.filter(is_active=True, next_digest_at=None, pk__in=waiting).update(next_digest_at=now)
    due = AlertRule.all_orgs.filter(next_digest_at__lte=now).select_related("org").order_by("next_digest_at")
    rules = list(due[:MAX_DIGESTS])
    for rule in rules:
        slot = rule.next_digest_at
        if slot is not None:
            key = f"digest:{rule.pk}:{slot.isoformat()}"
            emit(AlertDigestSend, AlertDigestSend(rule_id=rule.pk, slot=slot), org=rule.org, dedupe_key=key)
    return len(rules)


def send_digest(*, org: Organization, rule_id: UUID, slot: datetime, now: datetime | None = None) -> int:
    """Tell what waits for the digest of `slot` in one message a channel, the strongest first; returns how many alerts.

    Nothing when somebody else has done so. Slots that nobody was there for are made up for by one digest.
    """
    now = now or timezone.now()
    with transaction.atomic():
        rules = AlertRule.objects.for_org(org).filter(pk=rule_id, next_digest_at=slot)
        rule = rules.select_for_update().prefetch_related("channels").first()
        if rule is None:
            return 0
        rule.next_digest_at = next_digest(rule, max(now, slot))
        AlertRule.objects.for_org(org).filter(pk=rule_id).update(next_digest_at=rule.next_digest_at)
        waiting = Alert.objects.for_org(org).filter(rule=rule, told_at=None)
        alerts = list(waiting.select_related("business", "signal").order_by("-signal__weight", "id"))
        if alerts:
            told = Alert.objects.for_org(org).filter(pk__in=[alert.pk for alert in alerts])
            told.update(told_at=now)
            key, at = f"digest:{rule.pk}:{slot.isoformat()}", sending_time(rule, now)
            _tell(rule, alerts, org=org, purpose=Purpose.DIGEST, key=key, at=at)
    return len(alerts)


def _tell(
    rule: AlertRule, alerts: Sequence[Alert], *, org: Organization, purpose: Purpose, key: str, at: datetime
) -> None:
    make_deliveries(
        org=org,
        channels=rule.channels.all(),
        message=alert_message(rule, alerts, is_digest=purpose == Purpose.DIGEST),
        purpose=purpose,
        key=key,
        first_try_at=at,
        alerts=alerts,
    )
