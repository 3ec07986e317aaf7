"""Lines of a connection that stays open, read ahead by a thread: whoever takes them notices silence, and can stop."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from queue import Empty, SimpleQueue
from threading import Thread

MAX_AHEAD = 2_000  # lines; the connection waits while so many are not taken
PAUSE_S = 0.005

Connect = Callable[[], AbstractContextManager[Iterator[bytes]]]


class ReadAhead:
    """The lines that `connect` leads to. Only whole ones, in their order; then `failure` says how it ended."""

    def __init__(self, connect: Connect, *, name: str) -> None:
        self.failure: Exception | None = None
        self._connect, self._is_closed = connect, False
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._thread = Thread(target=self._read, name=name, daemon=True)

    def lines(self, *, poll_s: float, should_stop: Callable[[], bool]) -> Iterator[bytes | None]:
        """Lines, and None whenever none has come for `poll_s`; ends with the connection or when told to stop."""
        self._thread.start()
        while not should_stop():
            try:
                line = self._lines.get(timeout=poll_s)
            except Empty:
                yield None
                continue
            if line is None:
                return
            yield line

    def close(self) -> None:
        """The thread ends with the next line or time-out of the connection: nobody can interrupt it while it waits."""
        self._is_closed = True

    def _read(self) -> None:
        try:
            with self._connect() as lines:
                for line in lines:
                    self._lines.put(line)
                    while self._lines.qsize() >= MAX_AHEAD and not self._is_closed:
                        time.sleep(PAUSE_S)
                    if self._is_closed:
                        return
        except Exception as error:
            self.failure = error
        finally:
            self._lines.put(None)
