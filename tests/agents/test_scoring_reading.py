"""A profile in words, read by a language model: what is proposed, what is dropped, and that no score moves."""

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from agents.models import LLMCall, Mode, Opportunity, Scorecard
from agents.scoring.profile import Icp
from agents.scoring.reading import PROMPT, ReadField, ReadProfile, checked
from oppspot.organizations.models import Organization
from tests.agents.factories import execute, make_agent
from tests.agents.llm_server import LLMServer
from tests.factories import make_business

TEXT = "Breweries in Leeds with at least 10 employees, no pubs."
LEEDS = {"field": "towns", "value": "Leeds", "quote": "Breweries in Leeds"}
STAFF = {"field": "min_employees", "value": "10", "quote": "at least 10 employees"}


@pytest.fixture
def server(settings: Settings) -> Iterator[LLMServer]:
    settings.EMBEDDING_PROVIDER, settings.EMBEDDING_MODEL = "deterministic", ""
    with LLMServer() as server:
        settings.LLM_API_KEY, settings.LLM_BASE_URL, settings.LLM_MODEL = "key", server.url, "gpt-4.1-mini"
        server.handlers[PROMPT] = lambda _: {"attributes": [LEEDS, STAFF]}
        yield server


def read(*attributes: dict[str, str]) -> ReadProfile:
    return ReadProfile(attributes=[ReadField.model_validate(one) for one in attributes])


def test_what_the_words_say_is_proposed() -> None:
    reading = checked(read(LEEDS, STAFF, LEEDS | {"value": "York", "quote": "Leeds"}), Icp(text=TEXT))
    assert reading.proposal == {"towns": ["Leeds", "York"], "min_employees": 10}
    assert (reading.mode, reading.dropped) == (Mode.LLM, 0)


@pytest.mark.parametrize(
    ("attribute", "profile"),
    [
        (LEEDS | {"quote": "Breweries near Leeds"}, {}),  # not in the text
        (LEEDS | {"quote": ""}, {}),
        (LEEDS, {"towns": ["York"]}),  # a person has said so before
        (STAFF | {"value": "ten"}, {}),
        (STAFF | {"value": "9" * 50}, {}),
        (STAFF, {"max_employees": 5}),  # no range
        ({"field": "sic", "value": "00", "quote": "no pubs"}, {}),  # begins no code
        ({"field": "postcode_areas", "value": "Yorkshire", "quote": "Leeds"}, {}),
        ({"field": "sizes", "value": "huge", "quote": "Breweries"}, {}),
    ],
)
def test_what_they_do_not_say_is_dropped_and_counted(attribute: dict[str, str], profile: dict[str, Any]) -> None:
    reading = checked(read(attribute), Icp(text=TEXT, **profile))
    assert (reading.proposal, reading.dropped) == ({}, 1)


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["scoring_agent", "opportunity_bot"])
def test_a_reading_is_shown_and_moves_no_score(
    org_a: Organization, server: LLMServer, settings: Settings, kind: str
) -> None:
    business = make_business("Brewery", town="York", description="Breweries in York")
    agent = make_agent(org_a, kind, configuration={"icp": {"text": TEXT}, "min_score": 0})
    model = Scorecard if kind == "scoring_agent" else Opportunity

    def score() -> float:
        found: float = model.objects.for_org(org_a).latest("pk").score
        return found

    execution = execute(agent, companies=[str(business.pk)])
    assert (execution.status, execution.mode) == ("completed", "llm"), execution.error_message
    assert execution.output_data["read"]["proposal"] == {"towns": ["Leeds"], "min_employees": 10}  # type: ignore[index]
    assert LLMCall.objects.for_org(org_a).count() == 1
    before = score()
    settings.LLM_API_KEY = ""
    execution = execute(agent, companies=[str(business.pk)])
    assert (execution.mode, score()) == ("deterministic", before)
    agent.refresh_from_db()
    assert agent.configuration["icp"]["towns"] == []


@pytest.mark.django_db
def test_a_model_that_fails_is_done_without_and_the_result_says_so(org_a: Organization, server: LLMServer) -> None:
    server.handlers[PROMPT] = lambda _: "no JSON at all"
    business = make_business("Brewery")
    execution = execute(make_agent(org_a, "scoring_agent", configuration={"icp": {"text": TEXT}}),
                        companies=[str(business.pk)])  # fmt: skip
    assert (execution.status, execution.mode) == ("completed", "llm_fallback"), execution.error_message
    assert execution.output_data["read"]["why_not"]  # type: ignore[index]
