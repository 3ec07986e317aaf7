"""An execution's work, from its start to its end. The job behind it keeps the promises: see `oppspot.jobs`."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import structlog
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from agents.base import Kind, Outcome, Subject
from agents.context import ExecutionContext
from agents.events import ExecutionRequested
from agents.models import Agent, AgentExecution, Handoff, Trigger
from agents.references import check_references
from agents.registry import get_kind, valid_input, valid_params
from agents.services import LimitReached, start_execution
from oppspot.core.errors import InvalidInput, PermanentError
from oppspot.jobs.context import Context
from signals_app.alerts.services import notify

logger = structlog.get_logger(__name__)


class AgentFailed(PermanentError):
    """The agent says that it failed."""


def execute(job: Context, data: ExecutionRequested) -> dict[str, Any]:
    """Do the execution. Raises what the kind raises; `AgentFailed` if the outcome says so."""
    executions = AgentExecution.objects.for_org(job.org).select_related("agent", "org")
    execution = executions.filter(pk=data.execution_id).first()
    if execution is None:
        return {"result": "gone"}
    kind = get_kind(execution.agent.agent_type)
    params = valid_params(kind, execution.agent.configuration)
    given = valid_input(kind, execution.input_data)
    check_references(params, execution.org, prefix="configuration")
    check_references(given, execution.org, prefix="input")
    ctx: ExecutionContext[Any, Any] = ExecutionContext(job, execution, params, given)
    outcome = kind.run(ctx)
    failure = job.step("conclude", partial(_conclude, ctx, outcome))
    if failure:
        raise AgentFailed(failure)
    return {"execution": str(execution.pk), "items": outcome.items_processed}


def _conclude(ctx: ExecutionContext[Any, Any], outcome: Outcome) -> str:
    """Keep what came out, hand it on, tell who wants to know: all or nothing. Returns the failure, if it is one."""
    execution = ctx.execution
    AgentExecution.objects.for_org(ctx.org).filter(pk=execution.pk).update(
        output_data=dict(outcome.output), items_processed=outcome.items_processed, mode=outcome.mode
    )
    Agent.objects.for_org(ctx.org).filter(pk=ctx.agent.pk).update(last_run_at=timezone.now())
    if not outcome.failure:
        _hand_on(ctx, outcome)
        if outcome.news and ctx.params.notify:
            notify(
                org=ctx.org,
                channel_ids=ctx.params.notify,
                subject=f"{ctx.agent.name}: {outcome.news[0]}"[:150],
                lines=list(outcome.news),
                link=f"{settings.PUBLIC_URL}{reverse('admin:agents_agentexecution_change', args=[execution.pk])}",
                dedupe_key=f"execution:{execution.pk}",
            )
    return outcome.failure


def _hand_on(ctx: ExecutionContext[Any, Any], outcome: Outcome) -> None:
    for handoff, passing in passing_gates(ctx.agent, outcome.subjects):
        kind = get_kind(handoff.target.agent_type)
        for subject in passing[: handoff.max_subjects]:
            _hand_over(ctx, handoff, kind, subject)


def passing_gates(agent: Agent, subjects: Sequence[Subject]) -> Iterator[tuple[Handoff, list[Subject]]]:
    """The agent's hand-offs to agents at work, each with those of the subjects that pass its gate: of them, at most
    `max_subjects` are handed on."""
    handoffs = Handoff.objects.for_org(agent.org).filter(source=agent, target__is_active=True)
    for handoff in handoffs.select_related("target", "target__org").order_by("pk"):
        yield handoff, [subject for subject in subjects if _passes(handoff, subject)]


def _passes(handoff: Handoff, subject: Subject) -> bool:
    has_score = handoff.min_score == 0 or (subject.score is not None and subject.score >= handoff.min_score)
    return has_score and subject.evidence >= handoff.min_evidence


def _hand_over(ctx: ExecutionContext[Any, Any], handoff: Handoff, kind: Kind[Any, Any], subject: Subject) -> None:
    given = kind.input_for_subject(subject)
    if given is None:
        return
    try:
        start_execution(
            agent=handoff.target,
            trigger=Trigger.HANDOFF,
            given=given,
            requested_by=ctx.execution.requested_by,
            dedupe_key=f"handoff:{ctx.execution.pk}:{subject.opportunity_id or subject.business_id}",
            parent=ctx.execution,
            caused_by=ctx.job.run,
        )
    except (LimitReached, InvalidInput) as error:
        logger.warning("handoff_refused", execution=str(ctx.execution.pk), target=str(handoff.target.pk),
                       reason=error.message)  # fmt: skip
        ctx.log(f"Not handed to {handoff.target.name}: {error.message}", business=str(subject.business_id))
