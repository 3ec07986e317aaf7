"""When a cron expression is due, in a time zone with summer time."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cron_descriptor import ExpressionDescriptor, FormatException, MissingFieldException, Options
from croniter import croniter

HOUR_FIELD = 1
FIELDS = 5
LONGEST_SHIFT = timedelta(hours=3)  # a change of the clock, with room


class InvalidCron(ValueError):
    """The cron expression, or its time zone, is not valid."""


@lru_cache(maxsize=1024)
def check_cron(cron: str, time_zone: str) -> ZoneInfo:
    """The time zone; raises `InvalidCron` for an expression other than five fields, or one that is never due."""
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidCron(f"{time_zone!r} is not a time zone; write e.g. Europe/London.") from error
    if len(cron.split()) != FIELDS or not croniter.is_valid(cron):
        raise InvalidCron(f"{cron!r} is not a cron expression of five fields: minute hour day month weekday.")
    try:
        croniter(cron, datetime(2024, 1, 1), max_years_between_matches=8).get_next(datetime)  # noqa: DTZ001  local
    except ValueError as error:
        raise InvalidCron(f"{cron!r} is never due.") from error
    return zone


def next_slot(cron: str, time_zone: str, after: datetime) -> datetime:
    """The first time after `after` (aware) that the expression is due, in UTC.

    As cron does it: at a local time that the clock skips in spring, what is due at it is due once, that much later;
    at one that comes twice in autumn, what names its hours is due the first time only, what is due every hour or
    minute goes on being due. Raises `InvalidCron`.
    """
    zone = check_cron(cron, time_zone)
    local = after.astimezone(zone).replace(tzinfo=None)
    # Around a change of the clock, local times before and after this one may come before the next in real time.
    is_near_change = _offset(after - LONGEST_SHIFT, zone) != _offset(after + LONGEST_SHIFT, zone)
    shift = LONGEST_SHIFT if is_near_change else timedelta(0)
    folds = (0, 1) if set(cron.split()[HOUR_FIELD]) & {"*", "/"} else (0,)
    best: datetime | None = None
    for naive in _naive_slots(cron, local - shift):
        if best is not None and naive > local + shift and _utc(naive, zone, 0) > best:
            return best
        for fold in folds:
            slot = _utc(naive, zone, fold)
            if slot > after and (best is None or slot < best):
                best = slot
    raise InvalidCron(f"{cron!r} is never due.")


def _naive_slots(cron: str, start: datetime) -> Iterator[datetime]:
    slots = croniter(cron, start, max_years_between_matches=8)
    while True:
        yield slots.get_next(datetime)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()


def _utc(naive: datetime, zone: ZoneInfo, fold: int) -> datetime:
    return naive.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def describe(cron: str, time_zone: str) -> str:
    """In words: `At 02:30, Europe/London`."""
    options = Options()
    options.use_24hour_time_format = True
    try:
        return f"{ExpressionDescriptor(cron, options).get_description()}, {time_zone}"
    except (FormatException, MissingFieldException):
        return f"{cron}, {time_zone}"
