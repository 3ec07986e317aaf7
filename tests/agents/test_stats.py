"""What agents did and cost, summed."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from agents.models import Agent, AgentExecution, LLMBudget, LLMMonth
from agents.services import cancel_execution, delete_agent
from agents.stats import budget_of, month_of, stats_by_agent, stats_by_kind, usage_by_agent, usage_of, usage_total
from oppspot.organizations.models import Organization
from tests.agents.calls import NOVEMBER, make_call
from tests.agents.factories import execute, make_agent, queue_execution
from tests.factories import make_business

pytestmark = pytest.mark.django_db
OCTOBER, DECEMBER = date(2025, 10, 1), date(2025, 12, 1)


def ended(agent: Agent, duration_ms: int, **values: Any) -> AgentExecution:
    execution = execute(agent)
    AgentExecution.objects.for_org(agent.org).filter(pk=execution.pk).update(duration_ms=duration_ms, **values)
    return execution


def test_how_agents_did(org_a: Organization, org_b: Organization, django_assert_num_queries: Any) -> None:
    first, second = make_agent(org_a, name="Alpha"), make_agent(org_a, name="beta")
    for duration in (100, 200, 300):
        ended(first, duration, cost=Decimal("0.1"), tokens_used=10, api_calls=2)
    execute(first, ending="permanent")
    cancel_execution(execution=queue_execution(first))
    queue_execution(second)
    execute(second, companies=[str(make_business().pk) for _ in range(2)])
    ended(make_agent(org_b), 1)
    with django_assert_num_queries(1):
        alpha, beta = stats_by_agent(org=org_a)
    assert (alpha.name, alpha.kind, alpha.agent_id) == ("Alpha", "probe", first.pk)
    assert (alpha.executions, alpha.completed, alpha.failed, alpha.cancelled, alpha.open) == (5, 3, 1, 1, 0)
    assert (alpha.success_rate, alpha.p50_ms, alpha.p95_ms) == (0.75, 200, 290)
    assert (alpha.cost, alpha.tokens_used, alpha.api_calls) == (Decimal("0.3"), 30, 6)
    assert (beta.name, beta.executions, beta.completed, beta.items_processed) == ("beta", 2, 2, 2)
    with django_assert_num_queries(1):
        (probe,) = stats_by_kind(org=org_a)
    assert (probe.kind, probe.executions, probe.completed, probe.items_processed) == ("probe", 7, 5, 2)
    assert probe.success_rate == 5 / 6


def test_a_period(org_a: Organization) -> None:
    agent = make_agent(org_a)
    now = timezone.now()
    for days in (0, 1, 2):
        ended(agent, 100, created_at=now - timedelta(days=days))

    def count(since: datetime | None, until: datetime | None) -> int:
        return sum(stats.executions for stats in stats_by_agent(org=org_a, since=since, until=until))

    assert count(None, None) == 3
    assert count(now - timedelta(days=1), None) == 2
    assert count(now - timedelta(days=1), now) == 1  # the end does not belong to it
    assert count(None, now - timedelta(days=9)) == 0
    assert stats_by_kind(org=org_a, until=now - timedelta(days=9)) == []


def test_nothing_is_known_of_an_agent_that_ended_nothing(org_a: Organization) -> None:
    queue_execution(make_agent(org_a))
    (stats,) = stats_by_agent(org=org_a)
    assert (stats.success_rate, stats.p50_ms, stats.p95_ms, stats.open) == (None, None, None, 1)


def test_what_was_used(org_a: Organization, org_b: Organization, django_assert_num_queries: Any) -> None:
    agent, gone = make_agent(org_a, name="Ours"), make_agent(org_a)
    execution, other = execute(agent), execute(gone)
    make_call(org_a, execution, cost="0.00000001", tokens_in=10, tokens_out=5)
    make_call(org_a, execution, cost="1.25", tokens_in=20, tokens_out=5)
    make_call(org_a, execution, is_cached=True, tokens_in=99, tokens_out=99)
    make_call(org_a, execution, state="released")
    make_call(org_a, execution, state="unknown", cost="0.5", model="gpt-4.1")
    make_call(org_a, execution, state="reserved", reserved_cost=Decimal("0.125"), model="gpt-4.1")
    make_call(org_a, other, cost="3", month=OCTOBER)
    make_call(org_b, cost="100")
    delete_agent(agent=gone)  # what it cost stays
    with django_assert_num_queries(1):
        mini, large, old = usage_by_agent(org=org_a, since=OCTOBER, until=NOVEMBER)
    assert (mini.month, mini.agent_id, mini.agent, mini.kind, mini.model) == (
        NOVEMBER, agent.pk, "Ours", "probe", "gpt-4.1-mini",
    )  # fmt: skip
    assert (mini.requests, mini.cached, mini.failed, mini.tokens_in, mini.tokens_out) == (3, 1, 1, 30, 10)
    assert (mini.cost, mini.reserved) == (Decimal("1.25000001"), Decimal(0))
    assert (large.requests, large.failed, large.cost, large.reserved) == (2, 1, Decimal("0.5"), Decimal("0.125"))
    assert (old.month, old.agent_id, old.agent, old.kind, old.cost) == (OCTOBER, None, "", "", Decimal(3))
    with django_assert_num_queries(1):
        total = usage_total(org=org_a, since=NOVEMBER, until=NOVEMBER)
    assert (total.requests, total.cost, total.reserved) == (5, Decimal("1.75000001"), Decimal("0.125"))
    assert usage_total(org=org_a, since=DECEMBER, until=DECEMBER).cost == 0
    assert usage_by_agent(org=org_a, since=DECEMBER, until=DECEMBER) == []
    assert [(model, used.cost) for model, used in usage_of(execution)] == [
        ("gpt-4.1", Decimal("0.5")),
        ("gpt-4.1-mini", Decimal("1.25000001")),
    ]


def test_a_budget(org_a: Organization, org_b: Organization, settings: Settings) -> None:
    settings.LLM_MONTHLY_CAP, settings.LLM_RUN_CAP = 25.0, 0.1
    LLMBudget.objects.for_org(org_b).create(org=org_b, monthly_cap=1, run_cap=1)
    budget = budget_of(org_a)
    assert (budget.monthly_cap, budget.run_cap, budget.is_default) == (Decimal(25), Decimal("0.1"), True)
    assert (budget.spent, budget.left, budget.month) == (Decimal(0), Decimal(25), month_of(timezone.now()))
    LLMBudget.objects.for_org(org_a).create(org=org_a, monthly_cap=2, run_cap=1, updated_by="Ada")
    months = LLMMonth.objects.for_org(org_a)
    months.create(org=org_a, month=budget.month, spent=Decimal("1.5"), reserved=Decimal("0.25"))
    months.create(org=org_a, month=NOVEMBER, spent=9)
    budget = budget_of(org_a)
    assert (budget.monthly_cap, budget.run_cap, budget.is_default, budget.updated_by) == (
        Decimal(2),
        Decimal(1),
        False,
        "Ada",
    )
    assert (budget.spent, budget.reserved, budget.left) == (Decimal("1.5"), Decimal("0.25"), Decimal("0.25"))
    months.update(spent=3)
    assert budget_of(org_a).left == 0


def test_a_month_is_one_of_utc() -> None:
    assert month_of(datetime.fromisoformat("2026-05-01T00:30+01:00")) == date(2026, 4, 1)
    assert month_of(datetime(2026, 5, 1, tzinfo=UTC)) == date(2026, 5, 1)
