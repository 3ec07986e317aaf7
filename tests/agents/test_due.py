"""The clock: who is due is started, once, and is due again at the right time."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.utils import timezone
from time_machine import travel

from agents.due import BATCH, start_due_agents
from agents.models import Agent, AgentExecution
from agents.services import update_agent
from businesses.models import Watchlist
from oppspot.jobs.models import Event, Run
from oppspot.jobs.scheduling import declared
from oppspot.jobs.services import emit
from oppspot.organizations.models import Organization
from tests.agents.factories import make_agent, work

pytestmark = pytest.mark.django_db
LONDON = ZoneInfo("Europe/London")


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LONDON)


def make_due(agent: Agent, at: datetime) -> Agent:
    Agent.objects.for_org(agent.org).filter(pk=agent.pk).update(next_run_at=at)
    agent.refresh_from_db()
    return agent


def executions(agent: Agent) -> list[AgentExecution]:
    return list(AgentExecution.objects.for_org(agent.org).filter(agent=agent).order_by("pk"))


def slots(agent: Agent, start: str, end: str) -> list[str]:
    """The local times at which the agent is started, if the clock ticks each minute that something is due."""
    found = []
    with travel(local(start), tick=False):
        update_agent(agent=agent, changes={"is_active": False})
        agent = update_agent(agent=agent, changes={"is_active": True})
    while agent.next_run_at and agent.next_run_at < local(end):
        found.append(agent.next_run_at.astimezone(LONDON).isoformat())
        assert start_due_agents(agent.next_run_at).started == 1
        work()
        agent.refresh_from_db()
    assert len(executions(agent)) == len(found)
    return found


def test_who_is_due_is_started_and_gets_the_next_slot(org_a: Organization) -> None:
    agent = make_due(make_agent(org_a, schedule_cron="0 * * * *"), local("2026-11-02T09:00"))
    assert start_due_agents(local("2026-11-02T08:59")).total == 0
    assert start_due_agents(local("2026-11-02T09:00")).started == 1
    assert start_due_agents(local("2026-11-02T09:00")).total == 0
    agent.refresh_from_db()
    assert agent.next_run_at == local("2026-11-02T10:00")
    (execution,) = executions(agent)
    assert (execution.status, execution.trigger) == ("queued", "schedule")
    assert execution.dedupe_key == "slot:2026-11-02T09:00:00+00:00"
    work()
    agent.refresh_from_db()
    assert agent.last_run_at


def test_missed_slots_are_one_execution(org_a: Organization) -> None:
    agent = make_due(make_agent(org_a, schedule_cron="*/5 * * * *"), local("2026-11-02T09:00"))
    assert start_due_agents(local("2026-11-02T12:01")).started == 1  # nobody was there for three hours
    agent.refresh_from_db()
    assert agent.next_run_at == local("2026-11-02T12:05")
    assert len(executions(agent)) == 1


def test_a_slot_is_skipped_while_the_one_before_is_worked_on(org_a: Organization) -> None:
    agent = make_due(make_agent(org_a, schedule_cron="* * * * *"), local("2026-11-02T09:00"))
    assert start_due_agents(local("2026-11-02T09:00")).started == 1
    assert start_due_agents(local("2026-11-02T09:01")).skipped == 1
    work()
    assert start_due_agents(local("2026-11-02T09:02")).started == 1
    agent.refresh_from_db()
    assert agent.next_run_at == local("2026-11-02T09:03")


def test_a_paused_agent_is_never_due(org_a: Organization) -> None:
    agent = make_due(make_agent(org_a, schedule_cron="0 * * * *"), local("2026-11-02T09:00"))
    agent = update_agent(agent=agent, changes={"is_active": False})
    assert start_due_agents(timezone.now() + timedelta(days=400)).total == 0
    assert update_agent(agent=agent, changes={"is_active": True}).next_run_at


@pytest.mark.parametrize(
    ("cron", "start", "end", "expected"),
    [
        (  # 01:30 does not exist on the day that summer time begins: an hour later by the clock
            "30 1 * * *", "2026-03-28T00:00", "2026-03-30T12:00",
            ["2026-03-28T01:30:00+00:00", "2026-03-29T02:30:00+01:00", "2026-03-30T01:30:00+01:00"],
        ),
        (  # and comes twice on the day that it ends
            "30 1 * * *", "2026-10-24T00:00", "2026-10-26T12:00",
            ["2026-10-24T01:30:00+01:00", "2026-10-25T01:30:00+01:00", "2026-10-26T01:30:00+00:00"],
        ),
        (
            "30 * * * *", "2026-10-25T00:00", "2026-10-25T03:00",
            ["2026-10-25T00:30:00+01:00", "2026-10-25T01:30:00+01:00", "2026-10-25T01:30:00+00:00",
             "2026-10-25T02:30:00+00:00"],
        ),
        (
            "0 9 * * sat,sun", "2026-11-02T00:00", "2026-11-15T12:00",
            [f"2026-11-{day}T09:00:00+00:00" for day in ("07", "08", "14", "15")],
        ),
        ("0 9 29 2 *", "2026-11-02T00:00", "2028-12-31T00:00", ["2028-02-29T09:00:00+00:00"]),
    ],
)  # fmt: skip
def test_the_times_of_a_schedule(org_a: Organization, cron: str, start: str, end: str, expected: list[str]) -> None:
    assert slots(make_agent(org_a, schedule_cron=cron), start, end) == expected


def test_parameters_that_no_longer_hold_are_a_failed_execution(org_a: Organization) -> None:
    watchlist = Watchlist.objects.for_org(org_a).create(org=org_a, name="Ours")
    configuration = {"watchlist": str(watchlist.pk)}
    agent = make_due(
        make_agent(org_a, schedule_cron="0 * * * *", configuration=configuration), local("2026-11-02T09:00")
    )
    watchlist.delete()
    assert start_due_agents(local("2026-11-02T09:00")).started == 1
    work()
    agent.refresh_from_db()
    assert agent.next_run_at == local("2026-11-02T10:00")
    (execution,) = executions(agent)
    assert execution.status == "failed"
    assert "does not exist" in execution.error_message


@pytest.mark.parametrize(
    ("values", "said", "is_due_again"),
    [
        ({"agent_type": "gone"}, "No kind of agent is named 'gone'", True),
        ({"time_zone": "Europe/Atlantis"}, "It is not started any more: 'Europe/Atlantis' is not a time zone", False),
    ],
)
def test_one_that_cannot_start_says_so_and_holds_up_nobody(
    org_a: Organization, org_b: Organization, values: dict[str, Any], said: str, is_due_again: bool
) -> None:
    broken = make_due(make_agent(org_a, schedule_cron="0 * * * *"), local("2026-11-02T08:00"))
    Agent.objects.for_org(org_a).filter(pk=broken.pk).update(**values)
    other = make_due(make_agent(org_b, schedule_cron="0 * * * *"), local("2026-11-02T09:00"))
    start_due_agents(local("2026-11-02T09:00"))
    assert len(executions(other)) == 1
    assert executions(broken)[-1].status == "failed"
    assert said in executions(broken)[-1].error_message
    broken.refresh_from_db()
    assert (broken.next_run_at is not None) is is_due_again


def test_the_schedule_starts_them(org_a: Organization) -> None:
    one = declared()["due agents"]
    assert one.cron == "* * * * *"
    agent = make_due(make_agent(org_a, schedule_cron="0 * * * *"), timezone.now() - timedelta(hours=3))
    run = emit(one.event, one.data).run_ids[0]
    work()
    assert Run.all_orgs.get(pk=run).output == {"started": 1, "skipped": 0, "refused": 0}
    (execution,) = executions(agent)
    assert execution.status == "completed"


def test_the_queries_do_not_grow_with_those_that_are_not_due(
    org_a: Organization, django_assert_num_queries: Any
) -> None:
    for _ in range(5):
        make_agent(org_a, schedule_cron="0 * * * *")
    with django_assert_num_queries(3):  # the transaction, who is due, its end
        assert start_due_agents(timezone.now() - timedelta(days=1)).total == 0


@pytest.mark.django_db(transaction=True)
def test_many_clocks_at_once_start_each_once(org_a: Organization) -> None:
    count = BATCH + 5
    moment = local("2026-11-02T09:00")
    for _ in range(count):
        make_due(make_agent(org_a, schedule_cron="0 * * * *"), moment)

    def tick(_: int) -> int:
        try:
            return start_due_agents(moment).started
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(tick, range(8))) == count
    started = AgentExecution.objects.for_org(org_a).values_list("agent", flat=True)
    assert len(started) == len(set(started)) == count
    assert Event.objects.for_org(org_a).count() == count
