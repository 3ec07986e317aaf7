"""The queue's statements in any order: whatever is claimed, lost, given back, cancelled or tried again, the rows stay
sensible, and in the end every run has ended."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from oppspot.core.errors import PermanentError, RetryableError
from oppspot.jobs import execution, queue
from oppspot.jobs.models import RANK_S, TERMINAL, Attempt, Event, Outcome, Priority, Run, Status, WaitingFor
from oppspot.jobs.queue import Claimed
from oppspot.jobs.registry import get_function
from oppspot.jobs.services import WrongState, cancel_run, emit, retry_run
from tests.jobs.sample.events import Limited, Work

EXAMPLES, STEPS = 80, 40
LEASE_S = 1_000.0  # ends only when a rule says so
LIVE = (Status.QUEUED, Status.RUNNING)
PICK = st.integers(0, 1_000)  # which one, if there are several


def sql(statement: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def row_of(pk: UUID) -> dict[str, Any]:
    return dict(Run.all_orgs.filter(pk=pk).values().get())


class QueueStates(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        Event.all_orgs.all().delete()
        self.held: list[Claimed] = []  # what workers think they work on; some were given up
        self.fences: dict[UUID, int] = {}
        self.waited: set[UUID] = set()  # for children, when last looked at
        self.ended: dict[UUID, int] = {}  # fence of those that have ended

    def is_current(self, run: Claimed) -> bool:
        now = Run.all_orgs.get(pk=run.id)
        return now.status == Status.RUNNING and now.fence == run.fence

    def let_go(self, place: int, write: Callable[[Claimed], Any]) -> None:
        """A worker writes how its run ended: nothing if it was given up, and then it holds it no longer."""
        run = self.held.pop(place % len(self.held))
        current, before, attempts = self.is_current(run), row_of(run.id), list(Attempt.objects.values())
        wrote = write(run)
        if not current:
            assert not wrote
            assert row_of(run.id) == before, "a stale fence wrote"
            assert list(Attempt.objects.values()) == attempts
        else:
            assert wrote is not False
            after = Run.all_orgs.get(pk=run.id)
            assert after.status != Status.RUNNING
            assert (after.lease_until, after.fence) == (None, run.fence)

    # What happens

    @rule(priority=st.sampled_from(Priority), key=st.sampled_from(["", "", "a", "b"]))
    def emit(self, priority: Priority, key: str) -> None:
        emit(Limited if key else Work, {"key": key}, priority=priority)

    @precondition(lambda self: self.held)
    @rule(place=PICK, key=st.sampled_from(["", "a"]), count=st.integers(1, 3))
    def emit_children(self, place: int, key: str, count: int) -> None:
        parent = self.held[place % len(self.held)]
        if self.is_current(parent):
            for _ in range(count):
                emit(Limited if key else Work, {"key": key}, caused_by=Run.all_orgs.get(pk=parent.id))

    @rule()
    def claim(self) -> None:
        busy = Counter(Run.all_orgs.filter(status=Status.RUNNING).values_list("concurrency_key", flat=True))
        ready = Run.all_orgs.filter(status=Status.QUEUED, waiting_for="").order_by("rank", "id")
        expected = next((r for r in ready if not r.concurrency_key or busy[r.concurrency_key] < 2), None)
        run = queue.claim("default", "test:1", LEASE_S)
        assert (run and run.id) == (expected and expected.pk)
        if run and expected:
            assert (run.fence, run.attempt) == (expected.fence + 1, expected.attempt + 1)
            self.held.append(run)

    @precondition(lambda self: self.held)
    @rule(place=PICK)
    def finish(self, place: int) -> None:
        self.let_go(place, lambda run: queue.finish(run, Status.COMPLETED, Outcome.COMPLETED, output={"a": 1}))

    @precondition(lambda self: self.held)
    @rule(place=PICK, error=st.sampled_from([RetryableError("x"), PermanentError("y"), SystemExit(1)]))
    def fail(self, place: int, error: BaseException) -> None:
        self.let_go(place, lambda run: execution.fail(run, get_function(run.function), error))

    @precondition(lambda self: self.held)
    @rule(place=PICK, waiting_for=st.sampled_from(["", "time", "children"]))
    def requeue(self, place: int, waiting_for: str) -> None:
        until = timezone.now() + timedelta(hours=1) if waiting_for == "time" else None
        waiting = "" if waiting_for == "time" else waiting_for
        self.let_go(
            place, lambda run: queue.requeue(run, Outcome.SUSPENDED, until=until, waiting_for=waiting, is_try=False)
        )

    @precondition(lambda self: self.held)
    @rule(place=PICK)
    def beat(self, place: int) -> None:
        run = self.held[place % len(self.held)]
        before = row_of(run.id)
        found = queue.beat(run, LEASE_S)
        with transaction.atomic():
            assert found.is_held == queue.hold(run) == self.is_current(run)
        if found.is_held:
            assert found.is_cancelled == (before["cancel_requested_at"] is not None)
        else:
            assert row_of(run.id) == before

    @precondition(lambda self: self.held)
    @rule(place=PICK)
    def heed_cancelling(self, place: int) -> None:
        run = self.held[place % len(self.held)]
        if queue.beat(run, LEASE_S).is_cancelled:
            self.let_go(place, lambda run: execution._interrupted(run, None, "cancelled"))
            assert Run.all_orgs.get(pk=run.id).status == Status.CANCELLED

    @rule(place=PICK)
    def lose_a_worker(self, place: int) -> None:
        """Its lease runs out; it may come back later and write what it thinks."""
        running = list(Run.all_orgs.filter(status=Status.RUNNING).order_by("id"))
        if running:
            lost = running[place % len(running)]
            sql("UPDATE jobs_run SET lease_until = now() - interval '1 s' WHERE id = %s", lost.pk)
            assert execution.reap() == 1
            now = Run.all_orgs.get(pk=lost.pk)
            last = lost.attempt >= lost.max_attempts
            # The last try lost is a dead letter, whatever was asked meanwhile.
            again = Status.CANCELLED if lost.cancel_requested_at else Status.QUEUED
            assert now.status == (Status.FAILED if last else again)
            assert now.attempts.get(fence=now.fence).outcome == Outcome.CRASHED
        assert execution.reap() == 0

    @rule()
    def time_passes(self) -> None:
        sql("UPDATE jobs_run SET run_after = now() - interval '1 s' WHERE waiting_for = 'time'")
        count = Run.all_orgs.filter(waiting_for=WaitingFor.TIME).count()
        assert queue.promote() == count
        assert queue.promote() == 0
        assert queue.seconds_to_next() is None

    @rule(place=PICK)
    def cancel(self, place: int) -> None:
        runs = list(Run.all_orgs.order_by("id"))
        if not runs:
            return
        run = runs[place % len(runs)]
        if run.is_terminal:
            with pytest.raises(WrongState):
                cancel_run(run)
            return
        was = run.status
        cancel_run(run)
        assert run.status == (Status.CANCELLED if was == Status.QUEUED else Status.RUNNING)
        assert run.cancel_requested_at
        assert not Run.all_orgs.filter(parent=run, status=Status.QUEUED).exists()

    @rule(place=PICK)
    def retry(self, place: int) -> None:
        runs = list(Run.all_orgs.filter(status__in=TERMINAL).order_by("id"))
        if not runs:
            return
        run = runs[place % len(runs)]
        if run.status == Status.COMPLETED:
            with pytest.raises(WrongState):
                retry_run(run)
            return
        tries = run.attempt
        self.ended.pop(run.pk, None)
        retry_run(run)
        assert (run.status, run.waiting_for, run.attempt, run.max_attempts) == (Status.QUEUED, "", tries, tries + 3)

    # What holds

    @invariant()
    def rows_are_sensible(self) -> None:
        running = Counter(Attempt.objects.filter(outcome=Outcome.RUNNING).values_list("run_id", "fence"))
        keys: Counter[str] = Counter()
        for run in Run.all_orgs.all():
            at_work = run.status == Status.RUNNING
            assert running.pop((run.pk, run.fence), 0) == at_work, "an attempt at work for each run at work"
            assert run.attempt <= run.max_attempts
            assert run.fence >= self.fences.get(run.pk, 0)
            self.fences[run.pk] = run.fence
            keys[run.concurrency_key] += at_work
            if run.is_terminal:
                assert self.ended.setdefault(run.pk, run.fence) == run.fence, "nothing starts what has ended"
        assert not running
        assert all(count <= 2 for key, count in keys.items() if key)

    @invariant()
    def a_parent_waits_for_the_last_of_its_children(self) -> None:
        waiting = set(Run.all_orgs.filter(waiting_for="children").values_list("pk", flat=True))
        busy = set(Run.all_orgs.filter(status__in=LIVE, parent__isnull=False).values_list("parent", flat=True))
        assert waiting <= busy, "nobody will wake it"
        woken = set(
            Run.all_orgs.filter(pk__in=self.waited - waiting, status=Status.QUEUED).values_list("pk", flat=True)
        )
        assert not woken & busy, "woken too early"
        self.waited = waiting

    @invariant()
    def somebody_lets_in_what_waits_for_a_slot(self) -> None:
        parked = set(Run.all_orgs.filter(waiting_for="slot").values_list("concurrency_key", flat=True))
        others = Run.all_orgs.filter(status__in=LIVE).exclude(waiting_for="slot")
        assert parked <= set(others.values_list("concurrency_key", flat=True)), "nobody will let it in"

    def teardown(self) -> None:
        """All goes well from now on: everything ends."""
        for _ in range(10_000):
            sql("UPDATE jobs_run SET run_after = now() - interval '1 s' WHERE waiting_for = 'time'")
            sql("UPDATE jobs_run SET lease_until = now() - interval '1 s' WHERE status = 'running'")
            moved = queue.promote() + execution.reap()
            while run := queue.claim("default", "test:1", LEASE_S):
                assert queue.finish(run, Status.COMPLETED, Outcome.COMPLETED)
                moved += 1
            if not moved:
                break
        assert not list(Run.all_orgs.filter(status__in=LIVE).values("status", "waiting_for")), "lost"


@pytest.mark.slow
@pytest.mark.django_db
def test_any_order() -> None:
    run_state_machine_as_test(
        QueueStates,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.django_db
def test_a_rank_is_a_start_moved_by_its_priority() -> None:
    runs = [Run.all_orgs.get(pk=emit(Work, {}, priority=priority).run_ids[0]) for priority in Priority]
    assert [round((run.rank - run.run_after).total_seconds()) for run in runs] == [RANK_S[p] for p in Priority]
