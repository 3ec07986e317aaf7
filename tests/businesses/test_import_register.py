"""The import of the register: what is written, what is not, and what is told as an event."""

import csv
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from businesses.imports import ImportReport, import_register
from businesses.imports.copying import CopyRows
from businesses.models import Business, BusinessEvent, Status
from businesses.normalise import normalise_name
from oppspot.core.errors import InvalidInput
from tests.businesses.register_files import (
    REAL_REGISTER,
    companies,
    company,
    events,
    real_file,
    versions,
    write,
)

pytestmark = pytest.mark.django_db
MAY, JUNE = date(2020, 5, 1), date(2020, 6, 1)


@pytest.fixture(autouse=True)
def in_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(rows: list[list[str]], *, on: date = MAY, **options: Any) -> ImportReport:
    return import_register(paths=[write(Path("register.csv"), rows)], snapshot_on=on, **options)


def counts(report: ImportReport) -> tuple[int, int, int, int, int, int]:
    return (report.read, report.inserted, report.changed, report.unchanged, report.rejected, report.events)


def rejects(report: ImportReport) -> list[list[str]]:
    assert report.rejects_path is not None
    with report.rejects_path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def read_real() -> list[list[str]]:
    with real_file(REAL_REGISTER.name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def written_by_server() -> tuple[int, int]:
    """Rows of `businesses` inserted and updated by this transaction, as the server counts them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_stat_get_xact_tuples_inserted('businesses'::regclass),"
            " pg_stat_get_xact_tuples_updated('businesses'::regclass)"
        )
        inserted, updated = cursor.fetchone()
    return inserted, updated


def test_real_register_and_again() -> None:
    path = real_file(REAL_REGISTER.name)
    assert counts(import_register(paths=[path])) == (4537, 4537, 0, 0, 0, 0)
    before, server_before = versions(), written_by_server()
    assert len(before) == 4537
    report = import_register(paths=[path])
    assert counts(report) == (4537, 0, 0, 4537, 0, 0)
    assert report.snapshot_on == MAY
    assert versions() == before
    assert written_by_server() == server_before
    business = Business.objects.get(company_number="10231623")
    assert (business.name, business.town, business.postcode_area) == (
        "C.S. ENGINEERING (SOUTH EAST) LIMITED",
        "ST. LEONARDS-ON-SEA",
        "TN",
    )
    assert business.name_normalised == normalise_name(business.name)
    assert (business.source, business.register_snapshot_on) == ("companies_house_bulk", MAY)


def test_real_register_edited_gives_exactly_its_changes(tmp_path: Path) -> None:
    head, *rows = read_real()
    import_register(paths=[real_file(REAL_REGISTER.name)])
    place = {name: index for index, name in enumerate(head)}
    for row in rows[:10]:
        row[0] = f"NEW {row[0]}"
    for row in rows[20:25]:
        row[place["RegAddress.PostTown"]] = "ELSEWHERE"
    for row in rows[30:33]:
        row[place["CompanyStatus"]] = "In Administration"
    new = [[*rows[50][:1], f"9999999{n}", *rows[50][2:]] for n in (1, 2)]
    edited = tmp_path / "BasicCompanyDataAsOneFile-2020-06-01.csv"
    with edited.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows, *new, [*rows[60], "a fifth code"]])
    fell_due = [row for row in [*rows, *new] if row[place["Accounts.NextDueDate"]].endswith("/05/2020")]
    late = [row for row in fell_due if row[place["CompanyStatus"]].startswith("Active")]
    assert len(late) == 141
    before = versions()
    report = import_register(paths=[edited])
    assert counts(report) == (4540, 2, 18, 4519, 1, 20 + len(late))
    after = versions()
    assert sum(after[pk] != before[pk] for pk in before) == 18
    kinds = list(BusinessEvent.objects.values_list("kind", flat=True))
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "accounts_overdue": len(late),
        "name_changed": 10,
        "address_changed": 5,
        "status_changed": 3,
        "incorporated": 2,
    }
    assert rejects(report)[0][:2] == ["4541", "56 columns instead of 55"]
    assert counts(import_register(paths=[edited])) == (4540, 0, 0, 4539, 1, 0)
    assert versions() == after


def test_all_kinds_of_events_with_before_and_after() -> None:
    load([company(CompanyNumber="00000001", PostTown="LEEDS", PostCode="LS1 1AA", SicText_1="62012 - Software")])
    row = company(
        CompanyNumber="00000001",
        CompanyName="NEWER LIMITED",
        PostTown="YORK",
        PostCode="LS1 1AA",
        CompanyStatus="Active - Proposal to Strike off",
        SicText_1="62020 - IT consultancy",
        SicText_2="7499 - Non-trading company",
        AccountCategory="SMALL",
        NumMortCharges="3",
        NumMortOutstanding="1",
        NumMortSatisfied="2",
    )
    report = load([row, company(CompanyNumber="00000002", CompanyName="YOUNG LTD")], on=JUNE)
    assert report.events == 8
    nothing = {"total": 0, "outstanding": 0, "part_satisfied": 0, "satisfied": 0}
    charges = {"total": 3, "outstanding": 1, "part_satisfied": 0, "satisfied": 2}
    assert events() == [
        ("00000001", "name_changed", "ACME LIMITED", "NEWER LIMITED"),
        ("00000001", "address_changed", {"town": "LEEDS"}, {"town": "YORK"}),
        ("00000001", "status_changed", "active", "strike_off_proposed"),
        ("00000001", "sic_changed", ["62012"], ["62020", "7499"]),
        ("00000001", "accounts_category_changed", "", "SMALL"),
        ("00000001", "charge_registered", nothing, charges),
        ("00000001", "charge_satisfied", nothing, charges),
        (
            "00000002",
            "incorporated",
            None,
            {"name": "YOUNG LTD", "number": "00000002", "incorporated_on": "2003-02-01"},
        ),
    ]
    status = BusinessEvent.objects.get(kind="status_changed")
    assert (status.payload["before_raw"], status.payload["after_raw"]) == ("Active", "Active - Proposal to Strike off")
    assert {event.payload["snapshot_on"] for event in BusinessEvent.objects.all()} == {"2020-06-01"}
    assert {event.source for event in BusinessEvent.objects.all()} == {"companies_house_bulk"}
    assert status.source_url == "https://find-and-update.company-information.service.gov.uk/company/00000001"
    assert status.occurred_on is None
    assert BusinessEvent.objects.get(kind="incorporated").occurred_on == date(2003, 2, 1)
    business = Business.objects.get(company_number="00000001")
    assert (business.name, business.town, business.status) == ("NEWER LIMITED", "YORK", Status.STRIKE_OFF_PROPOSED)
    assert business.sic_titles == "Information technology consultancy activities; Non-trading company"


def test_a_change_of_no_watched_fact_is_written_without_event() -> None:
    load([company(ConfStmtNextDueDate="01/01/2021")])
    assert counts(load([company(ConfStmtNextDueDate="01/01/2022")], on=JUNE)) == (1, 0, 1, 0, 0, 0)
    assert Business.objects.get().confirmation_next_due_on == date(2022, 1, 1)


def test_importing_the_same_snapshots_again_and_again_adds_no_events() -> None:
    may, june = [company()], [company(CompanyName="NEWER LIMITED")]
    load(may)
    assert load(june, on=JUNE).events == 1
    for _ in range(2):
        back = load(may)
        assert (back.changed, back.events) == (1, 0)
        assert back.warnings == [
            (
                "The register is of 2020-06-01; this snapshot, of 2020-05-01, is older and takes it back. "
                "No events are written."
            )
        ]
        assert load(june, on=JUNE).events == 0
    assert BusinessEvent.objects.count() == 1


def test_no_events_on_request() -> None:
    load([company()])
    assert load([company(CompanyName="NEWER LIMITED"), *companies(2)], on=JUNE, write_events=False).events == 0
    assert not BusinessEvent.objects.exists()


def test_a_company_of_another_source_becomes_the_registers_without_event() -> None:
    other = Business.objects.create(
        company_number="01234567",
        name="Acme",
        town="Paris",
        description="Makes anvils",
        website="https://acme.example",
        categories=["anvils"],
        founded_year=1999,
        employee_count=12,
    )
    load([company(CompanyNumber="00000001")])
    assert counts(load([company(PostTown="LEEDS")], on=JUNE)) == (1, 0, 1, 0, 0, 0)
    other.refresh_from_db()
    assert (other.name, other.town, other.status, other.register_snapshot_on) == (
        "ACME LIMITED",
        "LEEDS",
        Status.ACTIVE,
        JUNE,
    )
    assert (other.description, other.website, other.domain, other.categories) == (
        "Makes anvils",
        "https://acme.example",
        "acme.example",
        ["anvils"],
    )
    assert (other.founded_year, other.employee_count) == (1999, 12)
    assert load([company(PostTown="YORK")], on=date(2020, 7, 1)).events == 1


def test_only_changed_rows_lose_their_place_and_keep_their_vector() -> None:
    load(companies(5))
    Business.objects.update(embedding=[1.0, 0.0], embedding_model="m", embedding_hash="h")
    before = versions()
    rows = companies(5)
    rows[2][0] = "NEWER LTD"
    load(rows, on=JUNE)
    changed = {pk for pk, version in versions().items() if before[pk] != version}
    assert changed == {Business.objects.get(company_number="00000003").pk}
    assert Business.objects.filter(embedding_model="m", embedding_hash="h").count() == 5


@pytest.mark.parametrize("existing", [0, 1])
def test_the_first_row_of_a_number_counts(existing: int) -> None:
    if existing:
        load([company(CompanyNumber="00000009")])
    rows = [
        company(CompanyName="FIRST", CompanyNumber="00000001"),
        company(CompanyNumber="00000002"),
        company(CompanyName="SECOND", CompanyNumber="1"),
        company(CompanyName="THIRD", CompanyNumber="00000001"),
    ]
    report = load(rows, on=JUNE)
    assert counts(report)[:5] == (4, 2, 0, 0, 2)
    assert Business.objects.get(company_number="00000001").name == "FIRST"
    assert [row[:2] for row in rejects(report)] == [
        ["4", "company number 00000001 is already on line 2"],
        ["5", "company number 00000001 is already on line 2"],
    ]
    assert counts(load(rows, on=JUNE))[:5] == (4, 0, 0, 2, 2)


def test_a_bad_row_does_not_take_the_number_of_a_good_one() -> None:
    report = load([company(IncorporationDate="x"), company(CompanyName="GOOD")])
    assert counts(report)[:5] == (2, 1, 0, 0, 1)
    assert Business.objects.get().name == "GOOD"


def test_parts_are_one_snapshot(tmp_path: Path) -> None:
    rows = companies(6)
    parts = [
        write(tmp_path / f"BasicCompanyData-2020-05-01-part{n}_2.csv", rows[slice(*span)])
        for n, span in ((1, (0, 4)), (2, (3, 6)))
    ]
    report = import_register(paths=parts)
    assert counts(report) == (7, 6, 0, 0, 1, 0)
    assert report.snapshot_on == MAY
    assert rejects(report)[0][1] == f"company number 00000004 is already on line 5 of {parts[0].name}"
    assert rejects(report)[0][3] == str(parts[1])


def test_files_of_several_snapshots_are_refused(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"BasicCompanyData-2020-0{month}-01-part1_1.csv", []) for month in (5, 6)]
    with pytest.raises(InvalidInput, match="several snapshots: 2020-05-01, 2020-06-01"):
        import_register(paths=paths)


def test_zip(tmp_path: Path) -> None:
    path = tmp_path / "BasicCompanyDataAsOneFile-2020-05-01.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(write(tmp_path / "inside.csv", companies(50)), "inside.csv")
    assert counts(import_register(paths=[path])) == (50, 50, 0, 0, 0, 0)
    assert counts(import_register(paths=[tmp_path / "inside.csv"], snapshot_on=MAY)) == (50, 0, 0, 50, 0, 0)


@pytest.mark.parametrize("existing", [0, 1])
def test_a_file_damaged_at_its_end_changes_nothing(tmp_path: Path, existing: int) -> None:
    if existing:
        load(companies(1))
    before = versions()
    path = tmp_path / "register.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.write(write(tmp_path / "inside.csv", companies(3000)), "inside.csv")
    data = bytearray(path.read_bytes())
    data[-3000] ^= 0x01
    path.write_bytes(data)
    with pytest.raises(InvalidInput, match="is damaged: Bad CRC-32"):
        import_register(paths=[path])
    assert versions() == before
    assert not _leftovers()


def test_dry_run_reports_and_writes_nothing() -> None:
    assert counts(load(companies(3), dry_run=True)) == (3, 3, 0, 0, 0, 0)
    assert not Business.objects.exists()
    load(companies(3))
    before = versions()
    rows = [*companies(3, PostTown="YORK"), company()]
    assert counts(load(rows, on=JUNE, dry_run=True)) == (4, 1, 3, 0, 0, 4)
    assert versions() == before
    assert not BusinessEvent.objects.exists()
    assert counts(load(rows, on=JUNE)) == (4, 1, 3, 0, 0, 4)


def test_indexes_are_all_there_after_a_first_load() -> None:
    before = _indexes()
    load(companies(10))
    assert _indexes() == before
    assert len(before) > 10


def test_a_bulk_change_builds_indexes_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("businesses.imports.register.MANY", 1)
    Business.objects.create(name="Sample")
    before = _indexes()
    assert counts(load(companies(10)))[:2] == (10, 10)
    assert _indexes() == before


def test_a_file_that_changes_between_the_passes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    load(companies(2))
    monkeypatch.setattr(
        "businesses.imports.register._stage", lambda run: write(Path("register.csv"), companies(3, PostTown="YORK"))
    )
    with pytest.raises(InvalidInput, match="changed while it was read"):
        load(companies(2, PostTown="LEEDS"), on=JUNE)


def test_an_empty_register_file_is_fine() -> None:
    assert counts(load([])) == (0, 0, 0, 0, 0, 0)


def test_rejected_rows_do_not_run_in_a_spreadsheet() -> None:
    Path("bad.csv").write_text("x")
    report = load([["=1+1"], ["@SUM(A1)", "b"]])
    assert [row[2] for row in rejects(report)] == ['"=1+1"', '"@SUM(A1)","b"']


hostile = st.text(
    st.characters(exclude_characters="\x00", exclude_categories=["Cs"]) | st.sampled_from('\t\n\r"\\,;\x1f|{}&'),
    max_size=40,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(hostile, hostile), max_size=8))
def test_any_text_goes_through_copy_unchanged(rows: list[tuple[str, str]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE hostile (a text NOT NULL, b text)")
        with CopyRows(cursor, "hostile", ("a", "b"), not_null=("a",)) as copy:
            for row in rows:
                copy.write(row)
        cursor.execute("SELECT a, coalesce(b, '') FROM hostile")
        found = cursor.fetchall()
        cursor.execute("DROP TABLE hostile")
    assert found == rows


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hostile, hostile, hostile)
def test_any_cell_of_a_register_is_stored(name: str, town: str, previous: str) -> None:
    Business.objects.all().delete()
    row = company(CompanyName=f"X{name}", PostTown=town, PreviousName_1__CompanyName=previous)
    assert counts(load([row]))[:2] == (1, 1)
    business = Business.objects.get()
    assert business.town.split() == ([] if town.strip() == "NA" else town.split())
    assert not set(business.town + business.name) & set("\n\r\t")
    if "&" not in name:
        assert business.name.split() == f"X{name}".split()


def _indexes() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = 'businesses' ORDER BY 1")
        return [definition for (definition,) in cursor.fetchall()]


def _leftovers() -> list[str]:
    return [name for name in connection.introspection.table_names() if name.startswith("import_")]
