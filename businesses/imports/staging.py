"""Tables that an import works in, and that go with it."""

import contextlib
from collections.abc import Iterator
from typing import Any

from django.db import DatabaseError


@contextlib.contextmanager
def staging(cursor: Any, drop: str) -> Iterator[None]:
    """Drop the tables of an import that was killed before, and those of this one after."""
    cursor.execute(drop)
    try:
        yield
    finally:
        with contextlib.suppress(DatabaseError):  # of a transaction around this that has failed, or a lost connection
            cursor.execute(drop)
