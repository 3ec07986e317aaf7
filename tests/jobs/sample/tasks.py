"""Functions of the tests: each fails in a way of its own."""

import asyncio
import contextlib
import ctypes
import os
import signal
import time
from typing import Any

from oppspot.core.errors import PermanentError, RetryableError
from oppspot.jobs.context import Context
from oppspot.jobs.registry import Backoff, function
from tests.jobs.sample.events import Work
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
    ctx.sleep(data.seconds or 0.5)
    return "slept"


def _sit(ctx: Context, data: Work) -> None:
    time.sleep(data.seconds)


def _stubborn(ctx: Context, data: Work) -> None:
    """C code that holds the interpreter's lock and does not listen to signals."""
    while True:
        with contextlib.suppress(BaseException):
            ctypes.PyDLL(None).sleep(3600)


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
    "sleep": _sleep,
    "sit": _sit,
    "stubborn": _stubborn,
    "flaky": _flaky,
}
