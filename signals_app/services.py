"""What people and the clock do to signals: deal with them, tell of their own, let them expire."""

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone

from businesses.models import Business
from businesses.sources.pull import fingerprint_of
from oppspot.core.errors import InvalidInput, OppspotError
from oppspot.jobs.context import storable
from oppspot.organizations.models import Organization
from signals_app.detection import announce
from signals_app.locking import lock_signals
from signals_app.models import (
    TYPICAL_WEIGHTS,
    BuyingSignal,
    SignalStatus,
    SourceReliability,
    Strength,
)
from signals_app.scoring import HALF_LIVES, refresh_scores

OWN_RULE, OWN_VERSION = "told", "1"
DEFAULT_DAYS, MAX_DAYS = 90, 730
EXPIRED_AT_ONCE = 5_000
MAX_OUTCOME = 2_000  # characters


class WrongStatus(OppspotError):
    """The signal is not in a state for that."""

    code = "wrong_status"
    status = 409


# Which status may follow which, by a person's hand. Handled signals can be taken back.
ALLOWED = {
    SignalStatus.ACTIVE: {SignalStatus.ACTED_UPON, SignalStatus.FALSE_POSITIVE, SignalStatus.EXPIRED},
    SignalStatus.ACTED_UPON: {SignalStatus.ACTIVE, SignalStatus.FALSE_POSITIVE},
    SignalStatus.FALSE_POSITIVE: {SignalStatus.ACTIVE},
    SignalStatus.EXPIRED: {SignalStatus.ACTED_UPON, SignalStatus.FALSE_POSITIVE},
}
_JUDGED = {SignalStatus.ACTED_UPON: "confirmed", SignalStatus.FALSE_POSITIVE: "refuted"}


def change_status(*, org: Organization, signal_id: UUID, status: str, by: str, outcome: str = "") -> BuyingSignal:
    """Mark a signal as acted upon (with what came of it), as false, as over, or take that back.

    Being acted upon speaks for the source, being false against it: all its signals of the organisation weigh
    accordingly. Raises `BuyingSignal.DoesNotExist`, and `WrongStatus` for a step that `ALLOWED` does not have.
    """
    with transaction.atomic():
        lock_signals(org)
        signal: BuyingSignal = BuyingSignal.objects.for_org(org).get(pk=signal_id)
        judged = _change(org, signal, SignalStatus(status), by, outcome)
        refresh_scores(org, None if judged else [signal.business_id])
    return signal


def change_statuses(
    *, org: Organization, signal_ids: Collection[UUID], status: str, by: str
) -> tuple[list[BuyingSignal], list[WrongStatus]]:
    """`change_status` of many, for which scores are computed once: those that were changed, and why others were not."""
    changed: list[BuyingSignal] = []
    refused: list[WrongStatus] = []
    judged = False
    with transaction.atomic():
        lock_signals(org)
        for signal in BuyingSignal.objects.for_org(org).filter(pk__in=signal_ids).order_by("pk"):
            try:
                judged |= _change(org, signal, SignalStatus(status), by, "")
            except WrongStatus as error:
                refused.append(error)
            else:
                changed.append(signal)
        if changed:
            refresh_scores(org, None if judged else {signal.business_id for signal in changed})
    return changed, refused


def _change(org: Organization, signal: BuyingSignal, wanted: SignalStatus, by: str, outcome: str) -> bool:
    """Store the step; whether it tells something of the signal's source."""
    before = SignalStatus(signal.status)
    if wanted == before and signal.outcome == outcome:
        return False
    if wanted != before and wanted not in ALLOWED[before]:
        names = ", ".join(sorted(ALLOWED[before]))
        raise WrongStatus(f"A signal that is {before.value} cannot become {wanted.value}; it can become {names}.")
    if wanted == SignalStatus.ACTIVE and signal.expires_at <= timezone.now():
        wanted = SignalStatus.EXPIRED  # what is taken back is as old as it is
    signal.status, signal.outcome = wanted, outcome[:MAX_OUTCOME]
    signal.handled_by, signal.handled_at = by, timezone.now()
    signal.updated_at = timezone.now()
    signal.save(update_fields=["status", "outcome", "handled_by", "handled_at", "updated_at"])
    return _judge(org, signal.source, before, wanted)


def confirm(*, org: Organization, signal_id: UUID, by: str) -> BuyingSignal:
    """Take a signal out of the review queue as right: from now on it counts, and is announced.

    Raises `BuyingSignal.DoesNotExist`, and `WrongStatus` if it does not wait for a review.
    """
    with transaction.atomic():
        lock_signals(org)
        signal: BuyingSignal = BuyingSignal.objects.for_org(org).get(pk=signal_id)
        if not signal.needs_review or signal.status != SignalStatus.ACTIVE:
            raise WrongStatus("The signal does not wait for a review.")
        signal.needs_review, signal.handled_by = False, by
        signal.handled_at = signal.updated_at = timezone.now()
        signal.save(update_fields=["needs_review", "handled_by", "handled_at", "updated_at"])
        refresh_scores(org, [signal.business_id])  # first: alerts compare with the score
        announce([signal], org=org)
    return signal


def _judge(org: Organization, source: str, before: SignalStatus, after: SignalStatus) -> bool:
    """Count what a person found for or against the source; False if that changes nothing."""
    changes = dict.fromkeys(_JUDGED.values(), 0)
    if before in _JUDGED:
        changes[_JUDGED[before]] -= 1
    if after in _JUDGED:
        changes[_JUDGED[after]] += 1
    if not any(changes.values()):
        return False
    row, _ = SourceReliability.objects.for_org(org).get_or_create(org=org, source=source)
    SourceReliability.objects.for_org(org).filter(pk=row.pk).update(
        updated_at=timezone.now(), **{name: Greatest(0, F(name) + change) for name, change in changes.items() if change}
    )
    return True


def record_signal(
    *,
    org: Organization,
    business_id: UUID,
    signal_type: str,
    strength: str,
    confidence: int,
    told_by: str,
    source: str = "own",
    source_url: str = "",
    occurred_on: date | None = None,
    days: int = DEFAULT_DAYS,
    quote: str = "",
    data: Mapping[str, Any] | None = None,
    dedupe_key: str = "",
) -> tuple[BuyingSignal, bool]:
    """A signal that the organisation knows by itself; and whether it is new.

    Told again with the same `dedupe_key` (without one: the same day, type and quote) it is the signal that is there.
    Raises `InvalidInput` naming the field.
    """
    today = timezone.now().date()
    on = occurred_on or today
    expires_at = datetime.combine(on + timedelta(days=days), time(), tzinfo=UTC)
    if on > today:
        raise _invalid("occurred_on", "Lies in the future.")
    if expires_at <= timezone.now():
        raise _invalid("occurred_on", f"So long ago that the signal, which lasts {days} days, is over.")
    if not Business.objects.filter(pk=business_id).exists():
        raise _invalid("business", "There is no such company.")
    identity = ("key", dedupe_key) if dedupe_key else ("day", on.isoformat(), quote)
    signal = BuyingSignal(
        org=org,
        business_id=business_id,
        signal_type=signal_type,
        rule=OWN_RULE,
        rule_version=OWN_VERSION,
        signal_strength=strength,
        weight=TYPICAL_WEIGHTS[Strength(strength)],
        confidence_score=confidence,
        signal_data=storable(dict(data or {}), "signal_data"),
        evidence=[{"fact": "", "source": source, "url": source_url, "on": on.isoformat(), "quote": quote}],
        source=source,
        source_url=source_url,
        occurred_on=on,
        half_life_days=max(1, days // HALF_LIVES),
        detected_by=told_by,
        expires_at=expires_at,
        fingerprint=fingerprint_of(signal_type, OWN_RULE, str(business_id), *identity),
    )
    with transaction.atomic():
        lock_signals(org)
        signals = BuyingSignal.objects.for_org(org)
        signals.bulk_create([signal], ignore_conflicts=True)
        stored: BuyingSignal = signals.get(fingerprint=signal.fingerprint)
        if is_new := stored.pk == signal.pk:
            refresh_scores(org, [business_id])
            announce([stored], org=org)
    return stored, is_new


def _invalid(field: str, message: str) -> InvalidInput:
    return InvalidInput(f"{field}: {message}", fields={field: [message]})


def expire_signals(org: Organization) -> int:
    """Close signals whose time is over; how many. In portions, each with the scores of its companies."""
    total = 0
    while True:
        with transaction.atomic():
            lock_signals(org)
            over = BuyingSignal.objects.for_org(org).filter(status=SignalStatus.ACTIVE, expires_at__lte=timezone.now())
            rows = list(over.values_list("pk", "business_id")[:EXPIRED_AT_ONCE])
            if not rows:
                return total
            keys, companies = zip(*rows, strict=True)
            BuyingSignal.objects.for_org(org).filter(pk__in=keys).update(
                status=SignalStatus.EXPIRED, updated_at=timezone.now()
            )
            refresh_scores(org, set(companies))
            total += len(rows)
