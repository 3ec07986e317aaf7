"""Streams that are read until somebody stops it: a thread and a connection each, and another when one ends."""

from collections.abc import Callable, Sequence
from threading import Event, Thread

import structlog
from django.db import InterfaceError, OperationalError, connection

from businesses.gaps import fetch_gaps
from businesses.pulling import pull_source
from businesses.sources.pull import PullSource, Selection
from oppspot.core.errors import InvalidInput

MAX_STREAMS = 2  # connections that the register allows an account; a third ends the first
CUT_S = 10.0  # to wait before connecting again, or the address is blocked
POLL_S = 0.1
JOIN_S = 20.0  # what was read is being written

logger = structlog.get_logger(__name__)

MakeSource = Callable[[Callable[[], bool]], PullSource]


class Streaming:
    """`make_source` is called for each connection, with a function that says whether to stop.

    Raises `InvalidInput` for more streams than there may be connections, and for one named twice.
    """

    def __init__(self, make_source: MakeSource, streams: Sequence[str], *, cut_s: float = CUT_S) -> None:
        if not 0 < len(streams) <= MAX_STREAMS or len(set(streams)) < len(streams):
            raise InvalidInput(
                f"One or {MAX_STREAMS} different streams can be read, not {len(streams)}: an account of the register "
                f"has {MAX_STREAMS} connections. More need another account, and a process with its key."
            )
        self._make_source, self._streams, self._cut_s = make_source, tuple(streams), cut_s
        self._stop = Event()
        self._failures: list[BaseException] = []

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Until `should_stop`; then what was read is written. Raises what no new connection can mend."""
        threads = [Thread(target=self._follow, args=(stream,), name=stream, daemon=True) for stream in self._streams]
        for thread in threads:
            thread.start()
        try:
            while not should_stop() and not self._stop.wait(POLL_S):
                pass
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(JOIN_S)
        if self._failures:
            raise self._failures[0]

    def _follow(self, stream: str) -> None:
        try:
            while not self._stop.is_set():
                self._stop.wait(self._once(stream))
        except BaseException as error:
            self._failures.append(error)
        finally:
            self._stop.set()

    def _once(self, stream: str) -> float:
        """Read a connection to its end; returns the seconds until the next."""
        source = self._make_source(self._stop.is_set)
        try:
            fetch_gaps(source.name)
            pulled = pull_source(
                source,
                Selection(names=(stream,)),
                requested_by="stream",
                should_stop=self._stop.is_set,
                ignore_unknown=True,
            )
        except (OperationalError, InterfaceError) as error:  # what was not written is read again
            logger.warning("stream_without_database", stream=stream, error=str(error)[:300])
            return self._cut_s
        finally:
            connection.close()
        return pulled.retry_after or self._cut_s
