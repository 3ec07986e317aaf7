"""Events that start agents: which of them an agent listens to, and starting it when one comes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.utils import timezone
from pydantic import BaseModel, TypeAdapter, ValidationError

from agents.models import Agent, AgentExecution, AgentTrigger, Trigger
from agents.origins import agents_behind
from agents.refusals import reason_of, record_refusal
from agents.registry import get_kind
from agents.services import create_agent, start_execution
from oppspot.core.errors import InvalidInput, OppspotError, PermanentError
from oppspot.jobs.models import Run
from oppspot.jobs.registry import EventType, get_event
from oppspot.organizations.models import Organization
from signals_app.models import SignalType

# Events that may start agents. What an execution found is passed on by hand-offs, which have gates and limits.
TRIGGERING = ("signals/buying_signal.detected", "agent/research_gpt.run")
# Kinds whose event needs no trigger: it starts the organisation's own agent, which is made if there is none.
KIND_OF_EVENT = {"agent/research_gpt.run": "research_gpt"}
NAME_OF_KIND = {"research_gpt": "Research"}
# Values of fields whose schema takes any text: a misspelt one would never start anything.
VALUES = {("signals/buying_signal.detected", "signal_type"): SignalType.values}
MAX_FIELDS, MAX_VALUES, MAX_TEXT = 5, 50, 200
STORM, STORM_PERIOD = 100, timedelta(hours=1)  # executions of an agent that events start within the period

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class TriggerSpec:
    """An event that starts an agent, if each field named in `where` has one of the values."""

    event_name: str
    where: Mapping[str, Sequence[Any]] = field(default_factory=dict)


def valid_triggers(triggers: Sequence[TriggerSpec]) -> dict[str, dict[str, list[Any]]]:
    """The conditions by event. Raises `InvalidInput`, with the fields named `triggers.0.…`."""
    problems: dict[str, list[str]] = {}
    wanted: dict[str, dict[str, list[Any]]] = {}
    for place, spec in enumerate(triggers):
        if spec.event_name in wanted:
            problems[f"triggers.{place}.event_name"] = ["Named twice."]
            continue
        wanted[spec.event_name] = _valid_where(spec, f"triggers.{place}", problems)
    if problems:
        raise InvalidInput("The triggers do not fit.", fields=problems)
    return wanted


def set_triggers(*, agent: Agent, triggers: Sequence[TriggerSpec]) -> list[AgentTrigger]:
    """Have exactly these events start the agent. Raises `InvalidInput`, as `valid_triggers`."""
    wanted = valid_triggers(triggers)
    rows = AgentTrigger.objects.for_org(agent.org)
    with transaction.atomic():
        Agent.objects.for_org(agent.org).select_for_update().get(pk=agent.pk)
        rows.filter(agent=agent).exclude(event_name__in=wanted).delete()
        for name, where in wanted.items():
            rows.update_or_create(org=agent.org, agent=agent, event_name=name, defaults={"where": where})
    logger.info("agent_triggers_set", agent=str(agent.pk), events=sorted(wanted))
    return triggers_of([agent]).get(agent.pk, [])


def triggers_of(agents: Iterable[Agent]) -> dict[UUID, list[AgentTrigger]]:
    """By agent, all of one organisation; by one query."""
    found: dict[UUID, list[AgentTrigger]] = {}
    if known := list(agents):
        rows = AgentTrigger.objects.for_org(known[0].org).filter(agent__in=[agent.pk for agent in known])
        for row in rows.order_by("event_name"):
            found.setdefault(row.agent_id, []).append(row)
    return found


def _valid_where(spec: TriggerSpec, path: str, problems: dict[str, list[str]]) -> dict[str, list[Any]]:
    """The conditions, each value as the event's data have it."""
    if spec.event_name not in TRIGGERING:
        problems[f"{path}.event_name"] = [f"Choose one of {', '.join(TRIGGERING)}."]
        return {}
    event, valid = get_event(spec.event_name), {}
    if len(spec.where) > MAX_FIELDS:
        problems[f"{path}.where"] = [f"At most {MAX_FIELDS} fields."]
        return {}
    for name, values in spec.where.items():
        try:
            valid[name] = _valid_values(event, name, values)
        except ValueError as error:
            problems[f"{path}.where.{name}"[:MAX_TEXT]] = [str(error)]
    return valid


def _valid_values(event: EventType, name: str, values: Any) -> list[Any]:
    if name not in event.schema.model_fields:
        raise ValueError(f"The event has no such field; there are: {', '.join(event.schema.model_fields)}.")
    if not isinstance(values, list | tuple) or not 1 <= len(values) <= MAX_VALUES:
        raise ValueError(f"A list of 1 to {MAX_VALUES} values.")
    annotation: Any = event.schema.model_fields[name].annotation
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    valid = []
    choices = VALUES.get((event.name, name))
    for value in values:
        if choices is not None and value not in choices:
            raise ValueError(f"Choose from {', '.join(choices)}.")
        if not isinstance(value, str | int | float | bool) or len(str(value)) > MAX_TEXT:
            raise ValueError(f"Texts, numbers, true or false, of at most {MAX_TEXT} characters.")
        try:
            valid.append(adapter.dump_python(adapter.validate_python(value), mode="json"))
        except ValidationError as error:
            raise ValueError(f"{value!r}: {error.errors()[0]['msg']}") from None
    return valid


@dataclass
class Triggered:
    """What an event did."""

    started: list[str] = field(default_factory=list)  # ids of executions
    refused: int = 0  # stored as failed executions
    dropped: int = 0  # beyond the limit of an hour
    circular: int = 0  # agents that led to the event themselves

    def as_json(self) -> dict[str, Any]:
        return {"started": self.started, "refused": self.refused, "dropped": self.dropped, "circular": self.circular}


def start_triggered(*, org: Organization, event_id: UUID, data: BaseModel, caused_by: Run) -> Triggered:
    """Start the active agents of `org` that the event triggers; each once for an event. One transaction.

    An agent whose own executions led to the event is not started: it would go round in a circle.
    Raises `PermanentError` when an event that names its kind finds the organisation's agents of it paused.
    """
    name: str = data.event_name  # type: ignore[attr-defined]  # by the registry
    fields: dict[str, Any] = data.model_dump(mode="json")
    given = _Given(name, fields, event_id, caused_by, str(fields.get("requested_by") or caused_by.requested_by))
    done = Triggered()
    with transaction.atomic():
        behind = agents_behind(org, event_id)
        for agent in _listening(org, name, fields):
            if agent.pk in behind:
                done.circular += 1
            else:
                _start(agent, given, done)
    logger.info("event_triggered", event_name=name, event_id=str(event_id), **done.as_json())
    return done


@dataclass(frozen=True)
class _Given:
    """What the executions of one event have in common."""

    name: str
    fields: dict[str, Any]
    event_id: UUID
    caused_by: Run
    requested_by: str


def _listening(org: Organization, name: str, fields: Mapping[str, Any]) -> list[Agent]:
    rows = list(AgentTrigger.objects.for_org(org).filter(event_name=name).values_list("agent_id", "where"))
    if not rows and name in KIND_OF_EVENT:
        return [own_agent(org=org, kind=KIND_OF_EVENT[name])]
    ids = [pk for pk, where in rows if all(fields.get(key) in values for key, values in where.items())]
    agents = Agent.objects.for_org(org).filter(pk__in=ids, is_active=True)
    # Locked in one order, so that two events at once neither deadlock nor both take an agent's last place of the hour.
    return list(agents.select_related("org").order_by("pk").select_for_update(of=("self",), no_key=True))


def own_agent(*, org: Organization, kind: str) -> Agent:
    """The organisation's oldest active agent of a kind; it is made when there is none. Raises `PermanentError` when
    there are some and all are paused: a paused agent is started by nobody but a person."""
    get_kind(kind)
    Organization.objects.select_for_update(no_key=True).get(pk=org.pk)  # two events at once make one
    agents = Agent.objects.for_org(org).filter(agent_type=kind).select_related("org").order_by("pk")
    found: Agent | None = agents.filter(is_active=True).first()
    if found is not None:
        return found
    if agents.exists():
        raise PermanentError(f"The organisation's agents of kind {kind} are paused: resume one, or run it by hand.")
    wanted = NAME_OF_KIND.get(kind, get_kind(kind).title)
    taken = {name.lower() for name in Agent.objects.for_org(org).values_list("name", flat=True)}
    names = (wanted if number == 1 else f"{wanted} {number}" for number in range(1, len(taken) + 2))
    free = next(name for name in names if name.lower() not in taken)
    return create_agent(org=org, agent_type=kind, name=free, created_by="an event", description="Made for an event.")


def _start(agent: Agent, given: _Given, done: Triggered) -> None:
    key = f"event:{given.event_id}"
    executions = AgentExecution.objects.for_org(agent.org)
    try:
        wanted = get_kind(agent.agent_type).input_for_event(given.name, given.fields)
        if wanted is None:
            return
        if not executions.filter(agent=agent, dedupe_key=key).exists() and _is_storm(agent):
            _drop(agent, given)
            done.dropped += 1
            return
        with transaction.atomic():
            execution, _ = start_execution(
                agent=agent,
                trigger=Trigger.EVENT,
                given=wanted,
                requested_by=given.requested_by,
                dedupe_key=key,
                event_id=given.event_id,
                caused_by=given.caused_by,
            )
        done.started.append(str(execution.pk))
    except OppspotError as error:
        record_refusal(
            agent=agent, trigger=Trigger.EVENT, reason=reason_of(error), dedupe_key=key, event_id=given.event_id,
            requested_by=given.requested_by,
        )  # fmt: skip
        done.refused += 1


def _is_storm(agent: Agent) -> bool:
    """Whether events started it so often already: by the time of the start that is `STORM` back."""
    started = AgentExecution.objects.for_org(agent.org).filter(agent=agent, trigger=Trigger.EVENT)
    started = started.filter(dedupe_key__startswith="event:")  # not the rows that count what was dropped
    oldest = started.order_by("-pk").values_list("created_at", flat=True)[STORM - 1 : STORM].first()
    return oldest is not None and oldest > timezone.now() - STORM_PERIOD


def _drop(agent: Agent, given: _Given) -> None:
    """Count it, on one failed execution an hour that says so: that many rows would be a storm of their own."""
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    row = record_refusal(
        agent=agent, trigger=Trigger.EVENT, reason="Too many events.", dedupe_key=f"storm:{hour.isoformat()}",
        event_id=given.event_id, output={"dropped": 0},
    )  # fmt: skip
    dropped = (row.output_data or {}).get("dropped", 0) + 1
    AgentExecution.objects.for_org(agent.org).filter(pk=row.pk).update(
        output_data={"dropped": dropped},
        error_message=f"Events start an agent {STORM} times an hour at most: {dropped} more from {hour:%H:%M} UTC on "
        "did nothing. Let `where` of its trigger be narrower.",
    )
