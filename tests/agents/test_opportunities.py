"""Opportunities: what is found, found again, gone, and never offered."""

import random
from datetime import date
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from agents.kinds.opportunity_bot import OpportunityParams, find_opportunities
from agents.models import Agent, AgentExecution, Opportunity
from agents.opportunities import mark_opportunity
from agents.scoring.candidates import shortlist
from agents.scoring.profile import Filters, Icp
from businesses.models import Business, Status, Watchlist, WatchlistEntry
from embeddings.providers import get_provider
from embeddings.services import generate_embeddings
from oppspot.core.errors import InvalidInput
from oppspot.organizations.models import Organization
from signals_app.models import SignalType
from signals_app.scoring import refresh_scores
from tests.agents.factories import execute, make_agent
from tests.agents.test_lifecycle import hand_over
from tests.factories import make_business
from tests.signals_app.factories import make_signal

pytestmark = pytest.mark.django_db
STATUSES: list[list[Status]] = [[], [], [Status.ACTIVE], [Status.INSOLVENT, Status.ACTIVE]]


def opportunities(org: Organization) -> dict[str, Opportunity]:
    return {row.business.name: row for row in Opportunity.objects.for_org(org).select_related("business")}


def make_bot(org: Organization, **configuration: Any) -> Agent:
    return make_agent(org, "opportunity_bot", configuration=configuration)


def test_new_seen_gone_and_back(org_a: Organization) -> None:
    acme = make_business(name="Acme Ltd", sic_codes=["62012"], description="Software")
    bot = make_bot(org_a, filters={"sic": ["62"]})
    output = execute(bot).output_data
    assert output is not None
    assert [one["name"] for one in output["new"]] == ["Acme Ltd"]
    row = opportunities(org_a)["Acme Ltd"]
    assert (row.status, row.times_seen, row.gone_at) == ("open", 1, None)
    assert row.reasons[0]["text"]
    output = execute(bot).output_data
    assert output is not None
    assert (output["new"], output["seen"]) == ([], 1)
    assert opportunities(org_a)["Acme Ltd"].times_seen == 2
    Business.objects.filter(pk=acme.pk).update(sic_codes=["01110"])
    output = execute(bot).output_data
    assert output is not None
    assert output["gone"] == 1
    assert opportunities(org_a)["Acme Ltd"].gone_at is not None
    Business.objects.filter(pk=acme.pk).update(sic_codes=["62012"])
    execute(bot)
    assert opportunities(org_a)["Acme Ltd"].gone_at is None


def test_what_somebody_closed_is_not_offered_again(org_a: Organization, org_b: Organization) -> None:
    make_business(name="Acme Ltd", description="Software")
    bot = make_bot(org_a)
    execute(bot)
    row = opportunities(org_a)["Acme Ltd"]
    marked = mark_opportunity(opportunity=row, status="dismissed", outcome="A rival.", by="alice")
    assert (marked.handled_by, marked.outcome) == ("alice", "A rival.")
    output = execute(bot).output_data
    assert output is not None
    assert (output["found"], output["gone"]) == (0, 0)
    execute(make_bot(org_a))
    assert Opportunity.objects.for_org(org_a).count() == 1
    execute(make_bot(org_b))  # another organisation judges for itself
    assert Opportunity.objects.for_org(org_b).count() == 1
    assert mark_opportunity(opportunity=row, status="open", by="alice").handled_at is None
    with pytest.raises(InvalidInput):
        mark_opportunity(opportunity=row, status="maybe", by="alice")


def test_dissolved_companies_second_ones_of_a_website_and_the_left_out_are_not_found(org_a: Organization) -> None:
    make_business(name="Dissolved Ltd", status="dissolved", description="x")
    make_business(name="Insolvent Ltd", status="insolvent", description="x")
    make_business(name="Parent Ltd", website="https://acme.example", description="x", sic_codes=["62012"])
    make_business(name="Child Ltd", website="https://acme.example/child")
    known = make_business(name="Customer Ltd", description="x")
    customers = Watchlist.objects.for_org(org_a).create(org=org_a, name="Customers")
    WatchlistEntry.objects.for_org(org_a).create(org=org_a, watchlist=customers, business=known)
    execute(make_bot(org_a, exclude=str(customers.pk)))
    assert set(opportunities(org_a)) == {"Parent Ltd"}
    execute(make_bot(org_a, filters={"status": ["insolvent"]}))
    assert "Insolvent Ltd" in opportunities(org_a)


def test_the_chosen_are_not_all_alike(org_a: Organization) -> None:
    """Of two that say the same, the second gives way to one that is a little worse and says something else."""
    alike = [
        make_business(name=f"Alike {place}", vector=[1.0, 0.0], description="x", town="Leeds") for place in range(2)
    ]
    other = make_business(name="Other", vector=[0.0, 1.0], description="x")
    bot = make_bot(org_a, max_opportunities=2)
    execute(bot)
    assert set(opportunities(org_a)) == {alike[0].name, other.name} or set(opportunities(org_a)) == {
        alike[1].name,
        other.name,
    }


def test_known_and_closed_companies_do_not_crowd_others_out(
    org_a: Organization, settings: Any, monkeypatch: Any
) -> None:
    """However many fit best: they are left out before the shortlist is cut, and of those alike in meaning, too."""
    settings.EMBEDDING_PROVIDER = "deterministic"
    bot = make_bot(org_a)
    customers = Watchlist.objects.for_org(org_a).create(org=org_a, name="Customers")
    for place in range(6):
        best = make_business(name=f"Best {place}", sic_codes=["62012"], description="craft beer brewery")
        if place % 2:
            WatchlistEntry.objects.for_org(org_a).create(org=org_a, watchlist=customers, business=best)
        else:
            Opportunity.objects.for_org(org_a).create(
                org=org_a, agent=bot, business=best, score=1, confidence=1, status="won", handled_at=timezone.now()
            )
    new = make_business(name="New", sic_codes=["01110"], description="barley for a brewery")
    generate_embeddings(provider=get_provider())
    params = OpportunityParams(icp=Icp(sic=["62"], text="craft beer brewery"), exclude=customers.pk, min_score=0)
    monkeypatch.setattr("agents.kinds.opportunity_bot.shortlist", partial(shortlist, size=2))
    found = find_opportunities(org_a, params, day=timezone.now().date(), only=[])
    assert [one.business_id for one in found] == [new.pk]


def test_the_reasons_hold_the_evidence(org_a: Organization) -> None:
    acme = make_business(name="Acme Ltd")
    signal = make_signal(org_a, acme, days_ago=2)
    make_signal(org_a, acme, days_ago=900, signal_type=SignalType.EXPANSION)
    refresh_scores(org_a)
    execute(make_bot(org_a))
    row = opportunities(org_a)["Acme Ltd"]
    first = row.reasons[0]
    assert first["part"] == "intent"
    assert first["evidence"][0]["signal"] == str(signal.pk)
    assert first["evidence"][0]["quote"] == "SH01"
    assert row.intent
    assert row.timing


def test_new_ones_are_handed_on_with_their_opportunity(org_a: Organization) -> None:
    make_signal(org_a, make_business(name="Acme Ltd"), days_ago=2)
    refresh_scores(org_a)
    bot, scorer = make_bot(org_a), make_agent(org_a, "scoring_agent")
    hand_over(org_a, bot, scorer, min_evidence=1)
    execute(bot)
    child = AgentExecution.objects.for_org(org_a).get(agent=scorer)
    assert child.status == "completed", child.error_message
    assert child.input_data["opportunity"] == str(opportunities(org_a)["Acme Ltd"].pk)


def test_no_criteria_are_ever_broken(org_a: Organization) -> None:
    """Random criteria over random companies: nothing is found that fails one, was closed, or is there twice."""
    chance = random.Random(7)
    areas, codes = ["EC", "M", "LS", "B"], ["62012", "68100", "01110", "47910"]
    statuses = ["active", "dissolved", "insolvent", "strike_off_proposed"]
    made = [
        make_business(
            name=f"Company {place}",
            status=chance.choice(statuses),
            sic_codes=chance.sample(codes, chance.randint(0, 2)),
            postcode=f"{chance.choice(areas)}1 1AA",
            incorporated_on=date(chance.randint(1990, 2025), 1, 1),
            website=f"https://site{chance.randint(0, 30)}.example",
        )
        for place in range(60)
    ]
    by_id = {business.pk: Business.objects.get(pk=business.pk) for business in made}
    bot = make_bot(org_a)
    dismissed = chance.sample(made, 6)
    for business in dismissed:
        Opportunity.objects.for_org(org_a).create(
            org=org_a,
            agent=bot,
            business=business,
            score=1,
            confidence=1,
            status="dismissed",
            handled_at=timezone.now(),
        )
    for _ in range(120):
        filters = Filters(
            sic=chance.sample(["62", "681", "47910"], chance.randint(0, 2)),
            postcode_area=chance.sample(areas, chance.randint(0, 2)),
            incorporated_from=chance.choice(["", "2001-01-01"]),
            status=chance.choice(STATUSES),
        )
        params = OpportunityParams(filters=filters, icp=Icp(sic=chance.sample(["62", "01"], 1)), min_score=0)
        found = [one.business_id for one in find_opportunities(org_a, params, day=timezone.now().date(), only=[])]
        assert len(found) == len(set(found)) <= params.max_opportunities
        assert not set(found) & {business.pk for business in dismissed}
        domains = [by_id[pk].domain for pk in found]
        assert len(domains) == len(set(domains))
        for business in (by_id[pk] for pk in found):
            assert business.status in (filters.status or [Status.ACTIVE])
            assert not filters.sic or any(
                code.startswith(prefix) for code in business.sic_codes for prefix in filters.sic
            )
            assert not filters.postcode_area or business.postcode_area in filters.postcode_area
            assert not filters.incorporated_from or (business.incorporated_on or date.min) >= date(2001, 1, 1)
