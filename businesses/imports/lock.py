"""One import at a time."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from django.db import DatabaseError, connection

from oppspot.core.errors import OppspotError

LOCK = 0x6F707053  # any number that nothing else in this database locks
PATIENCE_S = 6.0  # the server needs about a second to notice that an import was killed


class ImportRunning(OppspotError):
    """Another import is running; wait for it to finish."""

    code = "import_running"
    status = 409


@contextlib.contextmanager
def import_lock() -> Iterator[Any]:
    """A cursor of the only import that runs. Freed when the process ends, however it ends.

    Raises `ImportRunning`.
    """
    with connection.cursor() as cursor:
        until = time.monotonic() + PATIENCE_S
        while not _try(cursor):
            if time.monotonic() > until:
                raise ImportRunning
            time.sleep(0.2)
        try:
            # Without the check, a statement that runs when its client is killed holds the lock until it ends.
            cursor.execute("SET client_connection_check_interval = '1s'; SET statement_timeout = 0")
            yield cursor
        finally:
            with contextlib.suppress(DatabaseError):  # the connection is gone, and the lock with it
                cursor.execute("RESET client_connection_check_interval; RESET statement_timeout")
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def _try(cursor: Any) -> bool:
    cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
    return bool(cursor.fetchone()[0])
