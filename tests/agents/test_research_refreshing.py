"""Sources that are asked before a report in detailed depth: what fails is told, and never fails the report."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from agents.research.refreshing import refresh_source
from businesses.models import SourcePull
from businesses.sources.pull import PullSource, Target, Unreadable
from oppspot.core.errors import PermanentError, RetryableError
from oppspot.organizations.models import Organization
from tests.agents.research_cases import json_of, latest, make_company, research, section, texts
from tests.answers import problem_of
from tests.factories import make_business

pytestmark = pytest.mark.django_db


class FakeSource(PullSource):
    """A source that does what the test says for each company of the selection."""

    name, label = "company_website", "Website"
    does: Any = ()

    def targets(self, selection: Any) -> Any:
        for business in selection.businesses:
            yield Target(str(business.pk), business=business)

    def pull(self, target: Target) -> Any:
        if isinstance(self.does, Exception):
            raise self.does
        yield from self.does


@pytest.fixture
def source(monkeypatch: Any) -> type[FakeSource]:
    monkeypatch.setattr("agents.research.refreshing.source_class", lambda name: FakeSource)
    return FakeSource


@pytest.mark.parametrize(
    ("does", "problem"),
    [
        ((), ""),
        (PermanentError("It is gone."), "It is gone."),
        (RetryableError("It is busy."), "It is busy."),
        ((Unreadable("page", "It makes no sense."),), "It makes no sense."),
    ],
)
def test_it_is_asked_about_one_company_alone(
    source: type[FakeSource], monkeypatch: Any, does: Any, problem: str
) -> None:
    make_business()
    monkeypatch.setattr(source, "does", does)
    assert refresh_source("company_website", make_company().pk) == {"new": 0, "problem": problem, "unset": False}
    assert SourcePull.objects.get().targets == 1


def test_one_that_is_not_set_up_is_no_failure(settings: Any) -> None:
    settings.COMPANIES_HOUSE_API_KEY = ""
    assert refresh_source("companies_house_api", make_company().pk) == {"new": 0, "problem": "", "unset": True}


def test_a_detailed_report_says_which_source_failed(
    org_a: Organization, source: type[FakeSource], monkeypatch: Any
) -> None:
    monkeypatch.setattr(source, "does", PermanentError("It is gone."))
    company = make_company()
    research(org_a, company, depth="detailed", refresh=["company_website"])
    report = json_of(latest(org_a))
    assert report["status"] == "partial"
    assert section(report, "buying_signals")["problem"] == "company_website: It is gone."
    assert texts(report, "sources", "Failed") == ["company_website: It is gone."]
    assert section(report, "snapshot")["status"] == "ok"
    monkeypatch.setattr(source, "does", ())
    again = research(org_a, company, depth="detailed", refresh=["company_website"])
    assert again.output_data
    assert again.output_data["made"] == 0  # what failed a moment ago is not asked for at each run


def test_a_source_that_is_named_twice_is_asked_once(
    org_a: Organization, source: type[FakeSource], writer_client: APIClient
) -> None:
    research(org_a, make_company(), depth="detailed", refresh=["company_website", "company_website"])
    assert SourcePull.objects.count() == 1
    told = {"name": "Twice", "agent_type": "research_gpt", "configuration": {"refresh": ["company_website"] * 2}}
    made = writer_client.post("/api/v1/agents/", told)
    assert (made.status_code, made.json()["configuration"]["refresh"]) == (201, ["company_website"])
    told = {"name": "Many", "agent_type": "research_gpt", "configuration": {"refresh": ["company_website"] * 4}}
    refused = problem_of(writer_client.post("/api/v1/agents/", told), 400)
    assert "refresh" in str(refused)


def test_peers_need_no_source_to_be_asked(org_a: Organization, monkeypatch: Any) -> None:
    peers = [{"id": "x", "name": "Peer Ltd", "company_number": "01234567", "similarity": 0.8123, "model": "m-1"}]
    monkeypatch.setattr("agents.kinds.research_gpt.peers_of", lambda business: peers)
    company = make_company()
    research(org_a, company, depth="detailed", refresh=[])
    assert texts(json_of(latest(org_a)), "snapshot", "Peer") == ["Peer Ltd (01234567), similarity 0.81"]
    research(org_a, company, depth="quick", refresh=[])
    assert texts(json_of(latest(org_a)), "snapshot", "Peer") == []
