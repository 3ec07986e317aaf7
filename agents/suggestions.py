"""Profiles suggested by outcomes: proposed for an agent, and accepted or rejected by a person."""

from dataclasses import asdict
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone

from agents.models import Agent, IcpSuggestion, SuggestionStatus
from agents.registry import get_kind
from agents.scoring.lift import Suggestion, suggest
from agents.scoring.outcomes import digest_of_cases, load_cases
from agents.scoring.profile import Icp, Weights, digest_of
from agents.services import update_agent
from oppspot.core.errors import InvalidInput
from oppspot.jobs.services import WrongState

logger = structlog.get_logger(__name__)


def propose_icp(*, agent: Agent, by: str) -> tuple[IcpSuggestion, bool]:
    """Learn a profile for `agent` from what its organisation won and lost; returns it, and whether it is new.

    While neither the outcomes nor the agent's profile have changed, the open suggestion comes back; otherwise a new
    one replaces it. Raises `InvalidInput` for an agent without a profile, and where there are too few outcomes.
    """
    current = icp_of(agent)
    cases = load_cases(agent.org)
    made = suggest(current, cases)
    digest = digest_of_cases(cases)[:32] + digest_of(current, Weights())[:32]
    rows = IcpSuggestion.objects.for_org(agent.org)
    with transaction.atomic():
        Agent.objects.for_org(agent.org).select_for_update().get(pk=agent.pk)  # one at a time
        open_one = rows.filter(agent=agent, status=SuggestionStatus.PROPOSED).first()
        if open_one is not None and open_one.digest == digest:
            return open_one, False
        if open_one is not None:
            _close(open_one, SuggestionStatus.REPLACED, by)
        row: IcpSuggestion = rows.create(
            org=agent.org, agent=agent, current_icp=current.model_dump(mode="json"), digest=digest, proposed_by=by,
            **_columns(made),
        )  # fmt: skip
        row.refresh_from_db()
    logger.info("icp_proposed", suggestion=str(row.pk), agent=str(agent.pk), learnt=sorted(made.learnt))
    return row, True


def _columns(made: Suggestion) -> dict[str, Any]:
    return {
        "icp": made.icp.model_dump(mode="json"),
        "learnt": made.learnt,
        "lifts": [one.as_json() for one in made.lifts],
        "figures": {
            "train": asdict(made.train),
            "hold_out": asdict(made.hold_out),
            "suggested": made.suggested.as_json(),
            "current": made.current.as_json(),
        },
        "won": made.train.won + made.hold_out.won,
        "lost": made.train.lost + made.hold_out.lost,
    }


def icp_of(agent: Agent) -> Icp:
    """The agent's profile. Raises `InvalidInput` for a kind that has none."""
    params = get_kind(agent.agent_type).Params.model_validate(agent.configuration)
    icp = getattr(params, "icp", None)
    if not isinstance(icp, Icp):
        message = "This kind of agent has no ideal customer profile."
        raise InvalidInput(message, fields={"agent": [message]})
    return icp


def accept_icp(*, suggestion: IcpSuggestion, by: str) -> IcpSuggestion:
    """Make it the agent's profile. Raises `WrongState` where somebody was faster, or the agent's profile is no longer
    the one that it was made from; `InvalidInput` where the configuration is refused."""
    with transaction.atomic():
        # The agent first, as who proposes locks it first.
        agent: Agent = Agent.objects.for_org(suggestion.org).select_for_update().get(pk=suggestion.agent_id)
        row = _locked(suggestion)
        if icp_of(agent) != Icp.model_validate(row.current_icp):
            raise WrongState("The agent's profile has changed since: propose anew.")
        update_agent(agent=agent, changes={"configuration": agent.configuration | {"icp": row.icp}})
        _close(row, SuggestionStatus.ACCEPTED, by)
    logger.info("icp_accepted", suggestion=str(row.pk), agent=str(agent.pk))
    return row


def reject_icp(*, suggestion: IcpSuggestion, by: str) -> IcpSuggestion:
    """Leave the agent as it is. Raises `WrongState` where somebody was faster."""
    with transaction.atomic():
        row = _locked(suggestion)
        _close(row, SuggestionStatus.REJECTED, by)
    logger.info("icp_rejected", suggestion=str(row.pk), agent=str(row.agent_id))
    return row


def _locked(suggestion: IcpSuggestion) -> IcpSuggestion:
    row: IcpSuggestion = IcpSuggestion.objects.for_org(suggestion.org).select_for_update().get(pk=suggestion.pk)
    if row.status != SuggestionStatus.PROPOSED:
        raise WrongState(f"It is {row.get_status_display().lower()} already.")
    return row


def _close(row: IcpSuggestion, status: SuggestionStatus, by: str) -> None:
    row.status, row.handled_by, row.handled_at = status, by, timezone.now()
    row.save(update_fields=["status", "handled_by", "handled_at"])
