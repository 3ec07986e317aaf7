"""Functions that fail in every way, run by real workers: each run ends, says why, and harms no other."""

import pytest

from oppspot.jobs.models import Outcome, Run, Status
from oppspot.jobs.services import emit
from tests.jobs.clusters import Clusters, is_alive, wait_until
from tests.jobs.sample.events import Brief, Hardy, Work
from tests.jobs.soundness import assert_sound, outcomes_of, wait_for_all

pytestmark = [pytest.mark.slow, pytest.mark.alone]
FAILED, COMPLETED = Outcome.FAILED, Outcome.COMPLETED


def test_each_way_to_fail(clusters: Clusters) -> None:
    cluster = clusters.start()
    before = {process.pid for process in cluster.team()}
    expected = {
        "exit": (Status.FAILED, [FAILED] * 3, "SystemExit: 3"),
        "cancelled": (Status.FAILED, [FAILED] * 3, "CancelledError"),
        "permanent": (Status.FAILED, [FAILED], "PermanentError: Never."),
        "unstorable": (Status.FAILED, [FAILED], "StepError: The output of sample.work is not JSON: "),
        "unpicklable": (Status.FAILED, [FAILED], "StepError: The output of sample.work is not JSON: "),
        "nul": (Status.FAILED, [FAILED], "StepError: The output of sample.work has a NUL character"),
        "surrogate": (Status.FAILED, [FAILED], "StepError: The output of sample.work has a lone surrogate"),
        "open": (Status.COMPLETED, [COMPLETED], ""),
        "flaky": (Status.COMPLETED, [FAILED, FAILED, COMPLETED], ""),
        "sleep": (Status.COMPLETED, [Outcome.SUSPENDED, COMPLETED], ""),
    }
    runs = {what: emit(Work, {"what": what, "steps": 1}).run_ids[0] for what in expected}
    wait_for_all()
    assert_sound()
    for what, (status, outcomes, error) in expected.items():
        run = Run.all_orgs.get(pk=runs[what])
        assert (run.status, list(outcomes_of(run.pk))) == (status, outcomes), what
        assert run.error.startswith(error), what
        assert bool(run.error) == bool(error), what
    assert {process.pid for process in cluster.team()} == before, "nobody died of it"


def test_c_code_that_ignores_the_alarm(clusters: Clusters) -> None:
    """The run's end is written, then its process is killed and replaced."""
    cluster = clusters.start()
    before = cluster.workers
    run_id = emit(Brief, {"what": "stubborn", "steps": 1}).run_ids[0]
    wait_for_all()
    run = Run.all_orgs.get(pk=run_id)
    assert (run.status, run.error) == (Status.FAILED, "TimeoutError: It took longer than 1.5 s.")
    assert outcomes_of(run_id) == [Outcome.TIMED_OUT]
    wait_until(lambda: sum(map(is_alive, before)) == 1 and cluster.is_complete, "a new worker")
    emit(Hardy, {"steps": 1})
    wait_for_all()
    assert_sound()


def test_a_function_that_is_late_is_interrupted(clusters: Clusters) -> None:
    cluster = clusters.start()
    before = {process.pid for process in cluster.team()}
    run_id = emit(Brief, {"what": "sit", "steps": 1, "then": 600}).run_ids[0]
    wait_for_all()
    run = Run.all_orgs.get(pk=run_id)
    assert (run.status, run.error) == (Status.FAILED, "TimeoutError: It took longer than 1.5 s.")
    assert outcomes_of(run_id) == [Outcome.TIMED_OUT]
    assert_sound()
    assert {process.pid for process in cluster.team()} == before


def test_c_code_that_holds_the_interpreter(clusters: Clusters) -> None:
    """Not even the heart beats in such a process: it ends by the clock of the system, and its run is given up."""
    cluster = clusters.start()
    before = cluster.workers
    run_id = emit(Brief, {"what": "deaf", "steps": 1}).run_ids[0]
    wait_for_all()
    assert_sound()
    assert outcomes_of(run_id) == [Outcome.CRASHED]
    wait_until(lambda: sum(map(is_alive, before)) == 1 and cluster.is_complete, "a new worker")
    assert "_deaf" in cluster.log.read_text(), "where it stood is in the log"
