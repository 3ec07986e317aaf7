"""Who could introduce us: paths from known companies and people to a target, over the register."""

from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from agents.base import Input, Kind, Outcome, Params, Subject
from agents.context import ExecutionContext
from agents.models import Opportunity, OpportunityStatus
from agents.paths.evidence import Facts, tell_left_out
from agents.paths.keeping import record_paths
from agents.paths.namesakes import find_namesakes
from agents.paths.search import MAX_HOPS, Paths, TooManyTies, find_paths
from agents.references import BusinessId, OfficerId, WatchlistId
from businesses.models import Business, WatchlistEntry

SHOWN_LEFT_OUT = 20
MAX_SOURCES = 100_000  # as many as a watchlist holds


class RelationshipParams(Params):
    watchlist: Annotated[
        WatchlistId | None,
        Field(title="Known companies", description="A watchlist of your customers; empty: companies of won deals."),
    ] = None
    people: Annotated[
        list[OfficerId],
        Field(title="Known people", description="Ids of officers of the register whom you know.", max_length=200),
    ] = []
    target: Annotated[
        BusinessId | None,
        Field(title="Target", description="The company to be introduced to; empty: the best open opportunities."),
    ] = None
    max_targets: Annotated[
        int, Field(title="Targets", description="How many opportunities are looked at, at most.", ge=1, le=20)
    ] = 10
    max_hops: Annotated[
        int, Field(title="Hops", description="How many companies away the target may be, at most.", ge=1, le=MAX_HOPS)
    ] = MAX_HOPS
    max_paths: Annotated[
        int, Field(title="Paths", description="How many paths to a target are kept, the strongest first.", ge=1, le=20)
    ] = 5


class RelationshipInput(Input):
    target: Annotated[
        BusinessId | None, Field(title="Target", description="The company to be introduced to, this time.")
    ] = None


Context = ExecutionContext[RelationshipParams, RelationshipInput]


class RelationshipAgent(Kind[RelationshipParams, RelationshipInput]):
    slug = "relationship_agent"
    title = "Relationship agent"
    description = "Finds who could introduce you to a company: shared officers and addresses, up to three hops away."
    Params = RelationshipParams
    Input = RelationshipInput

    def run(self, ctx: Context) -> Outcome:
        targets = [UUID(pk) for pk in ctx.step("targets", partial(_targets, ctx))]
        results: list[dict[str, Any]] = []
        for done, target in enumerate(targets):
            inputs = {"target": str(target), "hops": ctx.params.max_hops, "paths": ctx.params.max_paths}
            results.append(ctx.step(f"paths to {target}", partial(_look, ctx, target), inputs=inputs))
            ctx.progress(done + 1, len(targets))
        known = results[0]["known"] if results else _count_known(ctx)
        return Outcome(
            output={
                "targets": results,
                "known_companies": known,
                "known_people": len(ctx.params.people),
                "note": "" if results else "No target was named, and there is no open opportunity.",
            },
            items_processed=len(results),
            subjects=[
                Subject(UUID(one["target"]), score=100 * one["strength"], evidence=one["evidence"], reason=one["best"])
                for one in sorted(results, key=lambda one: -one["strength"])
                if one["paths"]
            ],
            news=[f"A way to be introduced to {one['name']}: {path}" for one in results for path in one["news"]],
            failure=""
            if known or ctx.params.people
            else "There is nobody to start from: name a watchlist of known companies, or people.",
        )

    def input_for_subject(self, subject: Subject) -> dict[str, Any]:
        return {"target": str(subject.business_id)}

    def input_for_event(self, name: str, data: Mapping[str, Any]) -> dict[str, Any] | None:
        """The company that an event tells of; nothing for one that names none."""
        return {"target": str(data["company_id"])} if data.get("company_id") else None


def _targets(ctx: Context) -> list[str]:
    wanted = ctx.input.target or ctx.params.target
    if wanted is not None:
        return [str(wanted)]
    opportunities = Opportunity.objects.for_org(ctx.org).filter(status=OpportunityStatus.OPEN, gone_at=None)
    best = dict.fromkeys(opportunities.order_by("-score", "pk").values_list("business", flat=True)[:200])
    return [str(pk) for pk in best][: ctx.params.max_targets]


def _known(ctx: Context) -> list[UUID]:
    """Ids of the companies that paths may begin with."""
    if ctx.params.watchlist is not None:
        entries = WatchlistEntry.objects.for_org(ctx.org).filter(watchlist=ctx.params.watchlist)
        rows = entries.order_by("pk").values_list("business", flat=True)
    elif ctx.params.people:
        return []
    else:
        won = Opportunity.objects.for_org(ctx.org).filter(status=OpportunityStatus.WON)
        rows = won.order_by("pk").values_list("business", flat=True)
    return list(dict.fromkeys(rows[:MAX_SOURCES]))


def _count_known(ctx: Context) -> int:
    return len(_known(ctx))


def _look(ctx: Context, target: UUID) -> dict[str, Any]:
    """Find the paths to one target and keep them; what came of it, small."""
    known, day = _known(ctx), ctx.execution.created_at.date()
    paths, hops = _search(ctx, target, known, day)
    facts = Facts(paths.found)
    told = [(path, facts.tell(path)) for path in paths.found]
    kept = record_paths(org=ctx.org, execution=ctx.execution, target=target, paths=told)
    namesakes = [] if target in known else find_namesakes(target=target, sources=known)
    best = told[0] if told else None
    return {
        "target": str(target),
        "name": Business.objects.values_list("name", flat=True).get(pk=target),
        "is_known": target in known,
        "known": len(known),
        "hops": hops,
        "new": len(kept.new),
        "gone": kept.gone,
        "strength": round(best[0].strength, 4) if best else 0.0,
        "best": best[1].summary if best else "",
        "evidence": best[1].evidence if best else 0,
        "paths": [str(pk) for pk in kept.ids],
        "news": [one.summary for (_, one), pk in zip(told, kept.ids, strict=True) if pk in kept.new],
        "left_out": {"count": len(paths.left_out), "shown": tell_left_out(paths.left_out[:SHOWN_LEFT_OUT])},
        "possible_unverified": [one.as_json() for one in namesakes],
    }


def _search(ctx: Context, target: UUID, known: list[UUID], day: date) -> tuple[Paths, int]:
    """The paths, and how many hops were searched: fewer than asked for where that many take too long."""
    for hops in range(ctx.params.max_hops, 1, -1):
        try:
            return _find(ctx, target, known, day, hops), hops
        except TooManyTies:
            ctx.log(f"{hops} hops take too long; {hops - 1} are searched.", target=str(target))
    return _find(ctx, target, known, day, 1), 1


def _find(ctx: Context, target: UUID, known: list[UUID], day: date, hops: int) -> Paths:
    return find_paths(
        target=target, sources=known, people=ctx.params.people, day=day, max_hops=hops, limit=ctx.params.max_paths
    )
