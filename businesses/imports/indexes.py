"""Indexes of the register, put off while it is filled."""

import contextlib
from collections.abc import Iterator
from typing import Any

# Memory for sorting while indexes are built; the server's default suits no table of millions.
BUILD_MEMORY = "512MB"
# Name, and how to make it. Vector indexes stay: they skip rows without a vector, as all new ones are.
SECONDARY = """
    SELECT c.oid::regclass::text, pg_get_indexdef(c.oid)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
    WHERE i.indrelid = 'businesses'::regclass AND NOT i.indisunique AND i.indisvalid
      AND a.amname NOT IN ('hnsw', 'ivfflat')
    ORDER BY 1
"""
UNIQUE = """
    SELECT quote_ident(conname), pg_get_constraintdef(oid)
    FROM pg_constraint WHERE conrelid = 'businesses'::regclass AND contype = 'u' ORDER BY 1
"""


@contextlib.contextmanager
def deferred_indexes(cursor: Any, *, unique: bool = False) -> Iterator[None]:
    """Inside a transaction: drop the secondary indexes of `businesses`, and build them after the block.

    With `unique` the unique constraints too: duplicates are an `IntegrityError` after the block. Readers of the
    register wait until the transaction ends; if it fails, the indexes were never gone.
    """
    cursor.execute("LOCK TABLE businesses IN ACCESS EXCLUSIVE MODE")
    cursor.execute(SECONDARY)
    rebuild = [(f"DROP INDEX {name}", definition) for name, definition in cursor.fetchall()]
    if unique:
        cursor.execute(UNIQUE)
        alter = "ALTER TABLE businesses"
        for name, definition in cursor.fetchall():
            rebuild.insert(0, (f"{alter} DROP CONSTRAINT {name}", f"{alter} ADD CONSTRAINT {name} {definition}"))
    for drop, _ in rebuild:
        cursor.execute(drop)
    yield
    cursor.execute(f"SET LOCAL maintenance_work_mem = '{BUILD_MEMORY}'")
    for _, create in rebuild:
        cursor.execute(create)


def skip_log_of_empty_table(cursor: Any) -> None:
    """Give `businesses`, which must be empty, new files in this transaction.

    Where no replica reads the write-ahead log (`wal_level = minimal`), rows put into files of the same transaction are
    written once instead of twice. CLUSTER is the command that makes new files and leaves all that refers to the table.
    """
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a transaction around this one may still have some to check
    cursor.execute(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'businesses'::regclass AND indisprimary"
    )
    (primary_key,) = cursor.fetchone()
    cursor.execute(f"CLUSTER businesses USING {primary_key}")
    cursor.execute("ALTER TABLE businesses SET WITHOUT CLUSTER")
