"""Lines and csv rows of files of any size, holding one line in memory."""

import csv
from collections.abc import Iterator
from itertools import chain
from typing import IO

from businesses.sources.base import MAX_LINE_BYTES, Progress

BOM = b"\xef\xbb\xbf"


class TooLong(Exception):
    """longer than a megabyte"""

    def __str__(self) -> str:
        return str(self.__doc__)


class Lines(Iterator[str]):
    """The lines of a file with their ends, `number` being that of the last one. Bytes that are not UTF-8 become lone
    surrogates, which cannot be encoded again; a line that is too long is skipped and raises `TooLong`.
    """

    def __init__(self, file: IO[bytes], progress: Progress | None = None) -> None:
        self.file = file
        self.progress = progress
        self.number = 0

    def __next__(self) -> str:
        line = self._read()
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > MAX_LINE_BYTES:
            while line and not line.endswith(b"\n"):
                line = self._read()
            raise TooLong
        if self.number == 1:
            line = line.removeprefix(BOM)
        return line.decode("utf-8", "surrogateescape")

    def _read(self) -> bytes:
        line = self.file.readline(MAX_LINE_BYTES + 1)
        if self.progress:
            self.progress(len(line))
        return line


def csv_rows(lines: Lines, *, delimiter: str = ",") -> Iterator[tuple[int, list[str], str]]:
    """Each row as the number of its first line, its cells, and what is wrong if it has none.

    A line in which every cell is quoted, and no cell has a quote in it, is split at what stands between cells, in half
    the time that the csv module takes; all others are that module's.
    """
    between = f'"{delimiter}"'
    while True:
        number = lines.number + 1
        try:
            line = next(lines)
            if line.startswith('"') and (body := line.rstrip("\r\n")).endswith('"'):
                cells = body[1:-1].split(between)
                if body != '"' and '"' not in "".join(cells):
                    yield number, cells, ""
                    continue
            row = next(csv.reader(chain([line], lines), delimiter=delimiter), [])
        except StopIteration:
            return
        except (csv.Error, TooLong) as error:  # such as a quote that is never closed; reading goes on at the next line
            yield number, [], f"not csv: {error}"
            continue
        if row:
            yield number, row, ""
