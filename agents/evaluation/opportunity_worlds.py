"""Small registers with an organisation's judgements, queries over them, and what may be found, told without SQL.

Each register holds the traps: companies that are dissolved or in trouble, shells, groups that share a website, pages on
a host that many share, customers and their sisters, and what another organisation thinks of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import numpy as np
from django.utils import timezone

from agents.evaluation.random_companies import DAY, random_icp, random_weights
from agents.kinds.opportunity_bot import OpportunityParams
from agents.models import Agent, AgentExecution, Opportunity, Trigger
from agents.scoring.facts import Facts, load_facts
from agents.scoring.meaning import Meaning, Target
from businesses.models import Business, Watchlist, WatchlistEntry
from oppspot.core.ids import uuid7
from oppspot.organizations.models import Organization
from signals_app.models import BuyingSignal, SignalType, strength_of
from signals_app.scoring import refresh_scores

COMPANIES, SIGNALS, GROUPS = 40, 12, 8
MODEL, DIMENSIONS = "evaluation", 8
STATUSES = (*("active",) * 12, "unknown", "other", "dissolved", "insolvent", "strike_off_proposed")
CODES = ("62012", "62020", "68100", "01110", "47910", "7222", "99999", "74990", "9999")
SHELL_CODES = {"99999", "74990", "9999", "7499"}
AREAS, TOWNS, LABELS = ("EC", "M", "LS"), ("Leeds", "YORK", "Ely"), ("brewery", "software", "retail")
TYPES = ("Private Limited Company", "PLC", "")
CLOSED = ("dismissed", "won", "lost")


@dataclass
class Remembered:
    """An opportunity as it should stand in the database."""

    times_seen: int = 1
    is_gone: bool = False
    status: str = "open"


@dataclass
class World:
    """`groups` are companies of one website each. `closed` are those that other agents of the organisation found."""

    org: Organization
    agent: Agent
    companies: dict[UUID, Business]
    groups: dict[UUID, int]
    watched: Watchlist
    customers: Watchlist
    on_list: dict[UUID, set[UUID]]
    closed: set[UUID]
    facts: dict[UUID, Facts]
    kept: dict[UUID, Remembered] = field(default_factory=dict)

    @property
    def judged(self) -> set[UUID]:
        return self.closed | {pk for pk, one in self.kept.items() if one.status in CLOSED}


@dataclass(frozen=True)
class Query:
    params: OpportunityParams
    only: list[UUID]
    meaning: Meaning


def random_world(chance: Random) -> World:
    """Stored; the caller rolls it back."""
    org, rival = (Organization.objects.create(name="Evaluation", slug=f"evaluation-{uuid4().hex}") for _ in range(2))
    agent, second = (_agent(org, name) for name in ("First", "Second"))
    groups: dict[UUID, int] = {}
    companies = {one.pk: one for one in (_company(chance, number, groups) for number in range(COMPANIES))}
    Business.objects.bulk_create(companies.values())
    ids = list(companies)
    closed = chance.sample(ids, chance.randint(0, 4))
    _close(chance, second, closed)
    _close(chance, _agent(rival, "Rival"), ids)
    BuyingSignal.objects.for_org(org).bulk_create(_signal(chance, org, pk) for pk in chance.choices(ids, k=SIGNALS))
    refresh_scores(org, day=DAY)
    watched, customers = (Watchlist.objects.for_org(org).create(org=org, name=name) for name in ("Watched", "Known"))
    on_list = {watched.pk: set(chance.sample(ids, 25)), customers.pk: set(chance.sample(ids, chance.randint(1, 4)))}
    WatchlistEntry.objects.for_org(org).bulk_create(
        WatchlistEntry(org=org, watchlist_id=watchlist, business_id=pk)
        for watchlist, pks in on_list.items()
        for pk in pks
    )
    facts = {one.id: one for one in load_facts(org, ids, day=DAY, similarities={})}
    return World(org, agent, companies, groups, watched, customers, on_list, set(closed), facts)


def _agent(org: Organization, name: str) -> Agent:
    made: Agent = Agent.objects.for_org(org).create(org=org, name=name, agent_type="opportunity_bot")
    return made


def _company(chance: Random, number: int, groups: dict[UUID, int]) -> Business:
    vector = [chance.gauss(0, 1) for _ in range(DIMENSIONS)] if chance.random() < 0.8 else None
    town = chance.choice(["", *TOWNS])
    company = Business(
        id=UUID(int=chance.getrandbits(128)), name=f"Company {number}", name_normalised=f"company {number}", town=town,
        status=chance.choice(STATUSES), sic_codes=chance.sample(CODES, chance.choice((0, 1, 1, 1, 2))),
        accounts_category=chance.choice(("", "SMALL", "FULL", "DORMANT", "NO ACCOUNTS FILED")),
        company_type=chance.choice(TYPES), categories=chance.sample(LABELS, chance.randint(0, 2)),
        postcode=f"{chance.choice(AREAS)}1 1AA" if chance.random() < 0.8 else "",
        incorporated_on=date(chance.randint(1990, 2025), 1, 1) if chance.random() < 0.8 else None,
        description=chance.choice(("", "Makes things.")), source=MODEL, embedding=vector,
        embedding_model="" if vector is None else chance.choice((MODEL, MODEL, MODEL, "another")),
    )  # fmt: skip
    kind = chance.random()
    if kind < 0.5:
        groups[company.pk] = chance.randrange(GROUPS)
        company.domain = f"group{groups[company.pk]}.example"
    elif kind < 0.6:
        company.domain = "facebook.com"
    return company


def _close(chance: Random, agent: Agent, ids: Sequence[UUID]) -> None:
    Opportunity.objects.for_org(agent.org).bulk_create(
        Opportunity(org=agent.org, agent=agent, business_id=pk, score=50, confidence=50, status=chance.choice(CLOSED),
                    handled_at=timezone.now())
        for pk in ids
    )  # fmt: skip


def _signal(chance: Random, org: Organization, business: UUID) -> BuyingSignal:
    weight, on = chance.randint(10, 95), DAY - timedelta(days=chance.randint(0, 200))
    return BuyingSignal(
        org=org, business_id=business, signal_type=chance.choice(SignalType.values), rule="rule", rule_version="1",
        signal_strength=strength_of(weight), weight=weight, confidence_score=chance.randint(20, 95), source=MODEL,
        occurred_on=on, half_life_days=60, detected_by=MODEL, expires_at=timezone.now() + timedelta(days=90),
        is_negative=chance.random() < 0.2, fingerprint=uuid4(), evidence=[],
    )  # fmt: skip


def new_execution(world: World) -> AgentExecution:
    pk = uuid7()
    made: AgentExecution = AgentExecution.objects.for_org(world.org).create(
        id=pk, root_id=pk, org=world.org, agent=world.agent, trigger=Trigger.COMMAND
    )
    return made


def random_query(chance: Random, world: World) -> Query:
    ids = list(world.companies)
    examples = chance.sample(ids, chance.choice((0, 0, 0, 1, 3)))
    icp = random_icp(chance).model_dump(mode="json") | {"examples": examples[:2], "counter_examples": examples[2:]}
    params = OpportunityParams.model_validate({
        "filters": {
            "sic": _some(chance, ("62", "681", "47910", "7222", "999")), "dormant": chance.random() < 0.2,
            "status": _some(chance, ("active", "insolvent", "dissolved")), "town": _some(chance, ("leeds", "York")),
            "postcode_area": _some(chance, ("ec", "M")), "category": _some(chance, LABELS),
            "company_type": chance.choice(("", "", "", "PLC")),
            "incorporated_from": chance.choice(("", "", "2001-01-01")),
            "incorporated_to": chance.choice(("", "", "2015-01-01")),
        },
        "icp": icp, "weights": random_weights(chance),
        "watchlist": chance.choice((None, None, world.watched.pk)),
        "exclude": chance.choice((None, world.customers.pk)),
        "min_score": chance.choice((0, 0, 5, 20, 40)), "max_opportunities": chance.choice((1, 2, 5, 20, 200)),
    })  # fmt: skip
    only = ids if chance.random() < 0.7 else chance.sample(ids, chance.randint(1, 30))
    return Query(params, sorted(only), _meaning(chance))


def _some(chance: Random, values: Sequence[str]) -> list[str]:
    """None of them most times, so that queries of several filters find something."""
    return chance.sample(list(values), chance.choice((0, 0, 0, 1, 2)))


def _meaning(chance: Random) -> Meaning:
    if chance.random() < 0.5:
        return Meaning("", ())
    vector = np.asarray([chance.gauss(0, 1) for _ in range(DIMENSIONS)], dtype=np.float32)
    return Meaning(MODEL, (Target("text", vector / np.linalg.norm(vector), 0.75, "like the description"),))


def passes_filters(company: Business, params: OpportunityParams) -> bool:
    """Whether the company is what it must be."""
    asked = params.filters
    codes, area, born = set(company.sic_codes), company.postcode[:-5], company.incorporated_on
    if company.status == "dissolved" or company.status not in (asked.status or ("active", "unknown", "other")):
        return False
    is_shell = company.accounts_category == "DORMANT" or (bool(codes) and codes <= SHELL_CODES)
    return (
        (asked.dormant or not is_shell)
        and (not asked.sic or any(_is_below(code, prefix) for code in codes for prefix in asked.sic))
        and (not asked.town or company.town.lower() in {town.lower() for town in asked.town})
        and (not asked.postcode_area or area in {one.upper() for one in asked.postcode_area})
        and (not asked.category or bool(set(company.categories) & set(asked.category)))
        and asked.company_type in ("", company.company_type)
        and (not asked.incorporated_from or (born is not None and born.isoformat() >= asked.incorporated_from))
        and (not asked.incorporated_to or (born is not None and born.isoformat() <= asked.incorporated_to))
    )


def _is_below(code: str, prefix: str) -> bool:
    """Codes of four digits are of older classifications, where first digits mean something else: only named in full."""
    return code == prefix or (len(code) == 5 and code.startswith(prefix))


def known_in(world: World, params: OpportunityParams) -> set[UUID]:
    """What must not be offered, with all of the groups that it belongs to."""
    known = world.judged | {*params.icp.examples, *params.icp.counter_examples}
    if params.exclude:
        known |= world.on_list[params.exclude]
    groups = {world.groups[pk] for pk in known if pk in world.groups}
    return known | {pk for pk, group in world.groups.items() if group in groups}


def findable(world: World, query: Query) -> set[UUID]:
    """All that may be found, whatever its score."""
    among = set(query.only)
    if query.params.watchlist:
        among &= world.on_list[query.params.watchlist]
    among -= known_in(world, query.params)
    return {pk for pk in among if passes_filters(world.companies[pk], query.params)}


def groups_of(world: World, ids: Sequence[UUID] | set[UUID]) -> list[Any]:
    """The group of each; those of none are their own."""
    return [world.groups.get(pk, pk) for pk in ids]


def let_time_pass(chance: Random, world: World) -> None:
    """Somebody judges an opportunity, or thinks again; and something happens to a company."""
    if world.kept and chance.random() < 0.3:
        pk = chance.choice(sorted(world.kept))
        status = chance.choice((*CLOSED, "contacted", "open", "open"))
        rows = Opportunity.objects.for_org(world.org).filter(agent=world.agent, business=pk)
        rows.update(status=status, handled_at=None if status == "open" else timezone.now())
        world.kept[pk].status = status
    if chance.random() < 0.3:
        company = world.companies[chance.choice(list(world.companies))]
        company.status = chance.choice(STATUSES)
        Business.objects.filter(pk=company.pk).update(status=company.status)
