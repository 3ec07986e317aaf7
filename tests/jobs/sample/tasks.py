"""Functions of the tests: each fails in a way of its own."""

import asyncio
import contextlib
import ctypes
import os
import signal
import time
from typing import Any

from django.db import transaction

from oppspot.core.errors import PermanentError, RetryableError
from oppspot.jobs.context import Context
from oppspot.jobs.registry import Backoff, function
from tests.jobs.sample.events import Brief, Hardy, Limited, Parent, Work
from tests.jobs.sample.models import Trace

SOON = Backoff(first=0.1, longest=0.5)


def trace(ctx: Context, step: str) -> str:
    Trace.objects.create(run_id=ctx.run_id, step=step)
    return step


@function(on=Work, retries=2, backoff=SOON, timeout=20, name="sample.work")
def work(ctx: Context, data: Work) -> Any:
    """Does as many steps as it is told, then what it is told."""
    for number in range(data.steps):
        ctx.step(f"step-{number}", lambda number=number: _slow(ctx, f"step-{number}", data.seconds))  # type: ignore[misc]
    return DEEDS[data.what](ctx, data)


def _slow(ctx: Context, step: str, seconds: float) -> str:
    time.sleep(seconds)
    return trace(ctx, step)


def _kill(ctx: Context, data: Work) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _raise(error: BaseException) -> Any:
    def deed(ctx: Context, data: Work) -> None:
        raise error

    return deed


def _sleep(ctx: Context, data: Work) -> str:
    ctx.sleep(data.then or 0.5)
    return "slept"


def _sit(ctx: Context, data: Work) -> None:
    time.sleep(data.then)


def _stubborn(ctx: Context, data: Work) -> None:
    """C code, called again whatever interrupts it."""
    while True:
        with contextlib.suppress(BaseException):
            ctypes.CDLL(None).sleep(3600)


def _deaf(ctx: Context, data: Work) -> None:
    """C code that holds the interpreter's lock: no other thread of the process runs, no signal is heard."""
    ctypes.PyDLL(None).sleep(3600)


def _open(ctx: Context, data: Work) -> str:
    """Leaves a transaction open, with a lock on a row."""
    transaction.set_autocommit(False)
    list(Trace.objects.select_for_update().filter(run_id=ctx.run_id))
    return "left open"


def _gauge(ctx: Context, data: Work) -> int:
    """How many of the key are at it."""
    mine = Trace.objects.create(run_id=ctx.run_id, step=f"busy {data.key}")
    count = Trace.objects.filter(step=mine.step).count()
    time.sleep(data.seconds)
    mine.delete()
    return count


def _flaky(ctx: Context, data: Work) -> str:
    if ctx.attempt < 3:
        raise RetryableError("Not yet.", retry_after=0.1)
    return "at last"


DEEDS: dict[str, Any] = {
    "nothing": lambda ctx, data: "done",
    "kill": _kill,
    "exit": _raise(SystemExit(3)),
    "cancelled": _raise(asyncio.CancelledError()),
    "permanent": _raise(PermanentError("Never.")),
    "unstorable": lambda ctx, data: {1, 2},
    "unpicklable": lambda ctx, data: lambda: None,
    "nul": lambda ctx, data: {"a": "\x00"},
    "surrogate": lambda ctx, data: "\ud800",
    "open": _open,
    "sleep": _sleep,
    "sit": _sit,
    "stubborn": _stubborn,
    "deaf": _deaf,
    "flaky": _flaky,
    "gauge": _gauge,
}


@function(on=Brief, retries=0, timeout=1.5, name="sample.brief")
def brief(ctx: Context, data: Brief) -> Any:
    return work(ctx, data)


@function(on=Hardy, retries=50, backoff=SOON, timeout=20, name="sample.hardy")
def hardy(ctx: Context, data: Hardy) -> Any:
    return work(ctx, data)


@function(on=Limited, retries=2, backoff=SOON, timeout=20, concurrency=("key", 2), name="sample.limited")
def limited(ctx: Context, data: Limited) -> Any:
    return work(ctx, data)


@function(on=Parent, retries=2, backoff=SOON, timeout=20, name="sample.parent")
def parent(ctx: Context, data: Parent) -> Any:
    items = [Work(what="sit", then=data.seconds, steps=1) for _ in range(data.children)]
    ctx.step("children", lambda: len(ctx.emit_many(Work, items)))
    return ctx.wait_for_children()
