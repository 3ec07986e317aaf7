"""The register's bulk file as records and failures, and its vocabulary in ours."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from businesses.models import Status
from businesses.sources.base import Failure, Record, UnreadableSource, file_and_line
from businesses.sources.companies_house import company_type_of, iso_date, sic_of, status_of
from businesses.sources.companies_house_bulk import COLUMNS, BulkFile, snapshot_date
from businesses.sources.companies_house_values import REGISTER_COLUMNS, values_of
from tests.businesses.register_files import company, real_file, write


def read(path: Path) -> list[Record | Failure]:
    return list(BulkFile(path).records())


def read_row(tmp_path: Path, row: Sequence[str]) -> Record | Failure:
    (item,) = read(write(tmp_path / "register.csv", [row]))
    return item


def facts(tmp_path: Path, **fields: str) -> dict[str, str]:
    record = read_row(tmp_path, company(**fields))
    assert isinstance(record, Record), record
    return dict(zip(REGISTER_COLUMNS, values_of(record), strict=True))


def reason(tmp_path: Path, **fields: str) -> str:
    failure = read_row(tmp_path, company(**fields))
    assert isinstance(failure, Failure), failure
    return failure.reason


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Active", Status.ACTIVE),
        ("Active - Proposal to Strike off", Status.STRIKE_OFF_PROPOSED),
        ("Liquidation", Status.INSOLVENT),
        ("In Administration", Status.INSOLVENT),
        ("In Administration/Administrative Receiver", Status.INSOLVENT),
        ("ADMINISTRATION ORDER", Status.INSOLVENT),
        ("Live but Receiver Manager on at least one charge", Status.INSOLVENT),
        ("RECEIVERSHIP", Status.INSOLVENT),
        ("Voluntary Arrangement", Status.INSOLVENT),
        ("voluntary-arrangement", Status.INSOLVENT),
        ("Dissolved", Status.DISSOLVED),
        ("Converted / Closed", Status.DISSOLVED),
        ("Inactive", Status.OTHER),
        ("", Status.UNKNOWN),
    ],
)
def test_status(text: str, status: Status) -> None:
    assert status_of(text) is status


@pytest.mark.parametrize(
    ("text", "company_type"),
    [
        ("Private Limited Company", "ltd"),
        ("Public Limited Company", "plc"),
        ("Limited Liability Partnership", "llp"),
        ("PRI/LTD BY GUAR/NSC (Private, limited by guarantee, no share capital)", "private-limited-guarant-nsc"),
        (
            "PRI/LBG/NSC (Private, Limited by guarantee, no share capital, use of 'Limited' exemption)",
            "private-limited-guarant-nsc-limited-exemption",
        ),
        ("Community Interest Company", "community-interest-company"),
        ("Something New", "something-new"),
        ("", ""),
    ],
)
def test_company_type(text: str, company_type: str) -> None:
    assert company_type_of(text) == company_type


def test_dates_are_days_months_years() -> None:
    assert iso_date("03/02/2001") == "2001-02-03"
    assert iso_date("") == ""
    for text in ("31/02/2020", "2020-01-01", "1/2/2020", "NA", "00/00/0000", "\u0660\u0661/01/2020"):
        with pytest.raises(ValueError, match="is not a date"):
            iso_date(text)


def test_industry_codes_keep_the_title_that_only_the_file_knows() -> None:
    assert sic_of("62012 - Whatever the file says", "", "7499 - Non-trading company", "None Supplied") == (
        ("62012", "7499"),
        "Business and domestic software development; Non-trading company",
    )
    assert sic_of("None Supplied") == ((), "")


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("BasicCompanyDataAsOneFile-2020-05-01.zip", "2020-05-01"),
        ("BasicCompanyData-2026-11-01-part1_7.zip", "2026-11-01"),
        ("BasicCompanyData-2026-13-01-part1_7.zip", None),
        ("register.csv", None),
    ],
)
def test_snapshot_date_is_in_the_name(name: str, day: str | None) -> None:
    found = snapshot_date(Path(name))
    assert (found and found.isoformat()) == day


def test_every_column_becomes_its_fact(tmp_path: Path) -> None:
    found = facts(
        tmp_path,
        CompanyName="BÖRING &AMP; SONS LTD",
        CompanyNumber="64",
        AddressLine1="1 HIGH  STREET",
        AddressLine2="SOHO",
        PostTown="LONDON",
        County="GREATER LONDON",
        Country="ENGLAND",
        PostCode="EC1V 4PY",
        CompanyStatus="Liquidation",
        CountryOfOrigin="United Kingdom",
        DissolutionDate="05/06/2021",
        Accounts__NextDueDate="31/12/2025",
        Accounts__LastMadeUpDate="31/03/2024",
        AccountCategory="MICRO ENTITY",
        ConfStmtNextDueDate="01/07/2025",
        ConfStmtLastMadeUpDate="17/06/2024",
        NumMortCharges="4",
        NumMortOutstanding="1",
        NumMortPartSatisfied="1",
        NumMortSatisfied="2",
        SicText_1="62012 - Business and domestic software development",
        PreviousName_1__CONDATE="02/03/2010",
        PreviousName_1__CompanyName="DULL LTD ",
    )
    del found["register_hash"]
    assert found == {
        "company_number": "00000064",
        "name": "BÖRING & SONS LTD",
        "name_normalised": "boring and sons",
        "company_type": "ltd",
        "status": "insolvent",
        "status_raw": "Liquidation",
        "country_of_origin": "United Kingdom",
        "incorporated_on": "2003-02-01",
        "dissolved_on": "2021-06-05",
        "address_line1": "1 HIGH STREET",
        "address_line2": "SOHO",
        "town": "LONDON",
        "county": "GREATER LONDON",
        "country": "ENGLAND",
        "postcode": "EC1V 4PY",
        "sic_codes": "{62012}",
        "sic_titles": "Business and domestic software development",
        "accounts_category": "MICRO ENTITY",
        "accounts_last_made_up_on": "2024-03-31",
        "accounts_next_due_on": "2025-12-31",
        "confirmation_last_made_up_on": "2024-06-17",
        "confirmation_next_due_on": "2025-07-01",
        "charges_total": "4",
        "charges_outstanding": "1",
        "charges_part_satisfied": "1",
        "charges_satisfied": "2",
        "previous_names": '[{"name": "DULL LTD", "changed_on": "2010-03-02"}]',
    }


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("CHINZE&#039;S ART LTD", "CHINZE'S ART LTD"),
        ("A&AMP;A DESIGN LIMITED", "A&A DESIGN LIMITED"),
        ("CAF&EACUTE; LTD", "CAFÉ LTD"),
        ("AT&T; LTD", "AT&T; LTD"),
        ("THIS &amp THAT LTD", "THIS &amp THAT LTD"),
        ("COPY &copy OF LTD", "COPY &copy OF LTD"),
        ('"A" CERAMICS LIMITED', '"A" CERAMICS LIMITED'),
        ("NA", "NA"),
    ],
)
def test_only_complete_html_references_in_names_are_read(tmp_path: Path, written: str, name: str) -> None:
    assert facts(tmp_path, CompanyName=written)["name"] == name


@pytest.mark.parametrize(
    ("care_of", "box", "line", "expected"),
    [
        ("", "", "1 HIGH STREET", "1 HIGH STREET"),
        ("ANN WALLIS", "", "1 HIGH STREET", "C/O ANN WALLIS, 1 HIGH STREET"),
        ("C/O ANN WALLIS", "", "", "C/O ANN WALLIS"),
        ("C/O", "", "1 HIGH STREET", "1 HIGH STREET"),
        ("UNIT D5", "", "UNIT D5 PEAR MILL", "UNIT D5 PEAR MILL"),
        ("", "4385", "", "PO BOX 4385"),
        ("", "4385", "COMPANIES HOUSE", "PO BOX 4385, COMPANIES HOUSE"),
        ("", "UNIT 1102", "119A HIGH STREET", "UNIT 1102, 119A HIGH STREET"),
        ("", "*DEFAULT*", "290 MOSTON LANE", "290 MOSTON LANE"),
        ("", "EC1V 4PY", "1 HIGH STREET", "1 HIGH STREET"),
    ],
)
def test_care_of_and_po_box_go_before_the_address(
    tmp_path: Path, care_of: str, box: str, line: str, expected: str
) -> None:
    found = facts(tmp_path, CareOf=care_of, POBox=box, AddressLine1=line, PostCode="EC1V 4PY")
    assert found["address_line1"] == expected


def test_a_re_export_gives_the_same_records(tmp_path: Path) -> None:
    rows = [company(CompanyNumber="00000001", PostTown="LEEDS"), company(CompanyNumber="00000002", CareOf="ANN")]
    official = read(write(tmp_path / "official.csv", rows))
    other = tmp_path / "other.csv"
    cells = [[cell or "NA" for cell in row] for row in rows]
    other.write_text("﻿" + "\n".join(",".join(row) for row in [COLUMNS, *cells]) + "\n", encoding="utf-8")
    found = read(other)
    assert [(item.key, item.digest) for item in found if isinstance(item, Record)] == [
        (item.key, item.digest) for item in official if isinstance(item, Record)
    ]
    assert len(found) == 2


def test_columns_may_come_in_another_order(tmp_path: Path) -> None:
    row = company(PostTown="LEEDS")
    turned = write(tmp_path / "turned.csv", [row[::-1]], first=",".join(reversed(COLUMNS)))
    (there,), (here,) = read(turned), read(write(tmp_path / "register.csv", [row]))
    assert isinstance(there, Record)
    assert isinstance(here, Record)
    assert there.digest == here.digest


def test_what_is_not_stored_is_no_change(tmp_path: Path) -> None:
    first = read_row(tmp_path, company())
    second = read_row(tmp_path, company(URI="http://elsewhere", AccountRefDay="31", NumGenPartners="2"))
    assert isinstance(first, Record)
    assert isinstance(second, Record)
    assert first.digest == second.digest


def test_bad_rows_are_failures_with_their_line(tmp_path: Path) -> None:
    rows = [company(), [*company(), "fifth SIC code"], company()[:-1], company(CompanyNumber="00000002")]
    found = read(write(tmp_path / "register.csv", rows))
    assert [(file_and_line(item.position)[1], getattr(item, "reason", None)) for item in found] == [
        (2, None),
        (3, "56 columns instead of 55"),
        (4, "54 columns instead of 55"),
        (5, None),
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"CompanyName": "  "}, "no company name"),
        ({"CompanyNumber": "12 34"}, "'12 34' is not a company number (8 letters or digits)"),
        ({"IncorporationDate": "2003-02-01"}, "IncorporationDate: '2003-02-01' is not a date (DD/MM/YYYY)"),
        ({"PreviousName_1__CONDATE": "x"}, "PreviousName_1.CONDATE: 'x' is not a date (DD/MM/YYYY)"),
        ({"NumMortCharges": "-1"}, "Mortgages.NumMortCharges: '-1' is not a count"),
        ({"PostTown": "A\x00B"}, "RegAddress.PostTown has a NUL character"),
        ({"CompanyName": "X" * 2001}, "CompanyName is longer than 2000 bytes"),
    ],
)
def test_reasons_name_the_column(tmp_path: Path, fields: dict[str, str], expected: str) -> None:
    assert reason(tmp_path, **fields) == expected


def test_a_name_that_grows_when_normalised_is_refused(tmp_path: Path) -> None:
    record = read_row(tmp_path, company(CompanyName="\ufdfa" * 300))
    assert isinstance(record, Record)
    with pytest.raises(ValueError, match="CompanyName is longer than 2000 bytes"):
        values_of(record)


def test_bytes_that_are_not_utf_8_reject_their_row_only(tmp_path: Path) -> None:
    path = write(tmp_path / "register.csv", [company(CompanyName="CAFE LTD"), company()])
    path.write_bytes(path.read_bytes().replace(b"CAFE", b"CAF\xe9"))
    first, second = read(path)
    assert isinstance(first, Failure)
    assert first.reason == "not UTF-8"
    assert isinstance(second, Record)


def test_reading_goes_on_after_a_quote_that_is_never_closed(tmp_path: Path) -> None:
    path = write(tmp_path / "register.csv", [company(CompanyNumber=f"{n:08d}") for n in range(1, 900)])
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"ACME LIMITED","00000002"', '"ACME LIMITED,"00000002"', 1), encoding="utf-8")
    found = read(path)
    assert sum(isinstance(item, Failure) for item in found) < 3
    assert sum(isinstance(item, Record) for item in found) > 890


def test_a_quoted_field_may_span_lines(tmp_path: Path) -> None:
    rows = [company(AddressLine1="1 HIGH\r\nSTREET"), company(CompanyNumber="00000002")]
    first, second = read(write(tmp_path / "register.csv", rows))
    assert isinstance(first, Record)
    assert dict(zip(REGISTER_COLUMNS, values_of(first), strict=True))["address_line1"] == "1 HIGH STREET"
    assert [file_and_line(item.position)[1] for item in (first, second)] == [2, 4]


def test_zip_of_several_csv_files(tmp_path: Path) -> None:
    parts = [write(tmp_path / f"{n}.csv", [company(CompanyNumber=f"{n:08d}")]) for n in (1, 2)]
    with zipfile.ZipFile(tmp_path / "register.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", "not data")
        for part in parts:
            archive.write(part, part.name)
    assert [item.key for item in read(tmp_path / "register.zip") if isinstance(item, Record)] == [
        "00000001",
        "00000002",
    ]


def test_progress_tells_all_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / "register.csv", [company()] * 3000)
    told: list[int] = []
    list(BulkFile(path, progress=told.append).records())
    assert sum(told) >= path.stat().st_size


def _zip(name: str = "register.csv", *, content: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def _encrypted() -> bytes:
    data = bytearray(_zip(content=b"x"))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    return bytes(data)


def _corrupted() -> bytes:
    data = bytearray(_zip(content=",".join(COLUMNS).encode() + b"\n" * 5000))
    data[60] ^= 0xFF
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("register.csv", b"name,number\nA,1\n", "no column CompanyName, CompanyNumber, .* and 42 more"),
        ("register.csv", b"", "no column"),
        ("register.csv", b"\x89PNG\r\n\x1a\n\x00\x00", "no column"),
        ("register.zip", b"PK\x03\x04 cut off", "is damaged"),
        ("register.zip", _zip("notes.txt"), "has no csv file in it"),
        ("register.zip", _encrypted(), "is encrypted"),
        ("register.zip", _corrupted(), "is damaged"),
    ],
)
def test_what_is_no_register_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnreadableSource, match=message):
        read(path)


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match="No such file"):
        read(tmp_path / "missing.csv")
    with pytest.raises(UnreadableSource, match="Is a directory"):
        read(tmp_path)


def test_real_rows_in_the_official_form() -> None:
    found = read(real_file("basic_company_data_raw_sample.csv"))
    assert found
    assert all(isinstance(item, Record) and values_of(item) for item in found)


def test_real_rows_of_a_re_export() -> None:
    found = read(real_file("BasicCompanyDataAsOneFile-2020-05-01_sample.csv"))
    assert len(found) == 4537
    assert all(isinstance(item, Record) and values_of(item) for item in found)
