"""Django's database cache, its write made one statement."""

import base64
import pickle
import random
from datetime import UTC, datetime
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.db import DatabaseCache
from django.db import DatabaseError, connections, router
from django.utils import timezone

NEVER = datetime(9999, 12, 31, tzinfo=UTC)
CULL_EVERY = 1_000  # writes, on average


class UpsertDatabaseCache(DatabaseCache):
    """Stock `set` counts the whole table, then reads, then writes in a transaction: five round trips, one of them
    slower with each entry. This one upserts, and counts once in a thousand writes."""

    def _base_set(self, mode: str, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT) -> bool:
        if mode != "set":
            return bool(super()._base_set(mode, key, value, timeout))  # type: ignore[misc]
        expires_at = self.get_backend_timeout(timeout)
        expires = NEVER if expires_at is None else datetime.fromtimestamp(expires_at, tz=UTC)
        pickled = base64.b64encode(pickle.dumps(value, self.pickle_protocol)).decode("ascii")
        database = router.db_for_write(self.cache_model_class)
        table = connections[database].ops.quote_name(self._table)  # type: ignore[attr-defined]
        try:
            with connections[database].cursor() as cursor:
                if random.randrange(CULL_EVERY) == 0:  # noqa: S311  when to tidy up, not a secret
                    cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608  the configured table
                    (entries,) = cursor.fetchone()
                    if entries > self._max_entries:
                        self._cull(database, cursor, timezone.now(), entries)  # type: ignore[attr-defined]
                cursor.execute(
                    f"INSERT INTO {table} (cache_key, value, expires) VALUES (%s, %s, %s) ON CONFLICT (cache_key) "  # noqa: S608
                    "DO UPDATE SET value = excluded.value, expires = excluded.expires",
                    [key, pickled, expires.replace(microsecond=0)],
                )
        except DatabaseError:  # a cache may forget; the stock one fails silently too
            return False
        return True
