"""Retrying a run takes those along that it caused."""

import pytest

from oppspot.jobs.models import Run, Status
from oppspot.jobs.services import WrongState, cancel_run, emit, retry_run
from tests.jobs.steps import run_of, work

pytestmark = pytest.mark.django_db(transaction=True)


def job(what: str = "nothing", *, parent: Run | None = None) -> Run:
    return run_of(emit("sample/work.do", {"what": what}, caused_by=parent).run_ids[0])


def test_a_run_is_retried_with_those_it_caused_that_did_not_complete() -> None:
    parent = job("permanent")
    child, dead = job(parent=parent), job("permanent", parent=parent)
    grandchild, other = job("permanent", parent=child), job("permanent")
    work()
    retry_run(run_of(parent.pk))
    states = {run.pk: run_of(run.pk).status for run in (parent, child, dead, grandchild, other)}
    assert states == {
        parent.pk: Status.QUEUED,
        child.pk: Status.COMPLETED,
        dead.pk: Status.QUEUED,
        grandchild.pk: Status.QUEUED,
        other.pk: Status.FAILED,
    }
    assert (run_of(dead.pk).attempt, run_of(dead.pk).max_attempts) == (1, 4)


def test_a_cancelled_tree_goes_on_whole() -> None:
    parent = job()
    children = [job(parent=parent) for _ in range(2)]
    cancel_run(parent)
    retry_run(run_of(parent.pk))
    assert work() == 3
    assert {run_of(run.pk).status for run in (parent, *children)} == {Status.COMPLETED}


def test_a_run_that_is_over_takes_nobody_along() -> None:
    parent = job()
    dead = job("permanent", parent=parent)
    work()
    with pytest.raises(WrongState, match="it is completed"):
        retry_run(run_of(parent.pk))
    assert run_of(dead.pk).status == Status.FAILED
