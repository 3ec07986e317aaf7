"""What ends by size and by the clock, whatever the other side does."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread
from typing import Any, TypeVar

import httpx2

T = TypeVar("T")


class Deadline:
    """A moment by which everything that belongs to one call is over."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.moment = time.monotonic() + seconds

    def left(self, at_most: float | None = None) -> float:
        """Seconds until then, more than 0. Raises `TimeoutError` when it has passed."""
        seconds = self.moment - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds if at_most is None else min(seconds, at_most)

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Inside, it is `seconds` away at most."""
        moment = self.moment
        self.moment = min(moment, time.monotonic() + seconds)
        try:
            yield
        finally:
            self.moment = moment

    def lift(self) -> None:
        """From now on only the time-outs of single reads count."""
        self.moment = float("inf")


class BoundedStream(httpx2.SyncByteStream):
    """A body that ends: by size, and by the clock even while bytes keep coming."""

    def __init__(self, stream: Any, *, max_bytes: int, deadline: float, too_large: Exception) -> None:
        """`deadline` is a moment of `time.monotonic`; after it `httpx2.ReadTimeout` is raised."""
        self._stream, self._max_bytes, self._deadline, self._too_large = stream, max_bytes, deadline, too_large

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._stream:
            size += len(chunk)
            if size > self._max_bytes:
                raise self._too_large
            if time.monotonic() > self._deadline:
                raise httpx2.ReadTimeout("the body took too long")
            yield chunk

    def close(self) -> None:
        self._stream.close()


def within(seconds: float, work: Callable[[], T], *, name: str) -> T:
    """The result of `work`, or `TimeoutError`; late work goes on in its thread until its own timeouts end it."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # handed to the waiting thread
            future.set_exception(error)

    Thread(target=run, name=name, daemon=True).start()
    return future.result(timeout=seconds)
