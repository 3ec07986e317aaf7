"""What the processes of a cluster share, without a lock that a killed process could leave held.

Python's own queue, event and value are built on semaphores: a process killed while it holds one leaves it held, and
the rest of the cluster waits for ever (a worker that waits for work holds one all the time). Here the kernel keeps the
state: a message is one datagram, read by one process or not at all; an event is a byte in a pipe.
"""

import contextlib
import os
import pickle
import select
import socket
import time
from collections.abc import Iterator
from multiprocessing.sharedctypes import RawValue
from typing import Any

MAX_MESSAGE = 60_000  # bytes: below what any system takes as one datagram
PATIENCE_S = 1.0  # between looks at whether the parent lives


class Orphaned(SystemExit):
    """The process that would stop or replace this one is gone."""


class _Family:
    """Knows whether this process' parent still is the one that forked it, from the first moment on."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._parent: int | None = None
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._parent, self._pid = self._pid, os.getpid()

    def is_orphan(self) -> bool:
        """Always False for a process that was not forked by this program."""
        return self._parent is not None and os.getppid() != self._parent


_family = _Family()


def is_orphan() -> bool:
    """Whether the process that would stop or replace this one is gone."""
    return _family.is_orphan()


class Queue:
    """Messages from any process to any one: as `multiprocessing.Queue` as far as django-q2 uses it.

    The system holds about ten messages; `put` waits for room.
    """

    def __init__(self, maxsize: int = 0) -> None:
        self._reader, self._writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def put(self, message: Any) -> None:
        while not self.offer(message):
            if _family.is_orphan():
                raise Orphaned(1)
            select.select([], [self._writer], [], PATIENCE_S)
            time.sleep(0.01)  # a datagram socket may call itself writable and still be full

    def offer(self, message: Any) -> bool:
        """Put the message if there is room now; whether there was."""
        data = pickle.dumps(message)
        if len(data) > MAX_MESSAGE:
            raise ValueError(f"A message of {len(data)} bytes; at most {MAX_MESSAGE} fit.")
        with contextlib.suppress(BlockingIOError):
            self._writer.send(data, socket.MSG_DONTWAIT)
            return True
        return False

    def get(self) -> Any:
        """The next message. Raises `Orphaned` when the parent is gone and nothing is left to read."""
        while True:
            select.select([self._reader], [], [], PATIENCE_S)
            with contextlib.suppress(BlockingIOError):
                return pickle.loads(self._reader.recv(MAX_MESSAGE, socket.MSG_DONTWAIT))  # noqa: S301  from our own processes
            if _family.is_orphan():
                raise Orphaned(1)

    def empty(self) -> bool:
        return not select.select([self._reader], [], [], 0)[0]

    def qsize(self) -> int:
        """Whether there is something to read: 1 or 0."""
        return int(not self.empty())

    def close(self) -> None:
        """Nothing to do: the sockets end with the last process."""

    def join_thread(self) -> None:
        """There is no thread: what was put is with the system."""


class Event:
    """As `multiprocessing.Event`; also counts as set when the parent is gone."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def set(self) -> None:
        os.write(self._write, b"!")

    def is_set(self) -> bool:
        return bool(select.select([self._read], [], [], 0)[0])

    def wait(self, timeout: float | None = None) -> bool:
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            left = PATIENCE_S if until is None else max(0.0, until - time.monotonic())
            if select.select([self._read], [], [], min(left, PATIENCE_S))[0] or _family.is_orphan():
                return True
            if until is not None and time.monotonic() >= until:
                return False


class Value:
    """As `multiprocessing.Value` for one number, whose lock is none: a number is written whole."""

    def __init__(self, code: str, value: float) -> None:
        self._raw: Any = RawValue(code, value)

    @property
    def value(self) -> float:
        number: float = self._raw.value
        return number

    @value.setter
    def value(self, number: float) -> None:
        self._raw.value = number

    @contextlib.contextmanager
    def get_lock(self) -> Iterator[None]:
        yield
