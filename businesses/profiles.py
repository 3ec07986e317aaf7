"""What a source says of a company today, against what is stored: differences are written and told as events.

The events have the form of those that two snapshots of the register lead to: `before` and `after`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder

from businesses.imports.register_sql import ADDRESS, CHARGES
from businesses.models import Business, EventKind
from businesses.services import save_business
from businesses.sources.pull import CompanyKey, Profile, Seen

# The events that a change of a column makes; the address is one.
_TOLD = {
    "name": EventKind.NAME_CHANGED,
    "status": EventKind.STATUS_CHANGED,
    "sic_codes": EventKind.SIC_CHANGED,
    "accounts_category": EventKind.ACCOUNTS_CATEGORY_CHANGED,
}
WRITABLE = frozenset(
    {*ADDRESS, *CHARGES.values(), *_TOLD, "status_raw", "company_type", "incorporated_on", "dissolved_on",
     "accounts_last_made_up_on", "accounts_next_due_on", "confirmation_last_made_up_on", "confirmation_next_due_on",
     "previous_names", "country_of_origin"}
)  # fmt: skip


def apply_profiles(profiles: Sequence[Profile], companies: Mapping[CompanyKey, UUID], *, source: str) -> list[Seen]:
    """Write the columns that differ, in the caller's transaction; returns the events that tell of it.

    An answer older than the last one, or than the newest snapshot, changes nothing. Raises `ValueError` for a
    column that sources do not write.
    """
    events: list[Seen] = []
    for profile in sorted(profiles, key=lambda one: str(companies[one.company])):  # one order of locks
        if unknown := sorted(set(profile.values) - WRITABLE):
            raise ValueError(f"not a column of profiles: {', '.join(unknown)}")
        rows = Business.objects.select_for_update(no_key=True).defer("embedding", "search_vector")
        business = rows.get(pk=companies[profile.company])
        known_on = [day for day in (business.register_snapshot_on, business.register_checked_on) if day is not None]
        if known_on and max(known_on) > profile.on:
            continue
        before = {name: getattr(business, name) for name in profile.values}
        changed = [name for name, value in profile.values.items() if before[name] != value]
        if not changed:
            continue
        for name in changed:
            setattr(business, name, profile.values[name])
        business.register_checked_on = profile.on
        save_business(business, fields=[*changed, "register_checked_on"], saved_by=source)
        events += _events(profile, before, changed)
    return events


def _events(profile: Profile, before: Mapping[str, Any], changed: Sequence[str]) -> list[Seen]:
    after = profile.values
    told = [(kind, before[name], after[name]) for name, kind in _TOLD.items() if name in changed]
    if moved := [name for name in ADDRESS if name in changed]:
        told.append(
            (EventKind.ADDRESS_CHANGED, {name: before[name] for name in moved}, {name: after[name] for name in moved})
        )
    raw = {
        f"{side}_raw": values["status_raw"]
        for side, values in (("before", before), ("after", after))
        if "status_raw" in after
    }
    return [
        Seen(
            company=profile.company,
            kind=kind,
            occurred_on=None,
            identity=(profile.company.value, _text(was), _text(now), profile.on.isoformat()),
            payload=(raw if kind == EventKind.STATUS_CHANGED else {})
            | {"before": was, "after": now, "snapshot_on": profile.on.isoformat()},
            url=profile.url,
        )
        for kind, was, now in told
        if not _is_unknown(was)  # what was not known before has not changed
    ]


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, cls=DjangoJSONEncoder)


def _is_unknown(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(map(_is_unknown, value.values()))
    return value in (None, "", [], "unknown")
