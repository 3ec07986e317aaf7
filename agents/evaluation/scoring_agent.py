"""Scores: exact sums, monotone, and blind to what must not matter, over companies made at random; and their order on
labelled profiles and on planted outcomes."""

import json
import math
from datetime import date, timedelta
from random import Random
from typing import Any

from agents.evaluation import planted
from agents.evaluation.base import SEED, Evaluation, Property
from agents.evaluation.random_companies import DAY, random_facts, random_icp, random_signal, random_weights
from agents.evaluation.ranking import score_measures
from agents.scoring.criteria import criteria_of
from agents.scoring.facts import Facts
from agents.scoring.profile import Icp, Weights
from agents.scoring.scores import PARTS, Score, score_company

LEAST_PLANTED = 1_000  # with fewer, hardly anything is won in the last months
NOT_MEASURED = [
    "Ranking quality on real outcomes: the repository has none. Planted ones prove the machinery only.",
    "Orders by size and by the number of signals on labelled profiles: neither is known of any company of the sample.",
    "Use to a business: cannot be known offline.",
]


def evaluate(cases: int) -> Evaluation:
    """`cases` random companies under random profiles and weights."""
    chance = Random(SEED)
    exact, bounded = Property("contributions sum to the score to 1e-9"), Property("all parts within 0 to 100")
    monotone, older = Property("a further positive signal never lowers it"), Property("age never raises the intent")
    blind, same = Property("neither order nor name matters"), Property("same input, same bytes")
    unknown = Property("what is unknown is no match: taking a fact away gains no points for it")
    for number in range(cases):
        facts, icp, weights = random_facts(chance), random_icp(chance), random_weights(chance)
        score = _score(facts, icp, weights)
        case = f"case {number} of seed {SEED}"
        exact.check(math.isclose(score.score, math.fsum(one.points for one in score.contributions), abs_tol=1e-9), case)
        values = [score.score, score.confidence, *(getattr(score, part) for part in PARTS)]
        bounded.check(all(value is None or -1e-9 <= value <= 100 + 1e-9 for value in values), case)
        more = _with(facts, signals=(*facts.signals, random_signal(chance, is_negative=False)))
        monotone.check(_score(more, icp, weights).score >= score.score - 1e-9, case)
        later = _score(facts, icp, weights, day=DAY + timedelta(days=chance.randint(1, 300)))
        older.check((later.intent or 0) <= (score.intent or 0) + 1e-9, case)
        shuffled = list(facts.signals)
        chance.shuffle(shuffled)
        blind.check(_score(_with(facts, signals=tuple(shuffled), name="Another"), icp, weights) == score, case)
        same.check(_bytes(_score(facts, icp, weights)) == _bytes(score), case)
        bare = _score(_with(facts, sic_codes=(), town="", town_upper="", postcode_area="", employee_count=None,
                            accounts_category=""), icp, weights)  # fmt: skip
        asked = [one for one in bare.contributions if one.code in {"industry", "place", "size", "employees"}]
        unknown.check(not any(one.points for one in asked), case)
    properties = [exact, bounded, monotone, older, blind, same, unknown]
    labelled, missing = score_measures()
    invented = planted.planted_cases(min(planted.CASES, max(LEAST_PLANTED, cases)))
    measures = [*labelled, *planted.measures(invented)]
    return Evaluation("scoring_agent", properties, measures, [*missing, *NOT_MEASURED])


def _score(facts: Facts, icp: Icp, weights: Weights, *, day: date = DAY) -> Score:
    return score_company(facts, criteria_of(icp, DAY), weights, day)


def _bytes(score: Score) -> bytes:
    return json.dumps([score.score, *(one.as_json() for one in score.contributions)], sort_keys=True).encode()


def _with(facts: Facts, **changes: Any) -> Facts:
    return Facts(**{name: getattr(facts, name) for name in Facts.__slots__} | changes)
