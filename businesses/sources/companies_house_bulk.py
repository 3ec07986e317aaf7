"""BasicCompanyData, the register's monthly snapshot: one file or its parts, zipped or not.

Besides the official form (spaces in header names, every field quoted, CR LF) it takes re-exports of it: a byte order
mark, no quotes, `NA` for missing values.
"""

import html
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from hashlib import blake2b
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

from businesses.normalise import COMPANY_NUMBER_LENGTH, normalise_company_number
from businesses.sources.base import MAX_INDEXED_BYTES, Failure, Progress, Record, UnreadableSource, position_of
from businesses.sources.companies_house import iso_date
from businesses.sources.lines import Lines, csv_rows

COLUMNS = (
    "CompanyName", "CompanyNumber", "RegAddress.CareOf", "RegAddress.POBox", "RegAddress.AddressLine1",
    "RegAddress.AddressLine2", "RegAddress.PostTown", "RegAddress.County", "RegAddress.Country", "RegAddress.PostCode",
    "CompanyCategory", "CompanyStatus", "CountryOfOrigin", "DissolutionDate", "IncorporationDate",
    "Accounts.AccountRefDay", "Accounts.AccountRefMonth", "Accounts.NextDueDate", "Accounts.LastMadeUpDate",
    "Accounts.AccountCategory", "Returns.NextDueDate", "Returns.LastMadeUpDate", "Mortgages.NumMortCharges",
    "Mortgages.NumMortOutstanding", "Mortgages.NumMortPartSatisfied", "Mortgages.NumMortSatisfied",
    "SICCode.SicText_1", "SICCode.SicText_2", "SICCode.SicText_3", "SICCode.SicText_4",
    "LimitedPartnerships.NumGenPartners", "LimitedPartnerships.NumLimPartners", "URI",
    *(f"PreviousName_{n}.{field}" for n in range(1, 11) for field in ("CONDATE", "CompanyName")),
    "ConfStmtNextDueDate", "ConfStmtLastMadeUpDate",
)  # fmt: skip
# Not stored, so a change in them is no change: duplicates of other columns, partners' counts, and the annual returns
# that confirmation statements replaced in 2016.
UNUSED = {
    "Accounts.AccountRefDay", "Accounts.AccountRefMonth", "Returns.NextDueDate", "Returns.LastMadeUpDate",
    "LimitedPartnerships.NumGenPartners", "LimitedPartnerships.NumLimPartners", "URI",
}  # fmt: skip
# The order of a record's values: dates and counts first, so that they are checked as a slice; previous names last,
# because few companies have any.
DATES = tuple(name for name in COLUMNS if name.endswith("Date") and name not in UNUSED)
COUNTS = tuple(name for name in COLUMNS if name.startswith("Mortgages."))
PREVIOUS = tuple(name for name in COLUMNS if name.startswith("PreviousName_"))
TEXTS = tuple(name for name in COLUMNS if name not in {*UNUSED, *DATES, *COUNTS, *PREVIOUS})
USED = (*DATES, *COUNTS, *TEXTS, *PREVIOUS)
FIRST_TEXT, FIRST_PREVIOUS = len(DATES + COUNTS), len(DATES + COUNTS + TEXTS)

# Entered into the digest: another number makes the next import write every row anew, as it must when the way values
# are made from a row changes.
DIGEST_VERSION = "1"
_REFERENCE = re.compile(r"&(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_SNAPSHOT = re.compile(r"BasicCompanyData(?:AsOneFile)?-(\d{4}-\d{2}-\d{2})", re.IGNORECASE)

BUFFER = 1 << 18  # bytes
ENCRYPTED = 0x1  # of a zip member's flags
SHOWN = 6  # missing columns in a message
MAX_SEEN = 100_000
SEPARATOR = "\x1f"
# A cell that begins or ends with a space, or is what statistics programs write for a missing value.
BEGINS, ENDS, NOT_AVAILABLE = f"{SEPARATOR} ", f" {SEPARATOR}", f"{SEPARATOR}NA{SEPARATOR}"
NAME, NUMBER = USED.index("CompanyName"), USED.index("CompanyNumber")


def snapshot_date(path: Path) -> date | None:
    """The day in the name of an official file: `BasicCompanyDataAsOneFile-2020-05-01.zip`."""
    found = _SNAPSHOT.search(path.name)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def whole_number(text: str) -> int | None:
    """`"3"` → 3, `""` → None. Raises `ValueError`."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 9):  # noqa: PLR2004  what an integer column holds
        raise ValueError(f"{text!r} is not a count")
    return int(text)


class BulkFile:
    """One file of the register; it can be read again and again."""

    def __init__(self, path: Path, *, number: int = 0, progress: Progress | None = None) -> None:
        self.path = path
        self.number = number
        self.progress = progress

    def records(self) -> Iterator[Record | Failure]:
        """Each row as a record whose values are in the order of `USED`, or as a failure.

        Raises `UnreadableSource` for a file that is missing, damaged, or not this format.
        """
        line = 0
        try:
            with ExitStack() as stack:
                for member in self._members(stack):
                    lines = Lines(member)
                    yield from self._rows(lines, line)
                    line += lines.number
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise UnreadableSource(f"{self.path} is damaged: {error}.") from error
        except OSError as error:
            raise UnreadableSource(f"{self.path} cannot be read: {error.strerror or error}.") from error

    def _members(self, stack: ExitStack) -> Iterator[IO[bytes]]:
        """The file itself, or the csv files in it if it is a zip."""
        file = stack.enter_context(_Counted(self.path, self.progress))
        if not zipfile.is_zipfile(file):
            if self.path.suffix.lower() == ".zip":
                raise UnreadableSource(f"{self.path} is damaged: it is not a zip file, or not all of one.")
            file.seek(0)
            yield io.BufferedReader(file, BUFFER)
            return
        archive = stack.enter_context(zipfile.ZipFile(file))
        members = [info for info in archive.infolist() if info.filename.lower().endswith(".csv")]
        if not members:
            raise UnreadableSource(f"{self.path} has no csv file in it.")
        for info in members:
            if info.flag_bits & ENCRYPTED:
                raise UnreadableSource(f"{self.path} is encrypted: {info.filename} needs a password.")
            try:
                member = archive.open(info)
            except NotImplementedError as error:
                raise UnreadableSource(f"{self.path} is compressed in a way that is not supported: {error}.") from error
            yield stack.enter_context(member)

    def _rows(self, lines: Lines, before: int) -> Iterator[Record | Failure]:
        rows = csv_rows(lines)
        names = self._header(*next(rows, (1, [], "")))
        width, pick = len(names), itemgetter(*map(names.index, USED))
        start = position_of(self.number, before)
        for number, row, problem in rows:
            if problem:
                yield Failure(start + number, problem, "")
            elif len(row) != width:
                yield Failure(start + number, f"{len(row)} columns instead of {width}", row)
            else:
                try:
                    yield _record(start + number, pick(row), row)
                except ValueError as error:
                    yield Failure(start + number, str(error), row)

    def _header(self, number: int, row: list[str], problem: str) -> list[str]:
        if problem:
            raise UnreadableSource(f"{self.path} is {problem} (line {number}).")
        names = [name.strip() for name in row]
        if missing := [name for name in COLUMNS if name not in {*names, *UNUSED}]:
            shown = ", ".join(missing[:SHOWN]) + (f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else "")
            raise UnreadableSource(f"{self.path} is not the register's bulk file: no column {shown}.")
        return names


def _record(position: int, cells: tuple[str, ...], raw: list[str]) -> Record:
    """Raises `ValueError` with the reason why this row cannot be a company."""
    text = f"{SEPARATOR}{SEPARATOR.join(cells)}{SEPARATOR}"
    if not _is_tidy(text):
        cells = tuple(map(_tidy, cells, USED))
        text = f"{SEPARATOR}{SEPARATOR.join(cells)}{SEPARATOR}"
    try:
        data = (DIGEST_VERSION + text).encode()
    except UnicodeEncodeError:
        raise ValueError("not UTF-8") from None
    if len(data) > MAX_INDEXED_BYTES:
        _check_lengths(cells)
    if not cells[NAME]:
        raise ValueError("no company name")
    key = cells[NUMBER]
    if not (len(key) == COMPANY_NUMBER_LENGTH and key.isdigit() and key.isascii()):
        key = normalise_company_number(key)
    if not _seen.issuperset(cells[:FIRST_TEXT]):
        _check_formats(cells)
    if cells[FIRST_PREVIOUS]:
        _check_dates(cells, range(FIRST_PREVIOUS, len(USED), 2))
    return Record(position, key, cells, blake2b(data, digest_size=16).digest(), raw)


def _is_tidy(joined: str) -> bool:
    """Whether no cell of a row needs cleaning. Asked of the row as one text, because most rows are clean."""
    if "\n" in joined or "\r" in joined or "\t" in joined or "\x00" in joined or ("&" in joined and ";" in joined):
        return False
    return "  " not in joined and BEGINS not in joined and ENDS not in joined and NOT_AVAILABLE not in joined


_seen: set[str] = set()  # dates and counts that are known to be well formed


def _check_formats(cells: Sequence[str]) -> None:
    _check_dates(cells, range(len(DATES)))
    for index in range(len(DATES), FIRST_TEXT):
        try:
            whole_number(cells[index])
        except ValueError as error:
            raise ValueError(f"{USED[index]}: {error}") from None
    if len(_seen) > MAX_SEEN:
        _seen.clear()
    _seen.update(cells[:FIRST_TEXT])


def _check_dates(cells: Sequence[str], places: Iterable[int]) -> None:
    for index in places:
        try:
            iso_date(cells[index])
        except ValueError as error:
            raise ValueError(f"{USED[index]}: {error}") from None


def _tidy(cell: str, column: str) -> str:
    """Without `NA`, HTML references (in names) and white space that says nothing."""
    if "\x00" in cell:
        raise ValueError(f"{column} has a NUL character")
    if column.endswith("CompanyName"):
        cell = _REFERENCE.sub(_unescape, cell)
    if cell.strip() == "NA" and column != "CompanyName":
        return ""
    return " ".join(cell.split())


def _unescape(found: re.Match[str]) -> str:
    """`&#039;`, `&amp;`, and the register's `&AMP;` or `&EACUTE;`; anything else stays as it is."""
    text = html.unescape(found[0])
    return text if text != found[0] else html.unescape(text.lower()).upper()


def _check_lengths(cells: Sequence[str]) -> None:
    for name, cell in zip(USED, cells, strict=True):
        if len(cell.encode()) > MAX_INDEXED_BYTES:
            raise ValueError(f"{name} is longer than {MAX_INDEXED_BYTES} bytes")


class _Counted(io.FileIO):
    """A file that tells how many of its bytes were read, for progress bars."""

    def __init__(self, path: Path, progress: Progress | None) -> None:
        super().__init__(path)
        self.progress = progress

    def readinto(self, buffer: Any) -> int | None:
        count = super().readinto(buffer)
        if self.progress and count:
            self.progress(count)
        return count
