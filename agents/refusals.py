"""Executions that could not even begin: stored as failed, so that those who expect a result see why there is none."""

from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.utils import timezone

from agents.models import Agent, AgentExecution, ExecutionStatus, Trigger
from oppspot.core.errors import OppspotError
from oppspot.core.ids import uuid7

logger = structlog.get_logger(__name__)


def record_refusal(
    *,
    agent: Agent,
    trigger: Trigger,
    reason: str,
    dedupe_key: str,
    event_id: UUID | None = None,
    requested_by: str = "",
    output: dict[str, Any] | None = None,
    now: datetime | None = None,
) -> AgentExecution:
    """A failed execution that no job was made for; one for a `dedupe_key`, whose first `reason` stays."""
    pk, now = uuid7(), now or timezone.now()
    row = AgentExecution(
        pk=pk,
        org=agent.org,
        agent=agent,
        status=ExecutionStatus.FAILED,
        trigger=trigger,
        output_data=output,
        error_message=reason,
        root_id=pk,
        event_id=event_id,
        dedupe_key=dedupe_key,
        requested_by=requested_by,
        completed_at=now,
    )
    executions = AgentExecution.objects.for_org(agent.org)
    executions.bulk_create([row], ignore_conflicts=True)
    logger.warning("execution_refused", agent=str(agent.pk), trigger=trigger, reason=reason)
    stored: AgentExecution = executions.get(agent=agent, dedupe_key=dedupe_key)
    return stored


def reason_of(error: OppspotError) -> str:
    """What was wrong, by field, for people."""
    named = [f"{name}: {text}" for name, texts in error.fields.items() for text in texts]
    return " ".join([error.message, *named])
