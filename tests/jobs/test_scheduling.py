"""Schedules: rows follow the code, and each slot is one event, whoever is there for it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from oppspot.jobs.cron import InvalidCron
from oppspot.jobs.models import Event, Run, Schedule, Status
from oppspot.jobs.registry import InvalidEventData, UnknownEvent
from oppspot.jobs.scheduling import Overlap, Scheduled, declared, start_due, sync_schedules
from tests.jobs.conftest import Register

pytestmark = pytest.mark.django_db
HOURLY = Scheduled("hourly", "0 * * * *", "sample/work.do", {"key": "hourly"})
DECLARED: list[Scheduled] = []


@pytest.fixture(autouse=True)
def own_schedules(settings: Any) -> Iterator[None]:
    DECLARED[:] = [HOURLY]
    settings.JOBS_SCHEDULES = f"{__name__}.DECLARED"
    declared.cache_clear()
    yield
    declared.cache_clear()


def redeclare(*schedules: Scheduled) -> None:
    DECLARED[:] = schedules
    declared.cache_clear()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_rows_follow_the_code() -> None:
    assert sync_schedules().added == ["hourly"]
    before = Schedule.objects.get()
    synced = sync_schedules()
    assert (synced.added, synced.changed, synced.removed) == ([], [], [])
    redeclare(Scheduled("hourly", "30 * * * *", "sample/work.do"), Scheduled("daily", "0 3 * * *", "sample/work.do"))
    synced = sync_schedules()
    assert (synced.added, synced.changed, synced.removed) == (["daily"], ["hourly"], [])
    assert Schedule.objects.get(name="hourly").next_slot_at != before.next_slot_at
    redeclare()
    assert sorted(sync_schedules().removed) == ["daily", "hourly"]
    assert not Schedule.objects.exists()


def test_the_command_says_what_it_changed() -> None:
    out = StringIO()
    call_command("sync_schedules", stdout=out)
    call_command("sync_schedules", stdout=out)
    assert out.getvalue().splitlines() == ["added hourly", "nothing to change"]


def test_the_projects_own_schedules_are_valid(settings: Any) -> None:
    settings.JOBS_SCHEDULES = "oppspot.schedules.SCHEDULES"
    declared.cache_clear()
    assert isinstance(declared(), dict)


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(InvalidCron):
        Scheduled("never", "0 0 31 2 *", "sample/work.do")
    for wrong, error in (
        (Scheduled("a", "0 * * * *", "sample/unknown"), UnknownEvent),
        (Scheduled("a", "0 * * * *", "sample/work.do", {"steps": "many"}), InvalidEventData),
    ):
        redeclare(wrong)
        with pytest.raises(error):
            sync_schedules()
    redeclare(HOURLY, HOURLY)
    with pytest.raises(ValueError, match="Two schedules"):
        sync_schedules()


def test_a_slot_is_one_event(listen: Register) -> None:
    listen(lambda ctx, data: None, name="test.hourly")
    sync_schedules()
    Schedule.objects.update(next_slot_at=at("2026-05-01T10:00"))
    assert start_due(at("2026-05-01T09:59:59")) == []
    assert start_due(at("2026-05-01T10:00:10")) == ["hourly"]
    assert start_due(at("2026-05-01T10:00:20")) == []
    event = Event.all_orgs.get()
    assert (event.dedupe_key, event.data["key"], event.runs.count()) == (
        "schedule:hourly:2026-05-01T10:00:00+00:00",
        "hourly",
        1,
    )
    assert Schedule.objects.get().next_slot_at == at("2026-05-01T11:00")


def test_missed_slots_become_one_event(listen: Register) -> None:
    listen(lambda ctx, data: None, name="test.hourly")
    sync_schedules()
    Schedule.objects.update(next_slot_at=at("2026-05-01T10:00"))
    assert start_due(at("2026-05-01T15:30")) == ["hourly"]
    row = Schedule.objects.get()
    assert (row.missed, row.last_slot_at, row.next_slot_at) == (5, at("2026-05-01T15:00"), at("2026-05-01T16:00"))
    assert Event.all_orgs.count() == 1


def test_a_year_of_minutes_does_not_take_long() -> None:
    redeclare(Scheduled("minutely", "* * * * *", "sample/nobody.listens", {"number": 1}))
    sync_schedules()
    Schedule.objects.update(next_slot_at=at("2025-05-01T10:00"))
    now = at("2026-05-01T10:00:30")
    assert start_due(now) == ["minutely"]
    assert Schedule.objects.get().next_slot_at == at("2026-05-01T10:01")


@pytest.mark.parametrize(("overlap", "runs", "skipped"), [(Overlap.SKIP, 1, 1), (Overlap.ALLOW, 2, 0)])
def test_a_slot_while_the_last_is_at_work(listen: Register, overlap: Overlap, runs: int, skipped: int) -> None:
    listen(lambda ctx, data: None, name="test.hourly")
    redeclare(Scheduled("hourly", "0 * * * *", "sample/work.do", overlap=overlap))
    sync_schedules()
    Schedule.objects.update(next_slot_at=at("2026-05-01T10:00"))
    start_due(at("2026-05-01T10:00"))
    start_due(at("2026-05-01T11:00"))
    assert Run.all_orgs.count() == runs
    assert Schedule.objects.get().skipped == skipped
    Run.all_orgs.update(status=Status.COMPLETED, finished_at=at("2026-05-01T11:30"))
    assert start_due(at("2026-05-01T12:00")) == ["hourly"]


@pytest.mark.django_db(transaction=True)
def test_many_who_ask_at_once_start_it_once(listen: Register) -> None:
    listen(lambda ctx, data: None, name="test.hourly")
    sync_schedules()
    now = Schedule.objects.get().next_slot_at + timedelta(seconds=1)

    def ask(_: int) -> list[str]:
        try:
            return start_due(now)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        started = [name for names in pool.map(ask, range(16)) for name in names]
    assert started == ["hourly"]
    assert Event.all_orgs.count() == 1
