"""Lines of the register's streams, in our terms: what stands where, and the facts of it. No reading.

A line is an envelope (`resource_kind`, `resource_uri`, `resource_id`, `event`) around `data`, the same that the API
answers with. Source of the shapes: developer-specs.company-information.service.gov.uk/streaming-api.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from businesses.normalise import normalise_company_number
from businesses.sources.companies_house_api_fields import text_of
from businesses.sources.companies_house_api_values import (
    charge_of,
    control_of,
    filing_of,
    insolvency_of,
    officer_of,
    profile_of,
)
from businesses.sources.companies_house_overdue import overdue_of
from businesses.sources.pull import Office, Profile, Seen, Unreadable

MAX_TIMEPOINT = 2**63 - 1  # what Postgres stores
SHOWN = 200  # characters of a place or a reason
DELETED = "deleted"

Fact = Seen | Office | Profile
Read = Callable[[str, Mapping[str, Any], date], Sequence[Fact]]

_COMPANY = re.compile(r"/?company/([^/]+)")
_READ: dict[str, Read] = {
    "company-profile": lambda number, data, on: _profile(data, on),
    "filing-history": lambda number, data, on: filing_of(number, data),
    "company-charges": lambda number, data, on: charge_of(number, data),
    "company-officers": lambda number, data, on: officer_of(number, data),
    "company-insolvency": lambda number, data, on: insolvency_of(number, data),
}


@dataclass(frozen=True, slots=True)
class Line:
    """`timepoint` and `published_at` are None where the line does not say. `is_left_out`: it is about something that
    is not read, or that was deleted."""

    timepoint: int | None
    published_at: datetime | None = None
    items: tuple[Fact | Unreadable, ...] = ()
    is_left_out: bool = False


def line_of(raw: bytes, *, stream: str, today: date) -> Line:
    """The line as it can be read; what cannot is an `Unreadable` among its items. `today`: when it does not say."""
    try:
        envelope = _mapping("the line", json.loads(raw))
    except (ValueError, RecursionError) as error:
        place = text_of(f"{stream}: {raw[:80].decode('utf-8', 'replace')}")
        return Line(None, items=(Unreadable(place, text_of(f"not a JSON object: {error}", at_most=SHOWN)),))
    timepoint: int | None = None
    published_at: datetime | None = None
    try:
        event = _mapping("event", envelope.get("event"))
        timepoint, published_at = _timepoint(event.get("timepoint")), _moment(event.get("published_at"))
        read = _reader(_text("resource_kind", envelope.get("resource_kind")))
        if event.get("type") == DELETED or read is None:
            return Line(timepoint, published_at, is_left_out=True)
        number, data = _resource(envelope)
        items = read(number, data, published_at.date() if published_at else today)
    except ValueError as error:
        place = f"{stream} {'' if timepoint is None else timepoint} {text_of(envelope.get('resource_uri'))}"
        failure = Unreadable(text_of(place, at_most=SHOWN), text_of(str(error), at_most=SHOWN))
        return Line(timepoint, published_at, (failure,))
    return Line(timepoint, published_at, tuple(items))


def _reader(kind: str) -> Read | None:
    """None for what is not read: exemptions, statements, disqualified officers, and what is new to us."""
    is_control = (kind.startswith("company-psc-") and "statement" not in kind) or kind.endswith("-beneficial-owner")
    return _control if is_control else _READ.get(kind)


def _control(number: str, data: Mapping[str, Any], on: date) -> Sequence[Fact]:
    return control_of(number, data)


def _profile(data: Mapping[str, Any], on: date) -> Sequence[Fact]:
    profile = profile_of(data, on=on)
    return [profile, *overdue_of(data, profile)]


def _resource(envelope: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The company's number, and the data with what only the envelope says of it."""
    data = dict(_mapping("data", envelope.get("data")))
    uri = envelope.get("resource_uri")
    found = _COMPANY.match(uri) if isinstance(uri, str) else None
    said = data.get("company_number")
    if not (isinstance(said, str) and said.strip()):
        if found is None:
            raise ValueError("company_number: is missing, and resource_uri names no company")
        data["company_number"] = found[1]
    links = data.get("links")
    data["links"] = ({"self": uri} if isinstance(uri, str) else {}) | (links if isinstance(links, dict) else {})
    return normalise_company_number(data["company_number"]), data


def _timepoint(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < len(str(MAX_TIMEPOINT)):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_TIMEPOINT:
        raise ValueError("event.timepoint: is missing or not a whole number")
    return value


def _moment(value: Any) -> datetime | None:
    """The register writes some without a zone; those are taken for UTC."""
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _mapping(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name}: is missing or not an object")  # noqa: TRY004  it is data that is wrong
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name}: is missing or not a text")
    return value
