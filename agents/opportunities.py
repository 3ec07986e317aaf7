"""Opportunities: found again and again they stay one row; people say what came of them."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from agents.models import Agent, AgentExecution, Mode, Opportunity, OpportunityStatus, Scorecard
from agents.scoring.candidates import SHARED_HOSTS
from agents.scoring.scores import Score
from businesses.models import Business, WatchlistEntry
from businesses.querysets import BusinessQuerySet
from oppspot.core.errors import InvalidInput
from oppspot.organizations.models import Organization

# What somebody has closed is not offered again by the agent that found it.
CLOSED = (OpportunityStatus.DISMISSED, OpportunityStatus.WON, OpportunityStatus.LOST)
SHOWN_REASONS = 12
LEAST_CHANGE = 5.0  # points: a fresh signal fades by one in two days
PARTS = ("score", "confidence", "fit", "intent", "timing", "data_quality")

logger = structlog.get_logger(__name__)


@dataclass
class Kept:
    """What became of the opportunities that an execution found: ids of companies, the best first."""

    new: list[UUID] = field(default_factory=list)
    seen: list[UUID] = field(default_factory=list)
    gone: list[UUID] = field(default_factory=list)
    ids: dict[UUID, UUID] = field(default_factory=dict)  # opportunity by company


def without_known(
    candidates: BusinessQuerySet, org: Organization, *, watchlist: UUID | None = None, others: Collection[UUID] = ()
) -> BusinessQuerySet:
    """Without companies that somebody of `org` has dismissed, won or lost, those on `watchlist`, and `others`; nor
    those that share a website with one: they are of one group. In SQL, so that a shortlist is not full of them."""
    known: list[Any] = [Opportunity.objects.for_org(org).filter(status__in=CLOSED).values("business_id")]
    if watchlist is not None:
        known.append(WatchlistEntry.objects.for_org(org).filter(watchlist=watchlist).values("business_id"))
    if others:
        known.append(list(others))
    for some in known:
        sites = Business.objects.filter(pk__in=some).exclude(domain__in=["", *SHARED_HOSTS]).values("domain")
        candidates = candidates.exclude(pk__in=some).exclude(domain__in=sites)
    return candidates


def keep_opportunities(
    *, execution: AgentExecution, scores: Sequence[Score], looked_at: Q | None, mode: Mode, now: datetime | None = None
) -> Kept:
    """Write what the execution found: new, seen before, or no longer found. Running it again changes nothing.

    `looked_at` narrows those that may be gone to what was looked at; None: nothing is gone.
    """
    now = now or timezone.now()
    org, agent = execution.org, execution.agent
    rows = Opportunity.objects.for_org(org).filter(agent=agent)
    kept = Kept()
    with transaction.atomic():
        Agent.objects.for_org(org).select_for_update().get(pk=agent.pk)
        wanted = {one.business_id: one for one in scores}
        known = {row.business_id: row for row in rows.filter(business__in=wanted)}
        fresh = [Opportunity(org=org, agent=agent, business_id=pk, first_seen_at=now)
                 for pk in wanted if pk not in known]  # fmt: skip
        for row in (*fresh, *known.values()):
            is_again = row.business_id in known and row.execution_id != execution.pk
            _fill(row, wanted[row.business_id], execution, mode, now)
            row.times_seen += is_again
        rows.bulk_create(fresh)
        columns = [*PARTS, "reasons", "mode", "execution", "last_seen_at", "gone_at", "times_seen"]
        rows.bulk_update(known.values(), columns, batch_size=500)
        kept.new = [pk for pk in wanted if pk not in known]
        kept.seen = [pk for pk in wanted if pk in known]
        kept.ids = {row.business_id: row.pk for row in (*fresh, *known.values())}
        if looked_at is not None:
            gone = rows.filter(looked_at, gone_at=None).exclude(business__in=wanted).exclude(status__in=CLOSED)
            kept.gone = list(gone.order_by("pk").values_list("business_id", flat=True))
            gone.update(gone_at=now)
    return kept


def _fill(row: Opportunity, score: Score, execution: AgentExecution, mode: Mode, now: datetime) -> None:
    for part in PARTS:
        setattr(row, part, getattr(score, part))
    row.reasons = reasons_of(score)
    row.mode, row.execution, row.last_seen_at, row.gone_at = mode, execution, now, None


def reasons_of(score: Score) -> list[dict[str, Any]]:
    """Why this one: the contributions that have points, the greatest first."""
    return [one.as_json() for one in score.contributions if one.points > 0][:SHOWN_REASONS]


def keep_scorecards(*, execution: AgentExecution, scores: Sequence[Score], icp_hash: str) -> int:
    """Add a scorecard for each company of which anything changed since the agent's last one; returns how many."""
    rows = Scorecard.objects.for_org(execution.org).filter(agent=execution.agent)
    ids = [one.business_id for one in scores]
    with transaction.atomic():
        Agent.objects.for_org(execution.org).select_for_update().get(pk=execution.agent_id)
        newest = rows.filter(business__in=ids).order_by("business", "-pk").distinct("business")
        last = {row.business_id: row for row in newest}
        made = [_scorecard(execution, one, icp_hash) for one in scores]
        fresh = [row for row in made if row.business_id not in last or _differs(row, last[row.business_id])]
        rows.bulk_create(fresh, batch_size=500)
    return len(fresh)


def _scorecard(execution: AgentExecution, score: Score, icp_hash: str) -> Scorecard:
    return Scorecard(
        org=execution.org,
        agent=execution.agent,
        execution=execution,
        business_id=score.business_id,
        contributions=[one.as_json() for one in score.contributions],
        icp_hash=icp_hash,
        **{part: getattr(score, part) for part in PARTS},
    )


def _differs(one: Scorecard, other: Scorecard) -> bool:
    """Another profile, fact or signal, or a score that moved: that all fade a little each day is no change."""
    has_moved = abs(one.score - other.score) >= LEAST_CHANGE or abs(one.confidence - other.confidence) >= LEAST_CHANGE
    return has_moved or (one.icp_hash, _substance(one)) != (other.icp_hash, _substance(other))


def _substance(card: Scorecard) -> list[str]:
    """What a score rests on, without the numbers that fade, in an order that does not follow these."""
    kept = ("part", "code", "text", "evidence")
    told = [{name: one[name] for name in kept} | {"unknown": one["met"] is None} for one in card.contributions]
    return sorted(json.dumps(one, sort_keys=True) for one in told)


def mark_opportunity(*, opportunity: Opportunity, status: str, outcome: str | None = None, by: str) -> Opportunity:
    """Say what came of it. Raises `InvalidInput` for a status that there is not."""
    if status not in OpportunityStatus.values:
        message = f"Choose one of {', '.join(OpportunityStatus.values)}."
        raise InvalidInput(message, fields={"status": [message]})
    rows = Opportunity.objects.for_org(opportunity.org)
    with transaction.atomic():
        row: Opportunity = rows.select_for_update().get(pk=opportunity.pk)
        row.status = status
        if outcome is not None:
            row.outcome = outcome
        row.handled_by, row.handled_at = (by, timezone.now()) if status != OpportunityStatus.OPEN else ("", None)
        row.save(update_fields=["status", "outcome", "handled_by", "handled_at"])
    logger.info("opportunity_marked", opportunity=str(row.pk), status=status)
    return row
