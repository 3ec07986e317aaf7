"""The import of the company register's bulk files.

Two passes over the files. The first copies only number and digest of each row; the database finds what is new or
changed. The second makes the values of those rows and copies them to a table, from which events, updates and new
companies are written. An empty register is filled in one pass, straight into the table. Each way is one transaction.

Killed at any time, the register is as it was or complete. Memory does not grow with the file, but for eight bytes for
each new or changed row.
"""

import contextlib
import itertools
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from tqdm import tqdm

from businesses.imports import register_sql as sql
from businesses.imports.copying import CopyRows
from businesses.imports.indexes import deferred_indexes, skip_log_of_empty_table
from businesses.imports.lock import import_lock
from businesses.imports.report import ImportReport, Rejects, default_rejects_path
from businesses.sources.base import Failure, Record, UnreadableSource, file_and_line
from businesses.sources.companies_house import NAME
from businesses.sources.companies_house_bulk import BulkFile, snapshot_date
from businesses.sources.companies_house_values import values_of
from oppspot.core.errors import InvalidInput
from oppspot.core.ids import uuid7

NONE = (None, 0)
STATISTICS = 30  # of 100, which takes as long as a tenth of a first load
MANY = 100_000  # rows from which it can pay to build indexes anew


def import_register(
    *,
    paths: Sequence[Path],
    snapshot_on: date | None = None,
    rejects_path: Path | None = None,
    write_events: bool = True,
    dry_run: bool = False,
    show_progress: bool = False,
) -> ImportReport:
    """Bring the register to the state of a snapshot, given as one file or all its parts.

    Events tell what changed since the last one; the first snapshot is the baseline and has none, and neither has one
    that is older than the last. Raises `InvalidInput` for files that cannot be read (nothing is written) and
    `ImportRunning`.
    """
    for path in paths:  # all parts, before the first is read for minutes
        if not path.is_file():
            raise UnreadableSource(f"{path} cannot be read: {'not a file' if path.exists() else 'it does not exist'}.")
    snapshot_on = snapshot_on or _snapshot_of(paths)
    report = ImportReport(snapshot_on=snapshot_on, dry_run=dry_run)
    with import_lock() as cursor, Rejects(rejects_path or default_rejects_path(paths[0]), paths) as rejects:
        run = _Run(cursor, paths, snapshot_on, rejects, report, show_progress)
        cursor.execute("SELECT max(register_snapshot_on), bool_or(register_hash IS NOT NULL) FROM businesses")
        latest, has_register = cursor.fetchone()
        if latest and latest > snapshot_on:
            report.warnings.append(
                f"The register is of {latest}; this snapshot, of {snapshot_on}, is older and takes it back. "
                "No events are written."
            )
        run.since = latest
        run.write_events = write_events and bool(has_register) and not (latest and latest > snapshot_on)
        _execute(run)
        report.rejected = rejects.count
        report.rejects_path = rejects.path if rejects.count else None
    return report


def _snapshot_of(paths: Sequence[Path]) -> date:
    """The date in the files' names; today if they have none."""
    dates = {day for path in paths if (day := snapshot_date(path))}
    if len(dates) > 1:
        raise InvalidInput(f"These are files of several snapshots: {', '.join(map(str, sorted(dates)))}.")
    return dates.pop() if dates else timezone.localdate()


@dataclass
class _Run:
    """What the steps of one import share."""

    cursor: Any
    paths: Sequence[Path]
    snapshot_on: date
    rejects: Rejects
    report: ImportReport
    show_progress: bool
    write_events: bool = False
    since: date | None = None  # the snapshot before

    def __post_init__(self) -> None:
        self.day = self.snapshot_on.isoformat()

    def records(self, label: str) -> Iterator[Record | Failure]:
        """The rows of all files, under a progress bar if there is a terminal to show it."""
        size = sum(path.stat().st_size for path in self.paths)
        off = None if self.show_progress else True  # None: tqdm looks for a terminal
        with tqdm(total=size, desc=label, unit="B", unit_scale=True, disable=off) as bar:
            for number, path in enumerate(self.paths):
                yield from BulkFile(path, number=number, progress=bar.update).records()

    def say(self, text: str) -> None:
        """What is done next, for whoever watches the progress bars."""
        if self.show_progress and sys.stderr.isatty():
            tqdm.write(text, file=sys.stderr)

    def copy_rows(self, table: str, *, freeze: bool = False) -> CopyRows:
        return CopyRows(self.cursor, table, sql.WRITTEN, not_null=sql.NOT_NULL, freeze=freeze)

    def row(self, rows: CopyRows, record: Record, ids: Iterator[str]) -> bool:
        """Write the values of a record, or list it as rejected."""
        try:
            values = values_of(record)
        except ValueError as error:
            self.rejects.add(Failure(record.position, str(error), record.raw))
            return False
        rows.write((next(ids), NAME, self.day, *values))
        return True

    def name_of(self, position: int) -> str:
        """`line 17`, with its file where there are several."""
        file, line = file_and_line(position)
        return f"line {line}" if len(self.paths) == 1 else f"line {line} of {self.paths[file].name}"


def _execute(run: _Run) -> None:
    run.cursor.execute("SELECT NOT EXISTS (SELECT FROM businesses)")
    (empty,) = run.cursor.fetchone()
    if not empty or not _fill(run):
        with transaction.atomic():  # the staging tables too are gone when it fails
            before = _versions(run.paths)
            _compare(run)
            _stage(run)
            if _versions(run.paths) != before:
                raise InvalidInput("A file was changed while it was read; nothing was written.")
            _write(run)
            _tell_overdue(run)
            run.cursor.execute(sql.DROP_STAGING)
            transaction.set_rollback(run.report.dry_run)
    if not run.report.dry_run and run.report.inserted + run.report.changed:
        _analyze(run.cursor)


def _analyze(cursor: Any) -> None:
    """Tell the planner at once, from a small sample; autovacuum follows with the full one."""
    with transaction.atomic():
        cursor.execute(f"SET LOCAL default_statistics_target = {STATISTICS}")
        cursor.execute("ANALYZE businesses")


def _fill(run: _Run) -> bool:
    """Fill the empty register in one pass; False, with nothing written, if a company is in the files twice."""
    report, ids = run.report, _ids()
    try:
        with transaction.atomic():
            skip_log_of_empty_table(run.cursor)
            with deferred_indexes(run.cursor, unique=True), run.copy_rows("businesses", freeze=True) as rows:
                for item in run.records("Filling"):
                    report.read += 1
                    if isinstance(item, Failure):
                        run.rejects.add(item)
                    else:
                        report.inserted += run.row(rows, item, ids)
                run.say("Building indexes …")
            transaction.set_rollback(report.dry_run)
    except IntegrityError:
        run.rejects.restart()
        report.read = report.inserted = 0
        return False
    return True


def _compare(run: _Run) -> None:
    """Copy number and digest of every row, and find out which rows are duplicates."""
    run.cursor.execute(sql.CREATE_KEYS)
    with CopyRows(run.cursor, "import_keys", sql.KEYS) as rows:
        for item in run.records("Comparing"):
            run.report.read += 1
            if isinstance(item, Failure):
                run.rejects.add(item)
            else:
                rows.write((str(item.position), item.key, item.digest.hex()))
    run.cursor.execute(sql.FIND_DUPLICATES)
    run.cursor.execute("ANALYZE import_keys")


def _stage(run: _Run) -> None:
    """Copy the values of new and changed rows, and list duplicates as rejected."""
    run.cursor.execute(sql.CREATE_ROWS)
    (differing,) = _numbers(run.cursor, sql.differing(run.snapshot_on), columns=1)
    duplicates, firsts = _numbers(run.cursor, sql.DUPLICATES, columns=2)
    if not differing and not duplicates:
        return
    wanted, repeated, ids = iter(differing), iter(zip(duplicates, firsts, strict=True)), _ids()
    next_wanted, next_repeated = next(wanted, None), next(repeated, NONE)
    with run.copy_rows("import_rows") as rows:
        for item in run.records("Loading"):
            if item.position == next_wanted and isinstance(item, Record):
                run.row(rows, item, ids)
                next_wanted = next(wanted, None)
            elif item.position == next_repeated[0] and isinstance(item, Record):
                reason = f"company number {item.key} is already on {run.name_of(next_repeated[1])}"
                run.rejects.add(Failure(item.position, reason, item.raw))
                next_repeated = next(repeated, NONE)
            if next_wanted is None and next_repeated is NONE:
                break
    run.cursor.execute("ANALYZE import_rows")


def _write(run: _Run) -> None:
    """Events, updates and new companies."""
    run.cursor.execute("SELECT count(*) FROM import_rows")
    (staged,) = run.cursor.fetchone()
    if not staged:
        return
    cursor, report = run.cursor, run.report
    run.say(f"Writing {staged:,} companies …")
    with deferred_indexes(cursor) if _is_bulk(cursor, staged) else contextlib.nullcontext():
        if run.write_events:
            cursor.execute(sql.CHANGE_EVENTS)
            report.events += cursor.rowcount
        cursor.execute(sql.UPDATE)
        report.changed = cursor.rowcount
        cursor.execute(sql.INSERT)
        report.inserted = cursor.rowcount
        if run.write_events:
            cursor.execute(sql.NEW_EVENTS)
            report.events += cursor.rowcount


def _tell_overdue(run: _Run) -> None:
    """What is news although no row has changed."""
    if run.write_events and run.since is not None:
        run.cursor.execute(sql.overdue_events(since=run.since, snapshot_on=run.snapshot_on))
        run.report.events += run.cursor.rowcount


def _is_bulk(cursor: Any, staged: int) -> bool:
    """Whether so much is written that building the indexes anew is faster than keeping them up."""
    if staged < MANY:
        return False
    cursor.execute("SELECT count(*) FROM businesses")
    return bool(staged > cursor.fetchone()[0])


def _numbers(cursor: Any, copy_out: str, *, columns: int) -> "list[array[int]]":
    """Columns of whole numbers, eight bytes each however many there are."""
    found = [array("q") for _ in range(columns)]
    with cursor.copy(copy_out) as copy:
        for row in copy.rows():
            for column, value in zip(found, row, strict=True):
                column.append(int(value))
    return found


def _versions(paths: Sequence[Path]) -> list[tuple[int, int]]:
    return [(status.st_size, status.st_mtime_ns) for status in map(Path.stat, paths)]


def _ids() -> Iterator[str]:
    """Ids that ascend: new rows lie together in the index of the primary key, instead of all over it."""
    first = uuid7().int & ~(1 << 61)  # room to count, within the random bits
    return (f"{number:032x}" for number in itertools.count(first))
