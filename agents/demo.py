"""The demo of the agents: six of them on the sample, and a hand-off over invented companies that ends with a draft and
a person who is told of a way to be introduced.

What is told of companies here is invented, and so are the companies: nothing is ever invented about a real one. Their
descriptions begin with "Fictional", their numbers with DEMO, and the source of their facts is `demo (fictional)`.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from agents.handoffs import HandoffSpec, set_handoffs
from agents.models import Agent, AgentExecution, Trigger
from agents.services import create_agent, start_execution
from agents.trees import Tree, tree_of
from businesses.models import Appointment, Business, BusinessEvent, Officer, Watchlist
from businesses.normalise import normalise_name
from businesses.sources.pull import fingerprint_of
from businesses.watchlists import add_businesses, create_watchlist
from oppspot.jobs.execution import drain
from oppspot.jobs.heartbeat import Heart
from oppspot.organizations.models import Organization
from signals_app.alerts.models import Channel, ChannelKind, Delivery
from signals_app.alerts.services import create_channel

DATA = Path(__file__).with_name("demo_data") / "fictional.json"
SOURCE = "demo (fictional)"
WATCHED, KNOWN = "Demo: watched (fictional)", "Demo: customers (fictional)"
CHANNEL = "Demo: e-mail (fictional)"
CUSTOMER = "DEMO0004"
BY = "demo"
# The chain of hand-offs, each with the gate before the next.
CHAIN = ("scout_agent", "research_gpt", "scoring_agent", "writer_agent", "relationship_agent")
GATE = {"min_evidence": 1, "max_subjects": 3}


@dataclass(frozen=True)
class DemoRun:
    """What the demo's agents did: the chain from the scout on, the bot that looks through the register, and the
    messages that went out meanwhile, as the delivery log has them."""

    chain: Tree
    bot: AgentExecution
    told: Sequence[Delivery]


def run_demo(org: Organization, *, address: str, mailbox: Path) -> DemoRun:
    """Load the invented companies, set the agents up, and run them; again, nothing is new and nothing made twice.

    What is told goes to the e-mail `address`, and into files of `mailbox` instead of to a server.
    """
    load_fictional()
    began = timezone.now()
    with mail_kept_in(mailbox):
        agents = set_up(org, channel=_channel(org, address))
        started = [
            start_execution(agent=agents[kind], trigger=Trigger.COMMAND, requested_by=BY)[0]
            for kind in ("scout_agent", "opportunity_bot")
        ]
        drain(Heart("default"))
    scout, bot = (AgentExecution.objects.for_org(org).select_related("agent").get(pk=one.pk) for one in started)
    sent = Delivery.objects.for_org(org).filter(channel__name=CHANNEL, created_at__gte=began)
    return DemoRun(tree_of(scout), bot, list(sent.select_related("channel").order_by("pk")))


@contextmanager
def mail_kept_in(folder: Path) -> Iterator[None]:
    """Nothing leaves the machine: e-mail of this process is written to files, whatever server is configured."""
    before = {name: getattr(settings, name) for name in ("EMAIL_BACKEND", "EMAIL_FILE_PATH")}
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(folder)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(settings, name, value)


def load_fictional(day: date | None = None) -> dict[str, Business]:
    """The invented companies by number, with their officers and events, as of `day`; written once."""
    day = day or timezone.now().date()
    data: dict[str, Any] = json.loads(DATA.read_text(encoding="utf-8"))
    with transaction.atomic():
        companies = {one["number"]: _company(one) for one in data["companies"]}
        officers = {one["id"]: _officer(one) for one in data["officers"]}
        for one in data["appointments"]:
            Appointment.objects.get_or_create(
                external_id=f"{one['officer']}:{one['number']}",
                defaults={
                    "officer": officers[one["officer"]], "business": companies[one["number"]], "role": one["role"],
                    "occupation": one["occupation"], "appointed_on": day - timedelta(days=one["days_ago"]),
                    "source": SOURCE,
                },
            )  # fmt: skip
        BusinessEvent.objects.bulk_create(
            [
                BusinessEvent(
                    business=companies[one["number"]],
                    kind=one["kind"],
                    occurred_on=day - timedelta(days=one["days_ago"]),
                    source=SOURCE,
                    source_url=one["url"],
                    payload=one["payload"],
                    fingerprint=fingerprint_of(SOURCE, one["number"], one["kind"], one["url"]),
                )
                for one in data["events"]
            ],
            ignore_conflicts=True,
        )
    return companies


def _company(one: dict[str, Any]) -> Business:
    columns = {name: value for name, value in one.items() if name != "number"}
    known = Business.objects.filter(company_number=one["number"]).first()
    if known is None:
        known = Business(company_number=one["number"], status="active", source=SOURCE, **columns)
        known.save()
    return known


def _officer(one: dict[str, Any]) -> Officer:
    made, _ = Officer.objects.get_or_create(
        external_id=one["id"], defaults={"name": one["name"], "name_normalised": normalise_name(one["name"])}
    )
    return made


def set_up(org: Organization, *, channel: Channel | None = None) -> dict[str, Agent]:
    """The demo's agents by kind, handing on from the scout to the relationship agent, which tells through `channel`."""
    companies = {business.company_number: business for business in load_fictional().values()}
    watched = _watchlist(org, WATCHED, [one.pk for number, one in companies.items() if number != CUSTOMER])
    known = _watchlist(org, KNOWN, [companies[CUSTOMER].pk])
    configurations: dict[str, tuple[str, dict[str, Any]]] = {
        "scout_agent": ("Demo scout", {"watchlist": str(watched.pk), "lookback_days": 90}),
        "research_gpt": ("Demo research", {}),
        "scoring_agent": ("Demo scoring", {"icp": {"text": "software and robotics companies that grow", "sic": ["62"],
                                                   "min_employees": 20}, "min_score": 20}),
        "writer_agent": ("Demo writer", {}),
        "relationship_agent": ("Demo introductions", {"watchlist": str(known.pk),
                                                      "notify": [str(channel.pk)] if channel else []}),
        "opportunity_bot": ("Demo opportunities", {"icp": {"text": "software for small businesses"}}),
    }  # fmt: skip
    agents = {kind: _agent(org, kind, *values) for kind, values in configurations.items()}
    for source, target in pairwise(CHAIN):
        set_handoffs(agent=agents[source], handoffs=[HandoffSpec(agents[target].pk, **GATE)])
    return agents


def _agent(org: Organization, kind: str, name: str, configuration: dict[str, Any]) -> Agent:
    known: Agent | None = Agent.objects.for_org(org).filter(name=name).first()
    return known or create_agent(org=org, agent_type=kind, name=name, configuration=configuration, created_by=BY)


def _channel(org: Organization, address: str) -> Channel:
    known: Channel | None = Channel.objects.for_org(org).filter(name=CHANNEL).first()
    return known or create_channel(org=org, name=CHANNEL, kind=ChannelKind.EMAIL, address=address, created_by=BY)[0]


def _watchlist(org: Organization, name: str, ids: list[UUID]) -> Watchlist:
    known: Watchlist | None = Watchlist.objects.for_org(org).filter(name=name).first()
    watchlist = known or create_watchlist(org=org, name=name, description="Invented companies.", created_by=BY)
    add_businesses(org=org, watchlist_id=watchlist.pk, business_ids=ids, added_by=BY)
    return watchlist
