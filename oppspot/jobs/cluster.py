"""django-q2's cluster, made to survive the death of any of its processes; and what its workers do."""

import os
import signal
import time
from types import FrameType
from typing import Any

import structlog
from django.db import connections
from django_q import cluster as django_q_cluster
from django_q.conf import Conf
from django_q.signals import post_spawn

from oppspot.jobs import cluster_state, ipc
from oppspot.jobs.execution import drain
from oppspot.jobs.heartbeat import Heart

RESTART_PAUSE_S = 1.0
STOP_STEP_S = 0.1
logger = structlog.get_logger(__name__)
_hearts: dict[int, Heart] = {}  # by process: a forked child has its own


def work(queue: str = "default") -> None:
    """What a worker does when it is rung."""
    drain(_heart(queue))


def _heart(queue: str) -> Heart:
    heart = _hearts.get(os.getpid())
    if heart is None:
        _hearts.clear()
        heart = _hearts[os.getpid()] = Heart(queue, is_guarded=True).start()
    return heart


def begin_work(**kwargs: Any) -> None:
    """A worker's heart beats before it has work: there may be none but what a dead worker left behind."""
    _heart(Conf.CLUSTER_NAME)


def use_safe_parts() -> None:
    """Have django-q2 build its clusters from parts that hold no locks; see `ipc`."""
    django_q_cluster.Queue = ipc.Queue
    django_q_cluster.Event = ipc.Event
    django_q_cluster.Value = ipc.Value
    django_q_cluster.Sentinel = SafeGuard
    post_spawn.connect(begin_work, dispatch_uid="oppspot.jobs")


class SafeGuard(django_q_cluster.Sentinel):
    """A guard that stops its processes whichever of them dies meanwhile."""

    monitor: Any

    def start(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # sent to all at once, it is the command's to act on
        try:
            super().start()
        except BaseException:
            logger.exception("guard_failed")
            os._exit(1)  # without waiting for its processes: they end when they see that it is gone

    def stop(self) -> None:
        """Each ends after what it is at. Also called when the command is gone, which could have told them."""
        cluster_state.stop()
        self.stop_event.set()
        self.event_out.set()
        while any(process.is_alive() for process in self.pool):
            self.task_queue.offer("STOP")  # or there is no room: then there is something to read, and time
            if not self.monitor.is_alive():
                self.monitor = self.spawn_monitor()  # workers wait for it to read
            time.sleep(STOP_STEP_S)
        self.pusher.kill()  # it may wait for room; what it rings for stays in the queue
        while self.monitor.is_alive():
            self.result_queue.offer("STOP")
            time.sleep(STOP_STEP_S)


class SafeCluster(django_q_cluster.Cluster):
    """A cluster whose workers are told when it is to stop."""

    def sig_handler(self, signum: int, frame: FrameType | None) -> None:
        cluster_state.stop()
        if self.stop_event is not None:
            self.stop_event.set()  # the guard stops its processes; `run_cluster` waits for it


def run_cluster() -> None:
    """Run a cluster until SIGTERM or SIGINT; one whose guard was killed is replaced."""
    use_safe_parts()
    while True:
        cluster = SafeCluster()
        connections.close_all()  # a connection must not be shared with the children
        _run(cluster)
        if cluster_state.is_stopping():
            return
        logger.error("cluster_restarted", reason="its guard was killed")
        time.sleep(RESTART_PAUSE_S)


def _run(cluster: SafeCluster) -> None:
    """Until its guard ends. Raises `RuntimeError` if the guard cannot start."""
    try:
        cluster.start()
    except RuntimeError:
        if cluster.sentinel.exitcode >= 0:
            raise
    while cluster.sentinel.is_alive():
        if cluster_state.is_stopping():
            cluster.stop_event.set()  # the signal may have come before there was an event to set
        cluster.sentinel.join(0.5)
