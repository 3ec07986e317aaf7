"""Where an event comes from: the agents whose executions led to it, one by another."""

from collections.abc import Iterator
from uuid import UUID

from agents.models import AgentExecution
from oppspot.jobs.models import Event
from oppspot.organizations.models import Organization


def agents_behind(org: Organization, event_id: UUID) -> set[UUID]:
    """The agent in whose execution the event was told, those whose executions caused that one by hand-offs or by
    earlier events, and so on. Empty for what a person, the clock or another system tells.

    It goes as far as jobs and events are kept. An agent comes once in such a line, as it is not started twice in it.
    """
    return {execution.agent_id for execution in _line(org, event_id)}


def _line(org: Organization, event_id: UUID | None) -> Iterator[AgentExecution]:
    seen: set[UUID] = set()
    while event_id is not None and event_id not in seen:
        seen.add(event_id)
        run = Event.objects.for_org(org).filter(pk=event_id).values_list("caused_by_run", flat=True).first()
        executions = AgentExecution.objects.for_org(org).only("agent_id", "parent_id", "event_id")
        execution = executions.filter(run_id=run).first() if run else None
        event_id = None
        while execution is not None:
            yield execution
            event_id = execution.event_id
            execution = executions.filter(pk=execution.parent_id).first() if execution.parent_id else None
