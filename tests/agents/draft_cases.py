"""Drafts for tests, made from facts as the writer makes them."""

from typing import Any

from django.utils import timezone

from agents.drafts import Saved, facts_sha256, save_draft
from agents.models import Agent, AgentExecution, Mode
from agents.writing.compose import Settings, compose
from agents.writing.facts import Facts, Recipient, SignalFact
from businesses.models import Business
from oppspot.organizations.models import Organization
from tests.agents.factories import make_agent, queue_execution
from tests.factories import make_business

NOBODY = Recipient()


def facts_about(business: Business, *, place: str = "Leeds", **values: Any) -> Facts:
    today = timezone.now().date()
    signal = SignalFact("expansion", "new_city", today, {"place": place}, source="news_feeds", weight=50, confidence=90)
    return Facts(today, business.name, source="test", retrieved_on=today, **({"signals": (signal,)} | values))


def save(execution: AgentExecution, business: Business, *, recipient: Recipient = NOBODY,
         mode: Mode = Mode.DETERMINISTIC, **values: Any) -> Saved:  # fmt: skip
    """What an execution of a writer does at its end."""
    written = compose(facts_about(business, **values), Settings("email", "plain", sender="Sam Field"))
    return save_draft(
        agent=execution.agent, execution=execution, business=business, opportunity=None, channel="email", tone="plain",
        recipient=recipient, written=written, facts=facts_sha256(written, {"tone": "plain"}), mode=mode,
    )  # fmt: skip


def make_draft(org: Organization, business: Business | None = None, agent: Agent | None = None, **values: Any) -> Any:
    return save(queue_execution(agent or make_agent(org)), business or make_business("Acme Ltd"), **values).draft
