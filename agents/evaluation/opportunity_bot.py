"""Opportunities: what must never be offered, over random registers; and how well the order agrees with labels."""

from random import Random
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from agents.evaluation.base import SEED, Evaluation, Property
from agents.evaluation.opportunity_worlds import (
    CLOSED,
    Query,
    Remembered,
    World,
    findable,
    groups_of,
    known_in,
    let_time_pass,
    new_execution,
    passes_filters,
    random_query,
    random_world,
)
from agents.evaluation.random_companies import DAY
from agents.evaluation.ranking import opportunity_measures
from agents.kinds.opportunity_bot import best_of, candidates_of, find_opportunities
from agents.models import Mode, Opportunity
from agents.opportunities import Kept, keep_opportunities
from agents.scoring.candidates import best_first, on_watchlist
from agents.scoring.criteria import criteria_of
from agents.scoring.scores import Score, score_company

QUERIES = 100  # of one register
WHOLE = 10  # of so many queries, one is a whole execution; the others are put together of its parts
NOT_MEASURED = [
    "Use to a business: cannot be known offline.",
    "Agreement of two labellers: the labels have one.",
    "Orders by size or by signals, and what signals add to an order: nothing of them is known of the sample.",
    "Companies without a description, as most of the register: all of the sample have one.",
]


def evaluate(cases: int) -> Evaluation:
    """`cases` queries over registers of forty companies, a hundred each, and the labelled profiles.

    A whole execution is some thirty statements. Between them, queries are answered by the statement that decides what
    may be found, and scores in memory: what an execution does but for cutting a shortlist that no such register fills.
    """
    checks = _Checks()
    chance = Random(SEED)
    for start in range(0, cases, QUERIES):
        with transaction.atomic():
            world = random_world(chance)
            for number in range(start, min(start + QUERIES, cases)):
                query, case = random_query(chance, world), f"case {number} of seed {SEED}"
                if number % WHOLE:
                    checks.look(world, query, found_in_parts(world, query), case)
                else:
                    checks.execute(world, query, case)
                let_time_pass(chance, world)
            transaction.set_rollback(True)
    measures, missing = opportunity_measures()
    return Evaluation("opportunity_bot", checks.properties, measures, [*missing, *NOT_MEASURED])


class _Checks:
    """What must hold of each query."""

    def __init__(self) -> None:
        self.filters = Property("no hard filter is violated; nothing dissolved, and no shell unless asked for")
        self.known = Property("nothing that was closed, is known or is an example, nor of one group with it")
        self.twice = Property("no company twice, no two of one website")
        self.limits = Property("at most as many as asked for, from the lowest score on, the best first")
        self.complete = Property("what passes is found, up to the limit")
        self.history = Property("new, seen and gone are as the history tells")
        self.again = Property("the same execution again changes nothing")
        self.properties = [
            self.filters, self.known, self.twice, self.limits, self.complete, self.history, self.again,
        ]  # fmt: skip

    def look(self, world: World, query: Query, scores: list[Score], case: str) -> None:
        params, found = query.params, [one.business_id for one in scores]
        allowed = set(query.only) & (world.on_list[params.watchlist] if params.watchlist else set(query.only))
        passing = all(passes_filters(world.companies[pk], params) for pk in found)
        self.filters.check(passing and set(found) <= allowed, case)
        self.known.check(not set(found) & known_in(world, params), case)
        self.twice.check(len(set(groups_of(world, found))) == len(found), case)
        values = [one.score for one in scores]
        is_best_first = values == sorted(values, reverse=True)
        self.limits.check(
            len(found) <= params.max_opportunities and min(values, default=100) >= params.min_score and is_best_first,
            case,
        )
        could_be = len(set(groups_of(world, findable(world, query))))
        wanted = min(params.max_opportunities, could_be)
        self.complete.check(len(found) == wanted if params.min_score == 0 else len(found) <= wanted, case)

    def execute(self, world: World, query: Query, case: str) -> None:
        scores = find_opportunities(world.org, query.params, day=DAY, only=query.only, meaning=query.meaning)
        self.look(world, query, scores, case)
        execution, looked_at = new_execution(world), Q(business__in=query.only)
        kept = keep_opportunities(execution=execution, scores=scores, looked_at=looked_at, mode=Mode.DETERMINISTIC)
        expected = remember(world, [one.business_id for one in scores], query.only)
        told = (kept.new, kept.seen, set(kept.gone)) == (expected.new, expected.seen, set(expected.gone))
        self.history.check(told and stored(world) == world.kept, case)
        kept = keep_opportunities(execution=execution, scores=scores, looked_at=looked_at, mode=Mode.DETERMINISTIC)
        self.again.check(not kept.new and not kept.gone and stored(world) == world.kept, case)


def found_in_parts(world: World, query: Query) -> list[Score]:
    """What an execution finds, with facts that were loaded once, and without a comparison by meaning."""
    params = query.params
    candidates = candidates_of(world.org, params, query.only)
    if params.watchlist:
        candidates = on_watchlist(candidates, world.org, params.watchlist)
    criteria = criteria_of(params.icp, DAY)
    scores = (
        score_company(world.facts[pk], criteria, params.weights, DAY) for pk in candidates.values_list("pk", flat=True)
    )
    return best_of(sorted(scores, key=best_first), params)


def remember(world: World, found: list[UUID], only: list[UUID]) -> Kept:
    """What a further execution makes of the opportunities that are kept."""
    told = Kept(new=[pk for pk in found if pk not in world.kept], seen=[pk for pk in found if pk in world.kept])
    for pk in told.seen:
        world.kept[pk].times_seen += 1
        world.kept[pk].is_gone = False
    world.kept |= {pk: Remembered() for pk in told.new}
    for pk in set(only) - set(found):
        one = world.kept.get(pk)
        if one is not None and not one.is_gone and one.status not in CLOSED:
            one.is_gone = True
            told.gone.append(pk)
    return told


def stored(world: World) -> dict[UUID, Remembered]:
    rows = Opportunity.objects.for_org(world.org).filter(agent=world.agent)
    return {
        pk: Remembered(times_seen, gone_at is not None, status)
        for pk, times_seen, gone_at, status in rows.values_list("business_id", "times_seen", "gone_at", "status")
    }
