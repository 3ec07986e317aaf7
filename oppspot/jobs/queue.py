"""The queue's statements. Each is one round trip, and each write of a worker is fenced: it names the start it belongs
to and changes nothing once the run was given to somebody else.

The order of locks is always run, then concurrency key, then parent.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction

from oppspot.jobs.models import RANK_S, Outcome, Priority, Status

CHANNEL = "oppspot_jobs"
MAX_REAPED = 100

_WORKED = "id, function, event_id, event_ids, org_id, parent_id, fence, attempt, max_attempts, priority, "
_WORKED += "concurrency_key, concurrency_limit, rate_key"


@dataclass(frozen=True)
class Claimed:
    """A run that this process works on."""

    id: UUID
    function: str
    event_id: UUID
    event_ids: list[UUID]
    org_id: UUID | None
    parent_id: UUID | None
    fence: int
    attempt: int
    max_attempts: int
    priority: int
    concurrency_key: str
    concurrency_limit: int | None
    rate_key: str
    event_name: str
    data: Any

    @property
    def fenced(self) -> list[Any]:
        return [self.id, self.fence]


def notify(queue: str) -> None:
    """Wake a worker when the transaction commits."""
    execute("SELECT pg_notify(%s, %s)", [CHANNEL, queue])


def ready(queue: str, at_most: int) -> int:
    """How many runs could start now, counted up to `at_most`."""
    sql = """
        SELECT count(*) FROM (
            SELECT FROM jobs_run WHERE queue = %s AND status = 'queued' AND waiting_for = '' LIMIT %s
        ) found
    """
    return int(rows(sql, [queue, at_most])[0][0])


CLAIM = f"""
    WITH next AS (
        SELECT id FROM jobs_run WHERE queue = %s AND status = 'queued' AND waiting_for = ''
        ORDER BY rank, id LIMIT 1 FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE jobs_run r SET
            status = 'running', fence = fence + 1, attempt = attempt + 1, worker = %s, gather_key = '',
            lease_until = clock_timestamp() + make_interval(secs => %s),
            started_at = coalesce(started_at, clock_timestamp())
        FROM next WHERE r.id = next.id
        RETURNING r.*
    ), noted AS (
        INSERT INTO jobs_attempt (run_id, fence, number, worker, started_at)
        SELECT id, fence, attempt, worker, clock_timestamp() FROM claimed
    )
    SELECT {", ".join(f"c.{name.strip()}" for name in _WORKED.split(","))}, e.name, e.data
    FROM claimed c JOIN jobs_event e ON e.id = c.event_id
"""  # noqa: S608  constants


def claim(queue: str, worker: str, lease_s: float) -> Claimed | None:
    """Start the next run of the queue; None when there is none. Its attempt is counted before any of its work."""
    while True:
        found = rows(CLAIM, [queue, worker, lease_s])
        if not found:
            return None
        values = list(found[0])
        if isinstance(values[-1], str):
            values[-1] = json.loads(values[-1])
        run = Claimed(*values)
        if _admitted(run):
            return run


def _admitted(run: Claimed) -> bool:
    """Whether the limits of its keys let it start; otherwise it is set aside, and the try given back."""
    if run.rate_key and not _take_turn(run):
        return False
    return not run.concurrency_key or _take_slot(run)


def _take_slot(run: Claimed) -> bool:
    """The earliest starts of a key have its slots; the rest wait until one ends and lets the next in."""
    with transaction.atomic():
        if not hold(run):
            return False
        _lock_key(run.concurrency_key)
        sql = """
            SELECT count(*) FROM jobs_run o, jobs_attempt oa, jobs_attempt a
            WHERE o.concurrency_key = %s AND o.status = 'running' AND o.id <> %s
              AND oa.run_id = o.id AND oa.fence = o.fence AND a.run_id = %s AND a.fence = %s
              AND (oa.started_at, o.id) < (a.started_at, a.run_id)
        """
        ahead = rows(sql, [run.concurrency_key, run.id, run.id, run.fence])[0][0]
        if ahead < (run.concurrency_limit or 1):
            return True
        _put_back(run, waiting_for="slot")
        return False


def _take_turn(run: Claimed) -> bool:
    """Reserve the run's turn under its rate limit; True if it is now. A reserved turn is not asked for again."""
    from oppspot.jobs.registry import get_function

    made = get_function(run.function)
    if made is None or made.rate_limit is None:
        return True
    interval = made.rate_limit.period / made.rate_limit.limit
    sql = """
        INSERT INTO jobs_ratebucket AS b (key, next_at)
        VALUES (%s, clock_timestamp() + make_interval(secs => %s))
        ON CONFLICT (key) DO UPDATE SET
            next_at = greatest(b.next_at, clock_timestamp()) + make_interval(secs => %s)
        RETURNING next_at - make_interval(secs => %s), next_at - make_interval(secs => %s) <= clock_timestamp()
    """
    with transaction.atomic():
        ((at, is_now),) = rows(sql, [run.rate_key, interval, interval, interval, interval])
        execute("UPDATE jobs_run SET rate_key = '' WHERE id = %s AND fence = %s AND status = 'running'", run.fenced)
        if is_now:
            return True
        _put_back(run, waiting_for="time", run_after=at)
        return False


def _put_back(run: Claimed, *, waiting_for: str, run_after: datetime | None = None) -> None:
    """As if it had not been claimed, but for the fence."""
    sql = """
        UPDATE jobs_run SET status = 'queued', waiting_for = %s, attempt = attempt - 1, lease_until = NULL,
            run_after = coalesce(%s, run_after)
        WHERE id = %s AND fence = %s AND status = 'running'
    """
    execute(sql, [waiting_for, run_after, *run.fenced])
    execute("DELETE FROM jobs_attempt WHERE run_id = %s AND fence = %s", run.fenced)


@dataclass(frozen=True)
class Beat:
    """What a heartbeat learns."""

    is_held: bool
    is_cancelled: bool


def beat(run: Claimed, lease_s: float) -> Beat:
    """Prolong the lease, if it is still ours."""
    sql = """
        UPDATE jobs_run SET lease_until = clock_timestamp() + make_interval(secs => %s)
        WHERE id = %s AND fence = %s AND status = 'running' RETURNING cancel_requested_at IS NOT NULL
    """
    found = rows(sql, [lease_s, *run.fenced])
    return Beat(bool(found), bool(found and found[0][0]))


def hold(run: Claimed) -> bool:
    """Lock the run for the rest of the transaction; False if it was given to somebody else."""
    sql = "SELECT FROM jobs_run WHERE id = %s AND fence = %s AND status = 'running' FOR UPDATE"
    return bool(rows(sql, run.fenced))


def finish(
    run: Claimed, status: Status, outcome: Outcome, *, output: Any = None, error: str = "", detail: str = ""
) -> bool:
    """End the run; False, with nothing written, if it was given to somebody else. Makes room for what waited for it."""
    sql = """
        WITH done AS (
            UPDATE jobs_run SET status = %s, output = %s, error = %s, lease_until = NULL,
                finished_at = clock_timestamp()
            WHERE id = %s AND fence = %s AND status = 'running' RETURNING id
        )
        UPDATE jobs_attempt SET outcome = %s, error = %s, finished_at = clock_timestamp()
        WHERE run_id = (SELECT id FROM done) AND fence = %s
    """
    stored = None if output is None else json.dumps(output, cls=DjangoJSONEncoder, allow_nan=False)
    parameters = [status, stored, error, *run.fenced, outcome, detail or error, run.fence]
    if not run.concurrency_key and run.parent_id is None:
        return execute(sql, parameters) > 0
    with transaction.atomic():
        if not execute(sql, parameters):
            return False
        _make_room(run.concurrency_key)
        wake_parent(run.parent_id)
    return True


def requeue(
    run: Claimed,
    outcome: Outcome,
    *,
    delay_s: float | None = None,
    until: datetime | None = None,
    waiting_for: str = "",
    error: str = "",
    detail: str = "",
    is_try: bool = True,
) -> bool:
    """Put the run back in line: `delay_s` from now, or at `until`, or when what it waits for is there.

    `is_try` False gives the try back: sleeping and being stopped use none up. False if it was given to somebody else.
    """
    timed = delay_s is not None or until is not None
    sql = """
        WITH back AS (
            UPDATE jobs_run SET status = CASE WHEN cancel_requested_at IS NULL THEN 'queued' ELSE 'cancelled' END,
                finished_at = CASE WHEN cancel_requested_at IS NULL THEN NULL ELSE clock_timestamp() END,
                waiting_for = CASE WHEN cancel_requested_at IS NULL THEN %s ELSE '' END,
                attempt = attempt - %s, lease_until = NULL, error = %s,
                run_after = coalesce(%s, clock_timestamp() + make_interval(secs => %s)),
                rank = coalesce(%s, clock_timestamp() + make_interval(secs => %s)) + make_interval(secs => %s)
            WHERE id = %s AND fence = %s AND status = 'running' RETURNING id, queue
        ), told AS (
            SELECT pg_notify(%s, queue) FROM back WHERE %s
        ), noted AS (
            UPDATE jobs_attempt SET outcome = %s, error = %s, finished_at = clock_timestamp()
            WHERE run_id = (SELECT id FROM back) AND fence = %s
        )
        SELECT (SELECT count(*) FROM back), (SELECT count(*) FROM told)
    """
    waiting = waiting_for or ("time" if timed else "")
    delay = delay_s or 0.0
    moved = RANK_S[Priority(run.priority)]
    parameters = [waiting, 0 if is_try else 1, error, until, delay, until, delay, moved, *run.fenced]
    parameters += [CHANNEL, waiting == "", outcome, detail or error, run.fence]
    with transaction.atomic():
        back = rows(sql, parameters)[0][0] > 0
        if back:
            _make_room(run.concurrency_key)
            wake_parent(run.parent_id)  # if cancelling was asked for, this was the end
            if waiting == "children":  # the last of them may have ended meanwhile
                wake_parent(run.id)
    return bool(back)


def _make_room(key: str) -> None:
    """Let the next run of a concurrency key into the line of those that may start."""
    if not key:
        return
    _lock_key(key)
    sql = """
        WITH next AS (
            UPDATE jobs_run SET waiting_for = '' WHERE id = (
                SELECT id FROM jobs_run WHERE concurrency_key = %s AND status = 'queued' AND waiting_for = 'slot'
                ORDER BY rank, id LIMIT 1 FOR UPDATE SKIP LOCKED
            ) RETURNING queue
        )
        SELECT pg_notify(%s, queue) FROM next
    """
    rows(sql, [key, CHANNEL])


def _lock_key(key: str) -> None:
    execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])


def wake_parent(parent_id: UUID | None) -> None:
    """Let a run that waits for its children go on, if none is left. Of two last children the second sees the first."""
    if parent_id is None:
        return
    rows("SELECT FROM jobs_run WHERE id = %s FOR UPDATE", [parent_id])
    sql = """
        WITH woken AS (
            UPDATE jobs_run r SET waiting_for = '' WHERE id = %s AND status = 'queued' AND waiting_for = 'children'
              AND NOT EXISTS (SELECT FROM jobs_run c WHERE c.parent_id = r.id AND c.status IN ('queued', 'running'))
            RETURNING queue
        )
        SELECT pg_notify(%s, queue) FROM woken
    """
    rows(sql, [parent_id, CHANNEL])


def cancel_queued(ids: Sequence[UUID]) -> int:
    """Cancel those that wait; returns how many."""
    sql = """
        UPDATE jobs_run SET status = 'cancelled', waiting_for = '', finished_at = clock_timestamp(),
            cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp())
        WHERE id = ANY(%s) AND status = 'queued' RETURNING concurrency_key, parent_id
    """
    found = rows(sql, [list(ids)])
    for key in sorted({row[0] for row in found}):
        _make_room(key)  # one of them may have been let in, for the next to follow when it ends
    for parent_id in sorted({row[1] for row in found if row[1]}, reverse=True):
        wake_parent(parent_id)
    return len(found)


def promote(limit: int = 1_000) -> int:
    """Let runs whose time has come into the line; returns how many."""
    sql = """
        WITH due AS (
            SELECT id FROM jobs_run WHERE status = 'queued' AND waiting_for = 'time' AND run_after <= clock_timestamp()
            ORDER BY run_after LIMIT %s FOR UPDATE SKIP LOCKED
        ), promoted AS (
            UPDATE jobs_run r SET waiting_for = '' FROM due WHERE r.id = due.id RETURNING r.queue
        ), told AS (
            SELECT pg_notify(%s, queue) FROM (SELECT DISTINCT queue FROM promoted) q
        )
        SELECT (SELECT count(*) FROM promoted), (SELECT count(*) FROM told)
    """
    return int(rows(sql, [limit, CHANNEL])[0][0])


def seconds_to_next() -> float | None:
    """Until the earliest run that waits for its time; None when there is none."""
    sql = """
        SELECT extract(epoch FROM min(run_after) - clock_timestamp())::float8 FROM jobs_run
        WHERE status = 'queued' AND waiting_for = 'time'
    """
    seconds: float | None = rows(sql, [])[0][0]
    return seconds


def expired() -> list[Claimed]:
    """Runs whose worker has not been heard of for a lease, locked for the rest of the transaction."""
    sql = f"""
        SELECT {", ".join(f"r.{name.strip()}" for name in _WORKED.split(","))}, '', NULL FROM jobs_run r
        WHERE status = 'running' AND lease_until < clock_timestamp()
        ORDER BY lease_until LIMIT {MAX_REAPED} FOR UPDATE SKIP LOCKED
    """  # noqa: S608  constants
    return [Claimed(*row) for row in rows(sql, [])]


def rows(sql: str, parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def execute(sql: str, parameters: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        count: int = cursor.rowcount
        return count
