"""The clock: agents whose time has come are started, once however many processes ask."""

from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import transaction
from django.utils import timezone

from agents.models import Agent, AgentExecution, ExecutionStatus, Trigger
from agents.querysets import due, with_last_slot
from agents.refusals import reason_of, record_refusal
from agents.services import slot_after, start_execution
from oppspot.core.errors import OppspotError
from oppspot.jobs.cron import InvalidCron

BATCH = 50  # agents of one transaction
OPEN = (ExecutionStatus.QUEUED, ExecutionStatus.RUNNING)

logger = structlog.get_logger(__name__)


@dataclass
class Started:
    """How many agents were due, by what became of their slot."""

    started: int = 0
    skipped: int = 0  # the slot before is still worked on
    refused: int = 0  # stored as failed executions

    @property
    def total(self) -> int:
        return self.started + self.skipped + self.refused


def start_due_agents(now: datetime | None = None) -> Started:
    """Start the agents that are due at `now`, and set when each is due next.

    Slots that nobody was there for are made up for by one execution. While the execution of the slot before has not
    ended, the slot is skipped: an agent that takes longer than its interval would fall behind for ever. Whatever is
    wrong with one agent, the others are started, and it keeps its times.
    """
    now = now or timezone.now()
    counts = Started()
    while True:
        before = counts.total
        with transaction.atomic():
            agents = with_last_slot(due(Agent.all_orgs.all(), now), AgentExecution.all_orgs.all())
            locked = agents.select_related("org").select_for_update(skip_locked=True, of=("self",))
            for agent in locked[:BATCH]:
                _start(agent, now, counts)
        if counts.total == before:
            return counts


def _start(agent: Agent, now: datetime, counts: Started) -> None:
    slot = agent.next_run_at or now
    key = f"slot:{slot.isoformat()}"
    if agent.last_slot in OPEN:  # type: ignore[attr-defined]  # annotated
        counts.skipped += 1
        logger.warning("slot_skipped", agent=str(agent.pk), slot=slot.isoformat())
    else:
        try:
            with transaction.atomic():
                start_execution(agent=agent, trigger=Trigger.SCHEDULE, dedupe_key=key)
            counts.started += 1
        except OppspotError as error:  # of a kind that is gone, or that cannot work without being given something
            record_refusal(agent=agent, trigger=Trigger.SCHEDULE, reason=reason_of(error), dedupe_key=key, now=now)
            counts.refused += 1
    try:
        following = slot_after(agent, now)
    except InvalidCron as error:  # it was valid when it was saved: the time zones of this machine are others
        record_refusal(
            agent=agent, trigger=Trigger.SCHEDULE, reason=f"It is not started any more: {error}",
            dedupe_key=f"stopped:{slot.isoformat()}", now=now,
        )  # fmt: skip
        following = None
    Agent.objects.for_org(agent.org).filter(pk=agent.pk).update(next_run_at=following)
