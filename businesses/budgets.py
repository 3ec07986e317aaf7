"""What outside services still allow: one row for each, shared by all processes.

Each statement stands alone and holds its row for a moment: call these outside of transactions.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import NoReturn

from django.db import connection

from businesses.sources.pull import BudgetSpent

CAPACITY, WINDOW_S = 600, 300  # requests and seconds of a window, until the service says otherwise
MAX_CAPACITY, MAX_WINDOW_S = 1_000_000, 86_400
PREFIX = "x-ratelimit-"
_WINDOW = re.compile(r"([0-9]{1,6}) ?([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_EPOCH = re.compile(r"[0-9]{9,11}(?:\.[0-9]+)?")
_COUNT = re.compile(r"[0-9]{1,9}")

# Whoever waited for the row sees it as the one before left it: no request is given away twice.
TAKE = """
    INSERT INTO request_budgets AS b (name, capacity, window_s, remaining, resets_at)
    VALUES (%(name)s, %(capacity)s, %(window_s)s, %(capacity)s - 1,
            clock_timestamp() + %(window_s)s * interval '1 second')
    ON CONFLICT (name) DO UPDATE SET
        remaining = CASE WHEN b.resets_at <= clock_timestamp() THEN b.capacity ELSE b.remaining END - 1,
        resets_at = CASE WHEN b.resets_at <= clock_timestamp()
                         THEN clock_timestamp() + b.window_s * interval '1 second' ELSE b.resets_at END
    WHERE b.remaining > 0 OR b.resets_at <= clock_timestamp()
    RETURNING remaining
"""
# What the service counts is at most what is left, unless the window that we know of is over: then it is all we know.
# Answers may come late and in any order, so that nothing else raises the count.
LEARN = """
    UPDATE request_budgets b SET
        capacity = coalesce(%(capacity)s, b.capacity),
        window_s = coalesce(%(window_s)s, b.window_s),
        remaining = least(
            CASE WHEN b.resets_at <= clock_timestamp() AND %(reset_s)s::float8 IS NOT NULL
                 THEN coalesce(%(capacity)s, b.capacity) ELSE b.remaining END,
            coalesce(%(remaining)s, b.remaining), coalesce(%(capacity)s, b.capacity)),
        resets_at = coalesce(clock_timestamp() + %(reset_s)s::float8 * interval '1 second', b.resets_at)
    WHERE b.name = %(name)s
"""
SPEND = """
    UPDATE request_budgets b SET
        remaining = 0,
        resets_at = clock_timestamp() + coalesce(%(reset_s)s::float8, b.window_s) * interval '1 second'
    WHERE b.name = %(name)s
"""
LEFT = "SELECT extract(epoch FROM resets_at - clock_timestamp())::float8 FROM request_budgets WHERE name = %(name)s"


@dataclass(frozen=True)
class _Told:
    """What the headers of an answer say; None where they do not, or say what cannot be."""

    capacity: int | None
    remaining: int | None
    window_s: int | None
    reset_s: float | None  # seconds from now


def take(name: str) -> int:
    """Take one request out of the budget; returns how many are left. Raises `BudgetSpent` when none was.

    A budget begins with its first request, with 600 requests in 300 seconds.
    """
    with connection.cursor() as cursor:
        cursor.execute(TAKE, {"name": name, "capacity": CAPACITY, "window_s": WINDOW_S})
        row = cursor.fetchone()
    if row is None:
        _refuse(name)
    return int(row[0])


def learn(name: str, headers: Mapping[str, str]) -> None:
    """Correct the budget by the `X-Ratelimit-…` headers of an answer; what they say beyond reason is left out."""
    told = _told(headers)
    if told != _Told(None, None, None, None):
        with connection.cursor() as cursor:
            cursor.execute(LEARN, {"name": name, **vars(told)})


def refuse(name: str, headers: Mapping[str, str], *, retry_after: float | None = None) -> NoReturn:
    """The service said 429: nothing is left until its window ends. Raises `BudgetSpent`.

    Where the answer says neither when that is nor `retry_after` (seconds), a whole window is waited.
    """
    learn(name, headers)
    told = _told(headers).reset_s
    with connection.cursor() as cursor:
        cursor.execute(SPEND, {"name": name, "reset_s": retry_after if told is None else told})
    _refuse(name)


def _refuse(name: str) -> NoReturn:
    with connection.cursor() as cursor:
        cursor.execute(LEFT, {"name": name})
        row = cursor.fetchone()
    seconds = max(1.0, float(row[0])) if row else float(WINDOW_S)
    raise BudgetSpent(f"{name} allows no more requests for {seconds:.0f} s.", retry_after=seconds)


def _told(headers: Mapping[str, str]) -> _Told:
    lowered = {name.lower(): value.strip() for name, value in headers.items()}
    said = {name.removeprefix(PREFIX): value for name, value in lowered.items() if name.startswith(PREFIX)}
    capacity = _count(said.get("limit", ""), low=1)
    remaining = _count(said.get("remain", said.get("remaining", "")), low=0)
    window = _WINDOW.fullmatch(said.get("window", "").lower())
    window_s = int(window[1]) * _SECONDS[window[2]] if window else 0
    if not 0 < window_s <= MAX_WINDOW_S:
        window_s = 0
    seconds = _seconds_until(said.get("reset", ""), lowered.get("date", ""))
    if seconds is not None and not 0 < seconds <= (window_s or MAX_WINDOW_S) + 1:
        seconds = remaining = None  # of a window that is over: the answer was long on its way
    return _Told(capacity, remaining, window_s or None, seconds)


def _count(text: str, *, low: int) -> int | None:
    number = int(text) if _COUNT.fullmatch(text) else -1
    return number if low <= number <= MAX_CAPACITY else None


def _seconds_until(reset: str, date: str) -> float | None:
    """Until `reset` (a Unix time), by the service's own clock where the answer tells its time."""
    if not _EPOCH.fullmatch(reset):
        return None
    try:
        now = parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        now = time.time()
    return float(reset) - now
