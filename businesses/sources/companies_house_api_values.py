"""What the register's API and its streams say, in our terms: JSON of one item to events, offices and profiles.

Pure functions of `number`, the company's, and `data`, the item. Each raises `ValueError` that names the field which
makes the item useless; what is merely odd is left out. Of people only what the register is asked for is taken: names,
offices, occupations and days; no dates of birth, nationalities or addresses.
Source of the shapes: developer-specs.company-information.service.gov.uk. Every enumeration is open.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from businesses.models import EventKind
from businesses.sources.companies_house import COMPANY_URL
from businesses.sources.companies_house_api_fields import (
    count_of,
    day_of,
    iso,
    mapping_of,
    needed_day,
    needed_id,
    needed_name,
    needed_text,
    objects_of,
    storable_of,
    text_of,
    texts_of,
)
from businesses.sources.companies_house_api_profile import charge_counts_of, profile_of
from businesses.sources.pull import CompanyKey, Office, Seen

__all__ = [
    "charge_counts_of",
    "charge_of",
    "control_of",
    "filing_of",
    "insolvency_of",
    "officer_of",
    "profile_of",
]

# Of `description_values`: addresses and particulars of people, who may be at home there.
_PERSONAL = re.compile(r"birth|nationalit|residen|officer_address|representative_details")
_CHANGED_PERSON = re.compile(_PERSONAL.pattern + "|change_details|new_address|old_address")
_OFFICER = re.compile(r"/?officers/([^/]{1,200})(?:/.*)?")
# What the particulars of a charge say in yes or no.
_PARTICULARS = {
    "contains_fixed_charge": "fixed charge",
    "contains_floating_charge": "floating charge",
    "floating_charge_covers_all": "floating charge covers all",
    "contains_negative_pledge": "negative pledge",
    "chargor_acting_as_bare_trustee": "chargor acting as bare trustee",
}


def filing_of(number: str, data: Mapping[str, Any]) -> list[Seen]:
    """A filing; it happened on its `action_date`, or on the day it was filed where the register gives no other."""
    transaction = text_of(data.get("transaction_id")) or needed_id(data, "filing-history")
    filed_on, acted_on = needed_day(data, "date", "action_date"), day_of(data.get("action_date"))
    category = text_of(data.get("category"))
    payload = {
        "transaction_id": transaction,
        "type": text_of(data.get("type")),
        "category": category,
        "subcategory": texts_of(data.get("subcategory")),
        "description": text_of(data.get("description")),
        "description_values": storable_of(
            mapping_of(data.get("description_values")),
            without=_CHANGED_PERSON if category == "officers" else _PERSONAL,
        ),
        "date": iso(filed_on),
        "action_date": iso(acted_on),
        "associated": [
            kind for each in objects_of(data.get("associated_filings")) if (kind := text_of(each.get("type")))
        ],
        "resolutions": [
            key for each in objects_of(data.get("resolutions")) if (key := text_of(each.get("description")))
        ],
    }
    identity, happened_on = (number, transaction), acted_on or filed_on
    return [_seen("filing-history", EventKind.FILING, happened_on, number=number, identity=identity, payload=payload)]


def charge_of(number: str, data: Mapping[str, Any]) -> list[Seen]:
    """A charge registered and, where the day is known, satisfied."""
    code, place = text_of(data.get("charge_code")), count_of(data.get("charge_number"))
    if not code and place is None:
        raise ValueError("charge_code and charge_number: one of them is needed")
    created_on = needed_day(data, "created_on", "acquired_on", "delivered_on")
    satisfied_on = day_of(data.get("satisfied_on"))
    payload = {
        "charge_code": code,
        "charge_number": place,
        "status": text_of(data.get("status")),
        "classification": _described(data.get("classification")),
        "persons_entitled": [
            name for each in objects_of(data.get("persons_entitled")) if (name := text_of(each.get("name")))
        ],
        "particulars": _particulars(data.get("particulars")),
        "created_on": iso(created_on),
        "delivered_on": iso(day_of(data.get("delivered_on"))),
        "satisfied_on": iso(satisfied_on),
    }
    identity = (number, code or str(place))
    days = ((EventKind.CHARGE_REGISTERED, created_on), (EventKind.CHARGE_SATISFIED, satisfied_on))
    return [
        _seen("charges", kind, day, number=number, identity=identity, payload=payload)
        for kind, day in days
        if day is not None
    ]


def officer_of(number: str, data: Mapping[str, Any]) -> list[Seen | Office]:
    """An office as it stands, where the answer says who the officer is (streams need not), and its begin and end.

    An appointment without a day, as those from before 1992 are, is no event.
    """
    appointment = needed_id(data, "appointments")
    officer = _officer_id(data)
    name, role = needed_name(data, "name"), needed_text(data, "officer_role")
    appointed_on, resigned_on = day_of(data.get("appointed_on")), day_of(data.get("resigned_on"))
    is_corporate = role.startswith("corporate-")
    occupation = text_of(data.get("occupation"))
    payload = {
        "name": name,
        "role": role,
        "occupation": occupation,
        "officer_id": officer,
        "appointment_id": appointment,
        "is_corporate": is_corporate,
        "appointed_on": iso(appointed_on),
        "resigned_on": iso(resigned_on),
    }
    found: list[Seen | Office] = []
    if officer:
        found.append(
            Office(
                CompanyKey("number", number), appointment, officer, name, role, is_corporate, occupation,
                appointed_on, resigned_on, _url(number, "officers"),
            )
        )  # fmt: skip
    for kind, day in ((EventKind.OFFICER_APPOINTED, appointed_on), (EventKind.OFFICER_RESIGNED, resigned_on)):
        if day is not None:
            found.append(_seen("officers", kind, day, number=number, identity=(appointment,), payload=payload))
    return found


def control_of(number: str, data: Mapping[str, Any]) -> list[Seen]:
    """A person with significant control notified and, where so, ceased. Some are protected and have no name."""
    control = needed_id(data, "persons-with-significant-control")
    notified_on, ceased_on = day_of(data.get("notified_on")), day_of(data.get("ceased_on"))
    if notified_on is None and ceased_on is None:
        raise ValueError("notified_on: is missing or not a date (YYYY-MM-DD)")
    kind = text_of(data.get("kind"))
    payload = {
        "name": text_of(data.get("name")),
        "psc_kind": kind,
        "natures_of_control": texts_of(data.get("natures_of_control")),
        "notified_on": iso(notified_on),
        "ceased_on": iso(ceased_on),
        "is_corporate": kind.startswith(("corporate-entity", "legal-person")),
    }
    page, identity = "persons-with-significant-control", (number, control)
    days = ((EventKind.CONTROL_NOTIFIED, notified_on), (EventKind.CONTROL_CEASED, ceased_on))
    return [
        _seen(page, event, day, number=number, identity=identity, payload=payload)
        for event, day in days
        if day is not None
    ]


def insolvency_of(number: str, data: Mapping[str, Any]) -> list[Seen]:
    """The cases of a company, each on its first day. Of a kind of day that a case has twice, the first is kept."""
    seen = []
    for case in objects_of(data.get("cases")):
        number_of_case = text_of(case.get("number"))
        if not number_of_case:
            raise ValueError("cases.number: is missing or not a text")
        days: dict[str, date] = {}
        for each in objects_of(case.get("dates")):
            kind, day = text_of(each.get("type")), day_of(each.get("date"))
            if kind and day is not None:
                days[kind] = min(day, days.get(kind, day))
        payload = {
            "case_number": number_of_case,
            "case_type": text_of(case.get("type")),
            "dates": {kind: day.isoformat() for kind, day in days.items()},
        }
        first, identity = min(days.values(), default=None), (number, number_of_case)
        seen.append(_seen("insolvency", EventKind.INSOLVENCY, first, number=number, identity=identity, payload=payload))
    return seen


def _seen(
    page: str, kind: EventKind, day: date | None, *, number: str, identity: tuple[str, ...], payload: Mapping[str, Any]
) -> Seen:
    return Seen(CompanyKey("number", number), kind.value, day, identity, payload, _url(number, page))


def _url(number: str, page: str) -> str:
    """Where anybody can read it."""
    return f"{COMPANY_URL}{number}/{page}"


def _officer_id(data: Mapping[str, Any]) -> str:
    link = text_of(mapping_of(mapping_of(data.get("links")).get("officer")).get("appointments"))
    found = _OFFICER.fullmatch(link)
    return found[1] if found else ""


def _described(value: Any) -> str:
    """The specification says a list, the service sends an object."""
    return "; ".join(filter(None, (text_of(each.get("description")) for each in objects_of(value))))


def _particulars(value: Any) -> str:
    parts = [_described(value)]
    for each in objects_of(value):
        parts += [words for name, words in _PARTICULARS.items() if each.get(name) is True]
    return text_of("; ".join(filter(None, parts)))
