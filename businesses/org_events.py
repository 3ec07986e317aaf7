"""An organisation's own events: what its systems know about companies, kept once and for itself alone."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from django.utils import timezone

from businesses.lookup import resolve
from businesses.models import OrgEvent
from businesses.payloads import payload_of
from businesses.sources.pull import CompanyKey, fingerprint_of
from oppspot.core.errors import InvalidInput
from oppspot.organizations.models import Organization

MAX_EVENTS = 500  # told at once
MAX_PAYLOAD = 50_000  # characters of a payload as JSON
INSERTED = 500  # rows of one statement

logger = structlog.get_logger(__name__)


class Result(StrEnum):
    CREATED = "created"
    KNOWN = "known"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Told:
    """An event as it is told. `dedupe_key` names it within its source; without one, equal content is one event."""

    company: CompanyKey
    kind: str
    source: str
    occurred_on: date | None = None
    source_url: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)
    dedupe_key: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of an event; `errors` are messages by field."""

    result: Result
    id: UUID | None = None
    business: UUID | None = None
    errors: Mapping[str, list[str]] = field(default_factory=dict)


def record_events(*, org: Organization, events: Sequence[Told], created_by: str = "") -> list[Recorded]:
    """Store `events`, each once; what became of each, in their order. One that is wrong stops no other.

    An event that is known stays as it was first told.
    """
    companies = resolve(told.company for told in events)
    made: list[OrgEvent | Recorded] = [_made(org, told, companies.get(told.company), created_by) for told in events]
    first = {one.fingerprint: one for one in reversed(made) if isinstance(one, OrgEvent)}
    stored = OrgEvent.objects.for_org(org).filter(fingerprint__in=first)
    OrgEvent.objects.for_org(org).bulk_create(
        [first[fingerprint] for fingerprint in sorted(first)],  # one order for all writers: no deadlock
        ignore_conflicts=True,
        batch_size=INSERTED,
    )
    ids = dict(stored.values_list("fingerprint", "pk"))
    recorded = [one if isinstance(one, Recorded) else _recorded(one, ids[one.fingerprint]) for one in made]
    logger.info("org_events_told", created=sum(one.result is Result.CREATED for one in recorded), told=len(recorded))
    return recorded


def _made(org: Organization, told: Told, business_id: UUID | None, created_by: str) -> OrgEvent | Recorded:
    """The row of an event, or why there is none."""
    errors: dict[str, list[str]] = {}
    if business_id is None:
        errors[f"company.{told.company.by}"] = ["No company, or more than one, goes by it."]
    try:
        payload = checked_payload(told.kind, told.payload)
    except InvalidInput as error:
        errors |= error.fields
    if told.occurred_on and told.occurred_on > timezone.now().date() + timedelta(days=1):  # somewhere it is tomorrow
        errors["occurred_on"] = ["This day has not come yet."]
    if problem := url_problem(told.source_url):
        errors["source_url"] = [problem]
    if errors or business_id is None:
        return Recorded(Result.ERROR, errors=errors)
    return OrgEvent(
        org=org,
        business_id=business_id,
        kind=told.kind,
        occurred_on=told.occurred_on,
        observed_at=timezone.now(),
        source=told.source,
        source_url=told.source_url,
        payload=payload,
        fingerprint=_fingerprint(org, told, business_id, payload),
        created_by=created_by,
    )


def _recorded(event: OrgEvent, stored: UUID) -> Recorded:
    return Recorded(Result.CREATED if event.pk == stored else Result.KNOWN, stored, event.business_id)


def _fingerprint(org: Organization, told: Told, business_id: UUID, payload: Mapping[str, Any]) -> UUID:
    if told.dedupe_key:
        return fingerprint_of("told", str(org.pk), "key", told.source, told.dedupe_key)
    content = json.dumps(payload, sort_keys=True, separators=(",", ":"))
    what = (str(business_id), told.kind, str(told.occurred_on), told.source, told.source_url, content)
    return fingerprint_of("told", str(org.pk), "content", *what)


def checked_payload(kind: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload as its kind has it, without fields that were not given. Raises `InvalidInput`, naming the field."""
    checked = payload_of(kind, payload).model_dump(mode="json", exclude_unset=True)
    if len(json.dumps(checked)) > MAX_PAYLOAD:
        message = f"Larger than {MAX_PAYLOAD:,} characters."
        raise InvalidInput(f"payload: {message}", fields={"payload": [message]})
    return checked


def url_problem(text: str) -> str:
    """Why `text` is no address of a page; empty when it is one, or there is none. Hosts of an intranet are fine."""
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        return "This is not a URL."
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_valid:
        return "This does not begin with http:// or https:// and a host."
    if not text.isprintable() or " " in text or "\\" in text:
        return "This has a space, a backslash or an invisible character."
    return "Leave the user and password out." if "@" in parts.netloc else ""
