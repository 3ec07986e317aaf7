"""What must not be offered, what counts as evidence, and when a score is worth a new row."""

from datetime import date, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings

from agents.kinds import opportunity_bot
from agents.kinds.opportunity_bot import OpportunityParams, find_opportunities
from agents.models import Opportunity, Scorecard
from agents.scoring.candidates import score_businesses, shortlist
from agents.scoring.facts import Facts
from agents.scoring.meaning import Meaning, meaning_of
from agents.scoring.profile import Icp, Weights
from agents.scoring.scores import Score, next_year_end, score_company
from businesses.imports import import_tabular
from businesses.models import Business, Watchlist, WatchlistEntry
from embeddings.providers import get_provider
from embeddings.services import generate_embeddings
from oppspot.core.ids import uuid7
from oppspot.management.commands.demo import SAMPLE
from oppspot.organizations.models import Organization
from tests.agents.factories import execute, make_agent
from tests.factories import make_business
from tests.signals_app.factories import make_signal

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def hashed_words(settings: Settings) -> None:
    settings.EMBEDDING_PROVIDER, settings.EMBEDDING_MODEL = "deterministic", ""


def found_by(org: Organization, **configuration: Any) -> list[str]:
    params = OpportunityParams.model_validate({"min_score": 0} | configuration)
    scores = find_opportunities(org, params, day=timezone.now().date(), only=[])
    names = dict(Business.objects.values_list("pk", "name"))
    return [names[one.business_id] for one in scores]


def close(org: Organization, *businesses: Business, status: str = "won") -> None:
    agent = make_agent(org, "opportunity_bot")
    for business in businesses:
        Opportunity.objects.for_org(org).create(
            org=org, agent=agent, business=business, score=1, confidence=1, status=status, handled_at=timezone.now()
        )


def score(org: Organization, business: Business, icp: Icp | None = None) -> Score:
    (one,) = score_businesses(
        org, [business.pk], icp=icp or Icp(), meaning=Meaning("", ()), weights=Weights(), day=timezone.now().date()
    )
    return one


def test_companies_with_vectors_are_found_but_the_examples_are_not(org_a: Organization) -> None:
    liked = make_business("Liked", description="craft beer brewer")
    disliked = make_business("Disliked", description="craft beer pub")
    make_business("Alike", description="craft beer maker")
    make_business("Alike, too", description="maker of craft beer")
    generate_embeddings(provider=get_provider())
    icp = {"examples": [str(liked.pk)], "counter_examples": [str(disliked.pk)]}
    assert set(found_by(org_a, icp=icp)) == {"Alike", "Alike, too"}


def test_what_is_left_out_takes_no_place_on_the_shortlist(org_a: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opportunity_bot, "shortlist", partial(shortlist, size=2))
    close(org_a, *(make_business(town="Leeds") for _ in range(3)), status="dismissed")
    customers = Watchlist.objects.for_org(org_a).create(org=org_a, name="Customers")
    for _ in range(3):
        WatchlistEntry.objects.for_org(org_a).create(
            org=org_a, watchlist=customers, business=make_business(town="Leeds")
        )
    make_business("Open", town="Leeds")
    assert "Open" in found_by(org_a, icp={"towns": ["Leeds"]}, exclude=str(customers.pk))


def test_nor_is_what_shares_a_website_with_a_customer(org_a: Organization, org_b: Organization) -> None:
    close(org_a, make_business("Customer", website="https://group.example"))
    make_business("Sister", website="https://www.group.example/uk")
    assert found_by(org_a) == []
    assert set(found_by(org_b)) <= {"Customer", "Sister"}
    assert len(found_by(org_b)) == 1


def test_nor_is_what_shares_one_with_a_known_company_or_an_example(org_a: Organization) -> None:
    customers = Watchlist.objects.for_org(org_a).create(org=org_a, name="Customers")
    customer = make_business("Customer", website="https://group.example")
    WatchlistEntry.objects.for_org(org_a).create(org=org_a, watchlist=customers, business=customer)
    example = make_business("Example", website="https://liked.example")
    make_business("Sister", website="https://www.group.example/uk")
    make_business("Cousin", website="https://liked.example/uk")
    make_business("Other", website="https://other.example")
    assert set(found_by(org_a)) > {"Other"}
    assert found_by(org_a, exclude=str(customers.pk), icp={"examples": [str(example.pk)]}) == ["Other"]


@pytest.mark.parametrize(
    ("fields", "is_shell"),
    [
        ({"accounts_category": "DORMANT", "sic_codes": ["62012"]}, True),
        ({"sic_codes": ["99999"]}, True),
        ({"sic_codes": ["74990", "7499"]}, True),
        ({"sic_codes": ["74990", "62012"]}, False),  # it says what it does, too
        ({"sic_codes": []}, False),
        ({"accounts_category": "NO ACCOUNTS FILED"}, False),  # it may be new
    ],
)
def test_shells_are_found_only_if_they_are_asked_for(
    org_a: Organization, fields: dict[str, Any], is_shell: bool
) -> None:
    make_business("One", **fields)
    assert found_by(org_a) == ([] if is_shell else ["One"])
    assert found_by(org_a, filters={"dormant": True}) == ["One"]


def test_a_group_does_not_fill_the_pool(org_a: Organization) -> None:
    for number in range(9):
        make_business(f"Of the group {number}", website=f"https://group.example/{number}", town="Leeds")
    make_business("Other", website="https://other.example")
    found = found_by(org_a, icp={"towns": ["Leeds"]}, max_opportunities=2)
    assert len(found) == 2
    assert "Other" in found


def test_the_best_by_meaning_are_not_all_full(org_a: Organization) -> None:
    """A company is as alike as its words are; at twice the threshold, and above it, the nearer one is still first."""
    # Of equals, that of the smaller id would be the first.
    middling = make_business("Middling", id=UUID(int=1), description="craft beer brewer for pubs of many towns")
    near = make_business("Near", id=UUID(int=2), description="craft beer brewer for pubs")
    generate_embeddings(provider=get_provider())
    meaning = meaning_of(Icp(text="craft beer brewer"))
    alike = meaning.similarities([middling.pk, near.pk])
    assert alike[near.pk]["text"] > alike[middling.pk]["text"] > 2 * get_provider().default_threshold
    assert found_by(org_a, icp={"text": "craft beer brewer"}) == ["Near", "Middling"]


def test_pages_on_one_host_are_of_many_companies(org_a: Organization) -> None:
    close(org_a, make_business(website="https://www.facebook.com/customer"))
    for name in ("One", "Two"):
        make_business(name, website=f"https://www.facebook.com/{name}")
    assert set(found_by(org_a)) == {"One", "Two"}


def test_a_signal_is_one_piece_of_evidence_whatever_it_counts_for(org_a: Organization) -> None:
    business = make_business(sic_codes=["62012"], town="Leeds", source="companies_house_bulk")
    make_signal(org_a, business)
    assert score(org_a, business).evidence == 1
    assert score(org_a, business, Icp(sic=["62"], towns=["Leeds"])).evidence == 2  # and one row of the register


def test_each_piece_is_met_from_0_to_1_and_what_speaks_against_is_told(org_a: Organization) -> None:
    business = make_business()
    make_signal(org_a, business, weight=95, confidence_score=95)
    make_signal(org_a, business, weight=10, confidence_score=20, signal_type="expansion")
    make_signal(org_a, business, weight=50, is_negative=True, signal_type="companies_house_filing")
    one = score(org_a, business)
    assert all(0 <= (each.met or 0) <= 1 for each in one.contributions)
    (against,) = [each for each in one.contributions if each.code == "companies_house_filing" and each.part == "intent"]
    assert (against.points, "speaks against it" in against.text) == (0, True)


def test_fading_adds_no_scorecard_and_a_fact_does(org_a: Organization) -> None:
    business = make_business()
    make_signal(org_a, business)
    agent, start = make_agent(org_a, "scoring_agent"), timezone.now()

    def cards_on(day: int) -> int:
        with time_machine.travel(start + timedelta(days=day)):
            assert execute(agent, companies=[str(business.pk)]).status == "completed"
        count: int = Scorecard.objects.for_org(org_a).count()
        return count

    assert [cards_on(day) for day in range(4)] == [1, 1, 1, 1]
    make_signal(org_a, business, weight=10, confidence_score=10, signal_type="expansion")
    assert cards_on(4) == 2
    assert cards_on(60) == 3  # by then it has faded by a lot


def test_without_a_provider_meaning_is_unknown_and_said_to_be(org_a: Organization, settings: Settings) -> None:
    settings.EMBEDDING_PROVIDER, settings.OPENAI_API_KEY = "openai", ""
    business = make_business(town="Leeds")
    agent = make_agent(org_a, "scoring_agent", configuration={"icp": {"text": "brewer", "towns": ["Leeds"]}})
    execution = execute(agent, companies=[str(business.pk)])
    assert (execution.status, execution.output_data["notes"][0][:8]) == ("completed", "Nothing ")  # type: ignore[index]
    card = Scorecard.objects.for_org(org_a).get()
    assert card.fit == 100
    assert card.confidence < score(org_a, business, Icp(towns=["Leeds"])).confidence
    assert next(each for each in card.contributions if each["code"] == "text")["met"] is None


@pytest.mark.parametrize(
    ("last", "day", "expected"),
    [
        (date(2025, 12, 31), date(2026, 11, 1), date(2026, 12, 31)),
        (date(2025, 3, 31), date(2026, 11, 1), date(2027, 3, 31)),
        (date(2024, 2, 29), date(2026, 2, 28), date(2026, 2, 28)),
        (date(2024, 2, 29), date(2027, 3, 1), date(2028, 2, 29)),
        (date(2026, 11, 1), date(2026, 11, 1), date(2026, 11, 1)),
    ],
)
def test_the_year_ends_again(last: date, day: date, expected: date) -> None:
    assert next_year_end(last, day) == expected


def test_a_near_year_end_is_a_time_for_it() -> None:
    day = date(2026, 11, 1)
    near, far = (
        score_company(Facts(id=uuid7(), accounts_last_made_up_on=last), [], Weights(), day)
        for last in (date(2025, 12, 31), date(2025, 3, 31))
    )
    assert (near.timing, far.timing) == (30, 0)


def test_default_parameters_find_something_on_the_sample(org_a: Organization) -> None:
    import_tabular(path=SAMPLE, source="sample")
    generate_embeddings(provider=get_provider())
    execution = execute(make_agent(org_a, "opportunity_bot"))
    assert execution.status == "completed", execution.error_message
    assert len(execution.output_data["new"]) == 20  # type: ignore[index]
    again = execute(execution.agent)
    assert (again.output_data["new"], again.output_data["seen"], again.output_data["gone"]) == ([], 20, 0)  # type: ignore[index]
