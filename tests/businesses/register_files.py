"""Files of the register for tests: written in the official form, one company a keyword."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from benchmarks.register_file import header
from businesses.models import BusinessEvent
from businesses.sources.companies_house_bulk import COLUMNS

REAL = Path(__file__).resolve().parents[3] / "shared" / "data"
REAL_REGISTER = REAL / "BasicCompanyDataAsOneFile-2020-05-01_sample.csv"
SHORT = {name.rpartition(".")[2]: name for name in COLUMNS if "Previous" not in name and "Returns" not in name}


def real_file(name: str) -> Path:
    path = REAL / name
    if not path.exists():
        pytest.skip(f"the real data is not here ({path})")
    return path


def company(**fields: str) -> list[str]:
    """A row; fields by the last part of their column (`CompanyName`, `PostTown`), or as `PreviousName_1__CONDATE`."""
    named = {SHORT.get(name, name.replace("__", ".")): value for name, value in fields.items()}
    assert named.keys() <= set(COLUMNS), named.keys() - set(COLUMNS)
    defaults = {
        "CompanyName": "ACME LIMITED",
        "CompanyNumber": "01234567",
        "CompanyCategory": "Private Limited Company",
        "CompanyStatus": "Active",
        "IncorporationDate": "01/02/2003",
        **dict.fromkeys((name for name in COLUMNS if name.startswith("Mortgages")), "0"),
    }
    return [(defaults | named).get(name, "") for name in COLUMNS]


def companies(count: int, **fields: str) -> list[list[str]]:
    return [company(CompanyName=f"COMPANY {n} LTD", CompanyNumber=f"{n:08d}", **fields) for n in range(1, count + 1)]


def write(path: Path, rows: Iterable[Sequence[str]], *, line_end: str = "\r\n", first: str | None = None) -> Path:
    """In the official form: a bare header with stray spaces, every field quoted."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write((header() if first is None else first) + line_end)
        csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator=line_end).writerows(rows)
    return path


def versions() -> dict[UUID, str]:
    """The row version of each business: it changes whenever a row is written, even with equal values."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, xmin::text || ctid::text FROM businesses")
        return dict(cursor.fetchall())


def events() -> list[tuple[str | None, str, Any, Any]]:
    """(number, kind, before, after) of each event, in order."""
    found = BusinessEvent.objects.order_by("id").values_list("business__company_number", "kind", "payload")
    return [(number, kind, payload["before"], payload["after"]) for number, kind, payload in found]
