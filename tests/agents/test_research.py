"""Reports on companies: sections of stored facts, used again while fresh, every line with its evidence."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from agents.models import ResearchMonth, ResearchReport, ResearchSection
from agents.registry import get_kind
from agents.reports import Wanted, keep_sections, stale_names
from agents.research.dossier import basis_of, load_dossier
from agents.research.sections import MAKERS, make_sections
from businesses.models import Business, Officer, SourceState
from oppspot.organizations.models import Organization
from signals_app.models import SourceReliability
from tests.agents.factories import execute, make_agent
from tests.agents.research_cases import appoint, fill, json_of, latest, make_company, research, section, texts
from tests.factories import embed, make_business
from tests.signals_app.factories import make_event, make_signal

pytestmark = pytest.mark.django_db
NAMES = ["snapshot", "buying_signals", "decision_makers", "revenue_signals", "recommended_approach", "sources"]


def used(org: Organization) -> int:
    return sum(ResearchMonth.objects.for_org(org).values_list("used", flat=True))


def test_a_report_has_six_sections_each_line_with_its_evidence(org_a: Organization) -> None:
    company = make_company()
    fill(org_a, company)
    SourceReliability.objects.for_org(org_a).create(org=org_a, source="news_feeds", confirmed=0, refuted=5)
    execution = research(org_a, company)
    assert (execution.mode, execution.items_processed) == ("deterministic", 6)
    report = json_of(latest(org_a))
    assert [one["name"] for one in report["sections"]] == NAMES
    today = timezone.now().date()
    assert texts(report, "snapshot", "Status") == ["Active"]
    assert texts(report, "snapshot", "Industry") == ["62012 Business and domestic software development"]
    assert texts(report, "snapshot", "Employees") == ["unknown: not found in 5 sources"]
    assert texts(report, "snapshot", "Sources disagree") == [
        "accounts category: SMALL / accounts category became MEDIUM"
    ]
    assert texts(report, "snapshot", "Former name") == ["DULL LTD until 2015-02-01"]
    first, second = (line for line in section(report, "buying_signals")["content"] if line["kind"] == "fact"
                     and line["key"].startswith("signal:"))  # fmt: skip
    assert (first["part"], second["part"]) == ("Funding round", "Job posting")
    assert f"on {today - timedelta(days=2)}" in first["text"]
    (news,) = [one for one in section(report, "buying_signals")["evidence"] if one["text"].startswith("Funding round")]
    assert (news["id"], news["url"], news["reliability"]) == ("bs1", "https://news.example/1", 0.5)
    makers = texts(report, "decision_makers")
    assert makers[0].startswith("LOVELACE, Ada: director since 2019-05-06 (")
    assert makers[1].endswith("a company and no person")
    assert len(makers) == 2
    assert texts(report, "revenue_signals", "Turnover") == ["unknown: not found in 5 sources"]
    assert texts(report, "revenue_signals", "Funding")[0].startswith("3000000 GBP, ")
    assert texts(report, "revenue_signals", "Jobs") == [f"1 advertised since {today - timedelta(days=90)}"]
    assert texts(report, "recommended_approach", "Whom")[0].startswith("LOVELACE")
    assert texts(report, "recommended_approach", "You know") == [f"meeting on {today}"]
    assert texts(report, "recommended_approach", "You know, after") == ["a pilot was agreed"]
    assert len(texts(report, "recommended_approach", "Verify")) == 1
    assert "news_feeds: newest of" in " ".join(texts(report, "sources", "Used"))


def test_what_the_sources_do_not_tell_is_unknown(org_a: Organization) -> None:
    company = make_business("Bare Ltd", company_number=None)
    research(org_a, company)
    report = json_of(latest(org_a))
    assert texts(report, "decision_makers") == ["unknown: not found in 1 source"]
    assert set(texts(report, "revenue_signals")) == {"unknown: not found in 1 source"}
    assert {one["kind"] for one in section(report, "recommended_approach")["content"]} == {"unknown", "advice"}


def test_fresh_sections_are_used_again_and_cost_nothing(org_a: Organization, org_b: Organization) -> None:
    company = make_company()
    fill(org_a, company)
    research(org_a, company)
    again = research(org_a, company)
    assert again.output_data
    assert (again.output_data["is_reuse"], again.output_data["made"]) == (True, 0)
    assert (ResearchSection.objects.for_org(org_a).count(), used(org_a)) == (6, 1)
    assert (latest(org_a).changes, latest(org_a).is_reuse) == ({}, True)
    assert again.output_data["news"] == []
    research(org_b, company)
    assert (ResearchSection.objects.for_org(org_b).count(), used(org_b)) == (6, 1)
    assert "Funding" not in str(json_of(latest(org_b))["sections"][1])


def test_a_new_signal_makes_what_rests_on_it_stale_and_is_news(org_a: Organization) -> None:
    company = make_company()
    fill(org_a, company)
    research(org_a, company)
    make_signal(org_a, company, signal_type="expansion", rule="new_site")
    execution = research(org_a, company)
    assert execution.output_data
    assert (execution.output_data["made"], execution.output_data["reused"]) == (4, 2)
    assert execution.output_data["news"] == ["Boring Software Ltd: 1 new signal since the last report"]
    changes = latest(org_a).changes
    assert [line["part"] for line in changes["buying_signals"]["new"]] == ["Expansion", "Its source says"]
    assert [line["part"] for line in changes["buying_signals"]["changed"]] == ["Score of signals"]
    assert "snapshot" not in changes
    first = ResearchReport.objects.for_org(org_a).earliest("pk")
    assert "Expansion" not in str(json_of(first))  # it keeps showing what it was made of
    assert used(org_a) == 2


def test_an_event_that_was_committed_late_and_a_new_name_make_stale_what_rests_on_them(org_a: Organization) -> None:
    company = make_company()
    office = appoint(company, "BYRON, Ada")
    event = make_event(company)
    research(org_a, company)
    make_event(company, id=event.pk - 1, payload={"title": "Committed late"})
    research(org_a, company)
    assert "Committed late" in texts(json_of(latest(org_a)), "buying_signals")
    Officer.objects.filter(pk=office.officer_id).update(name="LOVELACE, Ada", updated_at=timezone.now())
    research(org_a, company)
    assert texts(json_of(latest(org_a)), "decision_makers")[0].startswith("LOVELACE")


def test_a_section_expires_by_its_own_time_to_live(org_a: Organization) -> None:
    company = make_company()
    research(org_a, company)

    def made_after(days: int, **lives: int) -> int:
        ago = timedelta(days=days)
        ResearchSection.objects.for_org(org_a).update(
            generated_at=F("generated_at") - ago, expires_at=F("expires_at") - ago
        )
        execution = research(org_a, company, lives=lives)
        assert execution.output_data
        made: int = execution.output_data["made"]
        return made

    assert made_after(2) == 0
    assert made_after(2, snapshot=300) == 3  # signals, approach, sources
    assert made_after(27) == 6
    assert made_after(29) == 5


def test_the_quota_holds_and_leaves_what_is_fresh(org_a: Organization) -> None:
    company, other = make_company(), make_business()
    research(org_a, company, quota=1)
    research(org_a, company, quota=1)
    refused = execute(make_agent(org_a, "research_gpt", configuration={"quota": 1}), company=str(other.pk))
    assert refused.status == "failed"
    assert "All 1 reports of" in refused.error_message
    assert (used(org_a), ResearchReport.objects.for_org(org_a).count()) == (1, 2)


def test_a_source_that_failed_makes_the_report_partial_until_it_answers(org_a: Organization) -> None:
    company = make_company()
    state = SourceState.objects.create(
        source="company_website", target=str(company.pk), business=company, failures=2, error="It did not answer."
    )
    research(org_a, company)
    report = latest(org_a)
    assert report.status == "partial"
    assert {one["section"]: one["problem"] for one in report.problems}["buying_signals"] == (
        "company_website: It did not answer."
    )
    parts = {one["name"]: one["status"] for one in json_of(report)["sections"]}
    assert (parts["snapshot"], parts["buying_signals"], parts["sources"]) == ("ok", "failed", "partial")
    assert texts(json_of(report), "sources", "Failed") == ["company_website: It did not answer."]
    SourceState.objects.filter(pk=state.pk).update(failures=0, error="")
    research(org_a, company)
    assert latest(org_a).status == "complete"


def test_detailed_depth_asks_the_sources_and_names_peers(org_a: Organization, monkeypatch: Any) -> None:
    company = make_company()
    asked = []

    def ask(name: str, business: Any) -> dict[str, Any]:
        assert connection.in_atomic_block  # of the test alone
        asked.append((name, business))
        return {"new": 0, "problem": "It is closed.", "unset": name == "company_website"}

    peers = [{"id": "x", "name": "Peer Ltd", "company_number": "01234567", "similarity": 0.8123, "model": "m-1"}]
    monkeypatch.setattr("agents.kinds.research_gpt.refresh_source", ask)
    monkeypatch.setattr("agents.kinds.research_gpt.peers_of", lambda business: peers)
    execution = research(org_a, company, depth="detailed")
    assert [name for name, _ in asked] == ["companies_house_api", "company_website"]
    report = json_of(latest(org_a))
    assert texts(report, "snapshot", "Peer") == ["Peer Ltd (01234567), similarity 0.81"]
    assert (report["status"], section(report, "snapshot")["status"]) == ("partial", "partial")
    assert execution.output_data
    assert execution.output_data["depth"] == "detailed"


def test_peers_are_the_nearest_by_vector(settings: Any) -> None:
    from agents.research.peers import peers_of
    from embeddings.providers.registry import get_provider

    company, near, far = make_company(), make_business("Near Ltd"), make_business("Far Ltd")
    assert peers_of(company.pk) == []
    provider = get_provider()
    size = provider.dimensions
    for business, at in ((company, 0.0), (near, 0.2), (far, 9.0)):
        embed(business, [1.0, at, *[0.0] * (size - 2)], model=provider.model)
    assert peers_of(company.pk)[0]["name"] == "Near Ltd"


def test_another_company_of_the_same_name_is_left_alone(org_a: Organization) -> None:
    company, namesake = make_company(), make_company()
    appoint(namesake, "OTHER, Person")
    make_signal(org_a, namesake)
    research(org_a, company)
    assert "OTHER" not in str(json_of(latest(org_a)))
    assert latest(org_a).score is None


@pytest.mark.parametrize("events", [1, 15])
def test_as_many_statements_whatever_there_is(
    org_a: Organization, events: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    company = make_company()
    for number in range(events):
        make_event(company)
        make_signal(org_a, company)
        appoint(company, f"PERSON {number}")
    company = Business.objects.get(pk=company.pk)
    with django_assert_num_queries(14):  # the dossier 9 (its signals' trust too), the basis 5
        dossier = load_dossier(org_a, company, day=timezone.now().date(), refreshed={})
        make_sections(dossier, MAKERS)
        basis_of(org_a, company)


def test_without_a_company_it_says_so(org_a: Organization) -> None:
    execution = execute(make_agent(org_a, "research_gpt"))
    assert execution.error_message.startswith("AgentFailed: No company is named")


def test_events_and_other_agents_name_the_company() -> None:
    kind = get_kind("research_gpt")
    asked = {"company_id": "x", "depth": "detailed", "requested_by": "me"}
    assert kind.input_for_event("agent/research_gpt.run", asked) == {"company": "x", "depth": "detailed"}
    assert kind.input_for_event("signals/buying_signal.detected", {"company_id": "x"}) == {"company": "x"}
    assert kind.input_for_event("other", {}) is None


@pytest.mark.django_db(transaction=True)
def test_concurrent_runs_make_one_set_of_sections(org_a: Organization) -> None:
    company = make_company()
    basis = basis_of(org_a, company)
    dossier = load_dossier(org_a, company, day=timezone.now().date(), refreshed={})

    def make(_: int) -> int:
        try:
            wanted = Wanted(org=org_a, business=company, depth="quick", basis=basis, lives=dict.fromkeys(NAMES, 9),
                            quota=5)  # fmt: skip
            stale = stale_names(wanted)
            return len(keep_sections(wanted=wanted, sections=make_sections(dossier, stale)))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(make, range(4)))
    assert (sum(made), ResearchSection.objects.for_org(org_a).count(), used(org_a)) == (6, 6, 1)
