"""The shape of a source: a generator that yields a record or a failure for every item, and never stops at a bad one.

A source only reads. What is done with its records (compare, write, report) belongs to `businesses.imports`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from oppspot.core.errors import InvalidInput

MAX_CELL_BYTES = 32_768
MAX_LINE_BYTES = 1_000_000
# Postgres refuses an index entry above 2,704 bytes; what is indexed (name, town, postcode, domain) stays well below.
MAX_INDEXED_BYTES = 2_000

Progress = Callable[[int], object]  # called with the bytes read since the last call, of the file as it lies on disk


class UnreadableSource(InvalidInput):
    """The file cannot be read as this source."""


LINE_BITS = 40


def position_of(file: int, line: int) -> int:
    """Where an item stands, as one number: the file in the order given, from 0, and the line it begins on, from 1."""
    return file << LINE_BITS | line


def file_and_line(position: int) -> tuple[int, int]:
    return position >> LINE_BITS, position & (1 << LINE_BITS) - 1


class Record(NamedTuple):
    """An item that could be read. `digest` (16 bytes) is equal for equal values, whatever the item's spelling."""

    position: int
    key: str  # what names the company in this source; empty when the source has no such thing
    values: Any  # in the source's own terms
    digest: bytes
    raw: Sequence[str] | str  # as found, for the list of rejects


class Failure(NamedTuple):
    """An item that could not, and why, in words for the person who can correct it."""

    position: int
    reason: str
    raw: Sequence[str] | str


class Source(Protocol):
    """What an import reads from."""

    def records(self) -> Iterator[Record | Failure]: ...
