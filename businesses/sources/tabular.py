"""Any table of companies: CSV with a header (separated by comma, semicolon, tab or bar) or JSON lines.

A mapping says which columns a field is made from; columns named like a field are taken without being asked.
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

from businesses.sources.base import Failure, Progress, Record, UnreadableSource, position_of
from businesses.sources.lines import BOM, Lines, TooLong, csv_rows
from businesses.sources.tabular_values import COLUMNS, FIELDS, JOINED, Cell, values_of
from oppspot.core.errors import InvalidInput

DELIMITERS = (",", ";", "\t", "|")
IDENTIFYING = {"name", "company_number", "website"}


def parse_mapping(options: Sequence[str]) -> dict[str, list[str]]:
    """`["categories=tags,industry"]` → `{"categories": ["tags", "industry"]}`. Raises `InvalidInput`."""
    mapping: dict[str, list[str]] = {}
    for option in options:
        field, found, columns = option.partition("=")
        field = field.strip()
        names = [name.strip() for name in columns.split(",") if name.strip()]
        if not found or not names:
            raise InvalidInput(f"{option!r} is no mapping; write it as field=column.")
        if field not in FIELDS:
            raise InvalidInput(f"{field!r} is not a field that a file may set; those are {', '.join(FIELDS)}.")
        if len(names) > 1 and field not in JOINED:
            raise InvalidInput(f"Only {' and '.join(JOINED)} can be made from several columns, not {field}.")
        if field in mapping:
            raise InvalidInput(f"{field} is mapped twice; name its columns together: {field}=one,two.")
        mapping[field] = names
    return mapping


class TabularFile:
    """The rows of one file. `unseen` are the mapped columns that no row had, once all are read."""

    def __init__(
        self,
        path: Path,
        *,
        mapping: Mapping[str, Sequence[str]],
        only_mapped: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self.path = path
        self.mapping = mapping
        self.only_mapped = only_mapped
        self.progress = progress
        self.unseen = {column for columns in mapping.values() for column in columns}

    def records(self) -> Iterator[Record | Failure]:
        """Each row as a record whose values are in the order of `COLUMNS`, or as a failure.

        Raises `UnreadableSource` for a file that is missing, empty, or not such a table.
        """
        try:
            with self.path.open("rb") as file:
                lines = Lines(file, self.progress)
                start = file.peek().removeprefix(BOM).lstrip()
                if not start:
                    raise UnreadableSource(f"{self.path} is empty.")
                if start.startswith(b"["):
                    raise UnreadableSource(f"{self.path} is a JSON array; write one object a line instead.")
                yield from self._json(lines) if start.startswith(b"{") else self._csv(lines)
        except OSError as error:
            raise UnreadableSource(f"{self.path} cannot be read: {error.strerror or error}.") from error

    def _csv(self, lines: Lines) -> Iterator[Record | Failure]:
        try:
            first = next(lines)
        except TooLong as error:
            raise UnreadableSource(f"{self.path} is not a csv file: its first line is {error}.") from None
        delimiter = max(DELIMITERS, key=lambda mark: len(next(csv.reader([first], delimiter=mark))))
        names = [name.strip() for name in next(csv.reader([first], delimiter=delimiter))]
        plan = self._plan(names)
        if missing := [column for columns in self.mapping.values() for column in columns if column not in names]:
            raise UnreadableSource(f"{self.path} has no column {', '.join(missing)}; it has {', '.join(names)}.")
        self.unseen.clear()
        if not IDENTIFYING & plan.keys():
            raise UnreadableSource(f"{self.path} has no column for {' or '.join(sorted(IDENTIFYING))}; map one.")
        places = {field: [names.index(column) for column in columns] for field, columns in plan.items()}
        for number, row, problem in csv_rows(lines, delimiter=delimiter):
            position = position_of(0, number)
            if problem:
                yield Failure(position, problem, "")
            elif len(row) != len(names):
                yield Failure(position, f"{len(row)} columns instead of {len(names)}", row)
            else:
                yield _record(position, {field: [row[place] for place in own] for field, own in places.items()}, row)

    def _json(self, lines: Lines) -> Iterator[Record | Failure]:
        while True:
            position = position_of(0, lines.number + 1)
            try:
                line = next(lines).strip()
                if not line:
                    continue
                item = json.loads(line)
            except StopIteration:
                return
            except TooLong as error:
                yield Failure(position, f"not JSON: {error}", "")
                continue
            except (ValueError, RecursionError) as error:
                yield Failure(position, f"not JSON: {error}", line)
                continue
            if not isinstance(item, dict):
                yield Failure(position, "not a JSON object", line)
                continue
            self.unseen -= item.keys()
            plan = self._plan(list(item))
            cells = {field: [item.get(column) for column in columns] for field, columns in plan.items()}
            yield _record(position, cells, line)

    def _plan(self, names: Sequence[str]) -> dict[str, Sequence[str]]:
        """The columns that each field is made from."""
        plan: dict[str, Sequence[str]] = {}
        if not self.only_mapped:
            plan = {name.lower(): [name] for name in reversed(names) if name.lower() in FIELDS}
        return plan | dict(self.mapping)


def _record(position: int, cells: Mapping[str, Sequence[Cell]], raw: list[str] | str) -> Record | Failure:
    try:
        values = values_of(cells)
    except (ValueError, RecursionError) as error:
        return Failure(position, str(error), raw)
    digest = blake2b("\x1f".join(values).encode(), digest_size=16).digest()
    return Record(position, values[COLUMNS.index("company_number")], values, digest, raw)
