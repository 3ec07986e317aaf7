"""Events that join a run which has not begun: a burst that is debounced, or a batch that fills. One upsert each."""

from typing import Any
from uuid import UUID

from oppspot.jobs import queue

GATHER_COLUMNS = """
    id, org_id, queue, function, event_id, parent_id, status, waiting_for, priority, gather_key, max_attempts,
    concurrency_key, concurrency_limit, rate_key, requested_by, created_at, event_ids, run_after, rank
"""
GATHER_VALUES = """
    %(id)s, %(org)s, %(queue)s, %(function)s, %(event)s, %(parent)s, 'queued', 'time', %(priority)s, %(key)s,
    %(max_attempts)s, %(concurrency_key)s, %(concurrency_limit)s, %(rate_key)s, %(requested_by)s, clock_timestamp()
"""
ON_GATHERED = "ON CONFLICT (org_id, function, gather_key) WHERE status = 'queued' AND gather_key <> '' DO UPDATE SET"


def debounce(values: dict[str, Any], *, wait: float, max_wait: float) -> UUID:
    """Put off the run that gathers this key and give it the newest event, or begin one; returns its id."""
    sql = f"""
        INSERT INTO jobs_run AS r ({GATHER_COLUMNS})
        VALUES ({GATHER_VALUES}, '{{}}', clock_timestamp() + make_interval(secs => %(wait)s),
            clock_timestamp() + make_interval(secs => %(wait)s + %(rank)s))
        {ON_GATHERED}
            event_id = excluded.event_id,
            requested_by = excluded.requested_by,
            priority = least(r.priority, excluded.priority),
            run_after = least(excluded.run_after, r.created_at + make_interval(secs => %(max_wait)s)),
            rank = least(excluded.rank, r.created_at + make_interval(secs => %(max_wait)s + %(rank)s))
        RETURNING id
    """  # noqa: S608  constants
    run_id: UUID = queue.rows(sql, {**values, "wait": wait, "max_wait": max_wait})[0][0]
    return run_id


def add_to_batch(values: dict[str, Any], *, size: int, wait: float) -> UUID:
    """Add the event to the batch of its key, or begin one; a full one may start at once. Returns the run's id."""
    full = "coalesce(array_length(r.event_ids, 1), 0) + 1 >= %(size)s"
    sql = f"""
        INSERT INTO jobs_run AS r ({GATHER_COLUMNS})
        VALUES ({GATHER_VALUES}, ARRAY[%(event)s::uuid], clock_timestamp() + make_interval(secs => %(wait)s),
            clock_timestamp() + make_interval(secs => %(wait)s + %(rank)s))
        {ON_GATHERED}
            event_ids = r.event_ids || excluded.event_ids,
            gather_key = CASE WHEN {full} THEN '' ELSE r.gather_key END,
            waiting_for = CASE WHEN {full} THEN '' ELSE r.waiting_for END,
            run_after = CASE WHEN {full} THEN clock_timestamp() ELSE r.run_after END,
            rank = CASE WHEN {full} THEN clock_timestamp() + make_interval(secs => %(rank)s) ELSE r.rank END
        RETURNING id, queue, waiting_for
    """  # noqa: S608  constants
    ((run_id, name, waiting_for),) = queue.rows(sql, {**values, "size": size, "wait": wait})
    if waiting_for == "":
        queue.notify(name)
    found: UUID = run_id
    return found
