"""The demo's hand-off: from invented events to a draft and an introduction, once however often it is run."""

from typing import Any

import pytest

from agents.demo import CHAIN, run_demo
from agents.models import AgentExecution, Draft, IntroPath, Opportunity, ResearchReport
from businesses.models import Business
from oppspot.organizations.models import Organization
from signals_app.models import BuyingSignal


@pytest.mark.django_db
def test_the_hand_off_ends_with_a_draft_and_an_introduction(org_a: Organization, settings: Any) -> None:
    settings.EMBEDDING_PROVIDER = "deterministic"
    run = run_demo(org_a)
    executions = run.chain.executions
    assert {execution.status for execution in (*executions, run.bot)} == {"completed"}
    assert {execution.agent.agent_type for execution in executions} == set(CHAIN)
    assert Draft.objects.for_org(org_a).exists()
    assert IntroPath.objects.for_org(org_a).exists()
    assert ResearchReport.objects.for_org(org_a).exists()
    assert Opportunity.objects.for_org(org_a).exists()
    assert not Business.objects.exclude(description__startswith="Fictional").exists()
    counts = [model.objects.for_org(org_a).count() for model in (BuyingSignal, Draft, IntroPath, Opportunity)]
    again = run_demo(org_a)
    assert len(again.chain.nodes) == 1
    assert counts == [model.objects.for_org(org_a).count() for model in (BuyingSignal, Draft, IntroPath, Opportunity)]
    assert AgentExecution.objects.for_org(org_a).exclude(status="completed").count() == 0
