"""What may be done with agents and their executions."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.budgets import run_cap
from agents.events import execution_event
from agents.models import Agent, AgentExecution, Trigger
from agents.references import check_references
from agents.registry import get_kind, valid_input, valid_params
from oppspot.core.errors import InvalidInput, OppspotError, PermanentError
from oppspot.core.ids import uuid7
from oppspot.jobs.cron import InvalidCron, check_cron, next_slot
from oppspot.jobs.models import Run
from oppspot.jobs.services import WrongState, cancel_run, emit, retry_run
from oppspot.organizations.models import Organization

MAX_DEPTH = 6  # executions that caused one another, the first counted as 0
MAX_CHILDREN = 20  # executions that one may cause
MAX_TREE = 200  # executions that one may lead to
EDITABLE = ("name", "description", "configuration", "schedule_cron", "time_zone", "run_cost_cap")

logger = structlog.get_logger(__name__)


class LimitReached(OppspotError):
    """An execution may not cause any more."""

    code = "limit_reached"
    status = 409


def create_agent(*, org: Organization, agent_type: str, name: str, created_by: str = "", **values: Any) -> Agent:
    """Set up an agent. Raises `InvalidInput`, naming the field (`configuration.…` for those of its kind)."""
    agent = Agent(org=org, agent_type=agent_type, name=name, created_by=created_by, **values)
    _prepare(agent)
    with _unique_name():
        agent.save(force_insert=True)
    logger.info("agent_created", agent=str(agent.pk), kind=agent_type)
    return agent


def update_agent(*, agent: Agent, changes: Mapping[str, Any]) -> Agent:
    """Change what is `EDITABLE`, or pause and resume by `is_active`. Raises `InvalidInput`, as `create_agent`."""
    if unknown := changes.keys() - {*EDITABLE, "is_active"}:
        raise InvalidInput("That cannot be changed.", fields={name: ["Cannot be changed."] for name in sorted(unknown)})
    with transaction.atomic():
        locked: Agent = Agent.objects.for_org(agent.org).select_for_update().get(pk=agent.pk)
        times = (locked.schedule_cron, locked.time_zone, locked.is_active)
        for name, value in changes.items():
            setattr(locked, name, value)
        _prepare(locked, is_rescheduled=times != (locked.schedule_cron, locked.time_zone, locked.is_active))
        with _unique_name():
            locked.save()
    logger.info("agent_changed", agent=str(agent.pk), changed=sorted(changes))
    return locked


def check_agent(agent: Agent) -> None:
    """Raise `InvalidInput`, naming the fields, for an agent that is set up in a way that cannot work."""
    if not agent.name.strip():
        raise InvalidInput("An agent needs a name.", fields={"name": ["May not be empty."]})
    try:
        kind = get_kind(agent.agent_type)
    except PermanentError as error:
        raise InvalidInput(error.message, fields={"agent_type": [error.message]}) from None
    params = valid_params(kind, agent.configuration)
    check_references(params, agent.org, prefix="configuration")
    agent.configuration = params.model_dump(mode="json")
    needed = [name for name, info in kind.Input.model_fields.items() if info.is_required()]
    if agent.schedule_cron and needed:
        message = f"An execution needs {', '.join(needed)}, which the clock does not give."
        raise InvalidInput(message, fields={"schedule_cron": [message]})
    if agent.schedule_cron or agent.time_zone:
        try:
            check_cron(agent.schedule_cron or "* * * * *", agent.time_zone)
        except InvalidCron as error:
            field = "time_zone" if "time zone" in str(error) else "schedule_cron"
            raise InvalidInput(str(error), fields={field: [str(error)]}) from None


def _prepare(agent: Agent, *, is_rescheduled: bool = True) -> None:
    check_agent(agent)
    if is_rescheduled:
        agent.next_run_at = slot_after(agent, timezone.now())


def slot_after(agent: Agent, moment: datetime) -> datetime | None:
    """When the agent is due next after `moment`; None for one that is paused, or has no schedule."""
    if not agent.is_active or not agent.schedule_cron:
        return None
    return next_slot(agent.schedule_cron, agent.time_zone, moment)


def start_execution(
    *,
    agent: Agent,
    trigger: Trigger,
    given: Mapping[str, Any] | None = None,
    requested_by: str = "",
    dedupe_key: str = "",
    parent: AgentExecution | None = None,
    event_id: UUID | None = None,
    caused_by: Run | None = None,
) -> tuple[AgentExecution, bool]:
    """Put an execution in line, in the caller's transaction; returns it, and whether it is new.

    The same `dedupe_key` of an agent starts one execution only: the first comes back. Raises `InvalidInput` for an
    input that does not fit the kind or names what `org` does not have, and `LimitReached` for a child that goes too
    deep or is one too many.
    """
    kind = get_kind(agent.agent_type)
    valid = valid_input(kind, dict(given or {}))
    check_references(valid, agent.org, prefix="input")
    pk = uuid7()
    execution = AgentExecution(
        pk=pk,
        org=agent.org,
        agent=agent,
        trigger=trigger,
        input_data=valid.model_dump(mode="json"),
        parent=parent,
        root_id=parent.root_id if parent else pk,
        depth=parent.depth + 1 if parent else 0,
        event_id=event_id,
        dedupe_key=dedupe_key,
        requested_by=requested_by,
        cost_cap=run_cap(agent),
    )
    with transaction.atomic():
        if parent is not None:
            _check_limits(parent)
        executions = AgentExecution.objects.for_org(agent.org)
        if dedupe_key:
            executions.bulk_create([execution], ignore_conflicts=True)
            if not executions.filter(pk=pk).exists():
                return executions.get(agent=agent, dedupe_key=dedupe_key), False
        else:
            execution.save(force_insert=True)
        emitted = emit(
            execution_event(kind.slug),
            {"execution_id": pk, "agent_id": agent.pk},
            org=agent.org,
            requested_by=requested_by,
            caused_by=caused_by,
        )
        executions.filter(pk=pk).update(run_id=emitted.run_ids[0])
    execution.refresh_from_db()
    logger.info("execution_queued", execution=str(pk), agent=str(agent.pk), trigger=trigger)
    return execution, True


def _check_limits(parent: AgentExecution) -> None:
    executions = AgentExecution.objects.for_org(parent.org)
    executions.select_for_update().filter(pk=parent.root_id).first()  # one at a time counts the tree
    if parent.depth + 1 > MAX_DEPTH:
        raise LimitReached(f"Executions cause one another {MAX_DEPTH} deep at most.")
    if executions.filter(parent=parent).count() >= MAX_CHILDREN:
        raise LimitReached(f"An execution causes {MAX_CHILDREN} others at most.")
    if executions.filter(root_id=parent.root_id).count() >= MAX_TREE:
        raise LimitReached(f"An execution leads to {MAX_TREE} others at most.")


def cancel_execution(*, execution: AgentExecution) -> AgentExecution:
    """Cancel it and those it caused. Raises `WrongState` for one that has ended."""
    cancel_run(_run_of(execution))
    execution.refresh_from_db()
    return execution


def retry_execution(*, execution: AgentExecution) -> AgentExecution:
    """Go on with a failed or cancelled execution after its last finished step, with what it may cost now. Raises
    `WrongState`."""
    with transaction.atomic():
        retry_run(_run_of(execution))
        executions = AgentExecution.objects.for_org(execution.org).filter(pk=execution.pk)
        executions.update(cost_cap=run_cap(execution.agent))
    execution.refresh_from_db()
    return execution


def _run_of(execution: AgentExecution) -> Run:
    run: Run | None = Run.objects.for_org(execution.org).filter(pk=execution.run_id).first()
    if run is None:
        raise WrongState("The job of this execution is no longer kept; start the agent anew.")
    return run


def delete_agent(*, agent: Agent) -> None:
    """Delete an agent with its executions; what it found and what it cost stay. Raises `WrongState` while one runs."""
    with transaction.atomic():
        Agent.objects.for_org(agent.org).select_for_update().get(pk=agent.pk)
        at_work = AgentExecution.objects.for_org(agent.org).filter(agent=agent, status__in=("queued", "running"))
        if at_work.exists():
            raise WrongState("The agent is at work: cancel its executions first.")
        agent.delete()
    logger.info("agent_deleted", agent=str(agent.pk))


@contextmanager
def _unique_name() -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if "agent_name_once" not in str(error):
            raise
        raise InvalidInput("There is an agent of this name.", fields={"name": ["Is taken."]}) from None


def as_cost(value: Decimal | None) -> str | None:
    """US dollars as text, exact; for JSON, where a number would be rounded."""
    return None if value is None else f"{value.normalize():f}"
