"""What must hold of every run when all is over, whatever was killed meanwhile."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from oppspot.jobs.models import TERMINAL, Event, Outcome, Run, Status
from tests.jobs.clusters import PATIENCE_S, wait_until
from tests.jobs.sample.models import Trace

NO_TRY = {Outcome.SUSPENDED, Outcome.RELEASED}  # ends of a start that give the try back


def all_ended() -> bool:
    return not Run.all_orgs.exclude(status__in=TERMINAL).exists()


def wait_for_all(within: float = PATIENCE_S) -> None:
    wait_until(all_ended, "every run has ended", within)


def assert_sound() -> None:
    """Nothing lost, nothing done twice, and the books in order."""
    assert not Event.all_orgs.filter(listeners__gt=0, runs=None).exists(), "an event without its run"
    traces = Counter(Trace.objects.values_list("run_id", "step"))
    assert not {key: count for key, count in traces.items() if count > 1}, "done twice"
    runs = Run.all_orgs.select_related("event").prefetch_related("attempts", "steps")
    for run in runs:
        _assert_run_sound(run, {step for run_id, step in traces if run_id == run.pk} if run.steps.all() else set())


def _assert_run_sound(run: Run, traced: set[str]) -> None:
    attempts = sorted(run.attempts.all(), key=lambda attempt: attempt.fence)
    outcomes = [Outcome(attempt.outcome) for attempt in attempts]
    assert run.status in TERMINAL, f"lost: {run} is {run.status}, {run.waiting_for!r}"
    assert run.worker or not attempts
    assert Outcome.RUNNING not in outcomes, outcomes
    assert run.attempt == sum(outcome not in NO_TRY for outcome in outcomes), (run.attempt, outcomes)
    assert all(attempt.fence <= run.fence and attempt.finished_at for attempt in attempts)
    if run.status == Status.COMPLETED:
        assert outcomes[-1] == Outcome.COMPLETED
        assert run.error == ""
        steps = [step.name for step in run.steps.all() if step.name.startswith("step-")]
        assert set(steps) == traced
        assert len(steps) == run.event.data.get("steps", 0)
    elif run.status == Status.FAILED:
        assert outcomes[-1] in {Outcome.FAILED, Outcome.CRASHED, Outcome.TIMED_OUT}
        assert run.error
        assert "\n" not in run.error
        assert ": " in run.error or run.error.isidentifier()
    assert Outcome.COMPLETED not in outcomes[:-1]


def outcomes_of(run_id: UUID) -> Sequence[str]:
    run = Run.all_orgs.get(pk=run_id)
    return list(run.attempts.order_by("fence").values_list("outcome", flat=True))
