"""Looks for companies worth acting upon, again and again, and tells of those that are new."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from django.db.models import Q
from pydantic import Field

from agents.base import Input, Kind, Outcome, Params, Subject
from agents.context import ExecutionContext
from agents.models import Mode
from agents.opportunities import keep_opportunities, without_known
from agents.references import BusinessId, WatchlistId
from agents.scoring.candidates import diverse, eligible, score_businesses, shortlist
from agents.scoring.criteria import criteria_of
from agents.scoring.meaning import Meaning, meaning_of
from agents.scoring.profile import Filters, Icp, Weights
from agents.scoring.reading import read_profile
from agents.scoring.scores import Score
from businesses.models import Business
from businesses.querysets import BusinessQuerySet
from oppspot.organizations.models import Organization


class OpportunityParams(Params):
    filters: Annotated[
        Filters, Field(title="Criteria", description="What a company must be; none is found that is not.")
    ] = Filters()
    icp: Annotated[Icp, Field(title="Ideal customer", description="What fits best, in words or by examples.")] = Icp()
    weights: Annotated[Weights, Field(title="Weights", description="What counts how much.")] = Weights()
    watchlist: Annotated[
        WatchlistId | None, Field(title="Watchlist", description="Look only on it; empty: in the whole register.")
    ] = None
    exclude: Annotated[
        WatchlistId | None, Field(title="Leave out", description="A watchlist of companies that you know already.")
    ] = None
    min_score: Annotated[float, Field(title="Lowest score", description="0 to 100.", ge=0, le=100)] = 5
    max_opportunities: Annotated[
        int, Field(title="At most", description="Opportunities of one execution, the best.", ge=1, le=200)
    ] = 20


class OpportunityInput(Input):
    companies: Annotated[
        list[BusinessId],
        Field(title="Companies", description="Look at these only; empty: at all that pass.", max_length=500),
    ] = []


class OpportunityBot(Kind[OpportunityParams, OpportunityInput]):
    slug = "opportunity_bot"
    title = "Opportunities"
    description = "Finds companies that fit and move, keeps them as opportunities, and tells of new ones."
    Params = OpportunityParams
    Input = OpportunityInput
    asks_no_more = True

    def run(self, ctx: ExecutionContext[OpportunityParams, OpportunityInput]) -> Outcome:
        day = ctx.began_at.date()
        meaning = meaning_of(ctx.params.icp)  # may ask the provider of embeddings: outside of a transaction

        read = read_profile(ctx, ctx.params.icp)
        mode = Mode(read["mode"])

        def find() -> list[str]:
            found = find_opportunities(ctx.org, ctx.params, day=day, only=ctx.input.companies, meaning=meaning)
            return [str(one.business_id) for one in found]

        found = ctx.step("find", find, transactional=False)

        def keep() -> dict[str, Any]:
            scores = score_businesses(ctx.org, [UUID(pk) for pk in found], icp=ctx.params.icp, meaning=meaning,
                                      weights=ctx.params.weights, day=day)  # fmt: skip
            looked_at = Q(business__in=ctx.input.companies) if ctx.input.companies else Q()
            kept = keep_opportunities(
                execution=ctx.execution, scores=scores, looked_at=looked_at, mode=mode, now=ctx.began_at
            )
            new = [one for one in scores if one.business_id in set(kept.new)]
            return {"new": _shown(new, kept.ids), "seen": len(kept.seen), "gone": len(kept.gone)}

        made = ctx.step("keep", keep, inputs={"found": len(found)})
        return Outcome(
            output=made | {"found": len(found), "day": day.isoformat(), "notes": list(meaning.notes), "read": read},
            items_processed=len(found),
            mode=mode,
            subjects=[
                Subject(UUID(one["business"]), one["score"], one["evidence"], one["reason"], UUID(one["id"]))
                for one in made["new"]
            ],
            news=_digest(made["new"]),
        )

    def input_for_subject(self, subject: Subject) -> dict[str, Any]:
        return {"companies": [str(subject.business_id)]}


def find_opportunities(
    org: Organization, params: OpportunityParams, *, day: date, only: list[UUID], meaning: Meaning | None = None
) -> list[Score]:
    """What the criteria find for `org` as of `day`, the best first: never what fails a filter, was closed by somebody,
    is left out, is an example of the profile, or is of one group with such a one. `only` narrows it to these companies.
    Without `meaning`, the profile's is made; that may ask the provider of embeddings."""
    meaning = meaning_of(params.icp) if meaning is None else meaning
    candidates, criteria = candidates_of(org, params, only), criteria_of(params.icp, day)
    ids = shortlist(org, candidates, criteria, meaning, params.weights, watchlist=params.watchlist)
    scores = score_businesses(org, ids, icp=params.icp, meaning=meaning, weights=params.weights, day=day)
    return best_of(scores, params)


def candidates_of(org: Organization, params: OpportunityParams, only: list[UUID]) -> BusinessQuerySet:
    """What may be found at all, on the watchlist or not."""
    known = [*params.icp.examples, *params.icp.counter_examples]
    candidates = without_known(eligible(params.filters), org, watchlist=params.exclude, others=known)
    return candidates.filter(pk__in=only) if only else candidates


def best_of(scores: Sequence[Score], params: OpportunityParams) -> list[Score]:
    """What is offered of `scores`, which are sorted."""
    return diverse([one for one in scores if one.score >= params.min_score], params.max_opportunities)


def _shown(scores: list[Score], ids: dict[UUID, UUID]) -> list[dict[str, Any]]:
    names = dict(Business.objects.filter(pk__in=[one.business_id for one in scores]).values_list("pk", "name"))
    return [
        {"id": str(ids[one.business_id]), "business": str(one.business_id), "name": names[one.business_id],
         "score": one.score, "evidence": one.evidence, "reason": one.contributions[0].text}
        for one in scores
    ]  # fmt: skip


def _digest(new: list[dict[str, Any]]) -> list[str]:
    if not new:
        return []
    count = f"{len(new)} new opportunit{'y' if len(new) == 1 else 'ies'}"
    return [count, *(f"{one['name']}: {one['score']:.0f} of 100, {one['reason']}" for one in new)]
