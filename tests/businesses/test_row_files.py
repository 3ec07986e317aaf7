"""Lists as CSV: what is read, what is refused and why, and that what is written is harmless in a spreadsheet."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from businesses.matching import Outcome, Placed, Reason, Row
from businesses.row_files import MAX_BYTES, MAX_ROWS, UnreadableList, csv_text, read_rows, unmatched_csv


def rows_of(text: str | bytes) -> list[Row]:
    return read_rows(io.BytesIO(text if isinstance(text, bytes) else text.encode()))


@pytest.mark.parametrize(
    "text",
    [
        "number,name\n64,Acme\n",
        "\ufeffCompany Number;Company_Name\r\n64;Acme\r\n",
        "id\tcompany_number\tCompanyName\n9\t 64 \tAcme",
        '"crn"|"name"\n"64"|"Acme"\n\n',
    ],
)
def test_columns_are_known_by_several_names(text: str) -> None:
    assert rows_of(text) == [Row(2, number="64", name="Acme")]


def test_every_column() -> None:
    (row,) = rows_of("name,website,city,number,note\nAcme,acme.example,Leeds,1,x\n")
    assert row == Row(2, number="1", domain="acme.example", name="Acme", town="Leeds")


def test_rows_that_cannot_be_read_stop_nothing_else() -> None:
    raw = b"name,town\nAcme,Leeds\nAcme\n\xff,x\na\x00b,x\n" + b"a" * 40_000 + b",x\nZenith,Hull\n"
    rows = rows_of(raw)
    assert [row.name for row in rows] == ["Acme", "", "", "", "", "Zenith"]
    assert [row.problem for row in rows] == [
        "",
        "The line has 1 columns, the header 2.",
        "Name is not UTF-8: save the list as CSV (UTF-8).",
        "Name has a NUL character.",
        "Name is longer than 32,768 bytes.",
        "",
    ]
    assert [row.line for row in rows] == [2, 3, 4, 5, 6, 7]


def test_a_quote_that_is_never_closed_is_told() -> None:
    rows = rows_of('name,town\n"Acme,Leeds\n' + "x" * 140_000 + "\nZenith,Hull\n")
    assert rows[0].problem.startswith("The line is not csv")
    assert rows[-1].name == "Zenith"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "The file is empty."),
        (b"name\n" + b"a" * MAX_BYTES, "larger than 10 MB"),
        (b"PK\x03\x04rest", "workbook"),
        ("name\nAcme".encode("utf-16"), "UTF-16"),
        (b"colour,shape\nred,round\n", "names no column number, domain or name"),
        (b"town\nLeeds\n", "names no column number, domain or name"),
        (b"name\n", "a header and no rows"),
        (b"name" + b",x" * 100 + b"\n", "101 columns; 100 are allowed"),
        (b"name\n" + b"a\n" * (MAX_ROWS + 1), "more than 50,000 rows"),
        (b"a" * 1_500_000, "not the header of a CSV file"),
    ],
)
def test_files_that_are_no_list(raw: bytes, message: str) -> None:
    with pytest.raises(UnreadableList, match=message):
        rows_of(raw)


def test_as_many_rows_as_are_allowed() -> None:
    assert len(rows_of(b"name\n" + b"a\n" * MAX_ROWS)) == MAX_ROWS


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "  =1", '=HYPERLINK("http://x")'])
def test_formulas_are_written_as_text(cell: str) -> None:
    (row,) = csv.reader(io.StringIO(csv_text(["x"], [[cell]]).partition("\r\n")[2], newline=""))
    assert row == [f"'{cell}"]


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_what_is_written_is_quoted_and_comes_back(cells: list[str]) -> None:
    text = csv_text(["x"] * len(cells), [cells])
    assert text.startswith('"x"')
    _, row = csv.reader(io.StringIO(text, newline=""))
    assert [cell.removeprefix("'") for cell in row] == [cell.removeprefix("'") for cell in cells]


def test_what_did_not_match_can_be_corrected_and_read_again() -> None:
    refused = Placed(Row(7, number="=1", name="Acme", town="Leeds"), Outcome.UNMATCHED, reason=Reason.INVALID_NUMBER)
    text = unmatched_csv([refused])
    assert rows_of(text) == [Row(2, number="'=1", name="Acme", town="Leeds")]
    assert "invalid_number" in text
