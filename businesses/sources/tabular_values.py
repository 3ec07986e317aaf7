"""The cells of a row of any table as the columns of a business, in the text form that Postgres reads.

Empty means that the row does not say, never that the fact is gone.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from businesses.models import MAX_DESCRIPTION
from businesses.normalise import domain_of, normalise_company_number, normalise_name
from businesses.sources.base import MAX_CELL_BYTES, MAX_INDEXED_BYTES
from businesses.sources.companies_house import company_type_of, iso_date, sic_of, status_of

Cell = Any  # a text of a CSV file, or any JSON value

FIRST_YEAR, MAX_EMPLOYEES = 1000, 10_000_000
MAX_ITEMS = 200  # of a list
SHOWN = 60  # characters of a text in a message
_SEPARATOR = re.compile(r"[;|]")
_NUMBER = re.compile(r"[+-]?\d{1,12}(?:[ ,]\d{3})*(?:\.0+)?", re.ASCII)
_ELEMENT = str.maketrans({"\\": "\\\\", '"': '\\"'})


def _text(cells: Sequence[Cell]) -> str:
    return " ".join(_line(cells[0]).split())


def _line(cell: Cell) -> str:
    """A scalar as text. Raises `ValueError` for lists and objects."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and (cell.is_integer() or not math.isfinite(cell)):
        return str(int(cell)) if math.isfinite(cell) else ""
    if isinstance(cell, list | dict):
        raise ValueError("must be a single value, not a list or an object")  # noqa: TRY004  of a file, not of a call
    return str(cell)


def _indexed(cells: Sequence[Cell]) -> str:
    text = _text(cells)
    if len(text.encode()) > MAX_INDEXED_BYTES:
        raise ValueError(f"is longer than {MAX_INDEXED_BYTES:,} bytes")
    return text


def _description(cells: Sequence[Cell]) -> str:
    text = "\n".join(filter(None, (_line(cell).strip() for cell in cells)))
    if len(text) > MAX_DESCRIPTION:
        raise ValueError(f"is longer than {MAX_DESCRIPTION:,} characters")
    return text


def _list(cells: Sequence[Cell]) -> list[str]:
    """Items of JSON arrays, or of texts separated by `;` or `|`; each once, in order."""
    items: list[Cell] = []
    for cell in cells:
        is_json = isinstance(cell, str) and cell.lstrip().startswith("[")
        parsed = _json_list(cell) if is_json else cell
        items += parsed if isinstance(parsed, list) else _SEPARATOR.split(_line(parsed))
    found = list(dict.fromkeys(filter(None, (_indexed([item]) for item in items))))
    if len(found) > MAX_ITEMS:
        raise ValueError(f"has more than {MAX_ITEMS} items")
    return found


def _json_list(text: str) -> Cell:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text  # a text that happens to begin with a bracket


def _array(items: Sequence[str]) -> str:
    """As an array literal of Postgres; empty for none."""
    return "{" + ",".join(f'"{item.translate(_ELEMENT)}"' for item in items) + "}" if items else ""


def _sic_codes(cells: Sequence[Cell]) -> tuple[str, str]:
    """Codes as an array literal, and their titles."""
    found: dict[str, str] = {}
    for item in _list(cells):
        codes, title = sic_of(item)
        if not codes:
            raise ValueError(f"{_short(item)} is no SIC code (4 or 5 digits)")
        found[codes[0]] = title
    return _array(list(found)), "; ".join(filter(None, found.values()))


def _number(cells: Sequence[Cell], low: int, high: int) -> str:
    text = _text(cells)
    if not text:
        return ""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{_short(text)} is not a whole number")
    number = int(text.partition(".")[0].replace(",", "").replace(" ", ""))
    if not low <= number <= high:
        raise ValueError(f"{number} is not between {low} and {high}")
    return str(number)


def _year(cells: Sequence[Cell]) -> str:
    return _number(cells, FIRST_YEAR, date.today().year)  # noqa: DTZ011  a year, in no time zone


def _employees(cells: Sequence[Cell]) -> str:
    return _number(cells, 0, MAX_EMPLOYEES)


def _date(cells: Sequence[Cell]) -> str:
    text = _text(cells)
    try:
        return iso_date(text) if "/" in text or not text else date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"{_short(text)} is not a date (YYYY-MM-DD or DD/MM/YYYY)") from None


def _company_number(cells: Sequence[Cell]) -> str:
    text = _text(cells)
    return normalise_company_number(text) if text else ""


def _short(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")


# What a file may set, and how its text is made.
_PLAIN: dict[str, Callable[[Sequence[Cell]], str]] = {
    "name": _indexed,
    "company_number": _company_number,
    "description": _description,
    "website": _indexed,
    "categories": lambda cells: _array(_list(cells)),
    "town": _indexed,
    "county": _indexed,
    "region": _indexed,
    "country": _indexed,
    "postcode": _indexed,
    "address_line1": _indexed,
    "address_line2": _indexed,
    "founded_year": _year,
    "employee_count": _employees,
    "incorporated_on": _date,
    "company_type": lambda cells: company_type_of(_indexed(cells)),
}
FIELDS = (*_PLAIN, "sic_codes", "status")
JOINED = ("categories", "description")  # may be made from several columns
DERIVED = ("name_normalised", "domain", "sic_titles", "status_raw")
COLUMNS = (*FIELDS, *DERIVED)


def values_of(cells: Mapping[str, Sequence[Cell]]) -> tuple[str, ...]:
    """The values of `COLUMNS` from the cells that each field is made of. Raises `ValueError` with the reason."""
    found = dict.fromkeys(COLUMNS, "")
    for field, own in cells.items():
        try:
            _check(own)
            if field == "sic_codes":
                found["sic_codes"], found["sic_titles"] = _sic_codes(own)
            elif field == "status":
                found["status_raw"] = _indexed(own)
            else:
                found[field] = _PLAIN[field](own)
        except ValueError as error:
            raise ValueError(f"{field} {error}") from None
    if found["status_raw"]:
        found["status"] = str(status_of(found["status_raw"]).value)
    found["domain"] = domain_of(found["website"])
    found["name_normalised"] = normalise_name(found["name"])
    if len(found["name_normalised"].encode()) > MAX_INDEXED_BYTES:  # one sign can stand for many letters
        raise ValueError(f"name is longer than {MAX_INDEXED_BYTES} bytes")
    if not (found["name"] or found["company_number"] or found["domain"]):
        raise ValueError("no name, company number or website")
    return tuple(found.values())


def _check(cells: Sequence[Cell]) -> None:
    """What Postgres does not store, or nobody means."""
    for cell in cells:
        text = cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)
        if "\x00" in text or "\\u0000" in text:
            raise ValueError("has a NUL character")
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            raise ValueError("is not UTF-8, or has half of a surrogate pair") from None
        if size > MAX_CELL_BYTES:
            raise ValueError(f"is longer than {MAX_CELL_BYTES} bytes")
