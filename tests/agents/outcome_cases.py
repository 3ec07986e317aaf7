"""Opportunities that were won and lost, for tests of what is learnt from them."""

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from agents.models import Agent, IcpSuggestion, Opportunity
from agents.scoring.facts import Facts
from agents.scoring.outcomes import Case, values_of
from agents.scoring.profile import Icp
from businesses.models import Business
from tests.factories import make_business

FOUND_AT = datetime(2026, 6, 1, 9, tzinfo=UTC)
DAY = FOUND_AT.date()
NOT_MEASURED = {"quality": None, "unknown": 0, "note": "not measured"}
FIGURES = {
    "train": {"won": 1, "lost": 1},
    "hold_out": {"won": 0, "lost": 0},
    "suggested": NOT_MEASURED,
    "current": NOT_MEASURED,
}


def make_case(number: int, *, is_won: bool, signals: Sequence[str] = (), **known: Any) -> Case:
    facts = Facts(id=UUID(int=number), **known)
    return Case(facts, is_won, DAY, values_of(facts, DAY, signals))


def planted(count: int, *, strength: float, seed: int = 1) -> list[Case]:
    """Cases of which software companies of EC are won more often by `strength`: 0, what wins has nothing to do with
    what is known."""
    chance = random.Random(seed)
    cases = []
    for number in range(count):
        code, area = chance.choice(["62012", "68100", "47910"]), chance.choice(["EC", "M", "LS"])
        likely = 0.5 + strength * ((code == "62012") - (code == "68100")) / 2 + strength * ((area == "EC") - 0.33) / 3
        cases.append(
            make_case(
                seed * 1_000_000 + number, is_won=chance.random() < likely, sic_codes=(code,), postcode_area=area,
                incorporated_on=date(chance.randint(1990, 2025), 1, 1),
            )
        )  # fmt: skip
    return cases


def mark(agent: Agent, business: Business, status: str, *, found_at: datetime = FOUND_AT, **fields: Any) -> Opportunity:
    values = {"score": 50, "confidence": 50, "handled_at": found_at, "first_seen_at": found_at} | fields
    made: Opportunity = Opportunity.objects.for_org(agent.org).create(
        org=agent.org, agent=agent, business=business, status=status, **values
    )
    return made


def mark_many(agent: Agent, count: int) -> None:
    """As many won software companies as lost estate agents, and as many of both that say nothing."""
    for number in range(count):
        for status, code in (("won", "62012"), ("lost", "68310"), (("won", "lost")[number % 2], "47910")):
            mark(agent, make_business(sic_codes=[code]), status)


def make_suggestion(agent: Agent, **fields: Any) -> IcpSuggestion:
    values = {
        "icp": Icp(sic=["62"]).model_dump(mode="json"),
        "current_icp": Icp().model_dump(mode="json"),
        "figures": FIGURES,
        "won": 1,
        "lost": 1,
        "digest": "x",
    } | fields
    made: IcpSuggestion = IcpSuggestion.objects.for_org(agent.org).create(org=agent.org, agent=agent, **values)
    return made
