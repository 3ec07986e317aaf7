"""Caps hold whatever happens at once, and the books are the sums of the ledger."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import structlog
import time_machine
from django.db import connection, connections, transaction
from django.db.models import F
from django.utils import timezone
from pytest_django import Settings

from agents.budgets import (
    charge_unknown,
    close_orphans,
    release,
    reserve,
    run_cap,
    set_budget,
    settle,
)
from agents.events import LLMCallsClose
from agents.llm import BudgetExceeded, LLMFailed, asking, templates
from agents.models import Agent, AgentExecution, LLMCall, LLMMonth, LLMResponse
from agents.services import cancel_execution
from agents.stats import budget_of, usage_by_agent
from oppspot.core.errors import InvalidInput, RetryableError
from oppspot.jobs.services import emit
from oppspot.organizations.models import Organization
from oppspot.organizations.services import create_organization
from tests.agents import llm_server as stub
from tests.agents.factories import make_agent, queue_execution, work
from tests.agents.llm_cases import PROMPT, ask, calls_of, check_books, write_template
from tests.agents.llm_server import LLMServer

VALUES = {"model": "m", "prompt": "p", "prompt_version": "1", "prompt_sha256": "0"}
CENT = Decimal("0.01")


def put_aside(execution: AgentExecution, amount: Decimal = CENT) -> LLMCall:
    return reserve(org=execution.org, execution=execution, amount=amount, **VALUES)


@pytest.fixture
def execution(org_a: Organization) -> AgentExecution:
    return queue_execution(make_agent(org_a))


@pytest.mark.django_db
def test_a_call_is_reserved_and_then_settled_once(execution: AgentExecution) -> None:
    call = put_aside(execution)
    execution.refresh_from_db()
    assert execution.cost_reserved == CENT
    assert budget_of(execution.org).reserved == CENT
    assert settle(call=call, cost=Decimal("0.002"), tokens_in=5, tokens_out=2)
    assert not settle(call=call, cost=Decimal("0.009"))
    assert not release(call=call)
    execution.refresh_from_db()
    assert execution.cost == Decimal("0.002")
    assert (execution.api_calls, execution.tokens_used) == (1, 7)
    assert execution.cost_reserved == 0
    check_books(execution.org)


@pytest.mark.django_db
def test_what_is_learnt_late_corrects_the_books(execution: AgentExecution) -> None:
    first, second, third = (put_aside(execution) for _ in range(3))
    assert charge_unknown(call=first)
    assert charge_unknown(call=second)
    assert budget_of(execution.org).spent == 2 * CENT
    check_books(execution.org)
    assert settle(call=first, cost=Decimal("0.001"))
    assert release(call=second)
    assert release(call=third)
    assert budget_of(execution.org).spent == Decimal("0.001")
    assert budget_of(execution.org).reserved == 0
    check_books(execution.org)


@pytest.mark.django_db
def test_a_cap_says_what_it_is_and_how_to_raise_it(execution: AgentExecution) -> None:
    org = execution.org
    set_budget(org=org, monthly_cap=Decimal("0.015"), run_cap=Decimal(1), by="ada")
    call = put_aside(execution)
    with pytest.raises(BudgetExceeded) as caught:
        put_aside(execution)
    said = str(caught.value)
    for part in ("$0.015", "is spent", "$0.01 reserved", "may cost $0.01", "monthly cap"):
        assert part in said
    assert len(calls_of(org)) == 1
    set_budget(org=org, monthly_cap=Decimal("0.02"), run_cap=Decimal(1), by="ada")
    put_aside(execution)
    settle(call=call, cost=CENT)
    AgentExecution.objects.for_org(org).update(cost_cap=Decimal("0.025"))
    with pytest.raises(BudgetExceeded, match=r"execution may spend \$0.025 .* Raise the cap"):
        put_aside(execution)
    check_books(org)


@pytest.mark.django_db
def test_months_are_apart_and_calls_are_charged_to_theirs(execution: AgentExecution, org_b: Organization) -> None:
    set_budget(org=execution.org, monthly_cap=CENT, run_cap=Decimal(1), by="ada")
    with time_machine.travel(datetime(2026, 3, 31, 23, 59, tzinfo=UTC)):
        call = put_aside(execution)
    with time_machine.travel(datetime(2026, 4, 1, 0, 0, tzinfo=UTC)):
        put_aside(execution)
        settle(call=call, cost=CENT)
    rows = LLMMonth.objects.for_org(execution.org).order_by("month")
    assert [(str(row), row.spent, row.reserved) for row in rows] == [("2026-03", CENT, 0), ("2026-04", 0, CENT)]
    put_aside(queue_execution(make_agent(org_b)))  # of its own budget


@pytest.mark.django_db
def test_caps_come_from_the_agent_the_organisation_or_the_settings(org_a: Organization, settings: Settings) -> None:
    settings.LLM_RUN_CAP, settings.LLM_MONTHLY_CAP = 0.5, 9.0
    agent = make_agent(org_a)
    assert run_cap(agent) == Decimal("0.5")
    assert budget_of(org_a).monthly_cap == 9
    set_budget(org=org_a, monthly_cap=Decimal(3), run_cap=Decimal("0.25"), by="ada")
    set_budget(org=org_a, monthly_cap=Decimal(2), run_cap=Decimal("0.25"), by="ada")
    assert run_cap(agent) == Decimal("0.25")
    assert budget_of(org_a).monthly_cap == 2
    assert run_cap(Agent(org=org_a, run_cost_cap=Decimal("0.1"))) == Decimal("0.1")
    for cap in (Decimal(-1), Decimal("NaN"), Decimal(10) ** 7):
        with pytest.raises(InvalidInput) as caught:
            set_budget(org=org_a, monthly_cap=cap, run_cap=Decimal(1), by="ada")
        assert list(caught.value.fields) == ["monthly_cap"]


@pytest.mark.django_db
def test_usage_is_summed_from_the_ledger_and_warns(execution: AgentExecution) -> None:
    org = execution.org
    set_budget(org=org, monthly_cap=Decimal("0.02"), run_cap=Decimal(1), by="ada")
    with structlog.testing.capture_logs() as logs:
        settle(call=put_aside(execution), cost=CENT, tokens_in=10, tokens_out=1)
        charge_unknown(call=put_aside(execution, Decimal("0.007")))
    assert [line["percent"] for line in logs if line["event"] == "llm_budget_used"] == [50, 80]
    assert budget_of(org).warning == 80
    assert budget_of(org).left == Decimal("0.003")
    month = budget_of(org).month
    (row,) = usage_by_agent(org=org, since=month, until=month)
    assert (row.agent_id, row.kind, row.model) == (execution.agent_id, "probe", "m")
    assert (row.requests, row.failed, row.cached, row.tokens_in, row.tokens_out) == (2, 1, 0, 10, 1)
    assert row.cost == Decimal("0.017")
    later = (month + timedelta(days=40)).replace(day=1)
    assert usage_by_agent(org=org, since=later, until=later) == []


@pytest.mark.django_db
def test_calls_of_dead_workers_are_charged(execution: AgentExecution, settings: Settings) -> None:
    settings.LLM_TIMEOUT_S = 60
    org = execution.org
    old, ended, young = (put_aside(execution) for _ in range(3))
    other = queue_execution(execution.agent)
    calls = LLMCall.objects.for_org(org)
    calls.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(minutes=16))
    calls.filter(pk=ended.pk).update(created_at=timezone.now() - timedelta(minutes=3), execution=other)
    cancel_execution(execution=other)
    LLMResponse.objects.for_org(org).create(org=org, key="k", text="{}", model="m", expires_at=timezone.now())
    emit(LLMCallsClose, LLMCallsClose())
    work()
    assert {call.pk for call in calls.filter(state="unknown")} == {old.pk, ended.pk}
    assert calls.get(pk=young.pk).state == "reserved"
    assert close_orphans() == 0
    assert not LLMResponse.objects.for_org(org).exists()
    assert budget_of(org).spent == 2 * CENT


@pytest.mark.django_db
def test_what_was_spent_stays_when_its_execution_is_deleted(execution: AgentExecution) -> None:
    org = execution.org
    call = put_aside(execution)
    AgentExecution.objects.for_org(org).filter(pk=execution.pk).delete()
    assert settle(call=call, cost=CENT)
    assert budget_of(org).spent == CENT
    with pytest.raises(BudgetExceeded, match="deleted"):
        put_aside(execution)


@pytest.mark.django_db
def test_a_reservation_outlives_its_caller(execution: AgentExecution) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        put_aside(execution)


# At once, on connections of their own


@pytest.fixture
def many_connections(transactional_db: None) -> Iterator[None]:
    """For as many threads as there are workers elsewhere, each with a process of its own."""
    connection.ensure_connection()
    pool = connection.pool  # type: ignore[attr-defined]  # of the Postgres backend
    least, most = pool.min_size, pool.max_size
    pool.resize(least, 40)
    yield
    pool.resize(least, most)


def close_own(barrier: threading.Barrier) -> None:
    barrier.wait(10)  # so that each thread comes by once
    connections.close_all()


def spend(executions: list[AgentExecution], count: int, workers: int = 32) -> tuple[int, list[str]]:
    """`count` questions by `workers` threads; how many were answered, and what a watcher saw above a cap."""
    org = executions[0].org
    stop, above = threading.Event(), []

    def watch() -> None:
        while not stop.is_set():
            budget = budget_of(org)
            if budget.spent + budget.reserved > budget.monthly_cap:
                above.append(f"month: {budget}")
            over = AgentExecution.objects.for_org(org).filter(cost__gt=F("cost_cap") - F("cost_reserved"))
            above.extend(f"execution: {each.cost}" for each in over)
            stop.wait(0.02)
        connections.close_all()

    def one(place: int) -> bool:
        try:
            ask(executions[place % len(executions)], f"Company {place}")
        except (BudgetExceeded, LLMFailed, RetryableError):
            return False
        return True

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with ThreadPoolExecutor(workers) as pool:
            answered = sum(pool.map(one, range(count)))
            barrier = threading.Barrier(workers)
            list(pool.map(lambda _: close_own(barrier), range(workers)))
    finally:
        stop.set()
        watcher.join()
    return answered, above


@pytest.mark.usefixtures("many_connections")
@pytest.mark.parametrize("fault", [None, 0.3], ids=["well", "failing"])
def test_many_workers_never_pass_a_cap_and_the_books_equal_the_bill(
    fault: float | None, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_template(tmp_path)
    monkeypatch.setattr(templates, "FOLDER", tmp_path)
    monkeypatch.setattr(asking, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr("agents.llm.breaker.FAILURES", 1_000_000)
    templates.get_template.cache_clear()
    org = create_organization(name="Alpha", slug="alpha")
    executions = [queue_execution(make_agent(org)) for _ in range(8)]
    with LLMServer() as server:
        server.handlers[PROMPT] = lambda _: {"summary": "Acme makes anvils.", "quote": "", "tone": "calm"}
        server.keeps_requests = False
        if fault:
            server.always = stub.failing(fault, seed=7)
        settings.LLM_API_KEY, settings.LLM_BASE_URL, settings.LLM_MODEL = "key", server.url, "gpt-4.1-mini"
        set_budget(org=org, monthly_cap=Decimal("0.05"), run_cap=Decimal("0.01"), by="ada")
        AgentExecution.objects.for_org(org).update(cost_cap=Decimal("0.0075"))
        answered, above = spend(executions, 500)
        assert above == []
        calls = calls_of(org)
        assert sum(call.cost for call in calls if call.state == "settled") == server.billed
        assert sum(call.state == "settled" for call in calls) == server.counts["billed_answers"]
        assert len(calls) == server.counts["requests"]
        assert {call.state for call in calls} <= {"settled", "released", "unknown"}
        assert 0 < answered < 500  # the cap was met
        check_books(org)
    templates.get_template.cache_clear()
