"""Rows to Postgres by COPY, several times faster than a statement for each, and faster than adapting each value."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any

SEPARATOR = "\x1f"  # one that text has no use for, so that next to nothing needs quoting
FORMAT = "FORMAT csv, DELIMITER E'\\x1f', NULL ''"
FLUSH_ROWS = 100


class CopyRows:
    """`with CopyRows(cursor, table, columns) as rows: rows.write(values)`: texts in the order of the columns.

    An empty text is NULL, and in the columns `not_null` the empty text. A value may be any text that Postgres can
    store, which is one without NUL characters and lone surrogates. `freeze`, for a table whose files are new in this
    transaction, marks rows as seen by all, which whoever reads them first has to do otherwise.
    """

    def __init__(
        self, cursor: Any, table: str, columns: Sequence[str], *, not_null: Sequence[str] = (), freeze: bool = False
    ) -> None:
        options = f"{FORMAT}, FREEZE" if freeze else FORMAT
        if not_null:
            options += f", FORCE_NOT_NULL ({', '.join(not_null)})"
        self._context = cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN ({options})")
        self._separators = len(columns) - 1
        self._lines: list[str] = []

    def write(self, values: Sequence[str]) -> None:
        line = SEPARATOR.join(values)
        if '"' in line or "\n" in line or "\r" in line or line.count(SEPARATOR) != self._separators:
            line = SEPARATOR.join(['"' + value.replace('"', '""') + '"' if value else "" for value in values])
        self._lines.append(line)
        if len(self._lines) >= FLUSH_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._lines:
            self._copy.write("\n".join(self._lines) + "\n")
            self._lines.clear()

    def __enter__(self) -> "CopyRows":
        self._copy = self._context.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
        except BaseException as problem:
            self._context.__exit__(type(problem), problem, problem.__traceback__)
            raise
        self._context.__exit__(kind, error, trace)
