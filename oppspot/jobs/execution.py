"""A worker's work: claim a run, do it, and write down how it ended, whatever happens."""

import contextlib
import os
import socket
import time
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, connections, transaction

from oppspot.core.errors import InvalidInput, PermanentError, RetryableError
from oppspot.jobs import queue
from oppspot.jobs.context import Context, Interrupted, Suspended, storable
from oppspot.jobs.heartbeat import Heart
from oppspot.jobs.models import Event, Outcome, Run, Status
from oppspot.jobs.queue import Claimed
from oppspot.jobs.redaction import detail_of, summary_of
from oppspot.jobs.registry import Backoff, Function, get_event, get_function

T = TypeVar("T")
OUTAGE_PAUSE_S = 0.2, 2.0  # first and longest, between tries to reach a database that is away

logger = structlog.get_logger(__name__)


class UnknownFunction(RetryableError):
    """This version of the code has no such function; a newer worker may have."""


def drain(heart: Heart, *, limit: int | None = None) -> int:
    """Work until nothing is ready, or the process is told to stop; returns how many runs were started.

    `limit` ends it after that many. An outage of the database ends it too: whoever called asks again.
    """
    name, worker = heart.queue_name, f"{socket.gethostname()}:{os.getpid()}"
    started = 0
    while (limit is None or started < limit) and not heart.is_stopping:
        try:
            run = queue.claim(name, worker, settings.JOBS_LEASE_S)
            if run is None and queue.promote():
                continue
        except (OperationalError, InterfaceError) as error:
            logger.warning("queue_unreachable", error=str(error))
            _drop_connections()
            return started
        if run is None:
            return started
        started += 1
        execute(run, heart)
    return started


def execute(run: Claimed, heart: Heart) -> None:
    """Do one run and record its end. Nothing that a function raises gets past this."""
    made = get_function(run.function)
    structlog.contextvars.bind_contextvars(run=str(run.id), function=run.function)
    try:
        with heart.hold(run):
            result = _work(run, made, heart)
            heart.settle()
            _finish_as(run, made, result)
    finally:
        structlog.contextvars.unbind_contextvars("run", "function")


def _work(run: Claimed, made: Function | None, heart: Heart) -> Any:
    """What the function returned, or what ended it, as an exception that is returned and not raised."""
    was_atomic = connection.in_atomic_block
    try:
        if made is None:
            raise UnknownFunction(f"This version of the code has no function {run.function}.")
        arguments = _arguments(run, made)
        context = Context(run)
        with heart.interrupting(timeout=made.timeout):
            output = made.body(context, arguments)
        return storable(output, f"The output of {run.function}")
    except BaseException as error:
        if not isinstance(error, Exception | Suspended):
            _drop_connections()  # it may have been raised in the middle of a statement
        return error
    finally:
        left_open = connection.connection is not None and not connection.autocommit
        if left_open and not was_atomic:  # a transaction that the function began by hand
            _drop_connections()


def _arguments(run: Claimed, made: Function) -> Any:
    """The event's data as its schema has it now; for a batch a list, in the order of arrival."""
    if made.batch is None:
        return get_event(run.event_name).validated(run.data)
    stored = dict(Event.all_orgs.filter(pk__in=run.event_ids).values_list("pk", "data"))
    return [made.event.validated(stored[pk]) for pk in run.event_ids if pk in stored]


def _finish_as(run: Claimed, made: Function | None, result: Any) -> None:
    """Write the end of a start. It is written however long the database is away: nobody else knows it."""
    if isinstance(result, Suspended):
        _insist(lambda: _suspend(run, result))
    elif isinstance(result, Interrupted):
        _insist(lambda: _interrupted(run, made, result.reason))
    elif isinstance(result, BaseException):
        logger.warning("run_failed", attempt=run.attempt, error=summary_of(result))
        _insist(lambda: fail(run, made, result))
    else:
        _insist(lambda: queue.finish(run, Status.COMPLETED, Outcome.COMPLETED, output=result))


def _suspend(run: Claimed, result: Suspended) -> None:
    waiting = "children" if result.children else ""
    queue.requeue(run, Outcome.SUSPENDED, until=result.until, waiting_for=waiting, is_try=False)


def _interrupted(run: Claimed, made: Function | None, reason: str) -> None:
    if reason == "cancelled":
        with transaction.atomic():
            if queue.finish(run, Status.CANCELLED, Outcome.CANCELLED):
                queue.cancel_queued(list(Run.all_orgs.filter(parent=run.id).values_list("pk", flat=True)))
    elif reason == "released":
        queue.requeue(run, Outcome.RELEASED, is_try=False)
    elif reason == "timed_out":
        seconds = f"{made.timeout:g} s" if made else "its time"
        fail(run, made, TimeoutError(f"It took longer than {seconds}."), Outcome.TIMED_OUT)
    # lease_lost: it belongs to somebody else, who writes down what becomes of it


def fail(run: Claimed, made: Function | None, error: BaseException, outcome: Outcome = Outcome.FAILED) -> None:
    """End a start that failed: another try later, or, if there is none left or it is no use, a dead letter."""
    summary, detail = summary_of(error), detail_of(error)
    hopeless = isinstance(error, PermanentError | InvalidInput)
    if hopeless or run.attempt >= run.max_attempts:
        queue.finish(run, Status.FAILED, outcome, error=summary, detail=detail)
        logger.error("run_dead", attempt=run.attempt, error=summary)
        return
    delay = (made.backoff if made else Backoff()).delay(run.attempt)
    if isinstance(error, RetryableError) and error.retry_after is not None:
        delay = max(error.retry_after, 0.0)
    queue.requeue(run, outcome, delay_s=delay, error=summary, detail=detail)


def reap() -> int:
    """Give up the runs whose worker was not heard of for a lease: each goes back in line, or is a dead letter."""
    with transaction.atomic():
        lost = queue.expired()
        for run in lost:
            error = WorkerLost(f"Its worker was not heard of for {settings.JOBS_LEASE_S:g} s: killed, or cut off.")
            fail(run, get_function(run.function), error, Outcome.CRASHED)
    if lost:
        logger.warning("runs_reaped", count=len(lost))
    return len(lost)


class WorkerLost(Exception):
    """The worker of a run vanished."""


def _insist(write: Callable[[], T]) -> T:
    """`write()`, again and again while the database is away."""
    pause, longest = OUTAGE_PAUSE_S
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError) as error:
            logger.warning("outcome_not_written_yet", error=summary_of(error))
            _drop_connections()
            time.sleep(pause)
            pause = min(2 * pause, longest)


def _drop_connections() -> None:
    for wrapper in connections.all(initialized_only=True):
        wrapper.in_atomic_block = False  # nothing of it can be saved; Django would refuse to close it
        wrapper.savepoint_ids = []
        wrapper.needs_rollback = False
        with contextlib.suppress(Exception):
            wrapper.close()
        wrapper.connection = None


def record_interruption(run: Claimed, reason: str) -> None:
    """For the heartbeat, about a function that does not stop: its process is killed next."""
    _insist(lambda: _interrupted(run, get_function(run.function), reason))
