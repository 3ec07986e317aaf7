"""Fields of the register's JSON, as its API and its streams send it: numbers may be texts, and texts may hold anything.

Pure functions. Those of what must be there raise `ValueError`, naming the field.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from businesses.normalise import normalise_name
from businesses.payloads import MAX_TEXT
from businesses.sources.base import MAX_INDEXED_BYTES

MAX_ID = 200  # characters of what the register calls an item
MAX_DEPTH, MAX_ENTRIES = 5, 100  # of nested values that are kept
_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ].*)?", re.DOTALL)
_UNSTORABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def text_of(value: Any, *, at_most: int = MAX_TEXT) -> str:
    """A text on one line, without control characters and half surrogate pairs; empty for what is no text or number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return " ".join(_UNSTORABLE.sub(" ", str(value)).split())[:at_most]


def needed_text(data: Mapping[str, Any], name: str) -> str:
    if found := text_of(data.get(name)):
        return found
    raise ValueError(f"{name}: is missing or not a text")


def day_of(value: Any) -> date | None:
    """`"2021-01-22"` or `"2021-01-22T18:28:02"`; None for what is not a day."""
    found = _DAY.fullmatch(value) if isinstance(value, str) else None
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def needed_name(data: Mapping[str, Any], name: str) -> str:
    """A text whose normalised form is indexed: Postgres refuses one that is too long, and all that comes with it."""
    found = needed_text(data, name)
    if max(len(found.encode()), len(normalise_name(found).encode())) > MAX_INDEXED_BYTES:  # one sign can be many
        raise ValueError(f"{name}: is longer than {MAX_INDEXED_BYTES:,} bytes")
    return found


def needed_day(data: Mapping[str, Any], *names: str) -> date:
    """The first of the fields that has one."""
    for name in names:
        if (day := day_of(data.get(name))) is not None:
            return day
    raise ValueError(f"{' or '.join(names)}: is missing or not a date (YYYY-MM-DD)")


def iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def count_of(value: Any) -> int | None:
    """A count that Postgres stores, from an int or its digits."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None  # noqa: PLR2004  of an integer


def mapping_of(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def objects_of(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list, or of what should have been one: an object alone."""
    if isinstance(value, dict):
        return [value]
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def texts_of(value: Any) -> list[str]:
    """The texts of a list, or a text alone; each once, in order."""
    values: Sequence[Any] = value if isinstance(value, list) else [value]
    return list(dict.fromkeys(filter(None, map(text_of, values[:MAX_ENTRIES]))))


def needed_id(data: Mapping[str, Any], kind: str) -> str:
    """The last part of the item's own link, `/company/00000006/{kind}/…/id`."""
    found = text_of(mapping_of(data.get("links")).get("self")).strip("/").split("/")
    if kind in found[:-1] and 0 < len(found[-1]) <= MAX_ID:
        return found[-1]
    raise ValueError(f"links.self: does not lead to one of {kind}")


def storable_of(value: Any, *, without: re.Pattern[str], depth: int = MAX_DEPTH) -> Any:
    """A value with its texts cleaned, what is deeper or longer than anybody means cut off, and no key that matches."""
    if isinstance(value, dict):
        kept = [(text_of(key, at_most=100), each) for key, each in list(value.items())[:MAX_ENTRIES]]
        return {
            key: storable_of(each, without=without, depth=depth - 1)
            for key, each in kept
            if depth > 0 and key and not without.search(key)
        }
    if isinstance(value, list):
        return [storable_of(each, without=without, depth=depth - 1) for each in value[:MAX_ENTRIES] if depth > 0]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 2**53:
        return value
    return text_of(value)
