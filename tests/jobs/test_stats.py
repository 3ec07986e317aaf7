"""The figures about jobs, on rows made by hand."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from oppspot.jobs import stats
from oppspot.jobs.models import Status
from oppspot.jobs.stats import Depth, Period
from tests.jobs.factories import ago, make_run, make_schedule, make_worker

pytestmark = pytest.mark.django_db


@pytest.fixture
def still() -> Iterator[None]:
    """The clock stands, so that no minute begins between a run and the figures about it."""
    with time_machine.travel(datetime(2026, 3, 4, 12, 30, 30, tzinfo=UTC), tick=False):
        yield


def test_nothing_is_zero_and_none() -> None:
    assert stats.depth() == Depth(0, 0, 0, 0, 0)
    assert stats.oldest_ready_s() is None
    assert (stats.dead_letters(), stats.workers_alive(), stats.overdue_schedules()) == (0, 0, 0)
    (total,) = stats.by_function(Period.HOUR)
    assert (total.function, total.runs, total.failed, total.times.run_p50) == ("", 0, 0, None)


def test_depth_by_state() -> None:
    for waiting, count in (("", 1), ("time", 2), ("slot", 3), ("children", 4)):
        for _ in range(count):
            make_run(waiting_for=waiting)
    make_run(Status.RUNNING)
    make_run(Status.COMPLETED)
    assert stats.depth() == Depth(ready=1, time=2, slot=3, children=4, running=1)
    assert stats.depth().queued == 10


def test_counts_end_somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "COUNTED", 2)
    for _ in range(3):
        make_run()
        make_run(Status.FAILED)
    assert (stats.depth().ready, stats.dead_letters()) == (2, 2)


def test_the_oldest_ready_run() -> None:
    make_run(age=10)
    make_run(age=40)
    make_run(age=500, waiting_for="time")
    make_run(Status.RUNNING, age=600)
    assert stats.oldest_ready_s() == pytest.approx(40, abs=3)


def test_a_run_that_was_put_back_does_not_tell_since_when_it_is_ready() -> None:
    make_run(age=500, starts=1, attempt=0)
    assert stats.oldest_ready_s() is None
    make_run(age=90, starts=1)  # a try that failed: ready again since `run_after`
    assert stats.oldest_ready_s() == pytest.approx(90, abs=3)


def test_a_run_of_the_future_is_not_old() -> None:
    make_run(run_after=ago(-60))
    assert stats.oldest_ready_s() == 0.0


def test_dead_letters_workers_and_schedules() -> None:
    make_run(Status.FAILED)
    make_run(Status.CANCELLED)
    make_worker(seen=25)
    make_worker(seen=35)
    make_schedule(due_in=-80)
    make_schedule(due_in=-100)
    assert (stats.dead_letters(), stats.workers_alive(), stats.overdue_schedules()) == (1, 1, 1)


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(("period", "buckets"), [(Period.HOUR, 60), (Period.DAY, 24)])
def test_history_has_every_bucket(period: Period, buckets: int) -> None:
    make_run(Status.COMPLETED, ended=0)
    make_run(Status.FAILED, ended=0)
    make_run(Status.CANCELLED, ended=0)
    make_run(Status.COMPLETED, ended=period.bucket * 5, wait=2, took=4)
    make_run(Status.COMPLETED, ended=period.seconds + period.bucket)
    found = stats.history(period)
    assert len(found) == buckets
    assert [bucket.start for bucket in found] == sorted(bucket.start for bucket in found)
    assert (found[-1].start - found[0].start).total_seconds() == period.seconds - period.bucket
    assert sum(bucket.completed for bucket in found) == 2
    assert sum(bucket.failed for bucket in found) == 1
    assert found[-6].completed == 1
    assert found[-6].times.wait_p95 == pytest.approx(2)
    assert found[-6].times.run_p50 == pytest.approx(4)
    assert found[0].times.run_p50 is None


def test_figures_by_function() -> None:
    for took in (1, 2, 3):
        make_run(Status.COMPLETED, ended=60, wait=10 * took, took=took)
    make_run(Status.FAILED, ended=60, function="other", took=9)
    make_run(Status.COMPLETED, ended=7_200, function="long.ago")
    total, worst, other = stats.by_function(Period.HOUR)
    assert (total.function, total.runs, total.failed) == ("", 4, 1)
    assert (worst.function, worst.runs, worst.failed) == ("other", 1, 1)
    assert (other.function, other.runs, other.failed) == ("sample.work", 3, 0)
    assert other.times.run_p50 == pytest.approx(2)
    assert other.times.run_p95 == pytest.approx(2.9)
    assert other.times.wait_p50 == pytest.approx(20)


def test_only_the_last_start_counts_and_no_wait_is_made_up() -> None:
    make_run(Status.COMPLETED, ended=60, wait=100, took=5, starts=3)
    total = stats.by_function(Period.HOUR)[0]
    assert total.times.run_p50 == pytest.approx(5)
    assert total.times.wait_p50 is None


@pytest.mark.usefixtures("still")
def test_counts_are_complete_where_times_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "SAMPLED", 60)  # one of a minute
    for took, ended in ((9, 8), (1, 7)):
        make_run(Status.COMPLETED, ended=ended, took=took)
    total, work = stats.by_function(Period.HOUR)
    assert (total.runs, work.runs) == (2, 2)
    assert total.times.run_p95 == pytest.approx(1)
    assert sum(bucket.completed for bucket in stats.history(Period.HOUR)) == 2


def test_periods_are_read_from_urls() -> None:
    assert Period.of("24h") is Period.DAY
    assert [Period.of(text) for text in (None, "", "1h", "<b>")] == [Period.HOUR] * 4


def test_each_figure_is_one_query(django_assert_num_queries: Any) -> None:
    for figure in (stats.depth, stats.oldest_ready_s, stats.dead_letters, stats.workers_alive, stats.overdue_schedules):
        with django_assert_num_queries(1):
            figure()
