"""Companies, profiles and weights made at random: anything may be unknown, and nothing is anybody's."""

from datetime import date, timedelta
from random import Random
from uuid import UUID

from agents.scoring.facts import Event, Facts, Told
from agents.scoring.profile import Icp, SizeBand, Weights
from signals_app.models import SignalType
from signals_app.scoring import Weighed

DAY = date(2026, 11, 1)


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
