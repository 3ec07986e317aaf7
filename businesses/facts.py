"""Writing what sources yield: events once, offices as they stand, each with the company it is about."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.db.models.functions import Now

from businesses.lookup import resolve
from businesses.models import Appointment, BusinessEvent, Officer
from businesses.normalise import normalise_name
from businesses.profiles import apply_profiles
from businesses.sources.pull import CompanyKey, Item, Office, Profile, Seen, Unreadable
from oppspot.jobs.context import StepError, storable

MAX_ITEM = 100_000  # characters of a fact as JSON

Resolved = Mapping[CompanyKey, UUID]

# All events as one document: arrays of payloads, as bulk_create sends them, take three times as long to write out.
INSERT_EVENTS = """
    INSERT INTO business_events (business_id, kind, occurred_on, observed_at, source, source_url, payload, fingerprint)
    SELECT business_id, kind, occurred_on, clock_timestamp(), %(source)s, source_url, payload, fingerprint
    FROM json_to_recordset(%(events)s::json) AS told (
        business_id uuid, kind text, occurred_on date, source_url text, payload jsonb, fingerprint uuid)
    ON CONFLICT (fingerprint) DO NOTHING
"""


@dataclass
class Written:
    """What became of items: `new` events, `known` ones, and what was left out with the reason.

    `unknown`: facts about companies that the register does not have, where that is to be expected.
    """

    items: int = 0
    new: int = 0
    known: int = 0
    unknown: int = 0
    failures: list[Unreadable] = field(default_factory=list)

    def __add__(self, other: "Written") -> "Written":
        return Written(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})


def write_items(items: Sequence[Item], *, source: str, ignore_unknown: bool = False) -> Written:
    """Write facts in the caller's transaction. One about a company that the register does not have is left out.

    That is a failure unless `ignore_unknown`: a source that tells of all companies knows some that are not ours.
    """
    written = Written(failures=[item for item in items if isinstance(item, Unreadable)])
    facts = []
    for item in items:
        if isinstance(item, Seen | Office | Profile):
            if reason := _unstorable(item):
                written.failures.append(Unreadable(f"{item.company.by} {item.company.value}"[:200], reason))
            else:
                facts.append(item)
    written.items = len(facts)
    companies = resolve(item.company for item in facts)
    absent = {item.company for item in facts} - companies.keys()
    written.unknown = sum(item.company in absent for item in facts) if ignore_unknown else 0
    for key in () if ignore_unknown else sorted(absent):
        reason = "no company, or more than one, goes by it"
        written.failures.append(Unreadable(f"{key.by} {key.value}", reason))
    placed = [item for item in facts if item.company in companies]
    profiles = [item for item in placed if isinstance(item, Profile)]
    seen = [item for item in placed if isinstance(item, Seen)]
    if profiles:
        seen = [*apply_profiles(profiles, companies, source=source), *seen]
    written.new = write_events(seen, companies, source=source)
    written.known = len(seen) - written.new
    write_offices([item for item in placed if isinstance(item, Office)], companies, source=source)
    return written


def _unstorable(item: Seen | Office | Profile) -> str:
    """Why Postgres would refuse the item and with it all others; empty when it would not."""
    try:
        values = {each.name: getattr(item, each.name) for each in fields(item)}  # asdict copies all, which takes longer
        size = len(json.dumps(storable(values, "The item")))
    except StepError as error:
        return str(error)
    return f"The item is larger than {MAX_ITEM:,} characters." if size > MAX_ITEM else ""


def write_events(seen: Sequence[Seen], companies: Resolved, *, source: str) -> int:
    """How many of the events were not known before. The first report of an event stays."""
    first = {item.fingerprint: item for item in reversed(seen)}
    known = set(BusinessEvent.objects.filter(fingerprint__in=first).values_list("fingerprint", flat=True))
    new = [
        {
            "business_id": companies[item.company],
            "kind": item.kind,
            "occurred_on": item.occurred_on,
            "source_url": item.url,
            "payload": item.payload,
            "fingerprint": fingerprint,
        }
        for fingerprint, item in sorted(first.items())  # one order for all writers: no deadlock
        if fingerprint not in known
    ]
    if not new:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(INSERT_EVENTS, {"source": source, "events": json.dumps(new, cls=DjangoJSONEncoder)})
        return int(cursor.rowcount)  # without those that another writer told meanwhile


def write_offices(offices: Sequence[Office], companies: Resolved, *, source: str) -> None:
    """Officers and their appointments as they stand; rows that would not change are not written."""
    if not offices:
        return
    people = {item.officer_id: item for item in offices}
    _upsert(
        Officer,
        {key: {"name": item.name, "name_normalised": normalise_name(item.name), "is_corporate": item.is_corporate}
         for key, item in people.items()},
    )  # fmt: skip
    ids = dict(Officer.objects.filter(external_id__in=people).values_list("external_id", "pk"))
    _upsert(
        Appointment,
        {
            item.appointment_id: {
                "officer_id": ids[item.officer_id],
                "business_id": companies[item.company],
                "role": item.role,
                "occupation": item.occupation,
                "appointed_on": item.appointed_on,
                "resigned_on": item.resigned_on,
                "source": source,
                "source_url": item.url,
            }
            for item in offices
        },
    )


def _upsert(model: Any, wanted: dict[str, dict[str, Any]]) -> None:
    """Rows by `external_id`: those that are missing or differ are written."""
    names = list(next(iter(wanted.values())))
    compared = [name for name in names if name not in {"source", "source_url"}]
    stored = {
        row["external_id"]: row for row in model.objects.filter(external_id__in=wanted).values("external_id", *names)
    }
    changed = [
        model(external_id=key, updated_at=Now(), **values)
        for key, values in sorted(wanted.items())
        if key not in stored or any(stored[key][name] != values[name] for name in compared)
    ]
    model.objects.bulk_create(
        changed,
        update_conflicts=True,
        unique_fields=["external_id"],
        update_fields=[*names, "updated_at"],
        batch_size=1_000,
    )
