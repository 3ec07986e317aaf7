"""What a function can do with its context, and what becomes of what it raises."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from oppspot.core.errors import InvalidInput, PermanentError, RetryableError
from oppspot.jobs import queue
from oppspot.jobs.execution import reap
from oppspot.jobs.models import Event, Outcome, Run, RunLog, Status, Step, WaitingFor
from oppspot.jobs.services import emit
from tests.jobs.conftest import Register
from tests.jobs.sample.events import Unheard, Work
from tests.jobs.sample.models import Trace
from tests.jobs.steps import skip_waiting, work

pytestmark = pytest.mark.django_db


def run_of(body: Any, listen: Register, data: Work | None = None, **terms: Any) -> Run:
    """Emit one event for `body` and run it once."""
    listen(body, **terms)
    (pk,) = emit(Work, data or Work()).run_ids
    work()
    return Run.all_orgs.get(pk=pk)


def test_a_retry_goes_on_after_the_last_step(listen: Register) -> None:
    calls: list[str] = []

    def did(name: str, output: Any) -> Any:
        calls.append(name)
        return output

    def body(ctx: Any, data: Any) -> Any:
        first = ctx.step("first", lambda: did("first", {"n": (1, 2)}))
        if ctx.attempt == 1:
            raise RetryableError("later", retry_after=5)
        return [first, ctx.step("second", lambda: did("second", "two"))]

    run = run_of(body, listen)
    assert (run.status, run.waiting_for, run.error) == (Status.QUEUED, WaitingFor.TIME, "RetryableError: later")
    assert timedelta(seconds=4) < run.run_after - timezone.now() <= timedelta(seconds=5)
    skip_waiting()
    work()
    run.refresh_from_db()
    assert run.output == [{"n": [1, 2]}, "two"]
    assert calls == ["first", "second"]


def test_a_steps_effects_and_its_note_are_one(listen: Register) -> None:
    def body(ctx: Any, data: Any) -> None:
        ctx.step("kept", lambda: Trace.objects.create(run_id=ctx.run_id, step="kept").step)
        ctx.step("lost", lambda: (Trace.objects.create(run_id=ctx.run_id, step="lost"), 1 / 0))

    run = run_of(body, listen, retries=0)
    assert run.error == "ZeroDivisionError: division by zero"
    assert list(Trace.objects.values_list("step", flat=True)) == ["kept"]
    assert list(Step.objects.values_list("name", flat=True)) == ["kept"]


@pytest.mark.django_db(transaction=True)
def test_a_run_that_was_given_away_writes_nothing(listen: Register) -> None:
    def body(ctx: Any, data: Any) -> None:
        Run.all_orgs.filter(pk=ctx.run_id).update(fence=7)  # somebody else started it
        ctx.step("late", lambda: Trace.objects.create(run_id=ctx.run_id, step="late").step)

    run = run_of(body, listen)
    assert not Trace.objects.exists()
    assert (run.status, run.fence) == (Status.RUNNING, 7)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda ctx: [ctx.step("a", int), ctx.step("a", int)], "two steps named 'a'"),
        (lambda ctx: ctx.step("a", lambda: ctx.step("b", int)), "steps cannot hold steps"),
        (lambda ctx: ctx.step("a", lambda: ctx.sleep(1)), "sleep between steps"),
        (lambda ctx: ctx.step("a", ctx.wait_for_children), "wait between steps"),
        (lambda ctx: ctx.step("a", object), "step 'a' is not JSON"),
        (lambda ctx: ctx.step("a", lambda: float("nan")), "step 'a' is not JSON"),
        (lambda ctx: ctx.step("a", lambda: {"k": "x\x00"}), "NUL"),
        (lambda ctx: ctx.step("a", lambda: "\ud800"), "surrogate"),
        (lambda ctx: "x\x00", "NUL"),
        (lambda ctx: {1, 2}, "output of test.body is not JSON"),
    ],
)
def test_wrong_use_fails_for_good_and_says_why(listen: Register, wrong: Any, message: str) -> None:
    def body(ctx: Any, data: Any) -> Any:
        return wrong(ctx)

    run = run_of(body, listen)
    assert (run.status, run.attempt) == (Status.FAILED, 1)
    assert message in run.error


def test_a_text_that_looks_like_an_escape_is_stored(listen: Register) -> None:
    run = run_of(lambda ctx, data: "\\u0000 \\ud800", listen, name="test.text")
    assert run.output == "\\u0000 \\ud800"


@pytest.mark.parametrize("error", [PermanentError("no"), InvalidInput("no")])
def test_hopeless_errors_are_not_tried_again(listen: Register, error: Exception) -> None:
    def body(ctx: Any, data: Any) -> None:
        raise error

    run = run_of(body, listen)
    assert (run.status, run.attempt, run.max_attempts) == (Status.FAILED, 1, 4)
    assert run.error == f"{type(error).__name__}: no"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [SystemExit(3), asyncio.CancelledError(), KeyboardInterrupt(), GeneratorExit()])
def test_nothing_a_function_raises_gets_out(listen: Register, error: BaseException) -> None:
    def body(ctx: Any, data: Any) -> None:
        raise error

    run = run_of(body, listen, retries=1)
    skip_waiting()
    work()
    run.refresh_from_db()
    assert (run.status, run.attempt) == (Status.FAILED, 2)
    assert type(error).__name__ in run.error


@pytest.mark.django_db(transaction=True)
def test_a_transaction_left_open_is_thrown_away(listen: Register) -> None:
    from django.db import transaction

    def body(ctx: Any, data: Any) -> str:
        transaction.atomic().__enter__()
        Trace.objects.create(run_id=ctx.run_id, step="never committed")
        return "well"

    run = run_of(body, listen)
    assert run.status == Status.COMPLETED
    assert not Trace.objects.exists()


def test_errors_carry_no_secrets(listen: Register, settings: Any) -> None:
    settings.OPENAI_API_KEY = "hush-hush-key"

    def body(ctx: Any, data: Any) -> None:
        raise ValueError("hush-hush-key sk-abcdefgh1234 Bearer abcdefghijkl postgresql://me:pass@host/db \x00 \ud800")

    run = run_of(body, listen, retries=0)
    attempt = run.attempts.get()
    for text in (run.error, attempt.error):
        assert not any(secret in text for secret in ("hush", "abcdefgh", "pass@", "\x00"))
    assert "ValueError" in run.error
    assert "test_context.py" in attempt.error


def test_sleep_needs_no_worker_and_no_try(listen: Register) -> None:
    def body(ctx: Any, data: Any) -> str:
        ctx.step("before", lambda: 1)
        ctx.sleep(60)
        return f"woke up on try {ctx.attempt}"

    run = run_of(body, listen, retries=0)
    assert (run.status, run.waiting_for, run.attempt) == (Status.QUEUED, WaitingFor.TIME, 0)
    assert run.attempts.get().outcome == Outcome.SUSPENDED
    skip_waiting()
    Step.objects.filter(name="sleep-1").update(output=timezone.now().isoformat())
    work()
    run.refresh_from_db()
    assert (run.status, run.output) == (Status.COMPLETED, "woke up on try 1")


def test_children_are_caused_once_and_waited_for(listen: Register) -> None:
    tries: list[int] = []

    def parent(ctx: Any, data: Any) -> Any:
        if data.what == "child":
            return data.steps
        ctx.emit(Work, Work(what="child", steps=1))
        ctx.emit_many(Work, [Work(what="child", steps=2), Work(what="child", steps=3)])
        tries.append(1)
        if len(tries) == 1:
            raise RetryableError("again", retry_after=0)
        return ctx.wait_for_children()

    listen(parent)
    run = Run.all_orgs.get(pk=emit(Work, Work(what="parent")).run_ids[0])
    work()
    skip_waiting()
    work()
    run.refresh_from_db()
    assert run.status == Status.COMPLETED
    assert run.output == {"completed": 3}
    assert set(run.children.values_list("output", flat=True)) == {1, 2, 3}
    assert Event.all_orgs.count() == 4


def test_progress_and_log_are_kept(listen: Register) -> None:
    def body(ctx: Any, data: Any) -> None:
        ctx.progress(1, 3)
        ctx.progress(2, 3)  # too soon after the first
        ctx.log("half way", number=2)
        ctx.progress(3, 3)

    run = run_of(body, listen)
    assert (run.progress_done, run.progress_total) == (3, 3)
    line = RunLog.objects.get()
    assert (line.message, line.fields) == ("half way", {"number": 2})


def test_data_is_validated_again_when_it_runs(listen: Register) -> None:
    listen(lambda ctx, data: None, name="test.strict")
    (pk,) = emit(Work, Work()).run_ids
    Event.all_orgs.update(data={"steps": "many"})  # the schema has changed since
    work()
    run = Run.all_orgs.get(pk=pk)
    assert (run.status, run.attempt) == (Status.FAILED, 1)
    assert "sample/work.do: steps" in run.error


def test_a_function_that_is_gone_waits_for_a_newer_worker(listen: Register) -> None:
    listen(lambda ctx, data: None, name="test.gone")
    (pk,) = emit(Work, Work()).run_ids
    Run.all_orgs.update(function="test.removed")
    work()
    run = Run.all_orgs.get(pk=pk)
    assert (run.status, run.waiting_for) == (Status.QUEUED, WaitingFor.TIME)
    assert "no function test.removed" in run.error


def test_a_lost_worker_costs_a_try_and_ends_in_a_dead_letter(listen: Register) -> None:
    listen(lambda ctx, data: "well", name="test.lost", retries=1)
    (pk,) = emit(Work, Work()).run_ids
    for outcome in (Status.QUEUED, Status.FAILED):
        assert queue.claim("default", "w", 30)
        assert reap() == 0  # its lease runs
        Run.all_orgs.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert reap() == 1
        assert Run.all_orgs.get(pk=pk).status == outcome
        skip_waiting()
    run = Run.all_orgs.get(pk=pk)
    assert run.attempt == 2
    assert "not heard of" in run.error
    assert set(run.attempts.values_list("outcome", flat=True)) == {Outcome.CRASHED}


def test_an_event_nobody_hears_may_be_emitted_by_a_run(listen: Register) -> None:
    run = run_of(lambda ctx, data: ctx.emit(Unheard, Unheard(number=1)).is_new, listen, name="test.speaks")
    assert run.output is True
    assert Event.all_orgs.get(name="sample/nobody.listens").caused_by_run == run.pk
