"""Emitting events; limits, debounce and batches; cancelling and retrying."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from oppspot.jobs import queue
from oppspot.jobs.models import Attempt, Event, Outcome, Priority, Run, Status, WaitingFor
from oppspot.jobs.registry import InvalidEventData, UnknownEvent
from oppspot.jobs.services import WrongState, cancel_run, emit, emit_many, retry_run, trim
from oppspot.organizations.models import Organization
from tests.jobs.conftest import Register
from tests.jobs.sample.events import Unheard, Work
from tests.jobs.steps import skip_waiting, work

pytestmark = pytest.mark.django_db


def nothing(ctx: Any, data: Any) -> None:
    """A function that does nothing."""


def test_each_listener_gets_a_run(listen: Register) -> None:
    listen(nothing, name="test.first")
    listen(nothing, name="test.second")
    emitted = emit(Work, Work(key="x"))
    assert sorted(Run.all_orgs.filter(pk__in=emitted.run_ids).values_list("function", flat=True)) == [
        "test.first",
        "test.second",
    ]
    assert work() == 2
    assert set(Run.all_orgs.values_list("status", flat=True)) == {Status.COMPLETED}


def test_what_nobody_listens_to_is_stored_and_says_so() -> None:
    emitted = emit("sample/nobody.listens", {"number": 3})
    assert emitted.run_ids == []
    assert Event.all_orgs.get(pk=emitted.event.pk).listeners == 0


def test_wrong_names_and_data_are_told_the_caller() -> None:
    with pytest.raises(UnknownEvent):
        emit("sample/nothing", {})
    with pytest.raises(InvalidEventData, match="number"):
        emit(Unheard, {"number": "three"})
    assert not Event.all_orgs.exists()


def test_a_rolled_back_event_never_was(listen: Register) -> None:
    listen(nothing)
    with transaction.atomic():
        emit(Work, Work())
        transaction.set_rollback(True)
    assert not Event.all_orgs.exists()
    assert work() == 0


def test_a_dedupe_key_is_one_event_of_an_organisation_and_name(
    listen: Register, org_a: Organization, org_b: Organization
) -> None:
    listen(nothing)
    first = emit(Work, Work(), org=org_a, dedupe_key="k")
    again = emit(Work, Work(what="else"), org=org_a, dedupe_key="k")
    assert (again.is_new, again.event.pk, again.run_ids) == (False, first.event.pk, first.run_ids)
    assert emit(Work, Work(), org=org_b, dedupe_key="k").is_new
    assert emit(Work, Work(), dedupe_key="k").is_new  # the system's
    assert not emit(Work, Work(), dedupe_key="k").is_new
    assert Run.all_orgs.count() == 3


def test_idempotency_is_one_run_of_a_key_and_organisation(listen: Register, org_a: Organization) -> None:
    listen(nothing, idempotency="key")
    assert len(emit(Work, Work(key="a"), org=org_a).run_ids) == 1
    work()
    assert emit(Work, Work(key="a"), org=org_a).run_ids == []
    assert len(emit(Work, Work(key="b"), org=org_a).run_ids) == 1
    assert len(emit(Work, Work(key="a")).run_ids) == 1


def test_later_means_later(listen: Register) -> None:
    listen(nothing)
    (pk,) = emit(Work, Work(), run_after=timezone.now() + timedelta(hours=1)).run_ids
    assert work() == 0
    assert Run.all_orgs.get(pk=pk).waiting_for == WaitingFor.TIME
    skip_waiting()
    assert work() == 1


def test_the_urgent_go_first_and_waiting_ages(listen: Register) -> None:
    done: list[str] = []
    listen(lambda ctx, data: done.append(data.key), name="test.order")
    for key, priority in (("low", Priority.LOW), ("normal", Priority.NORMAL), ("high", Priority.HIGH)):
        emit(Work, Work(key=key), priority=priority)
    old = emit(Work, Work(key="old low"), priority=Priority.LOW).run_ids
    Run.all_orgs.filter(pk__in=old).update(rank=timezone.now() - timedelta(minutes=11))  # 21 minutes ago
    work()
    assert done == ["old low", "high", "normal", "low"]


def test_priority_may_depend_on_the_data(listen: Register) -> None:
    listen(nothing, priority=lambda data: Priority.HIGH if data.what == "urgent" else Priority.LOW)
    urgent, other = emit(Work, Work(what="urgent")).run_ids, emit(Work, Work()).run_ids
    assert Run.all_orgs.get(pk=urgent[0]).priority == Priority.HIGH
    assert Run.all_orgs.get(pk=other[0]).priority == Priority.LOW


def test_a_burst_is_one_run_on_the_newest_data(listen: Register) -> None:
    seen: list[int] = []
    listen(lambda ctx, data: seen.append(data.steps), name="test.debounced", debounce=("key", 30.0, 60.0))
    ids = {emit(Work, Work(key="a", steps=number)).run_ids[0] for number in range(5)}
    other = emit(Work, Work(key="b", steps=9)).run_ids[0]
    assert len(ids) == 1
    assert work() == 0
    run = Run.all_orgs.get(pk=ids.pop())
    assert timedelta(0) < run.run_after - run.created_at <= timedelta(seconds=60)
    skip_waiting()
    work()
    assert sorted(seen) == [4, 9]
    assert emit(Work, Work(key="a")).run_ids[0] not in {run.pk, other}  # a new burst


def test_a_burst_is_put_off_no_longer_than_its_longest(listen: Register) -> None:
    listen(nothing, debounce=("key", 30.0, 60.0))
    (pk,) = emit(Work, Work(key="a")).run_ids
    Run.all_orgs.filter(pk=pk).update(created_at=timezone.now() - timedelta(seconds=59))
    emit(Work, Work(key="a"))
    assert Run.all_orgs.get(pk=pk).run_after < timezone.now() + timedelta(seconds=2)


def test_a_batch_starts_when_it_is_full_or_its_time_is_up(listen: Register) -> None:
    batches: list[list[int]] = []
    listen(lambda ctx, items: batches.append([item.steps for item in items]), name="test.batch", batch=("key", 3, 30.0))
    for number in range(4):
        emit(Work, Work(key="a", steps=number))
    assert work() == 1
    assert batches == [[0, 1, 2]]
    skip_waiting()
    work()
    assert batches == [[0, 1, 2], [3]]


def test_a_concurrency_key_admits_its_limit_and_then_the_next(listen: Register) -> None:
    listen(nothing, concurrency=("key", 1))
    for _ in range(3):
        emit(Work, Work(key="a"))
    emit(Work, Work(key="b"))
    first, second = queue.claim("default", "w", 30), queue.claim("default", "w", 30)
    assert first
    assert second
    assert {first.concurrency_key[-1], second.concurrency_key[-1]} == {"a", "b"}
    assert queue.claim("default", "w", 30) is None
    parked = Run.all_orgs.filter(waiting_for=WaitingFor.SLOT)
    assert list(parked.values_list("attempt", flat=True)) == [0, 0]  # waiting for a slot used up no try
    mine = first if first.concurrency_key.endswith("a") else second
    queue.finish(mine, Status.COMPLETED, Outcome.COMPLETED)
    assert parked.count() == 1
    assert queue.claim("default", "w", 30) is not None


def test_a_concurrency_key_is_an_organisations_own(listen: Register, org_a: Organization, org_b: Organization) -> None:
    listen(nothing, concurrency=("key", 1))
    emit(Work, Work(key="same"), org=org_a)
    emit(Work, Work(key="same"), org=org_b)
    assert queue.claim("default", "w", 30)
    assert queue.claim("default", "w", 30)


def test_a_rate_limit_spaces_starts_out(listen: Register) -> None:
    listen(nothing, rate_limit=("key", 2, 60.0))
    ids = [emit(Work, Work(key="a")).run_ids[0] for _ in range(3)]
    assert work() == 1
    waiting = list(Run.all_orgs.filter(pk__in=ids, waiting_for=WaitingFor.TIME).order_by("run_after"))
    assert len(waiting) == 2
    gap = (waiting[1].run_after - waiting[0].run_after).total_seconds()
    assert gap == pytest.approx(30, abs=1)
    skip_waiting()
    assert work() == 2  # their turns were reserved


def test_a_run_that_waits_is_cancelled_at_once(listen: Register) -> None:
    listen(nothing)
    run = Run.all_orgs.get(pk=emit(Work, Work()).run_ids[0])
    assert cancel_run(run).status == Status.CANCELLED
    assert work() == 0
    with pytest.raises(WrongState, match="ended already"):
        cancel_run(run)


def test_cancelling_takes_what_was_caused_along(listen: Register) -> None:
    listen(nothing)
    parent = Run.all_orgs.get(pk=emit(Work, Work()).run_ids[0])
    queue.claim("default", "w", 30)
    child = emit(Work, Work(), caused_by=parent).run_ids[0]
    assert cancel_run(parent).status == Status.RUNNING  # until its next heartbeat
    assert Run.all_orgs.get(pk=parent.pk).cancel_requested_at is not None
    assert Run.all_orgs.get(pk=child).status == Status.CANCELLED


def test_cancelling_one_that_was_let_in_lets_the_next_in(listen: Register) -> None:
    listen(nothing, concurrency=("key", 1))
    ids = [emit(Work, Work(key="a")).run_ids[0] for _ in range(3)]
    first = queue.claim("default", "w", 30)
    assert first
    assert queue.claim("default", "w", 30) is None
    queue.finish(first, Status.COMPLETED, Outcome.COMPLETED)
    cancel_run(Run.all_orgs.get(pk=ids[1]))
    last = queue.claim("default", "w", 30)
    assert last
    assert last.id == ids[2]


def test_a_parent_goes_on_when_its_last_child_ends_while_being_put_back(listen: Register) -> None:
    listen(nothing)
    emit(Work, Work())
    parent = queue.claim("default", "w", 30)
    assert parent
    child_id = emit(Work, Work(), caused_by=Run.all_orgs.get(pk=parent.id)).run_ids[0]
    child = queue.claim("default", "w", 30)
    assert child
    queue.requeue(parent, Outcome.SUSPENDED, waiting_for="children", is_try=False)
    cancel_run(Run.all_orgs.get(pk=child_id))
    queue.requeue(child, Outcome.SUSPENDED, until=timezone.now(), is_try=False)
    assert Run.all_orgs.get(pk=child_id).status == Status.CANCELLED
    assert Run.all_orgs.get(pk=parent.id).waiting_for == WaitingFor.NOTHING


def test_a_dead_letter_is_retried_with_its_history(listen: Register) -> None:
    failures = [True] * 2

    def flaky(ctx: Any, data: Any) -> str:
        ctx.step("once", lambda: "done once")
        if failures and failures.pop():
            raise ValueError("not now")
        return "well"

    listen(flaky, retries=1)
    run = Run.all_orgs.get(pk=emit(Work, Work()).run_ids[0])
    work()
    skip_waiting()
    work()
    run.refresh_from_db()
    assert (run.status, run.attempt, run.error) == (Status.FAILED, 2, "ValueError: not now")
    assert retry_run(run).status == Status.QUEUED
    work()
    run.refresh_from_db()
    assert (run.status, run.attempt, run.output) == (Status.COMPLETED, 3, "well")
    outcomes = Attempt.objects.filter(run=run).order_by("fence").values_list("outcome", flat=True)
    assert list(outcomes) == [Outcome.FAILED, Outcome.FAILED, Outcome.COMPLETED]
    assert run.steps.get().fence == 1
    with pytest.raises(WrongState, match="it is completed"):
        retry_run(run)


def test_many_events_take_few_statements(listen: Register, django_assert_max_num_queries: Any) -> None:
    listen(nothing)
    with django_assert_max_num_queries(6):
        assert len(emit_many(Work, [Work(steps=number) for number in range(200)], dedupe_prefix="p")) == 200
    assert emit_many(Work, [Work(steps=number) for number in range(200)], dedupe_prefix="p") == []
    assert Run.all_orgs.count() == 200


def test_many_events_are_not_for_listeners_that_join_them(listen: Register) -> None:
    listen(nothing, debounce=("key", 1.0))
    with pytest.raises(ValueError, match="one by one"):
        emit_many(Work, [Work()])


def test_old_runs_are_deleted_and_dead_letters_later(listen: Register) -> None:
    listen(nothing)
    done, dead, fresh, waiting = (
        Run.all_orgs.get(pk=emit(Work, Work(key=key)).run_ids[0]) for key in ("done", "dead", "fresh", "waiting")
    )
    long_ago = timezone.now() - timedelta(days=40)
    Run.all_orgs.filter(pk=done.pk).update(status=Status.COMPLETED, finished_at=long_ago)
    Run.all_orgs.filter(pk=dead.pk).update(status=Status.FAILED, finished_at=long_ago)
    Run.all_orgs.filter(pk=fresh.pk).update(status=Status.COMPLETED, finished_at=timezone.now())
    Event.all_orgs.update(created_at=long_ago)
    assert trim(older_than=timedelta(days=30)) == 2  # a run and its event
    assert set(Run.all_orgs.values_list("pk", flat=True)) == {dead.pk, fresh.pk, waiting.pk}
    assert trim(older_than=timedelta(days=7)) == 2
    assert set(Run.all_orgs.values_list("pk", flat=True)) == {fresh.pk, waiting.pk}
