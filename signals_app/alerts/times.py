"""When a rule may send: quiet hours and digests, in its own time zone."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from oppspot.jobs.cron import next_slot
from signals_app.alerts.models import AlertRule, Frequency

MINUTE = timedelta(minutes=1)
LONGEST_QUIET = timedelta(days=3)  # less than a day, but for what the clock leaves out in spring


def first_loud(at: datetime, *, zone: str, quiet_from: time | None, quiet_until: time | None) -> datetime:
    """`at`, or the first whole minute after it that is not within the quiet hours.

    It is looked for minute by minute: a change of the clock may skip the end of the quiet hours, or bring it twice.
    """
    if quiet_from is None or quiet_until is None:
        return at
    place, found = ZoneInfo(zone), at
    while is_quiet(found.astimezone(place).time(), quiet_from, quiet_until):
        found = found.replace(second=0, microsecond=0) + MINUTE
        if found > at + LONGEST_QUIET:
            raise ValueError(f"Quiet from {quiet_from} until {quiet_until} in {zone} does not end.")
    return found


def is_quiet(local: time, quiet_from: time, quiet_until: time) -> bool:
    """Whether a local time is quiet; from the evening until the morning when the end is the earlier of the two."""
    if quiet_from < quiet_until:
        return quiet_from <= local < quiet_until
    return local >= quiet_from or local < quiet_until


def sending_time(rule: AlertRule, at: datetime) -> datetime:
    return first_loud(at, zone=rule.time_zone, quiet_from=rule.quiet_from, quiet_until=rule.quiet_until)


def next_digest(rule: AlertRule, after: datetime) -> datetime | None:
    """When the first digest after `after` is due; one that falls into the quiet hours is due at their end."""
    if not rule.is_active or rule.frequency == Frequency.IMMEDIATE:
        return None
    cron = "0 * * * *" if rule.digest_at is None else f"{rule.digest_at.minute} {rule.digest_at.hour} * * *"
    return sending_time(rule, next_slot(cron, rule.time_zone, after))
