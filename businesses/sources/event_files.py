"""Events of other systems, from files: CSV with a header, or JSON lines.

A row names its company (`number`, `domain` or `name`) and has `kind`, `occurred_on`, `source`, `source_url`, `id` and
`payload`; further columns are part of the payload. A row with an `id` is the same event whatever else changes.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from businesses.sources.event_values import event_of
from businesses.sources.growing_files import EVERY, GrowingFile, file_targets, opened
from businesses.sources.lines import TooLong, csv_rows
from businesses.sources.pull import Checkpoint, Item, PullSource, Selection, Target, Unreadable
from businesses.sources.tabular import DELIMITERS
from oppspot.core.errors import InvalidInput, PermanentError
from oppspot.jobs.context import StepError

Row = dict[str, Any]


class EventFiles(PullSource):
    """The checkpoint is up to where the file was read, and a digest of that part."""

    name, label = "event_files", "Files of events"

    def targets(self, selection: Selection) -> Iterator[Target]:
        yield from file_targets(self.name, selection)

    def pull(self, target: Target) -> Iterator[Item]:
        if target.path is None:
            raise PermanentError("Events are read from files; name one.")
        with opened(target.path, target.checkpoint) as file:
            held = target.checkpoint if file.is_continued else {}
            is_table = "columns" in held or (not file.is_continued and file.first() not in {b"{", b""})
            header = held.get("columns") or (_header(file) if is_table else None)
            rows = json_rows(file) if header is None else _csv_rows(file, header)
            yield from items(file, rows, event_of, target.path.name, {} if header is None else {"columns": header})


def items(
    file: GrowingFile,
    rows: Iterator[tuple[int, Row | str]],
    read: Callable[[Row], Item],
    name: str,
    extra: Row,
) -> Iterator[Item]:
    """What `read` makes of each row, or why it could not be read, with a checkpoint every now and then."""
    count = 0
    for count, (number, row) in enumerate(rows, start=1):
        where = f"{name}:{number}"
        if isinstance(row, str):
            yield Unreadable(where, row)
        else:
            try:
                yield read(row)
            except (ValueError, RecursionError, InvalidInput, StepError) as error:
                yield Unreadable(where, str(error))
        if count % EVERY == 0:
            yield Checkpoint(file.checkpoint() | extra)
    if count % EVERY or not count:
        yield Checkpoint(file.checkpoint() | extra)


def json_rows(file: GrowingFile) -> Iterator[tuple[int, Row | str]]:
    """Each object with its line, or what is wrong with the line. Empty lines are skipped."""
    while True:
        number = file.lines.number + 1
        try:
            line = next(file.lines).strip()
            value = json.loads(line) if line else None
        except StopIteration:
            return
        except (TooLong, ValueError, RecursionError) as error:
            yield number, f"not JSON: {error}"
            continue
        if line:
            yield number, value if isinstance(value, dict) else "not a JSON object"


def _header(file: GrowingFile) -> list[str]:
    """Its delimiter first, then its columns. Raises `PermanentError` for what is no table of events."""
    try:
        first = next(file.lines, "")
    except TooLong as error:
        raise PermanentError(f"The file is no CSV: its first line is {error}.") from None
    delimiter = max(DELIMITERS, key=first.count)
    columns = [column.strip().strip('"').lower() for column in first.split(delimiter)]
    if "kind" not in columns:
        raise PermanentError(f"The file has no column kind; it has {', '.join(columns)[:500]}.")
    return [delimiter, *columns]


def _csv_rows(file: GrowingFile, header: list[str]) -> Iterator[tuple[int, Row | str]]:
    delimiter, *columns = header
    for number, cells, problem in csv_rows(file.lines, delimiter=delimiter):
        if problem:
            yield number, problem
        elif len(cells) != len(columns):
            yield number, f"{len(cells)} columns instead of {len(columns)}"
        else:
            yield number, dict(zip(columns, cells, strict=True))
