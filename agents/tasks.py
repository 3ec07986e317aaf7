"""The job of each kind of agent, and those that start agents by the clock and by events."""

from agents.budgets import close_orphans
from agents.events import ExecutionRequested, LLMCallsClose, execution_event
from agents.execution import execute
from agents.llm.store import delete_expired
from agents.registry import all_kinds
from oppspot.jobs.context import Context
from oppspot.jobs.registry import event, function

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


@function(on=LLMCallsClose, retries=3, timeout=600)
def close_llm_calls(ctx: Context, data: LLMCallsClose) -> dict[str, int]:
    """Charge calls that were lost with their worker; delete answers that have expired."""
    lost = ctx.step("close", close_orphans, transactional=False)
    return {"lost": lost, "expired": ctx.step("delete", delete_expired)}
