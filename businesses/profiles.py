"""What a source says of a company today, against what is stored: differences are written and told as events.

The events have the form of those that two snapshots of the register lead to: `before` and `after`. What is stored in
other words (an address cut into other lines, a name in capitals) is no difference, whichever source says it.
"""

import json
import re
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
_WORD = re.compile(r"\w+")
# The API names a procedure where the file may say more of it: "In Administration/Receiver Manager".
_PROCEDURE = re.compile(r"liquidation|administrati|receiver|arrangement")


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
        after = _news(profile.values, business)
        if not after:
            continue
        before = {name: getattr(business, name) for name in after}
        for name, value in after.items():
            setattr(business, name, value)
        business.register_checked_on = profile.on
        save_business(business, fields=[*after, "register_checked_on"], saved_by=source)
        events += _events(profile, before, after)
    return events


def _news(values: Mapping[str, Any], stored: Business) -> dict[str, Any]:
    """Those of `values` that differ from what is stored by more than the way they are written."""
    new = {name: value for name, value in values.items() if getattr(stored, name) != value}
    if "name" in new and new["name"].casefold() == stored.name.casefold():
        del new["name"]
    if "sic_codes" in new and sorted(new["sic_codes"]) == sorted(stored.sic_codes):
        del new["sic_codes"]
    if "previous_names" in new and _names(new["previous_names"]) == _names(stored.previous_names):
        del new["previous_names"]
    if "status_raw" in new and "status" not in new and _is_same_procedure(new["status_raw"], stored.status_raw):
        del new["status_raw"]
    if values.keys() >= set(ADDRESS) and _is_same_place(values, {name: getattr(stored, name) for name in ADDRESS}):
        for name in new.keys() & set(ADDRESS):
            if name != "country" or stored.country or not new[name]:  # a country not known yet is filled in
                del new[name]
    return new


def _names(previous: Sequence[Mapping[str, Any]]) -> set[tuple[Any, Any]]:
    return {(each.get("name"), each.get("changed_on")) for each in previous}


def _is_same_procedure(one: str, other: str) -> bool:
    known, said = (_PROCEDURE.findall(text.lower()) for text in (one, other))
    return one.casefold() == other.casefold() or bool(set(known) & set(said))


def _is_same_place(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two addresses are the same words; a country that only one of them names makes no difference."""
    countries = {address["country"] for address in (one, other)} - {""}
    return len(countries) <= 1 and _words(one) == _words(other)


def _words(address: Mapping[str, Any]) -> list[str]:
    lines = (address[name].casefold() for name in ADDRESS if name != "country")
    return sorted(_WORD.findall(" ".join(lines)))


def _events(profile: Profile, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Seen]:
    told = [(kind, before[name], after[name]) for name, kind in _TOLD.items() if name in after]
    status = profile.values.get("status")
    if "status" not in after and before.get("status_raw") and status:  # one insolvency procedure followed another
        told.append((EventKind.STATUS_CHANGED, status, status))
    if moved := [name for name in ADDRESS if name in after]:
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
            identity=(
                profile.company.value, _text(was), _text(now), profile.on.isoformat(),
                *(raw.values() if was == now else ()),
            ),
            payload=(raw if kind == EventKind.STATUS_CHANGED else {})
            | {"before": was, "after": now, "snapshot_on": profile.on.isoformat()},
            url=profile.url,
        )
        for kind, was, now in told
        if not _is_unknown(was)  # what was not known before has not changed
    ]  # fmt: skip


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, cls=DjangoJSONEncoder)


def _is_unknown(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(map(_is_unknown, value.values()))
    return value in (None, "", [], "unknown")
