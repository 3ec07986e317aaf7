"""A company's profile from the register's API as the columns of a business, in the words of the monthly file.

The file and the API say the same in different ways (capitals, `micro-entity` for `MICRO ENTITY`), and a difference in
words would be told as news (`businesses.profiles` sees to other ways to write the same). What the API does not say is
left out: it is unknown, not gone.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from businesses.normalise import normalise_company_number
from businesses.sources.base import MAX_INDEXED_BYTES
from businesses.sources.companies_house import COMPANY_URL, status_of
from businesses.sources.companies_house_api_fields import (
    count_of,
    day_of,
    iso,
    mapping_of,
    needed_name,
    needed_text,
    objects_of,
    text_of,
    texts_of,
)
from businesses.sources.companies_house_values import first_line
from businesses.sources.pull import CompanyKey, Profile

STRIKE_OFF = "active-proposal-to-strike-off"
# The API's `company_status` (and `company_status_detail`) in the file's words; another keeps its own.
_STATUSES = {
    "active": "Active",
    STRIKE_OFF: "Active - Proposal to Strike off",
    "liquidation": "Liquidation",
    "administration": "In Administration",
    "voluntary-arrangement": "Voluntary Arrangement",
}
# The API's `account_type` where the file does not just write it in capitals, without hyphens.
_ACCOUNTS = {"no-accounts-type-available": "ACCOUNTS TYPE NOT AVAILABLE"}
NO_ACCOUNTS = "NO ACCOUNTS FILED"
_COMMUNITY = "community-interest-company"  # a category of its own in the file, a subtype in the API
_SIC = re.compile(r"[0-9]{4,5}")


def profile_of(data: Mapping[str, Any], *, on: date) -> Profile:
    """What the register says on the day `on`. Raises `ValueError` without a name or a number."""
    number = normalise_company_number(needed_text(data, "company_number"))
    values = {
        "name": needed_name(data, "company_name"),
        **_standing(data),
        **_address(data),
        **_days(data),
        **_accounts(mapping_of(data.get("accounts"))),
    }
    if codes := [code for code in texts_of(data.get("sic_codes")) if _SIC.fullmatch(code)]:
        values["sic_codes"] = codes
    if names := objects_of(data.get("previous_company_names")):
        values["previous_names"] = [
            {"name": name, "changed_on": iso(day_of(each.get("ceased_on")))}
            for each in names
            if (name := text_of(each.get("name")))
        ]
    return Profile(CompanyKey("number", number), values, on, COMPANY_URL + number)


def charge_counts_of(number: str, data: Mapping[str, Any], *, on: date) -> Profile | None:
    """How many charges there are, of the answer that lists them; None when it does not say, or its sums do not fit.

    Stored, so that the next monthly file does not tell as news what is known charge by charge.
    """
    total = count_of(data.get("unfiltered_count", data.get("total_count")))
    satisfied, part_satisfied = count_of(data.get("satisfied_count")), count_of(data.get("part_satisfied_count"))
    if total is None or satisfied is None or part_satisfied is None or satisfied + part_satisfied > total:
        return None
    values = {
        "charges_total": total,
        "charges_outstanding": total - satisfied - part_satisfied,
        "charges_part_satisfied": part_satisfied,
        "charges_satisfied": satisfied,
    }
    return Profile(CompanyKey("number", number), values, on, f"{COMPANY_URL}{number}/charges")


def _standing(data: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    status, detail = text_of(data.get("company_status")), text_of(data.get("company_status_detail"))
    if status:
        known = detail if detail == STRIKE_OFF else status
        values |= {"status": status_of(known).value, "status_raw": _STATUSES.get(known, _sentence(known))}
    if kind := text_of(data.get("type")):
        values["company_type"] = _COMMUNITY if data.get("subtype") == _COMMUNITY else kind
    return values


def _sentence(slug: str) -> str:
    return slug.replace("-", " ").capitalize()


def _address(data: Mapping[str, Any]) -> dict[str, str]:
    """The registered office: all of it or nothing, since a part that is left out is one that it does not have."""
    office = mapping_of(data.get("registered_office_address"))
    part = {name: text_of(office.get(name), at_most=500).upper() for name in office}
    if not any(part.values()):
        return {}
    line1, premises, postcode = part.get("address_line_1", ""), part.get("premises", ""), part.get("postal_code", "")
    if premises and premises not in line1:
        line1 = f"{premises} {line1}" if premises[0].isdigit() else f"{premises}, {line1}"
    care_of, box = part.get("care_of", ""), part.get("po_box", "")
    lines = {
        "address_line1": first_line(care_of, box, line1, postcode) if care_of or box else line1.rstrip(", "),
        "address_line2": part.get("address_line_2", ""),
        "town": part.get("locality", ""),
        "county": part.get("region", ""),
        "country": part.get("country", ""),
        "postcode": postcode,
    }
    return {name: _indexed(f"registered_office_address.{name}", line) for name, line in lines.items()}


def _days(data: Mapping[str, Any]) -> dict[str, date]:
    accounts, statement = mapping_of(data.get("accounts")), mapping_of(data.get("confirmation_statement"))
    last, following = mapping_of(accounts.get("last_accounts")), mapping_of(accounts.get("next_accounts"))
    days = {
        "incorporated_on": day_of(data.get("date_of_creation")),
        "dissolved_on": day_of(data.get("date_of_cessation")),
        "accounts_last_made_up_on": day_of(last.get("made_up_to")) or day_of(last.get("period_end_on")),
        "accounts_next_due_on": day_of(accounts.get("next_due")) or day_of(following.get("due_on")),
        "confirmation_last_made_up_on": day_of(statement.get("last_made_up_to")),
        "confirmation_next_due_on": day_of(statement.get("next_due")),
    }
    return {name: day for name, day in days.items() if day is not None}


def _accounts(accounts: Mapping[str, Any]) -> dict[str, str]:
    """`null` is the register's word both for no accounts yet and for accounts of a type it does not know."""
    last = mapping_of(accounts.get("last_accounts"))
    kind = text_of(last.get("type"))
    if kind == "null":
        return {} if last.get("made_up_to") else {"accounts_category": NO_ACCOUNTS}
    return {"accounts_category": _ACCOUNTS.get(kind, kind.replace("-", " ").upper())} if kind else {}


def _indexed(name: str, text: str) -> str:
    if len(text.encode()) > MAX_INDEXED_BYTES:
        raise ValueError(f"{name}: is longer than {MAX_INDEXED_BYTES:,} bytes")
    return text
