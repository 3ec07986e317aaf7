"""What other code may do with jobs: emit events, cancel and retry runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from pydantic import BaseModel

from oppspot.core.errors import OppspotError
from oppspot.core.ids import uuid7
from oppspot.jobs import gathering, queue
from oppspot.jobs.models import RANK_S, Event, Priority, Run, Status, WaitingFor
from oppspot.jobs.registry import Batch, Function, get_event, get_function, key_of
from oppspot.organizations.models import Organization

logger = structlog.get_logger(__name__)


class WrongState(OppspotError):
    """The job is not in a state for that."""

    code = "wrong_state"
    status = 409


@dataclass(frozen=True)
class Emitted:
    """What emitting did. Without `is_new` the event was there already, under the same `dedupe_key`."""

    event: Event
    run_ids: list[UUID] = field(default_factory=list)
    is_new: bool = True


def emit(
    name: str | type[BaseModel],
    data: BaseModel | Mapping[str, Any],
    *,
    org: Organization | None = None,
    dedupe_key: str = "",
    priority: Priority | None = None,
    run_after: datetime | None = None,
    requested_by: str = "",
    caused_by: Run | None = None,
) -> Emitted:
    """Store an event, and a run of each function that listens to it, in the caller's transaction.

    They exist when it commits, and never if it rolls back; workers are woken at once, or at `run_after`. A second event
    of the same `dedupe_key` (within an organisation and a name) is not stored: the first comes back. `org` None is the
    system. Raises `UnknownEvent` and `InvalidEventData`, naming the field. An event that nobody listens to is stored.
    """
    kind = get_event(name)
    valid = kind.validated(data)
    with transaction.atomic(savepoint=False):
        event = Event(
            org=org,
            name=kind.name,
            data=valid.model_dump(mode="json"),
            dedupe_key=dedupe_key,
            caused_by_run=caused_by.pk if caused_by else None,
            listeners=len(kind.listeners),
        )
        if not _insert_event(event):
            known = Event.all_orgs.get(org=org, name=kind.name, dedupe_key=dedupe_key)
            return Emitted(known, list(known.runs.values_list("pk", flat=True)), is_new=False)
        terms = _Terms(event, valid, priority, run_after, requested_by, caused_by)
        run_ids = [pk for listener in kind.listeners if (pk := _add_run(listener, terms))]
    if not kind.listeners:
        logger.info("event_without_listener", event_name=kind.name, event_id=str(event.pk))
    return Emitted(event, run_ids)


def emit_many(
    name: type[BaseModel] | str,
    items: Sequence[BaseModel | Mapping[str, Any]],
    *,
    org: Organization | None = None,
    dedupe_prefix: str = "",
    priority: Priority | None = None,
    requested_by: str = "",
    caused_by: Run | None = None,
    told_in: UUID | None = None,
) -> list[Event]:
    """Store many events of one name, and their runs, by one statement each; `dedupe_prefix` is followed by the
    place in `items`. Functions that debounce, batch, or are idempotent need `emit`: they raise `ValueError`.

    `told_in` names a run that the events come from and whose children their runs are not: they outlive its being
    cancelled.
    """
    kind = get_event(name)
    if any(made.debounce or made.batch or made.idempotency for made in kind.listeners):
        raise ValueError(f"{kind.name} has listeners that join events: emit them one by one.")
    valid = [kind.validated(item) for item in items]
    events = [
        Event(
            org=org,
            name=kind.name,
            data=item.model_dump(mode="json"),
            dedupe_key=f"{dedupe_prefix}:{place}" if dedupe_prefix else "",
            caused_by_run=caused_by.pk if caused_by else told_in,
            listeners=len(kind.listeners),
        )
        for place, item in enumerate(valid)
    ]
    with transaction.atomic(savepoint=False):
        Event.all_orgs.bulk_create(events, ignore_conflicts=bool(dedupe_prefix))
        stored = set(Event.all_orgs.filter(pk__in=[event.pk for event in events]).values_list("pk", flat=True))
        fresh = [(event, item) for event, item in zip(events, valid, strict=True) if event.pk in stored]
        Run.all_orgs.bulk_create(
            _new_run(listener, _Terms(event, item, priority, None, requested_by, caused_by))
            for listener in kind.listeners
            for event, item in fresh
        )
        for name_ in {listener.queue for listener in kind.listeners}:
            queue.notify(name_)
    return [event for event, _ in fresh]


@dataclass(frozen=True)
class _Terms:
    """What the runs of one event have in common."""

    event: Event
    data: BaseModel
    priority: Priority | None
    run_after: datetime | None
    requested_by: str
    caused_by: Run | None


def _insert_event(event: Event) -> bool:
    if not event.dedupe_key:
        event.save(force_insert=True)
        return True
    Event.all_orgs.bulk_create([event], ignore_conflicts=True)
    return Event.all_orgs.filter(pk=event.pk).exists()


def _new_run(made: Function, terms: _Terms) -> Run:
    event, org_id = terms.event, terms.event.org_id
    priority = terms.priority if terms.priority is not None else made.priority_of(terms.data)
    later = terms.run_after is not None and terms.run_after > timezone.now()
    begin: Any = terms.run_after if later else Now()
    return Run(
        queue=made.queue,
        function=made.name,
        event=event,
        org_id=org_id,
        parent=terms.caused_by,
        priority=priority,
        run_after=begin,
        rank=begin + timedelta(seconds=RANK_S[priority]),
        waiting_for=WaitingFor.TIME if later else WaitingFor.NOTHING,
        max_attempts=made.max_attempts,
        concurrency_key=_key(made, made.concurrency, terms),
        concurrency_limit=made.concurrency.limit if made.concurrency else None,
        rate_key=_key(made, made.rate_limit, terms),
        idempotency_key=key_of(made.idempotency, terms.data, org_id) if made.idempotency else "",
        requested_by=terms.requested_by,
    )


def _key(made: Function, limit: Any, terms: _Terms) -> str:
    """Of a limit, and of this function and organisation alone."""
    if limit is None:
        return ""
    return f"{made.name}|{terms.event.org_id or ''}|{key_of(limit.key, terms.data, terms.event.org_id)}"


def _add_run(made: Function, terms: _Terms) -> UUID | None:
    """The id of the run that will deal with the event; None if an earlier event of its key has been dealt with."""
    if made.debounce or made.batch:
        return _gather(made, terms)
    run = _new_run(made, terms)
    if made.idempotency:
        Run.all_orgs.bulk_create([run], ignore_conflicts=True)
        if not Run.all_orgs.filter(pk=run.pk).exists():
            return None
    else:
        run.save(force_insert=True)
    if run.waiting_for == WaitingFor.NOTHING:
        queue.notify(made.queue)
    return run.pk


def _gather(made: Function, terms: _Terms) -> UUID:
    """Add the event to the run that gathers its key, or begin one."""
    key = _key(made, made.debounce or made.batch, terms)
    priority = terms.priority if terms.priority is not None else made.priority_of(terms.data)
    common = {
        "id": uuid7(),
        "org": terms.event.org_id,
        "queue": made.queue,
        "function": made.name,
        "event": terms.event.pk,
        "parent": terms.caused_by.pk if terms.caused_by else None,
        "priority": priority,
        "rank": RANK_S[priority],
        "key": key,
        "max_attempts": made.max_attempts,
        "concurrency_key": _key(made, made.concurrency, terms),
        "concurrency_limit": made.concurrency.limit if made.concurrency else None,
        "rate_key": _key(made, made.rate_limit, terms),
        "requested_by": terms.requested_by,
    }
    if made.debounce:
        return gathering.debounce(common, wait=made.debounce.wait, max_wait=made.debounce.max_wait)
    batch = cast(Batch, made.batch)
    return gathering.add_to_batch(common, size=batch.size, wait=batch.wait)


def cancel_run(run: Run) -> Run:
    """Cancel a run and those it caused: one that waits at once, one at work within a heartbeat.

    Raises `WrongState` for one that has ended.
    """
    with transaction.atomic():
        ids = _with_descendants(run)
        # Children before parents, as a child that ends locks them.
        locked = {found.pk: found for found in Run.all_orgs.filter(pk__in=ids).order_by("-pk").select_for_update()}
        if locked[run.pk].is_terminal:
            raise WrongState(f"The job has ended already: it is {locked[run.pk].status}.")
        Run.all_orgs.filter(pk__in=ids, status=Status.RUNNING, cancel_requested_at=None).update(
            cancel_requested_at=Now()
        )
        queue.cancel_queued(ids)
    run.refresh_from_db()
    logger.info("run_cancelled", run=str(run.pk), status=run.status)
    return run


def retry_run(run: Run) -> Run:
    """Put a dead letter, or a cancelled run, back in line with as many tries as at first; what it did is kept.

    So are those it caused that failed or were cancelled, as it could not end well without them. Completed steps are not
    done again. Raises `WrongState` for a run in another state.
    """
    with transaction.atomic():
        if not _put_back(Run.all_orgs.filter(pk=run.pk)):
            run.refresh_from_db()
            raise WrongState(f"Only a failed or cancelled job can be retried; it is {run.status}.")
        caused = _put_back(Run.all_orgs.filter(pk__in=_with_descendants(run)))
    run.refresh_from_db()
    logger.info("run_retried", run=str(run.pk), caused=caused)
    return run


def _put_back(runs: QuerySet[Run]) -> int:
    """Put those of `runs` that failed or were cancelled back in line; returns how many."""
    ended = runs.filter(status__in=(Status.FAILED, Status.CANCELLED)).order_by()
    count = 0
    for function, priority, name in list(ended.values_list("function", "priority", "queue").distinct()):
        made = get_function(function)
        count += ended.filter(function=function, priority=priority, queue=name).update(
            status=Status.QUEUED,
            waiting_for=WaitingFor.NOTHING,
            max_attempts=F("attempt") + (made.max_attempts if made else 1),
            finished_at=None,
            cancel_requested_at=None,
            gather_key="",  # another run may gather for it now
            run_after=Now(),
            rank=Now() + timedelta(seconds=RANK_S[Priority(priority)]),
        )
        queue.notify(name)
    return count


def _with_descendants(run: Run) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE tree (id) AS (SELECT %s::uuid UNION SELECT r.id FROM jobs_run r JOIN tree t "
            "ON r.parent_id = t.id) SELECT id FROM tree",
            [run.pk],
        )
        return [row[0] for row in cursor.fetchall()]


def trim(*, older_than: timedelta, limit: int = 1_000) -> int:
    """Delete up to `limit` runs that ended before, and events whose runs are all gone; dead letters are kept five times
    as long. A run stays while one that it caused has not ended."""
    now = timezone.now()
    old = Q(status__in=(Status.COMPLETED, Status.CANCELLED), finished_at__lt=now - older_than)
    dead = Q(status=Status.FAILED, finished_at__lt=now - 5 * older_than)
    runs = Run.all_orgs.filter(old | dead).exclude(children__status__in=(Status.QUEUED, Status.RUNNING))
    ids = list(runs.order_by().values_list("pk", flat=True)[:limit])
    Run.all_orgs.filter(pk__in=ids).delete()
    idle = Event.all_orgs.filter(created_at__lt=now - older_than, runs=None)
    idle_ids = list(idle.order_by().values_list("pk", flat=True)[:limit])
    Event.all_orgs.filter(pk__in=idle_ids).delete()
    return len(ids) + len(idle_ids)
