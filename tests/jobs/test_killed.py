"""SIGKILL of each process of a cluster: no run is lost, no step is done twice, and the cluster is whole again."""

import os
import time
from collections.abc import Callable

import psutil
import pytest

from oppspot.jobs.models import Event, Outcome, Run, Status, Worker
from oppspot.jobs.services import Emitted, emit
from tests.jobs.clusters import ORPHANS_S, Cluster, Clusters, is_alive, kill, wait_until
from tests.jobs.sample.events import Hardy, Work
from tests.jobs.sample.models import Trace
from tests.jobs.soundness import assert_sound, outcomes_of, wait_for_all

pytestmark = [pytest.mark.slow, pytest.mark.alone]


def run_of(emitted: Emitted) -> Run:
    return Run.all_orgs.get(pk=emitted.run_ids[0])


def in_second_step(emitted: Emitted) -> Run:
    """The run, once its first step is done and a worker is in its second."""
    wait_until(lambda: Trace.objects.filter(run_id=emitted.run_ids[0]).exists(), "the first step")
    return run_of(emitted)


def process_of(run: Run) -> psutil.Process:
    return psutil.Process(int(run.worker.rpartition(":")[2]))


def do_some(count: int = 5) -> None:
    """What is still able to work does so."""
    for _ in range(count):
        emit(Hardy, {"steps": 1})
    wait_for_all()
    assert_sound()


def test_a_worker_in_the_middle_of_a_step(clusters: Clusters) -> None:
    cluster = clusters.start()
    emitted = emit(Work, {"steps": 2, "seconds": 1.5})
    run = in_second_step(emitted)
    kill(process_of(run))
    wait_for_all()
    assert_sound()
    assert outcomes_of(run.pk) == [Outcome.CRASHED, Outcome.COMPLETED]
    run.refresh_from_db()
    assert (run.status, run.attempt, run.fence) == (Status.COMPLETED, 2, 2)
    assert [step.fence for step in run.steps.order_by("name")] == [1, 2], "the first step is not done again"
    assert "not heard of" in run.attempts.get(fence=1).error
    wait_until(lambda: cluster.is_complete, "a new worker")


def test_idle_workers(clusters: Clusters) -> None:
    """The death that stops a stock cluster for ever: an idle worker holds the lock of its queue."""
    cluster = clusters.start()
    before = {worker.pid for worker in cluster.workers}
    for worker in cluster.workers:
        kill(worker)
    wait_until(lambda: cluster.is_complete and not before & {child.pid for child in cluster.team()}, "new workers")
    do_some()


@pytest.mark.parametrize("role", ["monitor", "pusher"])
def test_a_process_that_does_not_work(clusters: Clusters, role: str) -> None:
    cluster = clusters.start()
    emitted = emit(Work, {"steps": 2, "seconds": 1.0})
    run = in_second_step(emitted)
    victim: psutil.Process = getattr(cluster, role)
    kill(victim)
    wait_until(lambda: cluster.is_complete and not is_alive(victim), f"a new {role}")
    do_some(30)  # more than the queues of a cluster hold
    assert outcomes_of(run.pk) == [Outcome.COMPLETED]


def test_the_guard(clusters: Clusters) -> None:
    """Its workers stop by themselves, and give back what they work on; the command makes a new cluster."""
    cluster = clusters.start()
    emitted = emit(Work, {"steps": 2, "seconds": 1.5})
    run = in_second_step(emitted)
    team, guard = cluster.team(), cluster.guard
    assert guard is not None
    kill(guard)
    wait_until(lambda: not any(map(is_alive, team)), "the end of the orphans", ORPHANS_S)
    wait_until(lambda: cluster.is_complete, "a new cluster")
    do_some()
    assert outcomes_of(run.pk) in ([Outcome.RELEASED, Outcome.COMPLETED], [Outcome.COMPLETED])
    assert cluster.terminate() == 0
    assert not cluster.processes()


def test_the_guard_of_a_cluster_that_has_just_begun(clusters: Clusters) -> None:
    """Processes that never had anything to do know their parent, too."""
    cluster = clusters.launch()
    for _ in range(3):
        guard = wait_until(lambda: cluster.guard, "a guard")
        wait_until(lambda guard=guard: not is_alive(guard) or guard.children(), "its first child")  # type: ignore[misc]
        team = guard.children()
        kill(guard)
        wait_until(lambda team=team: not any(map(is_alive, team)), "the end of the orphans", ORPHANS_S)  # type: ignore[misc]
    cluster.wait()
    do_some()


def test_the_whole_cluster(clusters: Clusters) -> None:
    """A new one finds what the old one worked on, though nothing else is to be done."""
    cluster = clusters.start()
    emitted = emit(Work, {"steps": 2, "seconds": 1.5})
    run = in_second_step(emitted)
    cluster.kill_all()
    clusters.start()
    wait_for_all()
    assert_sound()
    assert outcomes_of(run.pk) == [Outcome.CRASHED, Outcome.COMPLETED]


def test_new_workers_are_seen_though_there_is_nothing_to_do(clusters: Clusters) -> None:
    cluster = clusters.start()
    pids = {worker.pid for worker in cluster.workers}
    wait_until(lambda: set(Worker.objects.values_list("pid", flat=True)) == pids, "their rows")


@pytest.mark.parametrize("busy", [True, False])
def test_the_command(clusters: Clusters, busy: bool) -> None:
    """Without it nobody could stop them: the rest ends by itself, also in the middle of a long line of work."""
    cluster = clusters.start()
    if busy:
        for _ in range(100):
            emit(Hardy, {"steps": 1, "seconds": 0.5})
        wait_until(Trace.objects.exists, "work")
    cluster.command.kill()
    cluster.command.wait()
    wait_until(lambda: not cluster.processes(), "the end of the orphans", ORPHANS_S)
    assert not Run.all_orgs.filter(status=Status.RUNNING).exists(), "what was at work was given back"
    if busy:
        assert Run.all_orgs.filter(status=Status.QUEUED).exists()
        Event.all_orgs.filter(runs__fence=0).delete()
    clusters.start()
    do_some()


def test_the_command_of_a_cluster_that_has_just_begun(clusters: Clusters) -> None:
    cluster = clusters.launch()
    wait_until(lambda: cluster.guard, "a guard")
    cluster.command.kill()
    cluster.command.wait()
    wait_until(lambda: not cluster.processes(), "the end of the orphans", ORPHANS_S)


@pytest.mark.parametrize("order", ["guard first", "command first"])
def test_the_guard_and_the_command(clusters: Clusters, order: str) -> None:
    cluster = clusters.start()
    emitted = emit(Work, {"steps": 2, "seconds": 1.5})
    run = in_second_step(emitted)
    guard = cluster.guard
    assert guard is not None
    deeds: list[Callable[[], None]] = [lambda: kill(guard), cluster.command.kill]
    for deed in deeds if order == "guard first" else reversed(deeds):
        deed()
    cluster.command.wait()
    wait_until(lambda: not cluster.processes(), "the end of the orphans", ORPHANS_S)
    clusters.start()
    do_some()
    assert outcomes_of(run.pk) in ([Outcome.RELEASED, Outcome.COMPLETED], [Outcome.COMPLETED])


def test_a_job_that_kills_its_worker_is_a_dead_letter_after_its_tries(clusters: Clusters) -> None:
    cluster = clusters.start()
    emitted = emit(Work, {"steps": 1, "what": "kill"})
    wait_for_all()
    assert_sound()
    run = run_of(emitted)
    assert (run.status, run.attempt, run.max_attempts) == (Status.FAILED, 3, 3)
    assert outcomes_of(run.pk) == [Outcome.CRASHED] * 3
    assert run.error == "WorkerLost: Its worker was not heard of for 2 s: killed, or cut off."
    wait_until(lambda: cluster.is_complete, "a new worker")
    do_some()


def test_a_process_that_stands_still_for_a_while_does_no_harm(clusters: Clusters) -> None:
    """Suspended past its lease, it finds its work done by another, and writes nothing."""
    cluster = clusters.start()
    emitted = emit(Work, {"steps": 2, "seconds": 1.0})
    run = in_second_step(emitted)
    still = process_of(run)
    still.suspend()
    try:
        wait_for_all()
    finally:
        still.resume()
    time.sleep(1)
    assert_sound()
    assert outcomes_of(run.pk) == [Outcome.CRASHED, Outcome.COMPLETED]
    wait_until(lambda: cluster.is_complete, "a whole cluster")
    do_some()


def test_cluster_processes_are_known_by_their_age(clusters: Clusters) -> None:
    """The suite's own assumption: workers first, then the monitor, then the pusher."""
    cluster: Cluster = clusters.start()
    for _ in range(2):
        emit(Work, {"steps": 1, "seconds": 0.5})
    wait_for_all()
    at_work = {int(run.worker.rpartition(":")[2]) for run in Run.all_orgs.all()}
    assert at_work <= {worker.pid for worker in cluster.workers}
    assert os.getpgid(cluster.pusher.pid) == cluster.command.pid
