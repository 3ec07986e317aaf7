"""Scores companies against an ideal customer profile, each score with all that it is the sum of."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from agents.base import Input, Kind, Outcome, Params, Subject
from agents.context import ExecutionContext
from agents.models import Mode
from agents.opportunities import keep_scorecards
from agents.references import BusinessId, OpportunityId, WatchlistId
from agents.scoring.candidates import eligible, score_businesses, shortlist
from agents.scoring.criteria import criteria_of
from agents.scoring.meaning import Meaning, meaning_of
from agents.scoring.profile import Filters, Icp, Weights, digest_of
from agents.scoring.reading import read_profile
from agents.scoring.scores import Score
from businesses.models import Business


class ScoringParams(Params):
    icp: Annotated[Icp, Field(title="Ideal customer", description="What fits.")] = Icp()
    weights: Annotated[Weights, Field(title="Weights", description="What counts how much.")] = Weights()
    filters: Annotated[Filters, Field(title="Only", description="Companies that are looked at.")] = Filters()
    watchlist: Annotated[
        WatchlistId | None, Field(title="Watchlist", description="Score only companies on it; empty: the register.")
    ] = None
    keep: Annotated[
        int, Field(title="Keep", description="Scorecards of an execution over the register, the best.", ge=1, le=1_000)
    ] = 200
    min_score: Annotated[
        float, Field(title="Hand on from", description="Companies of this score go to the next agent.", ge=0, le=100)
    ] = 50


class ScoringInput(Input):
    companies: Annotated[
        list[BusinessId],
        Field(title="Companies", description="Score these, whatever the filters; empty: candidates.", max_length=500),
    ] = []
    opportunity: Annotated[
        OpportunityId | None, Field(title="Opportunity", description="That the company is handed over with.")
    ] = None


class ScoringAgent(Kind[ScoringParams, ScoringInput]):
    slug = "scoring_agent"
    title = "Scoring"
    description = "Scores companies by fit, intent, timing and data quality, and says why."
    Params = ScoringParams
    Input = ScoringInput
    asks_no_more = True

    def run(self, ctx: ExecutionContext[ScoringParams, ScoringInput]) -> Outcome:
        params, day = ctx.params, ctx.began_at.date()
        meaning = meaning_of(params.icp)
        read = read_profile(ctx, params.icp)
        found = ctx.step("find", lambda: [str(pk) for pk in self._candidates(ctx, meaning)], transactional=False,
                         inputs={"companies": len(ctx.input.companies)})  # fmt: skip
        icp_hash = digest_of(params.icp, params.weights, meaning.model)

        def score() -> dict[str, Any]:
            scores = score_businesses(ctx.org, [UUID(pk) for pk in found], icp=params.icp, meaning=meaning,
                                      weights=params.weights, day=day)  # fmt: skip
            kept = scores if ctx.input.companies else scores[: params.keep]
            changed = keep_scorecards(execution=ctx.execution, scores=kept, icp_hash=icp_hash)
            best = [one for one in kept if one.score >= params.min_score][:20]
            return {"scored": len(scores), "kept": len(kept), "changed": changed, "best": _named(best)}

        made = ctx.step("score", score, inputs={"candidates": len(found), "icp": icp_hash[:12]})
        return Outcome(
            output=made | {"day": day.isoformat(), "notes": list(meaning.notes), "read": read},
            items_processed=made["scored"],
            mode=Mode(read["mode"]),
            subjects=[
                Subject(UUID(one["id"]), one["score"], one["evidence"], one["reason"], ctx.input.opportunity)
                for one in made["best"]
            ],
            news=[f"{one['name']}: {one['score']:.0f} of 100, {one['reason']}" for one in made["best"][:10]]
            if made["changed"] else (),
        )  # fmt: skip

    @staticmethod
    def _candidates(ctx: ExecutionContext[ScoringParams, ScoringInput], meaning: Meaning) -> list[UUID]:
        if ctx.input.companies:
            return sorted(ctx.input.companies)
        params = ctx.params
        criteria = criteria_of(params.icp, ctx.began_at.date())
        return shortlist(ctx.org, eligible(params.filters), criteria, meaning, params.weights,
                         watchlist=params.watchlist)  # fmt: skip

    def input_for_subject(self, subject: Subject) -> dict[str, Any]:
        opportunity = str(subject.opportunity_id) if subject.opportunity_id else None
        return {"companies": [str(subject.business_id)], "opportunity": opportunity}

    def input_for_event(self, name: str, data: Mapping[str, Any]) -> dict[str, Any] | None:
        return {"companies": [str(data["company_id"])]} if "company_id" in data else None


def _named(scores: list[Score]) -> list[dict[str, Any]]:
    names = dict(Business.objects.filter(pk__in=[one.business_id for one in scores]).values_list("pk", "name"))
    return [
        {"id": str(one.business_id), "name": names[one.business_id], "score": one.score, "evidence": one.evidence,
         "reason": one.contributions[0].text}
        for one in scores
    ]  # fmt: skip
