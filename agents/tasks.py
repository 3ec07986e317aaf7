"""The job of each kind of agent, and those that start agents by the clock and by events."""

from agents.events import ExecutionRequested, execution_event
from agents.execution import execute
from agents.registry import all_kinds
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
