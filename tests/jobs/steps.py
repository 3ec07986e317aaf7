"""Doing jobs in the test's own process."""

from typing import Any
from uuid import UUID

from django.utils import timezone

from oppspot.jobs import queue
from oppspot.jobs.execution import drain
from oppspot.jobs.heartbeat import Heart
from oppspot.jobs.models import Run, Status, WaitingFor


def work(*, limit: int | None = None) -> int:
    """Do what is ready, in this process; how many starts that took."""
    return drain(Heart("default"), limit=limit)


def skip_waiting() -> None:
    """As if the time that runs wait for had come."""
    Run.all_orgs.filter(status=Status.QUEUED, waiting_for=WaitingFor.TIME).update(run_after=timezone.now())
    queue.promote()


def work_off() -> None:
    """Do all there is, with no regard to the time, until nothing is left."""
    for _ in range(50):
        skip_waiting()
        if not work():
            return
    raise AssertionError("It does not end.")


def run_of(pk: UUID) -> Run:
    return Run.all_orgs.get(pk=pk)


def output_of(pk: UUID) -> Any:
    return run_of(pk).output
