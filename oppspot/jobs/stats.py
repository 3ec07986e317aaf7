"""How the queue is and how it did, read from its rows: one statement each, of limited reach, for pages and health.

Times are seconds; ages are by the database's clock.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from django.utils import timezone

from oppspot.jobs.queue import rows
from oppspot.jobs.registry import all_functions

COUNTED = 10_000  # rows of a state that are counted; more are "at least"
SAMPLED = 60_000  # runs of a period whose times are looked at, evenly over its buckets
SEEN_WITHIN_S = 30  # a worker not seen for so long is taken for dead: it says so every five
OVERDUE_AFTER_S = 90  # a schedule whose slot is so long past is not being started


class Period(Enum):
    """What the figures are about: as it is written in a URL, how long, and the width of a column, both in seconds."""

    HOUR = "1h", 3_600, 60
    DAY = "24h", 86_400, 3_600

    def __init__(self, text: str, seconds: int, bucket: int) -> None:
        self.text = text
        self.seconds = seconds
        self.bucket = bucket

    @classmethod
    def of(cls, text: str | None) -> "Period":
        """The hour, unless another is named."""
        return next((period for period in cls if period.text == text), cls.HOUR)


@dataclass(frozen=True)
class Depth:
    """Runs by what they wait for, and those at work; each counted up to `COUNTED`."""

    ready: int
    time: int
    slot: int
    children: int
    running: int

    @property
    def queued(self) -> int:
        return self.ready + self.time + self.slot + self.children


def depth() -> Depth:
    """Each state is counted by its own partial index."""
    states = [f"status = 'queued' AND waiting_for = '{kind}'" for kind in ("", "time", "slot", "children")]
    states.append("status = 'running'")
    counts = ", ".join(
        f"(SELECT count(*) FROM (SELECT FROM jobs_run WHERE {state} LIMIT {COUNTED}) found)"  # noqa: S608  constants
        for state in states
    )
    return Depth(*rows(f"SELECT {counts}", [])[0])


def oldest_ready_s() -> float | None:
    """How long the oldest run has been ready to start; None when none is. Of each queue the first `COUNTED` are looked
    at.

    Left out are runs that once started and were put back, for a slot or for their children: their rows no longer say
    since when they are ready.
    """
    sql = """
        SELECT extract(epoch FROM statement_timestamp() - min(run_after))::float8
        FROM unnest(%s::text[]) AS known (queue) CROSS JOIN LATERAL (
            SELECT run_after, fence, attempt FROM jobs_run r
            WHERE r.queue = known.queue AND status = 'queued' AND waiting_for = '' ORDER BY rank, id LIMIT %s
        ) first WHERE fence = attempt
    """
    queues = sorted({"default", *(function.queue for function in all_functions())})
    seconds: float | None = rows(sql, [queues, COUNTED])[0][0]
    return None if seconds is None else max(seconds, 0.0)


def dead_letters() -> int:
    """Runs that failed for good and that nobody ran again, up to `COUNTED`."""
    sql = "SELECT count(*) FROM (SELECT FROM jobs_run WHERE status = 'failed' LIMIT %s) found"
    return int(rows(sql, [COUNTED])[0][0])


def workers_alive() -> int:
    sql = "SELECT count(*) FROM jobs_worker WHERE seen_at > statement_timestamp() - make_interval(secs => %s)"
    return int(rows(sql, [SEEN_WITHIN_S])[0][0])


def overdue_schedules() -> int:
    sql = "SELECT count(*) FROM jobs_schedule WHERE next_slot_at < statement_timestamp() - make_interval(secs => %s)"
    return int(rows(sql, [OVERDUE_AFTER_S])[0][0])


@dataclass(frozen=True)
class Times:
    """Median and 95th percentile of how long runs that ended waited from ready to started, and of how long their last
    start took. None where nothing is known. Of busy periods the newest runs of each bucket stand for the others."""

    wait_p50: float | None
    wait_p95: float | None
    run_p50: float | None
    run_p95: float | None


# The newest runs of each bucket. One of several starts does not say when it was ready for its first: no wait is known.
_SAMPLE = """
    SELECT bucket.start, r.function, extract(epoch FROM a.finished_at - a.started_at)::float8 AS took,
        CASE WHEN r.fence = 1 THEN greatest(extract(epoch FROM r.started_at - r.run_after), 0)::float8 END AS wait
    FROM generate_series(%(first)s::timestamptz, %(last)s, %(width)s) AS bucket (start) CROSS JOIN LATERAL (
        SELECT id, function, fence, run_after, started_at FROM jobs_run
        WHERE finished_at >= bucket.start AND finished_at < bucket.start + %(width)s
        ORDER BY finished_at DESC LIMIT %(sample)s
    ) r LEFT JOIN jobs_attempt a ON a.run_id = r.id AND a.fence = r.fence
"""
_TIMES = ", ".join(
    f"percentile_cont({part}) WITHIN GROUP (ORDER BY {column})" for column in ("wait", "took") for part in (0.5, 0.95)
)
_COUNTS = (
    "count(*) FILTER (WHERE status = 'completed') AS completed, count(*) FILTER (WHERE status = 'failed') AS failed"
)


@dataclass(frozen=True)
class Bucket:
    """Runs that ended in the minute or hour from `start` on."""

    start: datetime
    completed: int
    failed: int
    times: Times


def history(period: Period) -> list[Bucket]:
    """The period's buckets, the oldest first, the one that has just begun last; empty ones too."""
    sql = f"""
        WITH timed AS (SELECT start, {_TIMES} FROM ({_SAMPLE}) sample GROUP BY start), counted AS (
            SELECT date_bin(%(width)s, finished_at, 'epoch'::timestamptz) AS start, {_COUNTS}
            FROM jobs_run WHERE finished_at >= %(first)s GROUP BY 1
        )
        SELECT start, coalesce(completed, 0), coalesce(failed, 0), timed.*
        FROM generate_series(%(first)s::timestamptz, %(last)s, %(width)s) AS series (start)
        LEFT JOIN counted USING (start) LEFT JOIN timed USING (start) ORDER BY 1
    """  # noqa: S608  constants
    return [Bucket(row[0], row[1], row[2], Times(*row[-4:])) for row in rows(sql, _terms(period))]


@dataclass(frozen=True)
class FunctionFigures:
    """Runs of a function that ended in the period, in any way; `function` is empty for all of them together."""

    function: str
    runs: int
    failed: int
    times: Times


def by_function(period: Period) -> list[FunctionFigures]:
    """All together first, then by function, those that failed and ran most before others."""
    sql = f"""
        WITH timed AS (SELECT function, {_TIMES} FROM ({_SAMPLE}) sample GROUP BY GROUPING SETS ((), (function))),
        counted AS (
            SELECT function, count(*) AS runs, {_COUNTS} FROM jobs_run WHERE finished_at >= %(first)s
            GROUP BY GROUPING SETS ((), (function))
        )
        SELECT coalesce(c.function, ''), runs, failed, t.*
        FROM counted c LEFT JOIN timed t ON t.function IS NOT DISTINCT FROM c.function
        ORDER BY c.function IS NOT NULL, failed DESC, runs DESC, c.function
    """  # noqa: S608  constants
    return [FunctionFigures(row[0], row[1], row[2], Times(*row[-4:])) for row in rows(sql, _terms(period))]


def _terms(period: Period) -> dict[str, Any]:
    """Starts of the first bucket and of the present one, by this process' clock, and what is read of each."""
    last = datetime.fromtimestamp(timezone.now().timestamp() // period.bucket * period.bucket, tz=UTC)
    first = last - timedelta(seconds=period.seconds - period.bucket)
    sample = SAMPLED * period.bucket // period.seconds
    return {"first": first, "last": last, "width": timedelta(seconds=period.bucket), "sample": sample}
