"""The broker that django-q2's cluster is given. It does not hand out work: it rings when there is some, and a worker
that is rung claims runs until none is ready. A ring that is lost costs a second; no run can be lost with it.
"""

import time
from typing import Any

import psycopg
import structlog
from django.db import DatabaseError, InterfaceError, connection
from django_q.brokers import Broker
from django_q.conf import Conf
from django_q.signing import SignedPackage

from oppspot.jobs import cluster_state, ipc, queue

RING = "oppspot.jobs.cluster.work"  # what a rung worker calls
POLL_S = 1.0  # if no notification comes
STEP_S = 0.25  # between looks at whether the cluster stops
SETTLE_S = 0.05  # for rung workers to claim before they are rung again
PAUSE_S = 1.0  # while the database is away

logger = structlog.get_logger(__name__)


class JobsBroker(Broker):
    """Postgres, through `oppspot.jobs.queue`, woken by LISTEN/NOTIFY."""

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key)
        self._listening: psycopg.Connection[Any] | None = None

    @staticmethod
    def get_connection(list_key: str | None = None) -> None:
        """None is kept: the broker is made before its process is forked."""

    @staticmethod
    def get_cache() -> None:
        """No statistics of the cluster are kept: rows tell how it is."""

    def ping(self) -> bool:
        return True

    def info(self) -> str:
        return "oppSpot jobs in Postgres"

    def enqueue(self, task: Any) -> None:
        raise NotImplementedError("Jobs are started by oppspot.jobs.services.emit, not by django_q.tasks.async_task.")

    def acknowledge(self, task_id: Any) -> None:
        """A ring needs no answer."""

    def fail(self, task_id: Any) -> None:
        """A ring needs no answer."""

    def queue_size(self) -> int:
        return queue.ready(self.list_key, 1_000_000)

    def dequeue(self) -> list[tuple[str, str]] | None:
        """Rings for as many workers as there are runs ready; None after a while without any."""
        if ipc.is_orphan():
            raise SystemExit(1)  # nobody would replace the workers any more
        if cluster_state.is_stopping():
            time.sleep(STEP_S)
            return None
        try:
            listening = self._listen()
            count = queue.ready(self.list_key, Conf.WORKERS)
            if count:
                time.sleep(SETTLE_S if self._rang else 0)
                self._rang = True
                return [self._ring() for _ in range(count)]
            self._rang = False
            self._wait(listening)
        except (DatabaseError, InterfaceError, psycopg.Error, OSError) as error:
            logger.warning("broker_waits_for_database", error=str(error))
            self._hang_up()
            time.sleep(PAUSE_S)
        return None

    _rang = False

    def _ring(self) -> tuple[str, str]:
        task = {"id": "ring", "name": "work", "func": RING, "args": (self.list_key,), "kwargs": {}}
        return "ring", SignedPackage.dumps(task)

    def _wait(self, listening: "psycopg.Connection[Any]") -> None:
        next_due = queue.seconds_to_next()
        until = time.monotonic() + (POLL_S if next_due is None else min(POLL_S, max(0.0, next_due)))
        while (left := until - time.monotonic()) > 0 and not cluster_state.is_stopping():
            for notification in listening.notifies(timeout=min(left, STEP_S), stop_after=1):
                if notification.payload == self.list_key:
                    return
        if next_due is not None and next_due <= POLL_S:
            queue.promote()

    def _listen(self) -> "psycopg.Connection[Any]":
        if self._listening is None or self._listening.closed:
            connection.ensure_connection()
            terms = connection.get_connection_params()
            terms.pop("cursor_factory", None)
            terms.pop("context", None)
            self._listening = psycopg.connect(**terms, autocommit=True)
            self._listening.execute(f"LISTEN {queue.CHANNEL}")
        return self._listening

    def _hang_up(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        connection.close()
