"""A row of the bulk file as the columns of a business, in the text form that Postgres reads. Empty: unknown."""

import json
from collections.abc import Sequence
from functools import lru_cache

from businesses.normalise import normalise_name
from businesses.sources.base import MAX_INDEXED_BYTES, Record
from businesses.sources.companies_house import company_type_of, iso_date, sic_of, status_of
from businesses.sources.companies_house_bulk import FIRST_PREVIOUS

# What the register says about a company, in the order of `values_of`. All else about it is other sources' to say.
REGISTER_COLUMNS = (
    "company_number", "register_hash", "name", "name_normalised", "company_type", "status", "status_raw",
    "country_of_origin", "incorporated_on", "dissolved_on", "address_line1", "address_line2", "town", "county",
    "country", "postcode", "sic_codes", "sic_titles", "accounts_category", "accounts_last_made_up_on",
    "accounts_next_due_on", "confirmation_last_made_up_on", "confirmation_next_due_on", "charges_total",
    "charges_outstanding", "charges_part_satisfied", "charges_satisfied", "previous_names",
)  # fmt: skip
NO_NAMES = "[]"


def values_of(record: Record) -> tuple[str, ...]:
    """The values of `REGISTER_COLUMNS`. Raises `ValueError` with the reason why there are none."""
    values = record.values
    (
        dissolved, incorporated, accounts_due, accounts_made, confirmation_due, confirmation_made,
        charges, outstanding, part_satisfied, satisfied,
        name, _, care_of, box, line1, line2, town, county, country, postcode, category, status, origin,
        accounts_category, sic1, sic2, sic3, sic4,
    ) = values[:FIRST_PREVIOUS]  # fmt: skip
    codes, sic_titles = _sic(sic1, sic2, sic3, sic4)
    return (
        record.key,
        record.digest.hex(),
        name,
        _name_normalised(name),
        company_type_of(category),
        _status(status),
        status,
        origin,
        iso_date(incorporated),
        iso_date(dissolved),
        first_line(care_of, box, line1, postcode) if care_of or box else line1,
        line2,
        town,
        county,
        country,
        postcode,
        codes,
        sic_titles,
        accounts_category,
        iso_date(accounts_made),
        iso_date(accounts_due),
        iso_date(confirmation_made),
        iso_date(confirmation_due),
        charges,
        outstanding,
        part_satisfied,
        satisfied,
        _previous_names(values[FIRST_PREVIOUS:]) if values[FIRST_PREVIOUS + 1] else NO_NAMES,
    )


@lru_cache(maxsize=65_536)
def _sic(*texts: str) -> tuple[str, str]:
    codes, sic_titles = sic_of(*texts)
    return f"{{{','.join(codes)}}}", sic_titles


@lru_cache(maxsize=1024)
def _status(text: str) -> str:
    return str(status_of(text).value)  # the plain text: COPY adapts an enum by its name


def _name_normalised(name: str) -> str:
    normalised = normalise_name(name)
    if not normalised.isascii() and len(normalised.encode()) > MAX_INDEXED_BYTES:  # one sign can stand for many letters
        raise ValueError(f"CompanyName is longer than {MAX_INDEXED_BYTES} bytes")
    return normalised


def first_line(care_of: str, box: str, line1: str, postcode: str) -> str:
    """Care-of and PO box before the first line, unless they repeat it, or the postcode, or are placeholders."""
    parts = []
    if care_of.rstrip(":").upper() != "C/O" and care_of not in line1:
        parts.append(care_of if care_of.upper().startswith("C/O") else f"C/O {care_of}")
    if box not in {postcode, "*DEFAULT*"} and box not in line1:
        parts.append(f"PO BOX {box}" if box.isdigit() else box)
    return ", ".join(filter(None, [*parts, line1]))


def _previous_names(cells: Sequence[str]) -> str:
    """From ten pairs of the day a name was given up and the name."""
    pairs = zip(cells[::2], cells[1::2], strict=True)
    return json.dumps([{"name": name, "changed_on": iso_date(day) or None} for day, name in pairs if name])
