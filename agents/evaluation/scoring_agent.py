"""Scores: exact sums, monotone, and blind to what must not matter, over companies made at random."""

import json
import math
from datetime import date, timedelta
from random import Random
from typing import Any
from uuid import UUID

from agents.evaluation.base import SEED, Evaluation, Property
from agents.scoring.criteria import criteria_of
from agents.scoring.facts import Event, Facts, Told
from agents.scoring.profile import Icp, SizeBand, Weights
from agents.scoring.scores import PARTS, Score, score_company
from signals_app.models import SignalType
from signals_app.scoring import Weighed

DAY = date(2026, 11, 1)
NOT_MEASURED = [
    "Ranking quality on outcomes: the repository has none that are labelled.",
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
    return Evaluation("scoring_agent", properties, not_measured=NOT_MEASURED)


def _score(facts: Facts, icp: Icp, weights: Weights, *, day: date = DAY) -> Score:
    return score_company(facts, criteria_of(icp, DAY), weights, day)


def _bytes(score: Score) -> bytes:
    return json.dumps([score.score, *(one.as_json() for one in score.contributions)], sort_keys=True).encode()


def _with(facts: Facts, **changes: Any) -> Facts:
    return Facts(**{name: getattr(facts, name) for name in Facts.__slots__} | changes)


def random_facts(chance: Random) -> Facts:
    """A company of which anything may be unknown."""
    town = chance.choice(["", "Leeds", "York"])
    return Facts(
        id=UUID(int=chance.getrandbits(128)),
        name=chance.choice(["Acme Ltd", "شركة", "{name}"]),
        company_number=chance.choice([None, "01234567"]),
        description=chance.choice(["", "Makes things."]),
        domain=chance.choice(["", "acme.example"]),
        sic_codes=tuple(chance.sample(["62012", "68100", "01110"], chance.randint(0, 2))),
        company_type=chance.choice(["", "Private Limited Company", "PLC"]),
        town=town,
        town_upper=town.upper(),
        postcode_area=chance.choice(["", "EC", "M", "LS"]),
        incorporated_on=chance.choice([None, date(1990, 1, 1) + timedelta(days=chance.randint(0, 13_000))]),
        founded_year=chance.choice([None, chance.randint(1950, 2026)]),
        accounts_category=chance.choice(["", "SMALL", "FULL", "DORMANT"]),
        employee_count=chance.choice([None, chance.randint(0, 500)]),
        signals=tuple(random_signal(chance) for _ in range(chance.randint(0, 4))),
        event=chance.choice([None, Event(1, "news", DAY - timedelta(days=chance.randint(0, 170)), "x", "")]),
    )


def random_signal(chance: Random, *, is_negative: bool | None = None) -> Told:
    return Told(
        UUID(int=chance.getrandbits(128)),
        chance.choice(SignalType.values),
        "rule",
        "news_feeds",
        "https://news.example/1",
        "said so",
        Weighed(
            chance.randint(0, 100),
            chance.randint(0, 100),
            chance.randint(1, 365),
            DAY - timedelta(days=chance.randint(0, 400)),
            chance.random() < 0.2 if is_negative is None else is_negative,
            chance.random(),
        ),
    )


def random_icp(chance: Random) -> Icp:
    return Icp(
        sic=chance.sample(["62", "681", "01110"], chance.randint(0, 2)),
        not_sic=chance.sample(["68"], chance.randint(0, 1)),
        postcode_areas=chance.sample(["EC", "M"], chance.randint(0, 2)),
        towns=chance.sample(["Leeds", "York"], chance.randint(0, 2)),
        min_age=chance.choice([None, chance.randint(0, 10)]),
        max_age=chance.choice([None, chance.randint(10, 80)]),
        sizes=chance.sample(list(SizeBand), chance.randint(0, 2)),
        min_employees=chance.choice([None, chance.randint(0, 100)]),
    )


def random_weights(chance: Random) -> Weights:
    return Weights(fit=chance.uniform(0, 100), intent=chance.uniform(1, 100), timing=chance.uniform(0, 100),
                   data_quality=chance.uniform(0, 100))  # fmt: skip
