"""Every kind of agent, started in every way that there is, without a language model and with one over real HTTP."""

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from agents.due import start_due_agents
from agents.events import ResearchGptRun
from agents.models import Agent, AgentExecution, LLMCall
from agents.services import update_agent
from agents.triggers import TriggerSpec, set_triggers
from businesses.models import Business
from oppspot.jobs.heartbeat import Heart
from oppspot.jobs.services import emit
from oppspot.organizations.models import User
from oppspot.organizations.scopes import Scope
from signals_app.events import BuyingSignalDetected
from tests.agents.factories import work
from tests.agents.fault_answers import MODEL, PRICES, answer_well
from tests.agents.fault_cases import TARGET, input_of, kinds, load_register, new_org, set_up, settled
from tests.agents.llm_server import LLMServer
from tests.conftest import client_with
from tests.factories import make_key

pytestmark = pytest.mark.django_db
# A signal is what a scout makes, so what starts it is a request to look at a company.
REQUESTED = {"scout_agent", "research_gpt"}


@pytest.fixture(autouse=True)
def quiet_heart(monkeypatch: pytest.MonkeyPatch) -> None:
    """The threads of a command that works on the queue would outlive the test."""
    monkeypatch.setattr(Heart, "start", lambda heart: heart)


def by_api(agent: Agent, _: User) -> None:
    client = client_with(make_key(agent.org, Scope.READ, Scope.WRITE)[1])
    answer = client.post(f"/api/v1/agents/{agent.pk}/run/", {"input": input_of(agent.agent_type)})
    assert answer.status_code == 202, answer.content
    assert answer.headers["Location"]


def by_admin(agent: Agent, staff: User) -> None:
    client = Client()
    client.force_login(staff)
    given = {f"input__{name}": "\n".join(value) if isinstance(value, list) else value
             for name, value in input_of(agent.agent_type).items() if value is not None}  # fmt: skip
    answer = client.post(reverse("admin:agents_agent_run", args=[agent.pk]), given)
    assert answer.status_code == 302, answer.content


def by_command(agent: Agent, _: User) -> None:
    given = {name: value for name, value in input_of(agent.agent_type).items() if value is not None}
    words = ["--input", json.dumps(given)] if given else []
    call_command("run_agent", agent.name, "--org", agent.org.slug, "--wait", *words, stdout=StringIO())


def by_schedule(agent: Agent, _: User) -> None:
    company = {"research_gpt": "company", "relationship_agent": "target"}.get(agent.agent_type)
    named = {company: str(_target())} if company else {}
    update_agent(agent=agent, changes={"schedule_cron": "0 9 * * *", "configuration": agent.configuration | named})
    Agent.objects.for_org(agent.org).filter(pk=agent.pk).update(next_run_at=timezone.now() - timedelta(minutes=1))
    assert start_due_agents().started == 1


def by_event(agent: Agent, _: User) -> None:
    company = _target()
    requested = ResearchGptRun(company_id=company, requested_by="somebody")
    detected = BuyingSignalDetected(company_id=company, signal_type="expansion", signal_data={})
    data = requested if agent.agent_type in REQUESTED else detected
    name = "agent/research_gpt.run" if agent.agent_type in REQUESTED else "signals/buying_signal.detected"
    set_triggers(agent=agent, triggers=[TriggerSpec(name)])
    emit(type(data), data, org=agent.org)


WAYS = {"api": by_api, "manual": by_admin, "command": by_command, "schedule": by_schedule, "event": by_event}


def _target() -> Any:
    return Business.objects.get(company_number=TARGET).pk


@pytest.mark.parametrize("is_asked", [False, True], ids=["without-model", "with-model"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("slug", kinds())
def test_every_way_to_start_every_kind(settings: Settings, olga: User, slug: str, way: str, is_asked: bool) -> None:
    load_register()
    agent = set_up(slug, new_org())
    start: Callable[[Agent, User], None] = WAYS[way]
    with answer_well(LLMServer()) as server:
        settings.LLM_API_KEY = "key" if is_asked else ""
        settings.LLM_BASE_URL, settings.LLM_MODEL, settings.LLM_PRICES = server.url, MODEL, PRICES
        start(agent, olga)
        work()
    (execution,) = AgentExecution.objects.for_org(agent.org).filter(agent=agent)
    assert (execution.status, execution.error_message, execution.trigger) == ("completed", "", way)
    assert execution.cost == settled() == server.billed
    assert execution.mode == ("llm" if LLMCall.objects.for_org(agent.org).exists() else "deterministic")
    if not is_asked:
        assert server.requests == []
