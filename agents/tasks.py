"""The job of each kind of agent, and those that start agents by the clock and by events."""

from typing import Any

from pydantic import BaseModel

from agents.budgets import close_orphans
from agents.dry_runs import SECONDS, dry_run
from agents.due import start_due_agents
from agents.events import (
    DryRunRequested,
    DueAgentsStart,
    ExecutionRequested,
    LLMCallsClose,
    ResearchGptRun,
    execution_event,
)
from agents.execution import execute
from agents.llm.store import delete_expired
from agents.models import Agent
from agents.registry import all_kinds
from agents.triggers import start_triggered
from oppspot.jobs.context import Context
from oppspot.jobs.registry import event, function
from signals_app.events import BuyingSignalDetected

for _slug, _kind in all_kinds().items():
    # A schema of its own, as an event's name belongs to its class.
    _schema = event(execution_event(_slug))(type(f"Execute_{_slug}", (ExecutionRequested,), {"__module__": __name__}))
    function(
        on=_schema,
        name=f"agents.{_slug}",
        retries=_kind.retries,
        timeout=_kind.timeout_s,
        concurrency=("agent_id", _kind.parallel),
    )(execute)


@function(on=DryRunRequested, name="agents.dry_run", retries=0, timeout=2 * SECONDS, concurrency=("org", 1))
def do_dry_run(ctx: Context, data: DryRunRequested) -> dict[str, Any]:
    """One at a time of an organisation: others wait for what it looks at."""
    agent = Agent.objects.for_org(ctx.org).select_related("org").filter(pk=data.agent_id).first()
    return dry_run(agent=agent, given=data.input).as_json() if agent else {"result": "gone"}


@function(on=DueAgentsStart, retries=0, timeout=60)
def start_due(ctx: Context, data: DueAgentsStart) -> dict[str, int]:
    """The next minute makes up for a failure."""
    done = start_due_agents()
    return {"started": done.started, "skipped": done.skipped, "refused": done.refused}


@function(on=BuyingSignalDetected, retries=10, timeout=60)
def start_for_signal(ctx: Context, data: BuyingSignalDetected) -> dict[str, Any]:
    return _start_triggered(ctx, data)


@function(on=ResearchGptRun, retries=10, timeout=60)
def start_research(ctx: Context, data: ResearchGptRun) -> dict[str, Any]:
    return _start_triggered(ctx, data)


def _start_triggered(ctx: Context, data: BaseModel) -> dict[str, Any]:
    org = ctx.org
    if org is None:
        return {"result": "no organisation"}  # agents are an organisation's

    def start() -> dict[str, Any]:
        return start_triggered(org=org, event_id=ctx.run.event_id, data=data, caused_by=ctx.run).as_json()

    return ctx.step("start", start)


@function(on=LLMCallsClose, retries=3, timeout=600)
def close_llm_calls(ctx: Context, data: LLMCallsClose) -> dict[str, int]:
    """Charge calls that were lost with their worker; delete answers that have expired."""
    lost = ctx.step("close", close_orphans, transactional=False)
    return {"lost": lost, "expired": ctx.step("delete", delete_expired)}
