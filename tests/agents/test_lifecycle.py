"""An execution from queued to its end: its state is its job's, and no way leads round the transitions."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.base import Input
from agents.models import Agent, AgentExecution, ExecutionStep, Handoff, Trigger
from agents.references import BusinessId
from agents.services import (
    LimitReached,
    cancel_execution,
    delete_agent,
    retry_execution,
    start_execution,
    update_agent,
)
from businesses.models import Watchlist
from oppspot.core.errors import InvalidInput
from oppspot.jobs.models import Run
from oppspot.jobs.services import WrongState
from oppspot.organizations.models import Organization
from tests.agents.factories import execute, make_agent, queue_execution, work
from tests.agents.kinds.probe import Probe
from tests.factories import make_business

pytestmark = pytest.mark.django_db


def test_an_execution_ends_well(org_a: Organization) -> None:
    agent = make_agent(org_a)
    business = make_business()
    execution = queue_execution(agent, companies=[str(business.pk)])
    assert (execution.status, execution.root_id, execution.depth) == ("queued", execution.pk, 0)
    work()
    execution.refresh_from_db()
    assert (execution.status, execution.error_message, execution.mode) == ("completed", "", "deterministic")
    assert (execution.output_data, execution.items_processed) == ({"companies": 1}, 1)
    assert execution.started_at
    assert execution.completed_at
    assert execution.duration_ms is not None
    agent.refresh_from_db()
    assert agent.last_run_at is not None
    assert agent.state == {"runs": 1}
    steps = list(ExecutionStep.objects.for_org(org_a).order_by("pk"))
    assert [(step.name, step.inputs, step.output) for step in steps] == [
        ("look", {"threshold": 50}, {"companies": 1}),
        ("write", {}, None),
    ]
    assert all(step.started_at <= step.finished_at for step in steps)


@pytest.mark.parametrize(
    ("ending", "error"),
    [
        ("failure", "AgentFailed: Nothing came of it."),
        ("permanent", "PermanentError: This cannot work; the key is [secret]."),
    ],
)
def test_a_failure_is_told_without_secrets(org_a: Organization, ending: str, error: str) -> None:
    execution = execute(make_agent(org_a), ending=ending)
    assert (execution.status, execution.error_message) == ("failed", error)
    assert execution.completed_at
    if ending == "failure":  # what it found all the same is kept
        assert execution.output_data == {"companies": 0}


def test_a_retry_goes_on_after_the_last_finished_step(org_a: Organization) -> None:
    agent = make_agent(org_a)
    execution = execute(agent, ending="retryable", ends_well_at=2)
    assert execution.status == "completed"
    assert list(ExecutionStep.objects.for_org(org_a).values_list("name", "attempt").order_by("pk")) == [
        ("look", 1),
        ("write", 2),
    ]
    agent.refresh_from_db()
    assert agent.state == {"runs": 1}


def test_a_failed_execution_is_retried(org_a: Organization) -> None:
    execution = execute(make_agent(org_a), ending="permanent", ends_well_at=2)
    assert execution.status == "failed"
    assert retry_execution(execution=execution).status == "queued"
    assert (execution.completed_at, execution.duration_ms) == (None, None)
    work()
    execution.refresh_from_db()
    assert (execution.status, execution.error_message) == ("completed", "")
    with pytest.raises(WrongState):
        retry_execution(execution=execution)


def test_one_that_waits_is_cancelled_at_once(org_a: Organization) -> None:
    execution = queue_execution(make_agent(org_a))
    assert cancel_execution(execution=execution).status == "cancelled"
    assert work() == 0
    with pytest.raises(WrongState):
        cancel_execution(execution=execution)


@pytest.mark.parametrize(
    ("before", "after"),
    [("completed", "running"), ("completed", "queued"), ("failed", "completed"), ("cancelled", "running"),
     ("queued", "completed")],
)  # fmt: skip
def test_no_way_leads_round_the_transitions(org_a: Organization, before: str, after: str) -> None:
    execution = queue_execution(make_agent(org_a))
    executions = AgentExecution.objects.for_org(org_a).filter(pk=execution.pk)
    now = timezone.now()
    if before in {"completed", "failed"}:
        executions.update(status="running")
    if before != "queued":
        executions.update(status=before, completed_at=now, error_message="x")
    with pytest.raises(IntegrityError, match="cannot become"), transaction.atomic():
        executions.update(status=after, completed_at=now if after == "completed" else None)


def test_one_execution_of_an_agent_runs_at_a_time(org_a: Organization) -> None:
    agent = make_agent(org_a)
    keys = {Run.objects.for_org(org_a).get(pk=queue_execution(agent).run_id).concurrency_key for _ in range(2)} | {
        Run.objects.for_org(org_a).get(pk=queue_execution(make_agent(org_a)).run_id).concurrency_key
    }
    assert len(keys) == 2
    assert set(Run.objects.for_org(org_a).values_list("concurrency_limit", flat=True)) == {1}


def test_parameters_name_the_field_that_is_wrong(org_a: Organization, org_b: Organization) -> None:
    theirs = Watchlist.objects.for_org(org_b).create(org=org_b, name="Theirs")
    for configuration, field in [
        ({"threshold": 101}, "configuration.threshold"),
        ({"colour": "red"}, "configuration.colour"),
        ({"watchlist": str(theirs.pk)}, "configuration.watchlist"),
        ({"notify": [str(theirs.pk)]}, "configuration.notify"),
        ("text", "configuration"),
    ]:
        with pytest.raises(InvalidInput) as caught:
            make_agent(org_a, configuration=configuration)
        assert list(caught.value.fields) == [field]
    mine = Watchlist.objects.for_org(org_a).create(org=org_a, name="Mine")
    agent = make_agent(org_a, configuration={"watchlist": str(mine.pk)})
    assert agent.configuration == {"notify": [], "watchlist": str(mine.pk), "threshold": 50}
    mine.delete()
    execution = execute(agent)
    assert (execution.status, "does not exist" in execution.error_message) == ("failed", True)


def test_input_names_the_field_that_is_wrong(org_a: Organization) -> None:
    agent = make_agent(org_a)
    with pytest.raises(InvalidInput) as caught:
        queue_execution(agent, companies=[str(agent.pk)])
    assert list(caught.value.fields) == ["input.companies"]
    assert not AgentExecution.objects.for_org(org_a).exists()


def test_a_dedupe_key_starts_one_execution(org_a: Organization) -> None:
    agent = make_agent(org_a)
    first, is_new = start_execution(agent=agent, trigger=Trigger.EVENT, dedupe_key="event:1")
    second, is_newer = start_execution(agent=agent, trigger=Trigger.EVENT, dedupe_key="event:1")
    assert (is_new, is_newer, first.pk) == (True, False, second.pk)
    assert Run.objects.for_org(org_a).count() == 1


def hand_over(org: Organization, source: Agent, target: Agent, **gate: Any) -> Handoff:
    made: Handoff = Handoff.objects.for_org(org).create(org=org, source=source, target=target, **gate)
    return made


def test_what_passes_the_gate_is_handed_on(org_a: Organization) -> None:
    first, second, third = (make_agent(org_a) for _ in range(3))
    hand_over(org_a, first, second, min_score=60, max_subjects=2)
    hand_over(org_a, second, third, min_score=90)
    businesses = [str(make_business().pk) for _ in range(3)]
    root = execute(first, companies=businesses, score=70)
    children = AgentExecution.objects.for_org(org_a).filter(parent=root)
    assert [child.input_data["companies"] for child in children.order_by("pk")] == [[pk] for pk in businesses[:2]]
    assert {(child.status, child.depth, child.root_id, child.trigger) for child in children} == {
        ("completed", 1, root.pk, "handoff")
    }
    assert not AgentExecution.objects.for_org(org_a).filter(agent=third).exists()


def test_a_circle_of_agents_comes_to_its_end(org_a: Organization) -> None:
    first, second = make_agent(org_a), make_agent(org_a)
    hand_over(org_a, first, second)
    hand_over(org_a, second, first)
    root = execute(first, companies=[str(make_business().pk)])
    tree = AgentExecution.objects.for_org(org_a).filter(root_id=root.pk)
    assert sorted(tree.values_list("depth", flat=True)) == list(range(7))
    assert set(tree.values_list("status", flat=True)) == {"completed"}
    with pytest.raises(LimitReached):
        start_execution(agent=first, trigger=Trigger.HANDOFF, parent=tree.get(depth=6))


def test_cancelling_takes_what_was_caused_along(org_a: Organization) -> None:
    first, second = make_agent(org_a), make_agent(org_a)
    parent = queue_execution(first)
    child, _ = start_execution(
        agent=second, trigger=Trigger.HANDOFF, parent=parent, caused_by=Run.objects.for_org(org_a).get(pk=parent.run_id)
    )
    cancel_execution(execution=parent)
    child.refresh_from_db()
    assert child.status == "cancelled"


def test_a_schedule_is_checked_and_gives_the_next_time(org_a: Organization) -> None:
    agent = make_agent(org_a, schedule_cron="30 9 * * mon-fri")
    assert agent.next_run_at
    assert agent.next_run_at > timezone.now()
    assert update_agent(agent=agent, changes={"is_active": False}).next_run_at is None
    assert update_agent(agent=agent, changes={"is_active": True}).next_run_at == agent.next_run_at
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"schedule_cron": "every day"}, "schedule_cron"),
        ({"time_zone": "Mars"}, "time_zone"),
        ({"org": 1}, "org"),
    ]
    for changes, field in wrong:
        with pytest.raises(InvalidInput) as caught:
            update_agent(agent=agent, changes=changes)
        assert list(caught.value.fields) == [field]


def test_what_needs_an_input_is_not_run_by_the_clock(org_a: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    class Needing(Input):
        company: BusinessId

    monkeypatch.setattr(Probe, "Input", Needing)
    with pytest.raises(InvalidInput, match="needs company"):
        make_agent(org_a, schedule_cron="0 9 * * *")
    assert make_agent(org_a).next_run_at is None


def test_a_name_is_taken_once(org_a: Organization, org_b: Organization) -> None:
    make_agent(org_a, name="Scout")
    make_agent(org_b, name="Scout")
    with pytest.raises(InvalidInput) as caught:
        make_agent(org_a, name="scout")
    assert list(caught.value.fields) == ["name"]


def test_an_agent_at_work_is_not_deleted(org_a: Organization) -> None:
    agent = make_agent(org_a)
    execution = queue_execution(agent)
    with pytest.raises(WrongState):
        delete_agent(agent=agent)
    cancel_execution(execution=execution)
    delete_agent(agent=agent)
    assert not AgentExecution.objects.for_org(org_a).exists()


def test_work_stops_when_the_agent_is_gone(org_a: Organization) -> None:
    execution = queue_execution(make_agent(org_a))
    AgentExecution.objects.for_org(org_a).filter(pk=execution.pk).delete()
    assert work() == 1
    assert Run.objects.for_org(org_a).get().output == {"result": "gone"}


def test_a_lost_worker_leaves_a_readable_error(org_a: Organization) -> None:
    execution = queue_execution(make_agent(org_a))
    runs = Run.objects.for_org(org_a).filter(pk=execution.run_id)
    past = timezone.now() - timedelta(minutes=5)
    runs.update(status="running", lease_until=past, started_at=past, fence=1, attempt=1)
    execution.refresh_from_db()
    assert (execution.status, execution.started_at) == ("running", past)
    runs.update(status="failed", lease_until=None, finished_at=timezone.now(), error="")
    execution.refresh_from_db()
    assert (execution.status, execution.error_message) == ("failed", "It failed, and gave no reason.")
    assert execution.duration_ms
    assert execution.duration_ms >= 300_000
