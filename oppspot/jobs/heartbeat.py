"""The thread beside the work: it prolongs the lease, interrupts what was cancelled or takes too long, and does the
queue's housekeeping, so that any living worker keeps the whole queue healthy."""

import contextlib
import faulthandler
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, connections
from django.db.models.functions import Now

from oppspot.jobs import cluster_state, ipc, queue
from oppspot.jobs.context import Interrupted
from oppspot.jobs.models import Worker
from oppspot.jobs.queue import Beat, Claimed

logger = structlog.get_logger(__name__)
TICK_S = 0.1
BEATS = 4  # a lease outlives this many heartbeats that fail
SEEN_EVERY_S = 5.0
HOUSEKEEPING_EVERY_S = 1.0
REPEAT_S = 1.5  # between interrupts of a function that caught one
WIND_UP_EVERY_S = 1.0  # the watchdog
STUBBORN_S = 5.0  # after an interrupt that does nothing (C code, a bare except), the process is killed


@dataclass
class _Watched:
    run: Claimed
    beaten_at: float
    deadline: float = math.inf
    is_over: bool = False  # the function has ended, and its end is being written
    reason: str = ""
    interrupted_at: float = 0.0
    repeated_at: float = 0.0


@dataclass
class Heart:
    """One a process; its thread is a daemon and dies with it."""

    queue_name: str
    is_guarded: bool = False  # whether a cluster's guard is its parent, without which it must not live on
    watched: _Watched | None = None
    lock: Any = field(default_factory=threading.Lock)
    interruptible: bool = False
    stopping_since: float = 0.0
    runs: int = 0

    def start(self) -> "Heart":
        """Begin to beat; in the main thread of its process, as only there a signal can interrupt a function."""
        signal.signal(signal.SIGUSR1, self._on_signal)
        threading.Thread(target=self._beat_on, name="heart", daemon=True).start()
        threading.Thread(target=self._wind_up, name="watchdog", daemon=True).start()
        return self

    @property
    def is_stopping(self) -> bool:
        return cluster_state.is_stopping() or self.is_orphan

    @property
    def is_orphan(self) -> bool:
        """Whether the cluster's guard is gone: nobody would replace this worker, or could stop it."""
        return self.is_guarded and ipc.is_orphan()

    @contextlib.contextmanager
    def hold(self, run: Claimed) -> Iterator[None]:
        """Keep the run's lease for the block: while its function works, and while its end is written."""
        with self.lock:
            self.watched = _Watched(run, beaten_at=time.monotonic())
        try:
            yield
        finally:
            with self.lock:
                self.watched = None
            self.runs += 1

    @contextlib.contextmanager
    def interrupting(self, *, timeout: float) -> Iterator[None]:
        """Interrupt the block when it must end. `settle` has to follow: a signal may strike on the way out."""
        assert self.watched is not None, "of a run that is held"  # noqa: S101
        self.watched.deadline = time.monotonic() + timeout
        self.interruptible = True
        try:
            yield
        finally:
            self.interruptible = False

    def settle(self) -> None:
        """The function has ended: nothing is interrupted any more."""
        self.interruptible = False
        if self.watched is not None:
            self.watched.is_over = True

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        watched = self.watched
        if self.interruptible and watched is not None and watched.reason:
            raise Interrupted(watched.reason)

    @staticmethod
    def _wind_up() -> None:
        """C code that keeps the interpreter's lock stops every thread: then a timer that needs none ends the process,
        and says on standard error where it stood. Its lease has run out by then."""
        while True:
            faulthandler.dump_traceback_later(settings.JOBS_LEASE_S + STUBBORN_S, exit=True)
            time.sleep(WIND_UP_EVERY_S)

    # The thread

    def _beat_on(self) -> None:
        seen_at = tidied_at = patient_until = 0.0
        worker = Worker(host=socket.gethostname(), pid=os.getpid(), queue=self.queue_name)
        while True:
            time.sleep(TICK_S)
            now = time.monotonic()
            try:
                self._attend(now)
                if now - seen_at >= SEEN_EVERY_S:
                    seen_at = now
                    self._note_seen(worker)
                if now - tidied_at >= HOUSEKEEPING_EVERY_S:
                    tidied_at = now
                    from oppspot.jobs.housekeeping import tidy

                    tidy(may_reap=now > patient_until)
            except (DatabaseError, InterfaceError, OSError) as error:
                logger.warning("heartbeat_failed", error=str(error))
                # Those whose heart stopped with the database get a lease's time to show that they live.
                patient_until = time.monotonic() + settings.JOBS_LEASE_S
                with contextlib.suppress(Exception):
                    connection.close()
                time.sleep(0.5)
            except Exception:  # a heart that stops for one bad schedule would take every lease with it
                logger.exception("heartbeat_failed")
                time.sleep(0.5)

    def _attend(self, now: float) -> None:
        with self.lock:
            watched = self.watched
        if watched is None:
            return
        if watched.is_over:
            self._keep(watched, now)
            return
        if watched.reason:
            self._insist(watched, now)
            self._keep(watched, now)
            return
        if self.is_stopping:
            self.stopping_since = self.stopping_since or now
            if self.is_orphan or now - self.stopping_since > settings.JOBS_STOP_GRACE_S:
                self._interrupt(watched, "released", now)
                return
        if now > watched.deadline:
            self._interrupt(watched, "timed_out", now)
        elif (found := self._keep(watched, now)) is not None:
            if not found.is_held:
                self._interrupt(watched, "lease_lost", now)
            elif found.is_cancelled:
                self._interrupt(watched, "cancelled", now)

    @staticmethod
    def _keep(watched: _Watched, now: float) -> Beat | None:
        """Prolong the lease when it is time to; also of what was interrupted, until its end is written."""
        if now - watched.beaten_at < settings.JOBS_LEASE_S / BEATS:
            return None
        watched.beaten_at = now
        return queue.beat(watched.run, settings.JOBS_LEASE_S)

    def _interrupt(self, watched: _Watched, reason: str, now: float) -> None:
        watched.reason, watched.interrupted_at, watched.repeated_at = reason, now, now
        logger.warning("run_interrupted", run=str(watched.run.id), reason=reason)
        os.kill(os.getpid(), signal.SIGUSR1)  # raises in the main thread, even while it waits

    def _insist(self, watched: _Watched, now: float) -> None:
        """What does not listen is killed with its process, after its end is written."""
        if now - watched.interrupted_at < STUBBORN_S:
            if now - watched.repeated_at >= REPEAT_S:
                watched.repeated_at = now
                os.kill(os.getpid(), signal.SIGUSR1)
            return
        from oppspot.jobs.execution import record_interruption

        record_interruption(watched.run, watched.reason)
        connections.close_all()
        os.kill(os.getpid(), signal.SIGKILL)

    def _note_seen(self, worker: Worker) -> None:
        updated = Worker.objects.filter(pk=worker.pk).update(seen_at=Now(), runs=self.runs)
        if not updated:
            worker.save(force_insert=True)
