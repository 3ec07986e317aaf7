"""Suggested profiles: proposed from outcomes, accepted or rejected by people, through services and the API."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from rest_framework.test import APIClient

from agents.models import Agent, IcpSuggestion
from agents.services import update_agent
from agents.suggestions import accept_icp, propose_icp, reject_icp
from businesses.models import Business
from oppspot.core.errors import InvalidInput
from oppspot.jobs.services import WrongState
from oppspot.organizations.models import Organization
from tests.agents.factories import make_agent
from tests.agents.outcome_cases import make_suggestion, mark, mark_many
from tests.answers import problem_of
from tests.conftest import client_with
from tests.factories import make_business, make_key

pytestmark = pytest.mark.django_db
URL = "/api/v1/icp-suggestions/"


@pytest.fixture
def agent(org_a: Organization) -> Agent:
    """One whose organisation has 37 won and 37 lost companies: who won is in software."""
    made = make_agent(org_a, "scoring_agent", configuration={"icp": {"towns": ["Leeds"]}, "keep": 7})
    mark_many(made, 25)
    return made


def test_a_profile_is_proposed_and_accepted(agent: Agent) -> None:
    row, is_new = propose_icp(agent=agent, by="alice")
    assert is_new
    assert (row.won, row.lost, row.status, row.proposed_by) == (38, 37, "proposed", "alice")
    assert row.learnt == {"sic": ["62"], "not_sic": ["68"]}
    assert row.icp == row.current_icp | row.learnt
    assert {one["attribute"] for one in row.lifts} == {"industry", "signal"}
    assert row.figures["train"]["won"] + row.figures["hold_out"]["won"] == row.won
    assert accept_icp(suggestion=row, by="bob").handled_by == "bob"
    agent.refresh_from_db()
    assert agent.configuration["icp"]["sic"] == ["62"]
    assert agent.configuration["icp"]["towns"] == ["Leeds"]
    assert agent.configuration["keep"] == 7
    for handle in (accept_icp, reject_icp):
        with pytest.raises(WrongState, match="accepted already"):
            handle(suggestion=row, by="bob")


def test_the_open_one_comes_back_until_something_changes(agent: Agent) -> None:
    first, _ = propose_icp(agent=agent, by="alice")
    assert propose_icp(agent=agent, by="bob") == (first, False)
    mark(agent, make_business(sic_codes=["62012"]), "won")
    second, is_new = propose_icp(agent=agent, by="bob")
    assert is_new
    first.refresh_from_db()
    assert (first.status, first.handled_by) == ("replaced", "bob")
    with pytest.raises(WrongState, match="replaced by a newer one already"):
        accept_icp(suggestion=first, by="alice")
    reject_icp(suggestion=second, by="alice")
    assert propose_icp(agent=agent, by="bob")[1]
    assert IcpSuggestion.objects.for_org(agent.org).filter(status="proposed").count() == 1


def test_a_profile_that_changed_meanwhile_is_not_overwritten(agent: Agent) -> None:
    row, _ = propose_icp(agent=agent, by="alice")
    changed = update_agent(agent=agent, changes={"configuration": {"icp": {"towns": ["York"]}}})
    with pytest.raises(WrongState, match="propose anew"):
        accept_icp(suggestion=row, by="alice")
    row.refresh_from_db()
    assert row.status == "proposed"
    again, is_new = propose_icp(agent=changed, by="alice")
    assert is_new
    assert again.icp["towns"] == ["York"]


def test_too_few_outcomes_and_agents_without_a_profile_are_refused(org_a: Organization) -> None:
    agent = make_agent(org_a, "scoring_agent")
    mark(agent, make_business(), "won")
    with pytest.raises(InvalidInput, match="need >= 20 of each; there are 1 companies won and 0 lost"):
        propose_icp(agent=agent, by="alice")
    with pytest.raises(InvalidInput) as caught:
        propose_icp(agent=make_agent(org_a), by="alice")
    assert list(caught.value.fields) == ["agent"]


def test_two_open_ones_of_an_agent_cannot_be(org_a: Organization) -> None:
    agent = make_agent(org_a, "scoring_agent")
    make_suggestion(agent)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_suggestion(agent)


def test_outcomes_of_others_teach_nothing(agent: Agent, org_b: Organization) -> None:
    theirs = make_agent(org_b, "scoring_agent")
    with pytest.raises(InvalidInput, match="0 companies won and 0 lost"):
        propose_icp(agent=theirs, by="carol")


# The API


@pytest.fixture
def writer(org_a: Organization) -> APIClient:
    return client_with(make_key(org_a, "read", "write")[1])


def test_the_api_proposes_accepts_and_rejects(agent: Agent, org_b: Organization, writer: APIClient) -> None:
    answer = writer.post(URL, {"agent": str(agent.pk)})
    assert answer.status_code == 201, answer.json()
    assert writer.post(URL, {"agent": str(agent.pk)}).status_code == 200
    one = answer.json()
    assert one["learnt"]["sic"] == ["62"]
    assert one["lifts"][0]["attribute"] == "industry"
    assert [row["id"] for row in writer.get(URL, {"status": "proposed"}).json()["results"]] == [one["id"]]
    assert writer.get(URL, {"agent": str(make_agent(agent.org).pk)}).json()["results"] == []
    assert problem_of(writer.post(f"{URL}{one['id']}/accept/", {"sic": []}), 400)
    accepted = writer.post(f"{URL}{one['id']}/accept/")
    assert (accepted.status_code, accepted.json()["status"]) == (200, "accepted")
    problem_of(writer.post(f"{URL}{one['id']}/reject/"), 409, "wrong_state")
    again = writer.post(URL, {"agent": str(agent.pk)}).json()
    assert again["current_icp"]["sic"] == ["62"]
    assert writer.post(f"{URL}{again['id']}/reject/").json()["status"] == "rejected"
    theirs = make_suggestion(make_agent(org_b, "scoring_agent"))
    problem_of(writer.post(f"{URL}{theirs.pk}/accept/"), 404)
    problem = problem_of(writer.post(URL, {"agent": str(theirs.agent_id)}), 400)
    assert "agent" in problem["errors"]


def test_the_api_says_what_is_missing(org_a: Organization, writer: APIClient) -> None:
    agent = make_agent(org_a, "opportunity_bot")
    problem = problem_of(writer.post(URL, {"agent": str(agent.pk)}), 400)
    assert "not enough outcomes: need >= 20 of each" in problem["detail"]


@pytest.mark.parametrize("rows", [1, 10])
def test_a_page_takes_one_statement(
    org_a: Organization, key_client: APIClient, rows: int, django_assert_num_queries: Any
) -> None:
    for _ in range(rows):
        make_suggestion(make_agent(org_a, "scoring_agent"))
    key_client.get(URL)
    with django_assert_num_queries(3):  # the key, the throttle, the page
        assert len(key_client.get(URL).json()["results"]) == rows
    assert not Business.objects.exists()
