"""Text of strangers as one plain line: nothing invisible in it, nothing that Postgres refuses, and not too long."""

import re
from datetime import date, datetime, timedelta
from typing import Any

# What shows nothing but can hide or reorder words: soft hyphens, zero-width and bidirectional marks, fillers, tags,
# variation selectors; and lone surrogates, which cannot be stored.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_MARKUP = re.compile(r"<[a-zA-Z/!?]|&#?\w{1,30};")
_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?![0-9])")
MAX_DEPTH = 32


def plain(value: object, limit: int) -> str:
    """At most `limit` characters of a text or a number; empty for everything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    text = value if isinstance(value, str) else format(value) if abs(value) < 10**18 else ""
    return _SPACE.sub(" ", _INVISIBLE.sub("", text)).strip()[:limit].rstrip()


def has_markup(text: str) -> bool:
    return _MARKUP.search(text) is not None


def storable_text(value: Any, limit: int, depth: int = MAX_DEPTH) -> Any:
    """A JSON value with every text in it plain. Raises `ValueError` for one nested deeper than `depth`."""
    if isinstance(value, str):
        return plain(value, limit)
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, list):
        return [storable_text(each, limit, depth - 1) for each in value]
    return {plain(key, limit): storable_text(each, limit, depth - 1) for key, each in value.items()}


def day_of(value: object) -> date | None:
    """The day that an ISO date or time begins with; None for anything else."""
    found = _DAY.match(value.strip()) if isinstance(value, str) else None
    try:
        return date(*map(int, found.groups())) if found else None
    except ValueError:
        return None


def past_day(value: object, today: date) -> date | None:
    """As `day_of`, but None for a day that has not come anywhere on earth."""
    day = day_of(value)
    return day if day is not None and day <= today + timedelta(days=1) else None


def past_moment(value: datetime | None, now: datetime) -> datetime | None:
    """None for a moment in the future; an hour is allowed for clocks that are set wrongly."""
    return value if value is not None and value <= now + timedelta(hours=1) else None
