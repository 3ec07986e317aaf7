"""Durations and moments as people say them."""

from datetime import datetime

from django.utils import timezone

MINUTE, HOUR, DAY = 60, 3_600, 86_400
NOTHING = "-"


def in_words(seconds: float | None) -> str:
    """`40 ms`, `1.5 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`; a dash for None. Not below zero."""
    if seconds is None:
        return NOTHING
    seconds = max(seconds, 0.0)
    if seconds < 0.9995:  # noqa: PLR2004  what rounds to less than a second
        return f"{seconds * 1000:.0f} ms"
    if round(seconds, 1) < MINUTE:
        return f"{round(seconds, 1):g} s"
    whole = round(seconds)
    for unit, name, part, part_name in ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "min"), (MINUTE, "min", 1, "s")):
        if whole >= unit:
            rest = whole % unit // part
            return f"{whole // unit} {name}" + (f" {rest} {part_name}" if rest else "")
    return f"{whole} s"


def since(moment: datetime, until: datetime | None = None) -> str:
    """From `moment` to `until`, or to now."""
    return in_words(((until or timezone.now()) - moment).total_seconds())


def age_of(moment: datetime | None) -> str:
    """`5 s ago`, `in 2 h`, in one unit; a dash for None."""
    if moment is None:
        return NOTHING
    seconds = int((timezone.now() - moment).total_seconds())
    if seconds == 0:
        return "now"
    words = " ".join(in_words(abs(seconds)).split()[:2])
    return f"{words} ago" if seconds > 0 else f"in {words}"


def exactly(moment: datetime | None) -> str:
    """To the second, in the time zone of the site; a dash for None."""
    return NOTHING if moment is None else f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}"
