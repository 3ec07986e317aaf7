"""Several at once: clusters on one queue, threads that emit the same, cancelling and stopping what is at work."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections, transaction

from oppspot.jobs import queue
from oppspot.jobs.execution import drain
from oppspot.jobs.heartbeat import Heart
from oppspot.jobs.models import Event, Outcome, Run, Status
from oppspot.jobs.services import cancel_run, emit, emit_many
from tests.jobs.clusters import LEASE_S, Clusters, wait_until
from tests.jobs.sample.events import Hardy, Limited, Parent, Work
from tests.jobs.sample.models import Trace
from tests.jobs.soundness import assert_sound, outcomes_of, wait_for_all

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.django_db(transaction=True)]
PROMPT_S = LEASE_S + 8.0  # of a heartbeat, on a machine that may be busy
AT_WORK = {"status": Status.RUNNING}


def at_once(count: int, deed: Callable[[int], Any]) -> list[Any]:
    """The results of `deed(0)` … in threads with connections of their own, which begin together."""
    ready = threading.Barrier(count)

    def act(number: int) -> Any:
        try:
            ready.wait()
            return deed(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(act, range(count)))


def locks() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = "
            "(SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        found: int = cursor.fetchone()[0]
        return found


def test_two_clusters_do_each_job_once(clusters: Clusters) -> None:
    first, second = clusters.launch(), clusters.launch()
    first.wait()
    second.wait()
    emit_many(Hardy, [{"steps": 2, "seconds": 0.005}] * 100)
    wait_for_all()
    assert_sound()
    assert set(Run.all_orgs.values_list("status", "attempt", "fence")) == {(Status.COMPLETED, 1, 1)}
    assert Trace.objects.count() == 200


def test_threads_that_emit_with_one_key_cause_one_run() -> None:
    emitted = at_once(8, lambda number: emit(Work, {"steps": 1}, dedupe_key="once"))
    assert Event.all_orgs.count() == Run.all_orgs.count() == 1
    assert sum(one.is_new for one in emitted) == 1
    assert len({one.event.pk for one in emitted}) == 1
    run_id = Run.all_orgs.get().pk
    assert all(one.run_ids == [run_id] for one in emitted)


def test_cancelling_interrupts_what_is_at_work(clusters: Clusters) -> None:
    clusters.start()
    run = Run.all_orgs.get(pk=emit(Work, {"what": "sit", "then": 600, "steps": 1}).run_ids[0])
    wait_until(Trace.objects.exists, "its step")
    cancel_run(run)
    wait_for_all(PROMPT_S)
    run.refresh_from_db()
    assert (run.status, run.attempt) == (Status.CANCELLED, 1)
    assert outcomes_of(run.pk) == [Outcome.CANCELLED]
    assert_sound()


def test_cancelling_what_sleeps(clusters: Clusters) -> None:
    clusters.start()
    run = Run.all_orgs.get(pk=emit(Work, {"what": "sleep", "then": 600, "steps": 1}).run_ids[0])
    wait_until(lambda: Run.all_orgs.filter(status=Status.QUEUED, waiting_for="time").exists(), "sleep")
    cancel_run(run)
    run.refresh_from_db()
    assert (run.status, run.attempt) == (Status.CANCELLED, 0)
    assert outcomes_of(run.pk) == [Outcome.SUSPENDED]
    assert_sound()


def test_cancelling_a_parent_cancels_its_children(clusters: Clusters) -> None:
    clusters.start(workers=2)
    run = Run.all_orgs.get(pk=emit(Parent, {"children": 5, "seconds": 600}).run_ids[0])
    children = Run.all_orgs.filter(parent=run.pk)
    wait_until(lambda: children.filter(status=Status.RUNNING).count() == 2, "children at work")
    wait_until(lambda: Run.all_orgs.filter(pk=run.pk, waiting_for="children").exists(), "a parent that waits")
    cancel_run(run)
    wait_for_all(PROMPT_S)
    assert set(Run.all_orgs.values_list("status", flat=True)) == {Status.CANCELLED}
    assert Run.all_orgs.count() == 6
    assert_sound()


def test_a_parent_goes_on_when_its_last_child_has_ended_though_that_was_cancelled(clusters: Clusters) -> None:
    clusters.start()
    parent_id = emit(Parent, {"children": 2, "seconds": 1}).run_ids[0]
    child_id = emit(Parent, {"children": 1, "seconds": 600}).run_ids[0]
    wait_until(lambda: Run.all_orgs.filter(parent=child_id, **AT_WORK).exists(), "the long child")
    cancel_run(Run.all_orgs.get(parent=child_id))
    wait_for_all()
    assert_sound()
    assert Run.all_orgs.get(pk=parent_id).output == {"completed": 2}
    assert Run.all_orgs.get(pk=child_id).output == {"cancelled": 1}


def test_two_of_a_key_at_a_time(clusters: Clusters) -> None:
    clusters.start(workers=4)
    emit_many(Limited, [{"what": "gauge", "seconds": 0.05, "key": str(number % 2)} for number in range(24)])
    wait_for_all()
    assert_sound()
    assert set(Run.all_orgs.values_list("output", "attempt")) <= {(1, 1), (2, 1)}


def test_wakeups_without_number_do_no_harm(clusters: Clusters) -> None:
    clusters.start()
    for _ in range(100):
        queue.notify("default")
    emit_many(Hardy, [{"steps": 1, "seconds": 0.01}] * 20)
    for _ in range(100):
        queue.notify("default")
    wait_for_all()
    assert_sound()
    assert set(Run.all_orgs.values_list("attempt", flat=True)) == {1}


def test_several_drains_at_once_share_the_work() -> None:
    emit_many(Hardy, [{"steps": 2}] * 40)
    assert sum(at_once(4, lambda number: drain(Heart("default")))) == 40
    assert_sound()
    assert Trace.objects.count() == 80


@pytest.mark.parametrize("to_all", [False, True])
def test_stopping_gives_what_is_at_work_some_time(clusters: Clusters, to_all: bool) -> None:
    """Then it goes back in line, with no try lost; the command ends well and leaves nothing behind."""
    cluster = clusters.start()
    long = emit(Work, {"steps": 2, "what": "sit", "then": 6}).run_ids[0]
    short = emit(Work, {"steps": 1, "seconds": 0.5}).run_ids[0]
    wait_until(lambda: Run.all_orgs.filter(**AT_WORK).count() == 2, "both at work")
    assert cluster.terminate(to_all=to_all) == 0
    wait_until(lambda: not cluster.processes(), "no process is left")
    assert locks() == 0
    assert Run.all_orgs.get(pk=short).status == Status.COMPLETED
    run = Run.all_orgs.get(pk=long)
    assert (run.status, run.waiting_for, run.attempt, run.fence) == (Status.QUEUED, "", 0, 1)
    assert outcomes_of(long) == [Outcome.RELEASED]
    cluster = clusters.start()
    wait_for_all()
    assert_sound()
    assert Run.all_orgs.get(pk=long).attempt == 1


def test_stopping_while_many_wait(clusters: Clusters) -> None:
    """The cluster's own queue is full of wake-ups then, and a worker that does not listen is killed meanwhile."""
    cluster = clusters.start(workers=1)
    stubborn = emit(Work, {"what": "stubborn"}).run_ids[0]
    wait_until(lambda: Run.all_orgs.filter(**AT_WORK).exists(), "work")
    emit_many(Hardy, [{"steps": 1}] * 30)
    time.sleep(1)
    assert cluster.terminate() == 0
    wait_until(lambda: not cluster.processes(), "no process is left")
    assert Run.all_orgs.get(pk=stubborn).status == Status.QUEUED
    assert outcomes_of(stubborn) == [Outcome.RELEASED]
    assert Run.all_orgs.filter(status=Status.QUEUED).count() == 31


def test_an_idle_cluster_stops(clusters: Clusters) -> None:
    cluster = clusters.start()
    assert cluster.terminate() == 0
    assert not cluster.processes()
    assert locks() == 0


def test_what_is_rolled_back_never_runs_and_what_is_committed_starts_at_once(clusters: Clusters) -> None:
    clusters.start()
    emit(Work, {})
    wait_for_all()
    with transaction.atomic():
        emit(Work, {"steps": 1}, dedupe_key="back")
        transaction.set_rollback(True)
    with transaction.atomic():
        kept = emit(Work, {"steps": 1}, dedupe_key="kept")
        time.sleep(0.5)
        assert not Trace.objects.exists()
    wait_for_all()
    assert_sound()
    assert set(Trace.objects.values_list("run_id", flat=True)) == set(kept.run_ids)
    delays = []
    for _ in range(3):  # the best of them, as the machine may be busy
        emitted = emit(Work, {})
        wait_for_all()
        run = Run.all_orgs.get(pk=emitted.run_ids[0])
        assert run.started_at is not None
        delays.append((run.started_at - run.created_at).total_seconds())
    assert min(delays) < 2
