"""Introduction paths from an organisation's companies and people to a target, kept with their evidence."""

from datetime import date, timedelta
from itertools import count
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from agents.models import AgentExecution, IntroPath, Opportunity
from agents.paths.evidence import Facts
from agents.paths.keeping import record_paths
from agents.paths.search import TooManyTies, find_paths
from agents.registry import get_kind
from businesses.models import Appointment, Business, Officer, Watchlist, WatchlistEntry
from businesses.normalise import normalise_name
from oppspot.core.errors import InvalidInput
from oppspot.organizations.models import Organization
from tests.agents.factories import execute, make_agent
from tests.factories import make_business

pytestmark = pytest.mark.django_db
_numbers = count(1)


def officer(name: str = "LOVELACE, Ada") -> Officer:
    number = Officer.objects.count()
    return Officer.objects.create(external_id=f"o{number}", name=name, name_normalised=normalise_name(name))


def appoint(person: Officer, *businesses: Business, **fields: Any) -> list[Appointment]:
    fields = {"role": "director", "appointed_on": date(2020, 1, 1), "source": "companies_house_api"} | fields
    return [
        Appointment.objects.create(
            external_id=f"a{next(_numbers)}", officer=person, business=business,
            source_url=f"https://register.example/{business.company_number}", **fields,
        )
        for business in businesses
    ]  # fmt: skip


def watch(org: Organization, *businesses: Business, name: str = "Customers") -> Watchlist:
    watchlist: Watchlist = Watchlist.objects.for_org(org).create(org=org, name=name)
    WatchlistEntry.objects.for_org(org).bulk_create(
        WatchlistEntry(org=org, watchlist=watchlist, business=business) for business in businesses
    )
    return watchlist


def paths_of(org: Organization) -> list[IntroPath]:
    return list(IntroPath.objects.for_org(org).filter(gone_at=None).order_by("-strength"))


def test_a_path_is_kept_with_the_facts_of_each_hop(org_a: Organization) -> None:
    customer, middle, target = make_business("Customer Ltd"), make_business("Middle Ltd"), make_business("Target Ltd")
    appoint(officer("LOVELACE, Ada"), customer, middle)
    Business.objects.filter(pk__in=[middle.pk, target.pk]).update(
        address_line1="7 Mill Lane", town="York", postcode="YO1 7AA", source="companies_house_bulk"
    )
    agent = make_agent(org_a, "relationship_agent", configuration={"watchlist": str(watch(org_a, customer).pk)})
    execution = execute(agent, target=str(target.pk))
    assert (execution.status, execution.error_message, execution.mode) == ("completed", "", "deterministic")
    (path,) = paths_of(org_a)
    assert path.summary == "Customer Ltd by LOVELACE, Ada to Middle Ltd by 7 Mill Lane, York, YO1 7AA to Target Ltd"
    assert (path.hops, path.start_id, path.target_id) == (2, customer.pk, target.pk)
    assert path.strength == pytest.approx(0.35)
    first, second = path.links
    assert (first["kind"], first["from"]["name"], first["to"]["name"]) == ("officer", "Customer Ltd", "Middle Ltd")
    assert [(one["id"], one["text"], one["on"]) for one in first["evidence"]] == [
        ("f1", "LOVELACE, Ada is director of Customer Ltd from 2020-01-01.", "2020-01-01"),
        ("f2", "LOVELACE, Ada is director of Middle Ltd from 2020-01-01.", "2020-01-01"),
    ]
    assert first["evidence"][0]["url"] == f"https://register.example/{customer.company_number}"
    assert [one["id"] for one in second["evidence"]] == ["f3", "f4"]
    assert second["evidence"][1]["url"].endswith(f"/company/{target.company_number}")
    assert execution.output_data
    (result,) = execution.output_data["targets"]
    assert (result["paths"], result["new"], result["hops"]) == ([str(path.pk)], 1, 3)


def test_a_path_from_a_known_person_begins_with_their_office(org_a: Organization) -> None:
    ada, bo = officer("LOVELACE, Ada"), officer("BO, Bo")
    here, target = make_business("Here Ltd"), make_business("Target Ltd")
    appoint(ada, here)
    appoint(bo, here, target)
    agent = make_agent(org_a, "relationship_agent", configuration={"people": [ada.pk], "target": str(target.pk)})
    execute(agent)
    (path,) = paths_of(org_a)
    assert path.summary == "LOVELACE, Ada, Here Ltd by BO, Bo to Target Ltd"
    assert (path.hops, path.start_id, path.links[0]["from"]) == (2, None, None)


def test_run_again_it_doubles_nothing_and_marks_what_has_gone(org_a: Organization) -> None:
    customer, target = make_business(), make_business()
    first, second = officer("A"), officer("B")
    appoint(first, customer, target)
    (kept, _) = appoint(second, customer, target)
    agent = make_agent(org_a, "relationship_agent", configuration={"watchlist": str(watch(org_a, customer).pk)})
    execute(agent, target=str(target.pk))
    before = {path.pk for path in paths_of(org_a)}
    again = execute(agent, target=str(target.pk))
    assert again.output_data
    assert (again.output_data["targets"][0]["new"], again.output_data["targets"][0]["gone"]) == (0, 0)
    assert {path.pk for path in paths_of(org_a)} == before
    assert len(before) == 2
    kept.delete()
    third = execute(agent, target=str(target.pk))
    assert third.output_data
    assert third.output_data["targets"][0]["gone"] == 1
    assert len(paths_of(org_a)) == 1
    appoint(second, customer)
    execute(agent, target=str(target.pk))
    assert {path.pk for path in paths_of(org_a)} == before
    assert IntroPath.objects.for_org(org_a).count() == 2


def test_without_parameters_it_goes_from_won_deals_to_open_opportunities(org_a: Organization) -> None:
    won, hoped = make_business("Won Ltd"), make_business("Hoped Ltd")
    appoint(officer(), won, hoped)
    agent = make_agent(org_a, "relationship_agent")
    assert execute(agent).error_message.startswith("AgentFailed: There is nobody to start from")
    opportunities = Opportunity.objects.for_org(org_a)
    opportunities.create(org=org_a, business=won, status="won", handled_at=timezone.now(), score=1, confidence=1)
    idle = execute(agent)
    assert idle.output_data
    assert (idle.status, idle.output_data["note"][:9]) == ("completed", "No target")
    opportunities.create(org=org_a, business=hoped, score=70, confidence=50)
    execution = execute(agent)
    assert execution.status == "completed"
    assert [path.summary for path in paths_of(org_a)] == ["Won Ltd by LOVELACE, Ada to Hoped Ltd"]


def test_namesakes_are_shown_as_unverified_and_lead_nowhere(org_a: Organization) -> None:
    customer, target = make_business(), make_business()
    one, other = officer("SMITH, John"), officer("SMITH, John")
    appoint(one, customer)
    appoint(other, target)
    agent = make_agent(org_a, "relationship_agent", configuration={"watchlist": str(watch(org_a, customer).pk)})
    execution = execute(agent, target=str(target.pk))
    assert execution.output_data
    (result,) = execution.output_data["targets"]
    assert result["paths"] == []
    assert [(found["officer"], found["other_officer"]) for found in result["possible_unverified"]] == [
        (str(other.pk), str(one.pk))
    ]


def test_a_nominee_is_left_out_and_counted(org_a: Organization) -> None:
    customer, target = make_business(), make_business()
    appoint(officer("TEMPLE SECRETARIES LIMITED"), customer, target, role="corporate-secretary")
    agent = make_agent(org_a, "relationship_agent", configuration={"watchlist": str(watch(org_a, customer).pk)})
    execution = execute(agent, target=str(target.pk))
    assert execution.output_data
    left_out = execution.output_data["targets"][0]["left_out"]
    assert (left_out["count"], left_out["shown"][0]["name"], left_out["shown"][0]["reason"]) == (
        1, "TEMPLE SECRETARIES LIMITED", "listed"
    )  # fmt: skip
    assert paths_of(org_a) == []


def test_another_organisations_watchlist_does_not_exist(org_a: Organization, org_b: Organization) -> None:
    customer, target = make_business(), make_business()
    appoint(officer(), customer, target)
    theirs = watch(org_b, customer)
    with pytest.raises(InvalidInput) as caught:
        make_agent(org_a, "relationship_agent", configuration={"watchlist": str(theirs.pk)})
    assert list(caught.value.fields) == ["configuration.watchlist"]
    with pytest.raises(InvalidInput) as caught:
        make_agent(org_a, "relationship_agent", configuration={"people": [2**62]})
    assert list(caught.value.fields) == ["configuration.people"]
    agent = make_agent(org_b, "relationship_agent", configuration={"watchlist": str(theirs.pk)})
    execute(agent, target=str(target.pk))
    assert (len(paths_of(org_b)), paths_of(org_a)) == (1, [])


def test_where_three_hops_take_too_long_two_are_searched(org_a: Organization, monkeypatch: Any) -> None:
    customer, target = make_business(), make_business()
    appoint(officer(), customer, target)

    def impatient(**asked: Any) -> Any:
        if asked["max_hops"] == 3:
            raise TooManyTies("Too many.")
        return find_paths(**asked)

    monkeypatch.setattr("agents.kinds.relationship_agent.find_paths", impatient)
    agent = make_agent(org_a, "relationship_agent", configuration={"watchlist": str(watch(org_a, customer).pk)})
    execution = execute(agent, target=str(target.pk))
    assert execution.output_data
    assert (execution.output_data["targets"][0]["hops"], len(paths_of(org_a))) == (2, 1)


@pytest.mark.parametrize("shared", [1, 5])
def test_keeping_paths_takes_as_many_statements_however_many_there_are(
    org_a: Organization, shared: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    customer, target = make_business(), make_business()
    for number in range(shared):
        appoint(officer(f"P{number}"), customer, target)
    execution = execute(make_agent(org_a, "relationship_agent"))
    execution = AgentExecution.objects.for_org(org_a).get(pk=execution.pk)
    day = timezone.now().date() + timedelta(days=1)
    # search: savepoint, settings 2, find, restore, release; facts: companies, officers' offices;
    # keep: savepoint, before, upsert, ids, gone, release
    with django_assert_num_queries(14):
        paths = find_paths(target=target.pk, sources=[customer.pk], day=day).found
        facts = Facts(paths)
        told = [(path, facts.tell(path)) for path in paths]
        kept = record_paths(org=org_a, execution=execution, target=target.pk, paths=told)
    assert len(kept.ids) == shared


def test_an_event_that_names_a_company_makes_it_the_target() -> None:
    kind = get_kind("relationship_agent")
    assert kind.input_for_event("agent/research_gpt.run", {"company_id": "x"}) == {"target": "x"}
    assert kind.input_for_event("other", {}) is None
