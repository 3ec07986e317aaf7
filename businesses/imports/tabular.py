"""The import of any table of companies: read once into a table, matched there, and written in one transaction."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from django.db import transaction
from tqdm import tqdm

from businesses.imports import tabular_sql as sql
from businesses.imports.copying import CopyRows
from businesses.imports.lock import import_lock
from businesses.imports.report import ImportReport, Rejects, as_text, default_rejects_path
from businesses.sources.base import Failure
from businesses.sources.tabular import TabularFile


def import_tabular(
    *,
    path: Path,
    mapping: Mapping[str, Sequence[str]] | None = None,
    source: str = "",
    only_mapped: bool = False,
    rejects_path: Path | None = None,
    dry_run: bool = False,
    show_progress: bool = False,
) -> ImportReport:
    """Insert or update companies from a CSV or JSON-lines file.

    `mapping` names the columns of a field where they are not named like it. A row is about the company with its number,
    else its domain, else its name and town; it writes what it says and leaves the rest, and where the register knows
    the company, what the register says. `source` (default: the file's name) is kept with the companies it adds.
    Raises `InvalidInput` for a file that cannot be read (nothing is written) and `ImportRunning`.
    """
    report = ImportReport(dry_run=dry_run)
    size = path.stat().st_size if path.is_file() else 0
    off = None if show_progress else True  # None: tqdm looks for a terminal
    with (
        import_lock() as cursor,
        Rejects(rejects_path or default_rejects_path(path), [path]) as rejects,
        tqdm(total=size, desc="Reading", unit="B", unit_scale=True, disable=off) as bar,
        transaction.atomic(),  # the staging table too is gone when it fails
    ):
        file = TabularFile(path, mapping=mapping or {}, only_mapped=only_mapped, progress=bar.update)
        cursor.execute(sql.CREATE)
        with CopyRows(cursor, "import_tabular", sql.STAGED) as rows:
            for item in file.records():
                report.read += 1
                if isinstance(item, Failure):
                    rejects.add(item)
                else:
                    rows.write((str(item.position), as_text(item.raw), item.digest.hex(), *item.values))
        cursor.execute("ANALYZE import_tabular")
        for statement in sql.RESOLVE:
            cursor.execute(statement)
        with cursor.copy(sql.REJECTED) as copy:
            for position, reason, raw in copy.rows():
                rejects.add(Failure(int(position), reason, raw))
        cursor.execute(sql.UPDATE)
        report.changed = cursor.rowcount
        cursor.execute(sql.INSERT, [source or path.stem])
        report.inserted = cursor.rowcount
        cursor.execute(sql.DROP)
        transaction.set_rollback(dry_run)
        if file.unseen:
            report.warnings.append(f"No row has {', '.join(sorted(file.unseen))}.")
        report.rejected = rejects.count
        report.rejects_path = rejects.path if rejects.count else None
    return report
