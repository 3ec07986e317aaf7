"""Lists of companies as CSV: reading what people upload, and writing what did not match for them to correct.

A file has a header. Known columns are taken, others are ignored, and a row that cannot be read stops nothing else.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import IO, Any

from businesses.matching import Placed, Row
from businesses.sources.base import MAX_CELL_BYTES
from businesses.sources.lines import Lines, TooLong, csv_rows
from oppspot.core.errors import InvalidInput

MAX_BYTES = 10 * 1024 * 1024
MAX_ROWS = 50_000
MAX_COLUMNS = 100
DELIMITERS = (",", ";", "\t", "|")
COLUMNS = {  # names that a column goes by, in lower case and without spaces, underscores and dots
    "number": {"number", "companynumber", "companyno", "registrationnumber", "crn", "registerednumber"},
    "domain": {"domain", "website", "url", "web", "companydomain", "companywebsite"},
    "name": {"name", "companyname", "company", "organisation", "organization"},
    "town": {"town", "city", "posttown", "regaddressposttown"},
}
IDENTIFYING = ("number", "domain", "name")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what a spreadsheet takes for the beginning of a formula
WORKBOOK, UTF_16 = b"PK\x03\x04", (b"\xff\xfe", b"\xfe\xff")


class UnreadableList(InvalidInput):
    """The file is not a list of companies."""

    code = "unreadable_list"


def read_rows(file: IO[bytes]) -> list[Row]:
    """The rows of a CSV file (UTF-8; comma, semicolon, tab or bar), each with the number of its line.

    Raises `UnreadableList` for a file that is empty, too large, something else, or without a column to match by.
    """
    start = file.read(len(WORKBOOK))
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if not size:
        raise UnreadableList("The file is empty.")
    if size > MAX_BYTES:
        raise UnreadableList(f"The file is larger than {MAX_BYTES // 1024 // 1024} MB: split it.")
    if start == WORKBOOK:
        raise UnreadableList("The file is a workbook or an archive: save the list as CSV (UTF-8).")
    if start.startswith(UTF_16):
        raise UnreadableList("The file is UTF-16: save the list as CSV (UTF-8).")
    lines = Lines(file)
    delimiter, places, width = _header(lines)
    rows: list[Row] = []
    for line, cells, problem in csv_rows(lines, delimiter=delimiter):
        if len(rows) == MAX_ROWS:
            raise UnreadableList(f"The file has more than {MAX_ROWS:,} rows: split it.")
        rows.append(_row(line, cells, places, width) if not problem else Row(line, problem=f"The line is {problem}."))
    if not rows:
        raise UnreadableList("The file has a header and no rows.")
    return rows


def _header(lines: Lines) -> tuple[str, dict[str, int], int]:
    """The delimiter, the place of each known column, and how many columns there are."""
    try:
        first = next(lines)
        delimiter = max(DELIMITERS, key=lambda mark: len(next(csv.reader([first], delimiter=mark))))
        names = next(csv.reader([first], delimiter=delimiter))
    except (csv.Error, TooLong, StopIteration) as error:
        raise UnreadableList("The first line is not the header of a CSV file.") from error
    if len(names) > MAX_COLUMNS:
        raise UnreadableList(f"The file has {len(names):,} columns; {MAX_COLUMNS} are allowed.")
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        spelling = "".join(character for character in name.lower() if character not in " _.-")
        for column, spellings in COLUMNS.items():
            if spelling in spellings:
                places.setdefault(column, place)
    if not places.keys() & set(IDENTIFYING):
        raise UnreadableList("The first line names no column number, domain or name: add a header.")
    return delimiter, places, len(names)


def _row(line: int, cells: Sequence[str], places: dict[str, int], width: int) -> Row:
    if len(cells) != width:
        return Row(line, problem=f"The line has {len(cells)} columns, the header {width}.")
    values = {column: cells[place].strip() for column, place in places.items()}
    for column, value in values.items():
        if problem := _problem(value):
            return Row(line, problem=f"{column.capitalize()} {problem}.")
    return Row(line, **values)


def _problem(text: str) -> str:
    """Why a cell cannot be used; empty when it can."""
    if "\x00" in text:
        return "has a NUL character"
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "is not UTF-8: save the list as CSV (UTF-8)"
    return f"is longer than {MAX_CELL_BYTES:,} bytes" if size > MAX_CELL_BYTES else ""


def unmatched_csv(placed: Iterable[Placed]) -> str:
    """Rows that did not match as CSV, with the reason: columns that `read_rows` takes once they are corrected."""
    header = ["line", "number", "domain", "name", "town", "reason", "explanation", "candidates"]
    return csv_text(
        header,
        (
            [
                *(str(one.row.line), one.row.number, one.row.domain, one.row.name, one.row.town),
                *(one.reason.value if one.reason else "", one.note, "; ".join(map(str, one.candidates))),
            ]
            for one in placed
        ),
    )


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """CSV that no spreadsheet runs: every cell is quoted, and one that could be a formula begins with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(header)
    writer.writerows([_harmless(str(cell)) for cell in row] for row in rows)
    return text.getvalue()


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) or text.lstrip().startswith(FORMULA) else text
