"""Events that start agents, and to whom agents hand on."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction

from agents import triggers
from agents.events import ResearchGptRun
from agents.handoffs import HandoffSpec, set_handoffs
from agents.models import Agent, AgentExecution, AgentTrigger, Handoff
from agents.services import update_agent
from agents.triggers import STORM, TRIGGERING, TriggerSpec, own_agent, set_triggers
from oppspot.core.errors import InvalidInput, PermanentError
from oppspot.jobs.models import Run
from oppspot.jobs.registry import get_event
from oppspot.jobs.services import emit, emit_many
from oppspot.organizations.models import Organization
from signals_app.events import BuyingSignalDetected
from signals_app.models import BuyingSignal
from tests.agents.factories import make_agent, work
from tests.agents.kinds.probe import Probe
from tests.factories import make_business
from tests.signals_app.factories import make_event

pytestmark = pytest.mark.django_db
SIGNAL, RESEARCH = TRIGGERING


@pytest.fixture(autouse=True)
def probes_take_events(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(kind: Probe, name: str, data: Mapping[str, Any]) -> dict[str, Any] | None:
        return None if data.get("depth") == "detailed" else {"companies": [data["company_id"]]}

    monkeypatch.setattr(Probe, "input_for_event", taken)


def listening(org: Organization, event: str = SIGNAL, /, **where: list[Any]) -> Agent:
    agent = make_agent(org)
    set_triggers(agent=agent, triggers=[TriggerSpec(event, where)])
    return agent


def detect(org: Organization | None, signal_type: str = "expansion", company: UUID | None = None) -> Run:
    """The run that starts agents for a signal, done."""
    company = company or make_business().pk
    data = BuyingSignalDetected(company_id=company, signal_type=signal_type, signal_data={})
    ids = emit(BuyingSignalDetected, data, org=org, requested_by="somebody").run_ids
    run = Run.all_orgs.get(pk__in=ids, function="agents.start_for_signal")
    work()
    run.refresh_from_db()
    return run


def of(agent: Agent) -> list[AgentExecution]:
    return list(AgentExecution.objects.for_org(agent.org).filter(agent=agent).order_by("pk"))


def test_an_event_starts_those_that_listen(org_a: Organization, org_b: Organization) -> None:
    every, some, other = listening(org_a), listening(org_a, signal_type=["expansion"]), make_agent(org_a)
    choosy, theirs = listening(org_a, signal_type=["funding_round", "executive_change"]), listening(org_b)
    paused = listening(org_a)
    update_agent(agent=paused, changes={"is_active": False})
    company = make_business().pk
    run = detect(org_a, company=company)
    assert [len(of(agent)) for agent in (every, some, other, choosy, theirs, paused)] == [1, 1, 0, 0, 0, 0]
    (execution,) = of(every)
    assert (execution.status, execution.trigger, execution.event_id) == ("completed", "event", run.event_id)
    assert (execution.input_data["companies"], execution.requested_by) == ([str(company)], "somebody")
    assert run.output == {
        "started": [str(execution.pk), str(of(some)[0].pk)],
        "refused": 0,
        "dropped": 0,
        "circular": 0,
    }
    assert Run.all_orgs.filter(parent=run, pk=execution.run_id or run.pk).exists()


def test_an_event_starts_an_agent_once(org_a: Organization) -> None:
    agent = listening(org_a)
    run = detect(org_a)
    for _ in range(2):
        triggers.start_triggered(
            org=org_a, event_id=run.event_id, data=get_event(SIGNAL).validated(run.event.data), caused_by=run
        )
    assert len(of(agent)) == 1


def test_an_event_of_nobody_starts_nobody(org_a: Organization) -> None:
    agent = listening(org_a)
    assert detect(None).output == {"result": "no organisation"}
    assert of(agent) == []


def test_a_company_that_is_gone_is_a_failed_execution(org_a: Organization) -> None:
    agent = listening(org_a)
    gone = uuid4()
    assert detect(org_a, company=gone).output == {"started": [], "refused": 1, "dropped": 0, "circular": 0}
    (execution,) = of(agent)
    assert execution.status == "failed"
    assert f"There is no company {gone}" in execution.error_message


def test_many_events_in_an_hour_are_dropped_and_counted(org_a: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    assert STORM == 100
    monkeypatch.setattr(triggers, "STORM", 3)
    agent, company = listening(org_a), make_business().pk
    signal = BuyingSignalDetected(company_id=company, signal_type="expansion", signal_data={})
    emit_many(BuyingSignalDetected, [signal] * 8, org=org_a)
    work()
    storm = [execution for execution in of(agent) if execution.status == "failed"]
    assert len(of(agent)) == 3 + len(storm)
    counts = [(execution.output_data or {})["dropped"] for execution in storm]
    assert sum(counts) == 5
    assert "start an agent 3 times an hour at most" in storm[-1].error_message
    assert all(f": {count} more" in row.error_message for count, row in zip(counts, storm, strict=True))
    AgentExecution.objects.for_org(org_a).update(created_at="2026-01-01T00:00Z")
    detect(org_a)
    assert of(agent)[-1].status == "completed"


@pytest.mark.django_db(transaction=True)
def test_events_at_once_do_not_pass_the_limit(org_a: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triggers, "STORM", 4)
    agents = [listening(org_a) for _ in range(2)]
    data = BuyingSignalDetected(company_id=make_business().pk, signal_type="expansion", signal_data={})
    emit_many(BuyingSignalDetected, [data] * 12, org=org_a)
    runs = list(Run.all_orgs.filter(function="agents.start_for_signal"))

    def start(run: Run) -> None:
        try:
            triggers.start_triggered(org=org_a, event_id=run.event_id, data=data, caused_by=run)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, runs))
    assert [sum(1 for execution in of(agent) if execution.run_id) for agent in agents] == [4, 4]


# Agents that would start themselves


def told_by(execution: AgentExecution) -> Run:
    """As `detect`, for a signal of an execution."""
    signal = BuyingSignalDetected(company_id=make_business().pk, signal_type="expansion", signal_data={})
    (event,) = emit_many(BuyingSignalDetected, [signal], org=execution.org, told_in=execution.run_id)
    work()
    return Run.all_orgs.get(event=event, function="agents.start_for_signal")


def test_a_signal_does_not_start_those_who_led_to_it(org_a: Organization) -> None:
    """Round a real scout: a signal starts an agent, whose hand-off has the scout look and tell of another signal."""
    circling, watching = listening(org_a), listening(org_a, signal_type=["funding_round"])
    company = make_business("Acme Robotics Ltd")
    make_event(company, payload={"title": "Acme Robotics Ltd raises £5m in Series A round led by Northern Ventures"})
    scout = make_agent(org_a, "scout_agent")
    set_handoffs(agent=circling, handoffs=[HandoffSpec(scout.pk)])
    detect(org_a, company=company.pk)
    assert [len(of(agent)) for agent in (circling, scout, watching)] == [1, 1, 1]
    signal = BuyingSignal.objects.for_org(org_a).get()
    run = Run.all_orgs.get(function="agents.start_for_signal", event__data__signal_id=str(signal.pk))
    assert run.output == {"started": [str(of(watching)[0].pk)], "refused": 0, "dropped": 0, "circular": 1}
    assert run.parent is None, "it stays when the scout is cancelled"
    detect(org_a)  # nobody's circle
    assert len(of(circling)) == 2


def test_a_circle_is_seen_over_several_events(org_a: Organization, org_b: Organization) -> None:
    first = listening(org_a, signal_type=["expansion"])
    detect(org_a)
    second = listening(org_a)
    assert told_by(of(first)[0]).output == {
        "started": [str(of(second)[0].pk)], "refused": 0, "dropped": 0, "circular": 1,
    }  # fmt: skip
    third = listening(org_a)
    assert (told_by(of(second)[0]).output or {})["circular"] == 2
    assert [len(of(agent)) for agent in (first, second, third)] == [1, 1, 1]
    theirs = listening(org_b)
    detect(org_b)
    foreign = of(theirs)[0]
    signal = BuyingSignalDetected(company_id=make_business().pk, signal_type="expansion", signal_data={})
    emit_many(BuyingSignalDetected, [signal], org=org_a, told_in=foreign.run_id)
    work()
    assert [len(of(agent)) for agent in (first, second, third, theirs)] == [2, 2, 2, 1]


# Research, which needs no trigger


def research(org: Organization, **values: Any) -> Run:
    company = make_business().pk
    emitted = emit(ResearchGptRun, ResearchGptRun(company_id=company, requested_by="Ada", **values), org=org)
    work()
    return Run.all_orgs.get(pk=emitted.run_ids[0])


def started_by(run: Run) -> list[str]:
    found: list[str] = (run.output or {})["started"]
    return found


@pytest.fixture
def probes_research(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triggers, "KIND_OF_EVENT", {RESEARCH: "probe"})
    monkeypatch.setattr(triggers, "NAME_OF_KIND", {"probe": "Research"})


@pytest.mark.usefixtures("probes_research")
def test_research_runs_the_organisations_own_agent(org_a: Organization, org_b: Organization) -> None:
    make_agent(org_b)
    research(org_a)
    research(org_a)
    (agent,) = Agent.objects.for_org(org_a)
    assert (agent.name, agent.agent_type) == ("Research", "probe")
    assert [(execution.status, execution.requested_by) for execution in of(agent)] == [("completed", "Ada")] * 2
    assert not AgentExecution.objects.for_org(org_b).exists()


@pytest.mark.usefixtures("probes_research")
def test_research_takes_the_oldest_that_is_not_paused(org_a: Organization) -> None:
    first, second, third = (make_agent(org_a, name=name) for name in ("One", "Two", "Three"))
    update_agent(agent=first, changes={"is_active": False})
    research(org_a)
    assert [len(of(agent)) for agent in (first, second, third)] == [0, 1, 0]
    for agent in (second, third):
        update_agent(agent=agent, changes={"is_active": False})
    with pytest.raises(PermanentError, match="are paused"):
        own_agent(org=org_a, kind="probe")
    run = research(org_a)
    assert (run.status, "are paused" in run.error) == ("failed", True)


@pytest.mark.usefixtures("probes_research")
def test_research_with_triggers_runs_these(org_a: Organization) -> None:
    make_agent(org_a)
    chosen = listening(org_a, RESEARCH, requested_by=["Ada"])
    (pk,) = started_by(research(org_a))
    assert [str(execution.pk) for execution in of(chosen)] == [pk]
    assert started_by(research(org_a, depth="detailed")) == []  # the kind can make nothing of it


def test_its_name_is_one_that_is_free(org_a: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triggers, "NAME_OF_KIND", {"probe": "Research"})
    names = []
    for _ in range(3):
        agent = own_agent(org=org_a, kind="probe")
        names.append(agent.name)
        # An agent of another kind has the name now.
        Agent.objects.for_org(org_a).filter(pk=agent.pk).update(agent_type="other")
    assert names == ["Research", "Research 2", "Research 3"]


@pytest.mark.django_db(transaction=True)
def test_two_events_at_once_make_one_agent(org_a: Organization) -> None:
    def make(_: int) -> UUID:
        try:
            with transaction.atomic():
                return own_agent(org=org_a, kind="probe").pk
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(make, range(8)))) == 1


# Setting them


def test_triggers_are_replaced(org_a: Organization) -> None:
    agent = make_agent(org_a)
    company = uuid4()
    both = [TriggerSpec(SIGNAL, {"signal_type": ["expansion"]}), TriggerSpec(RESEARCH, {"company_id": [str(company)]})]
    assert [(row.event_name, row.where) for row in set_triggers(agent=agent, triggers=both)] == [
        (RESEARCH, {"company_id": [str(company)]}),
        (SIGNAL, {"signal_type": ["expansion"]}),
    ]
    kept = AgentTrigger.objects.for_org(org_a).get(event_name=SIGNAL)
    (row,) = set_triggers(agent=agent, triggers=[TriggerSpec(SIGNAL)])
    assert (row.pk, row.where) == (kept.pk, {})
    assert set_triggers(agent=agent, triggers=[]) == []


@pytest.mark.parametrize(
    ("spec", "field", "said"),
    [
        (TriggerSpec("agents/due.start"), "triggers.0.event_name", "Choose one of"),
        (TriggerSpec("agents/probe.execute"), "triggers.0.event_name", "Choose one of"),
        (TriggerSpec(SIGNAL, {"colour": ["red"]}), "triggers.0.where.colour", "no such field; there are: company_id"),
        (TriggerSpec(SIGNAL, {"signal_type": ["fundign"]}), "triggers.0.where.signal_type", "Choose from"),
        (TriggerSpec(SIGNAL, {"signal_type": []}), "triggers.0.where.signal_type", "1 to 50 values"),
        (TriggerSpec(SIGNAL, {"signal_type": "expansion"}), "triggers.0.where.signal_type", "1 to 50 values"),
        (TriggerSpec(SIGNAL, {"company_id": ["acme"]}), "triggers.0.where.company_id", "valid UUID"),
        (TriggerSpec(SIGNAL, {"signal_data": [{}]}), "triggers.0.where.signal_data", "Texts, numbers"),
        (TriggerSpec(SIGNAL, {"signal_data": ["a"]}), "triggers.0.where.signal_data", "valid dictionary"),
        (TriggerSpec(RESEARCH, {"depth": ["deep"]}), "triggers.0.where.depth", "'quick' or 'detailed'"),
        (TriggerSpec(SIGNAL, {str(n): ["a"] for n in range(6)}), "triggers.0.where", "At most 5"),
    ],
)
def test_triggers_that_cannot_work_are_refused(org_a: Organization, spec: TriggerSpec, field: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        set_triggers(agent=make_agent(org_a), triggers=[spec])
    assert list(caught.value.fields) == [field]
    assert said in caught.value.fields[field][0]
    assert not AgentTrigger.objects.for_org(org_a).exists()


def test_an_event_is_named_once(org_a: Organization) -> None:
    with pytest.raises(InvalidInput) as caught:
        set_triggers(agent=make_agent(org_a), triggers=[TriggerSpec(SIGNAL), TriggerSpec(SIGNAL)])
    assert list(caught.value.fields) == ["triggers.1.event_name"]


def test_handoffs_are_replaced(org_a: Organization) -> None:
    source, first, second = (make_agent(org_a) for _ in range(3))
    set_handoffs(agent=source, handoffs=[HandoffSpec(first.pk, min_score=60), HandoffSpec(second.pk)])
    (row,) = set_handoffs(agent=source, handoffs=[HandoffSpec(second.pk, min_evidence=2, max_subjects=20)])
    assert (row.target, row.min_score, row.min_evidence, row.max_subjects) == (second, 0, 2, 20)
    assert set_handoffs(agent=source, handoffs=[]) == []
    assert not Handoff.objects.for_org(org_a).exists()


def test_handoffs_that_cannot_work_are_refused(org_a: Organization, org_b: Organization) -> None:
    source, target, theirs = make_agent(org_a), make_agent(org_a), make_agent(org_b)
    wrong: list[tuple[list[HandoffSpec], str]] = [
        ([HandoffSpec(source.pk)], "handoffs.0.target"),
        ([HandoffSpec(theirs.pk)], "handoffs.0.target"),
        ([HandoffSpec(target.pk), HandoffSpec(target.pk)], "handoffs.1.target"),
        ([HandoffSpec(target.pk, min_score=101)], "handoffs.0.min_score"),
        ([HandoffSpec(target.pk, max_subjects=0)], "handoffs.0.max_subjects"),
        ([HandoffSpec(target.pk, min_evidence=-1)], "handoffs.0.min_evidence"),
        ([HandoffSpec(uuid4())] * 11, "handoffs"),
    ]
    for specs, name in wrong:
        with pytest.raises(InvalidInput) as caught:
            set_handoffs(agent=source, handoffs=specs)
        assert list(caught.value.fields) == [name]
    assert not Handoff.objects.for_org(org_a).exists()
