"""Events, runs and workers for tests, in any state, as the queue would have left them."""

from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from django.utils import timezone

from oppspot.core.ids import uuid7
from oppspot.jobs.models import TERMINAL, Attempt, Event, Outcome, Run, Schedule, Status, Worker

_numbers = count(1)
OUTCOMES = {
    Status.RUNNING: Outcome.RUNNING,
    Status.COMPLETED: Outcome.COMPLETED,
    Status.FAILED: Outcome.FAILED,
    Status.CANCELLED: Outcome.CANCELLED,
    Status.QUEUED: Outcome.FAILED,
}


def ago(seconds: float) -> datetime:
    return timezone.now() - timedelta(seconds=seconds)


def uuid7_at(moment: datetime) -> UUID:
    """An id as it would have been made then."""
    fresh, milliseconds = uuid7().int, int(moment.timestamp() * 1000)
    return UUID(int=fresh & ((1 << 80) - 1) | milliseconds << 80)


def make_event(name: str = "sample/work.do", **fields: Any) -> Event:
    fields.setdefault("data", {"what": "nothing"})
    fields.setdefault("listeners", 1)
    return Event.all_orgs.create(name=name, **fields)


def make_run(
    status: str = Status.QUEUED,
    *,
    age: float = 0.0,
    wait: float = 0.0,
    took: float = 0.0,
    ended: float | None = None,
    starts: int | None = None,
    **fields: Any,
) -> Run:
    """A run created `age` seconds ago, that began `wait` seconds after and took `took`; `ended` seconds ago, if given,
    decides its age. `starts` attempts are made, the last with the outcome that fits the status."""
    if ended is not None:
        age = ended + took + wait
    created = ago(age)
    starts = (0 if status == Status.QUEUED else 1) if starts is None else starts
    begun, over = created + timedelta(seconds=wait), created + timedelta(seconds=wait + took)
    org = fields.pop("org", None)
    values: dict[str, Any] = {
        "id": uuid7_at(created),
        "function": "sample.work",
        "org": org,
        "status": status,
        "rank": created,
        "run_after": created,
        "created_at": created,
        "fence": starts,
        "attempt": starts,
        "max_attempts": max(starts, 3),
        "started_at": begun if starts else None,
        "finished_at": over if status in TERMINAL else None,
        "lease_until": ago(-30) if status == Status.RUNNING else None,
    }
    event = fields.pop("event", None) or make_event(org=org)
    run = Run.all_orgs.create(event=event, **values | fields)
    for number in range(1, starts + 1):
        last = number == starts
        Attempt.objects.create(
            run=run,
            fence=number,
            number=number,
            worker="host:1",
            outcome=OUTCOMES[Status(status)] if last else Outcome.FAILED,
            started_at=begun,
            finished_at=None if last and status == Status.RUNNING else over,
        )
    return run


def make_worker(seen: float = 0.0, **fields: Any) -> Worker:
    """A worker seen so many seconds ago."""
    values = {"host": "box", "pid": next(_numbers), "queue": "default", "started_at": ago(seen + 60)}
    return Worker.objects.create(seen_at=ago(seen), **values | fields)


def make_schedule(due_in: float = 3_600.0, **fields: Any) -> Schedule:
    """A schedule whose next slot is so many seconds away, or past."""
    values = {
        "name": f"schedule-{next(_numbers)}",
        "cron": "30 2 * * *",
        "time_zone": "Europe/London",
        "event_name": "sample/work.do",
    }
    return Schedule.objects.create(next_slot_at=ago(-due_in), **values | fields)
