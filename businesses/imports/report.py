"""What an import did, and the file of what it could not take."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import IO, Any

from businesses.sources.base import Failure, file_and_line

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run these; the list is read in one

MAX_ROW = 100_000  # characters; csv readers stop at 131,072


@dataclass
class ImportReport:
    """Counts of rows: `read == inserted + changed + unchanged + rejected`."""

    read: int = 0
    inserted: int = 0
    changed: int = 0
    rejected: int = 0
    events: int = 0
    snapshot_on: date | None = None
    rejects_path: Path | None = None  # None when nothing was rejected
    dry_run: bool = False
    warnings: list[str] = field(default_factory=list)

    @property
    def unchanged(self) -> int:
        return self.read - self.inserted - self.changed - self.rejected

    def summary(self) -> str:
        """The counts in one line: `500 read: 498 inserted, 0 changed, 0 unchanged, 2 rejected`."""
        counts = (f"{getattr(self, name):,} {name}" for name in ("inserted", "changed", "unchanged", "rejected"))
        return f"{self.read:,} read: {', '.join(counts)}"

    def lines(self, *more: str) -> list[str]:
        """The counts, one a line, for a command to print; `more` names further counts."""
        names = ("read", "inserted", "changed", "unchanged", "rejected", *more)
        lines = [f"{name:<10}{getattr(self, name):>12,}" for name in names]
        if self.rejects_path is not None:
            lines[names.index("rejected")] += f"  see {self.rejects_path}"
        if self.dry_run:
            lines.append("dry run: nothing was written")
        return lines


class Rejects:
    """A CSV file of failures (line, reason, row, file), made when there is a first one."""

    def __init__(self, path: Path, sources: Sequence[Path]) -> None:
        self.path = path
        self.sources = sources
        self.count = 0
        self._file: IO[str] | None = None
        self._writer: Any = None

    def add(self, failure: Failure) -> None:
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
            self._writer = csv.writer(self._file)
            self._writer.writerow(["line", "reason", "row", "file"])
        row = as_text(failure.raw)
        row = f"'{row}" if row.startswith(FORMULA) else row
        row = row if len(row) <= MAX_ROW else f"{row[:MAX_ROW]}…"
        file, line = file_and_line(failure.position)
        self._writer.writerow([line, failure.reason, row, str(self.sources[file])])
        self.count += 1

    def restart(self) -> None:
        """Forget what was added: the import begins anew."""
        self.close()
        self.path.unlink(missing_ok=True)
        self.count = 0

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> "Rejects":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def as_text(raw: Sequence[str] | str) -> str:
    """A row as one line of csv; a line of another format as it is."""
    if isinstance(raw, str):
        return raw
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="").writerow(raw)
    return buffer.getvalue()


def default_rejects_path(source: Path) -> Path:
    """In the working directory, named after the input."""
    return Path.cwd() / f"{source.stem}.rejects.csv"
