"""What two snapshots tell without a row that changed: accounts that fell due; and what a new row is news of."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from businesses.imports import ImportReport, import_register
from businesses.models import BusinessEvent
from businesses.payloads import Changed, Overdue, payload_of
from tests.businesses.register_files import company, versions, write

pytestmark = pytest.mark.django_db
MAY, JUNE, JULY = date(2020, 5, 1), date(2020, 6, 1), date(2020, 7, 1)


@pytest.fixture(autouse=True)
def in_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(*rows: list[str], on: date, **options: Any) -> ImportReport:
    return import_register(paths=[write(Path("register.csv"), rows)], snapshot_on=on, **options)


def due(number: int, day: str, **fields: str) -> list[str]:
    return company(CompanyNumber=f"{number:08}", NextDueDate=day, **fields)


def overdue() -> list[tuple[str | None, date | None, Any]]:
    found = BusinessEvent.objects.filter(kind="accounts_overdue").order_by("business__company_number", "id")
    return [
        (number, on, payload["due_on"])
        for number, on, payload in found.values_list("business__company_number", "occurred_on", "payload")
    ]


def test_accounts_that_fell_due_between_two_snapshots_are_told_once_though_no_row_changed() -> None:
    rows = [
        due(1, "30/04/2020"),  # overdue in the first snapshot: that is the baseline
        due(2, "01/05/2020"),
        due(3, "31/05/2020", LastMadeUpDate="31/08/2018"),
        due(4, "01/06/2020"),  # on the very day: there is time until midnight
        due(5, ""),
        due(6, "15/05/2020", CompanyStatus="Liquidation"),
        due(7, "15/05/2020", CompanyStatus="Active - Proposal to Strike off"),
    ]
    assert load(*rows, on=MAY).events == 0
    before = versions()
    assert load(*rows, on=JUNE).events == 3
    assert versions() == before, "no company's row was written"
    assert overdue() == [
        ("00000002", date(2020, 5, 2), "2020-05-01"),
        ("00000003", date(2020, 6, 1), "2020-05-31"),
        ("00000007", date(2020, 5, 16), "2020-05-15"),
    ]
    event = BusinessEvent.objects.get(business__company_number="00000003")
    payload = payload_of("accounts_overdue", event.payload)
    assert isinstance(payload, Overdue)
    assert (payload.due_on, payload.last_made_up_on, payload.snapshot_on) == (
        date(2020, 5, 31),
        date(2018, 8, 31),
        JUNE,
    )
    assert event.source_url.endswith("/company/00000003")
    assert load(*rows, on=JUNE).events == 0
    assert load(*rows, on=JULY).events == 1
    assert overdue()[2][0] == "00000004"


def test_accounts_that_came_in_time_are_not_overdue_and_the_next_ones_may_be() -> None:
    load(due(1, "15/05/2020"), on=MAY)
    assert load(due(1, "15/06/2020"), on=JUNE).events == 0
    assert load(due(1, "15/06/2020"), on=JULY).events == 1
    assert overdue() == [("00000001", date(2020, 6, 16), "2020-06-15")]


def test_companies_that_left_the_register_are_not_told_of() -> None:
    load(due(1, "15/05/2020"), due(2, "15/05/2020"), on=MAY)
    load(due(2, "15/05/2020"), on=JUNE)
    assert [number for number, _, _ in overdue()] == ["00000002"]


def test_a_snapshot_older_than_the_last_and_one_without_events_tell_nothing() -> None:
    load(due(1, "15/05/2020"), on=JUNE)
    load(due(1, "15/05/2020"), on=MAY)
    load(due(1, "15/05/2020"), on=JUNE, write_events=False)
    assert overdue() == []


def test_a_dry_run_counts_them_and_writes_none() -> None:
    load(due(1, "15/05/2020"), on=MAY)
    assert load(due(1, "15/05/2020"), on=JUNE, dry_run=True).events == 1
    assert overdue() == []


@pytest.mark.parametrize(
    ("number", "category", "kind"),
    [
        ("01234568", "Private Limited Company", "incorporated"),
        ("SC234568", "Private Limited Company", "incorporated"),
        *((number, "Other company type", "branch_registered") for number in ("FC041931", "SF001234", "NF001234")),
        ("OE001234", "Overseas Entity", None),
    ],
)
def test_what_a_new_company_is_news_of(number: str, category: str, kind: str | None) -> None:
    load(company(), on=MAY)
    row = company(CompanyNumber=number, CompanyCategory=category, CountryOfOrigin="DENMARK", CompanyName="NY A/S")
    load(company(), row, on=JUNE)
    told = list(BusinessEvent.objects.values_list("kind", "occurred_on", "payload"))
    assert [event[0] for event in told] == ([kind] if kind else [])
    if kind == "branch_registered":
        payload = payload_of(kind, told[0][2])
        assert isinstance(payload, Changed)
        assert payload.after == {"name": "NY A/S", "number": number, "country_of_origin": "DENMARK"}
        assert (payload.before, payload.snapshot_on, told[0][1]) == (None, JUNE, date(2003, 2, 1))
