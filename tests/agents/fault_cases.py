"""Every kind of agent set up on the same small data, once an organisation, and what must hold when all is over."""

import json
import os
import re
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import count, pairwise
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import Sum
from django.utils import timezone

from agents.base import Subject
from agents.budgets import close_orphans
from agents.demo import CHAIN, CUSTOMER, load_fictional
from agents.handoffs import HandoffSpec, set_handoffs
from agents.models import Agent, AgentExecution, ExecutionStep, LLMCall, LLMCallState, Trigger
from agents.models.agents import ENDED
from agents.registry import all_kinds
from agents.services import start_execution
from businesses.models import Business, Watchlist, WatchlistEntry
from oppspot.jobs.models import Run
from oppspot.organizations.models import Organization
from oppspot.organizations.scoping import OrgOwned
from oppspot.organizations.services import create_organization
from tests.agents.crashing.plan import AFTER, ASKED, BEFORE, WITHIN, Place
from tests.agents.factories import make_agent
from tests.agents.fault_answers import MODEL, PRICES, QUOTE
from tests.agents.llm_cases import check_books
from tests.signals_app.factories import make_event

TARGET = "DEMO0001"
READ_IN = ("DEMO0001", "DEMO0003")  # companies with news for a language model
PRICE_IN, PRICE_OUT = (Decimal(str(PRICES[MODEL][name])) / 1_000_000 for name in ("in", "out"))
# What differs from one try or one organisation to the next, though the findings are the same.
VOLATILE = {"id", "org", "attempt", "duration_ms", "cost", "cost_reserved", "tokens_used", "api_calls", "root_id"}
# How a thing is put into words, and in which order: the writer's variants go by the agent's id, and what is equally
# strong comes by its own.
WORDING = {"subject", "body", "claims", "citations", "warnings", "content_sha256", "facts_sha256", "reason", "template",
           "prose", "output", "inputs", "output_data", "input_data",
           "ResearchSection.content", "ResearchSection.evidence", "ResearchSection.basis"}  # fmt: skip
LEDGER = {"LLMCall", "LLMMonth", "LLMResponse"}
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d[\d:.]*(?:\+\d\d:\d\d|Z)?")
_numbers = count(1)


def kinds() -> list[str]:
    """Those of the project; not those of the tests."""
    return [slug for slug, kind in all_kinds().items() if type(kind).__module__.startswith("agents.kinds.")]


def load_register(news: str = "") -> dict[str, Business]:
    """The demo's invented companies, by number, with news that only a language model can read; `news` is added."""
    companies = load_fictional()
    for number in READ_IN:
        name = companies[number].name.removesuffix(" Ltd")
        payload = {"title": f"Inside {name}, where {QUOTE}, says founder Ada Byron.", "summary": news}
        make_event(companies[number], payload=payload, days_ago=2, source_url=f"https://news.example/{number}")
    return companies


def new_org() -> Organization:
    """An organisation with a watchlist, and one of its customers."""
    number = f"{os.getpid()}-{next(_numbers)}"
    org = create_organization(name=f"Org {number}", slug=f"org-{number}")
    companies = Business.objects.filter(company_number__startswith="DEMO").order_by("company_number")
    lists = {"Watched": companies.exclude(company_number=CUSTOMER), "Known": companies.filter(company_number=CUSTOMER)}
    for name, listed in lists.items():
        watchlist = Watchlist.objects.for_org(org).create(org=org, name=name)
        WatchlistEntry.objects.for_org(org).bulk_create(
            WatchlistEntry(org=org, watchlist=watchlist, business=one) for one in listed
        )
    return org


def configuration_of(slug: str, org: Organization) -> dict[str, Any]:
    """What the kind needs beyond its defaults. No text to compare by meaning: the model for that takes seconds."""
    lists = {one.name: str(one.pk) for one in Watchlist.objects.for_org(org)}
    configurations: dict[str, dict[str, Any]] = {
        "scout_agent": {"watchlist": lists["Watched"]},
        "scoring_agent": {"icp": {"sic": ["62"], "min_employees": 20}, "min_score": 1},
        "relationship_agent": {"watchlist": lists["Known"]},
    }
    return configurations.get(slug, {})


def input_of(slug: str) -> dict[str, Any]:
    """A company to work on, for kinds that do not find their own."""
    if slug in {"scout_agent", "opportunity_bot"}:
        return {}
    company = Business.objects.get(company_number=TARGET)
    return all_kinds()[slug].input_for_subject(Subject(company.pk, score=90, evidence=3)) or {}


def set_up(slug: str, org: Organization) -> Agent:
    return make_agent(org, slug, configuration=configuration_of(slug, org))


def start(slug: str, org: Organization | None = None) -> AgentExecution:
    """An execution of the kind in line, whose findings are handed to another agent; of an organisation of its own."""
    org = org or new_org()
    agent = set_up(slug, org)
    set_handoffs(agent=agent, handoffs=[HandoffSpec(make_agent(org, "probe").pk)])
    return start_execution(agent=agent, trigger=Trigger.COMMAND, given=input_of(slug))[0]


def start_tree(org: Organization | None = None) -> AgentExecution:
    """The demo's chain of hand-offs, as far as its kinds are there: the root, in line."""
    org = org or new_org()
    chain = [set_up(slug, org) for slug in CHAIN if slug in kinds()]
    for source, target in pairwise(chain):
        set_handoffs(agent=source, handoffs=[HandoffSpec(target.pk, min_evidence=1, max_subjects=3)])
    return start_execution(agent=chain[0], trigger=Trigger.COMMAND)[0]


def places_of(control: AgentExecution) -> Iterator[Place]:
    """Where a worker can die in an execution like this one: around each of its steps."""
    assert control.run_id is not None
    run = Run.all_orgs.get(pk=control.run_id)
    steps = list(run.steps.order_by("finished_at", "pk").values_list("name", flat=True))
    asking = set(LLMCall.objects.for_org(control.org).values_list("step", flat=True))
    yield Place(steps[0], BEFORE)
    for step in steps:
        yield from (Place(step, when) for when in (ASKED, WITHIN, AFTER) if when != ASKED or step in asking)


def asks(control: AgentExecution) -> bool:
    """Whether its kind asked a language model."""
    return LLMCall.objects.for_org(control.org).filter(execution=control).exists()


def executions() -> models.QuerySet[AgentExecution]:
    return AgentExecution.all_orgs.order_by("pk")


def all_ended() -> bool:
    return executions().exists() and not executions().exclude(status__in=ENDED).exists()


def ended() -> int:
    return executions().filter(status__in=ENDED).count()


def statuses() -> dict[str, int]:
    return dict(Counter(executions().values_list("status", flat=True)))


def failures() -> list[str]:
    return [f"{one.agent.agent_type}: {one.error_message}" for one in executions().select_related("agent")
            if one.status != "completed"]  # fmt: skip


def findings(org: Organization, *, without: Collection[str] = ()) -> dict[str, list[str]]:
    """Everything that the organisation has, whatever kind made it, in a form that another organisation's equals if the
    same was found: rows by model, without ids, moments, wording, and the columns named `without`."""
    found: dict[str, list[str]] = {}
    for model in apps.get_models():
        if issubclass(model, OrgOwned) and model.__name__ not in LEDGER:
            rows = sorted(_shown(row, {*VOLATILE, *WORDING, *without}) for row in model.objects.for_org(org))
            if rows:
                found[model.__name__] = rows
    return found


def differences(found: dict[str, list[str]], expected: dict[str, list[str]]) -> list[str]:
    """The rows that only one of two organisations has, `+` those found, `-` those missing."""
    rows, others = (
        Counter(f"{name} {row}" for name, rows in each.items() for row in rows) for each in (found, expected)
    )
    return [*(f"+ {row}" for row in (rows - others).elements()), *(f"- {row}" for row in (others - rows).elements())]


def _shown(row: models.Model, without: set[str]) -> str:
    values: dict[str, Any] = {}
    for field in row._meta.concrete_fields:
        is_own = isinstance(field, models.ForeignKey) and issubclass(field.related_model, OrgOwned)
        if not {field.name, f"{type(row).__name__}.{field.name}"} & without and not is_own:
            value = field.value_from_object(row)
            values[field.name] = round(value, 6) if isinstance(value, float) else value
    if isinstance(row, Agent):
        return str(values["agent_type"])
    if isinstance(row, AgentExecution):
        values["agent"] = row.agent.agent_type
    text = json.dumps(values, default=str, sort_keys=True)
    return re.sub(r"\b[0-9a-f]{64}\b", "hash", _UUID.sub("id", _TIME.sub("time", text)))


def assert_steps_once(org: Organization) -> None:
    steps = Counter(ExecutionStep.objects.for_org(org).values_list("execution", "name"))
    assert not {key: times for key, times in steps.items() if times > 1}


def questions_of(execution: AgentExecution) -> Counter[str]:
    """How often each question was sent."""
    calls = LLMCall.objects.for_org(execution.org).filter(execution=execution, is_cached=False)
    return Counter(calls.exclude(http_status__gte=400).values_list("prompt_sha256", flat=True))


def settled() -> Decimal:
    """US dollars that all organisations paid for answers that told their price; lost calls are given up before."""
    close_orphans(now=timezone.now() + timedelta(days=1))
    for org in Organization.objects.all():
        check_books(org)
    assert not LLMCall.all_orgs.filter(state=LLMCallState.RESERVED).exists()
    paid = LLMCall.all_orgs.filter(state=LLMCallState.SETTLED).aggregate(sum=Sum("cost", default=Decimal(0)))
    found: Decimal = paid["sum"]
    return found
