"""What changed since the last report: facts, and nothing that the clock does by itself."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from django.utils import timezone

from agents.models import ResearchSection
from agents.research.changes import changes_between, new_signals
from agents.research.dossier import basis_for, basis_of, load_dossier
from agents.research.sections import MAKERS, make_sections
from businesses.models import Business, SourceState
from oppspot.organizations.models import Organization
from signals_app.models import BuyingSignal
from tests.agents.research_cases import appoint, fill, make_company
from tests.signals_app.factories import make_event, make_signal

pytestmark = pytest.mark.django_db


def sections_after(org: Organization, business: Business, days: int) -> list[ResearchSection]:
    """The sections as they would be made in so many days, of the facts as they are now."""
    business = Business.objects.get(pk=business.pk)
    day = timezone.now().date() + timedelta(days=days)
    peers = [{"id": "x", "name": "Peer", "company_number": "1", "similarity": 0.5 + days / 1_000, "model": "m"}]
    dossier = load_dossier(org, business, day=day, refreshed={}, peers=peers)
    basis = basis_of(org, business)
    return [
        ResearchSection(name=one.name, content=one.lines, basis=basis_for(one.name, basis))
        for one in make_sections(dossier, MAKERS)
    ]


@pytest.mark.parametrize("days", [1, 100, 400, 1_000])
def test_time_alone_changes_nothing(org_a: Organization, days: int) -> None:
    company = make_company()
    fill(org_a, company)
    make_event(company, "officer_resigned", days_ago=300, payload={"name": "GONE, Bo"})
    then = timezone.now() - timedelta(days=9)
    state = SourceState.objects.create(source="company_website", target="x", business=company, succeeded_at=then)
    before = sections_after(org_a, company, 0)
    SourceState.objects.filter(pk=state.pk).update(succeeded_at=timezone.now())  # asked again: nothing new
    Business.objects.filter(pk=company.pk).update(register_snapshot_on=timezone.now().date())
    later = sections_after(org_a, company, days)
    assert told(before) != told(later)
    assert changes_between(before, later) == {}


def test_facts_that_change_are_told(org_a: Organization) -> None:
    company = make_company()
    fill(org_a, company)
    office = appoint(company, "HOPPER, Grace")
    before = sections_after(org_a, company, 0)
    Business.objects.filter(pk=company.pk).update(employee_count=7, incorporated_on="2013-01-01", website="")
    office.occupation = "Admiral"
    office.save()
    make_event(company, "filing", days_ago=0, payload={"type": "AA"})
    make_event(company, "job_posted", days_ago=0)
    changes = changes_between(before, sections_after(org_a, company, 1))
    assert sorted(one["key"] for one in changes["snapshot"]["changed"]) == ["age"]
    assert [one["key"] for one in changes["snapshot"]["new"]] == ["employees"]
    assert [one["key"] for one in changes["snapshot"]["gone"]] == ["website"]
    (changed,) = changes["decision_makers"]["changed"]
    assert changed["after"].endswith("occupation Admiral")
    assert "jobs" in {one["key"] for one in changes["revenue_signals"]["changed"]}
    assert {one["part"] for one in changes["buying_signals"]["new"]} == {"Filing", "Job posted"}


def test_what_newer_things_push_out_is_not_gone(org_a: Organization) -> None:
    company = make_company()
    for _ in range(20):
        make_event(company, "filing", days_ago=9, payload={"type": "AA"})
    before = sections_after(org_a, company, 0)
    make_event(company, "filing", days_ago=1, payload={"type": "SH01"})
    changes = changes_between(before, sections_after(org_a, company, 0))
    assert (len(changes["buying_signals"]["new"]), changes["buying_signals"]["gone"]) == (1, [])


def test_of_many_signals_those_that_change_places_are_neither_new_nor_gone(org_a: Organization) -> None:
    company = make_company()
    for number in range(31):
        make_signal(org_a, company, weight=60 if number else 59, half_life_days=60 if number else 600)
    before = sections_after(org_a, company, 0)
    later = sections_after(org_a, company, 60)
    assert keys(before) != keys(later)
    assert changes_between(before, later) == {}
    BuyingSignal.objects.for_org(org_a).filter(half_life_days=600).update(status="expired")
    make_signal(org_a, company, weight=90)
    changes = changes_between(later, sections_after(org_a, company, 60))
    assert len(new_signals(changes)) == 1
    assert len({one["key"].split(":")[1] for one in changes["buying_signals"]["gone"]}) == 1


def told(sections: Sequence[ResearchSection]) -> list[str]:
    return [line["text"] for one in sections for line in one.content]


def keys(sections: Sequence[ResearchSection]) -> set[str]:
    return {line["key"] for one in sections for line in one.content if line["key"].startswith("signal:")}
