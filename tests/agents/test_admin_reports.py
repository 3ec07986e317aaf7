"""The admin of reports and introduction paths: every line with where it is from, and all of it text."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agents.models import IntroPath, ResearchReport, ResearchSection, SectionName
from agents.research.rendering import report_as_markdown
from businesses.models import Business, SourceState
from oppspot.organizations.models import Organization, User
from tests.agents.research_cases import fill, json_of, latest, make_company, research
from tests.agents.test_admin import text_of
from tests.agents.test_path_api import make_path
from tests.agents.test_report_api import make_report
from tests.factories import make_business

pytestmark = pytest.mark.django_db
REPORTS = reverse("admin:agents_researchreport_changelist")
PATHS = reverse("admin:agents_intropath_changelist")
EVIL = "</td><script>alert(1)</script>[x](javascript:alert(1))"


@pytest.fixture
def client(olga: User) -> Client:
    made = Client()
    made.force_login(olga)
    return made


@pytest.fixture
def report(org_a: Organization) -> ResearchReport:
    company = make_company()
    fill(org_a, company)
    research(org_a, company)
    return latest(org_a)


def page_of(report: ResearchReport) -> str:
    return reverse("admin:agents_researchreport_change", args=[report.pk])


def test_a_report_is_read_section_by_section(client: Client, report: ResearchReport) -> None:
    page = client.get(page_of(report))
    shown, text = page.content.decode(), text_of(page)
    places = [shown.index(f'<div class="jobs-section" id="{name}">') for name in SectionName.values]
    assert places == sorted(places)
    for part in ("Alpha", "LOVELACE, Ada", "“raises £3m”", "not judged", "fresh for", "Without a language model",
                 "a pilot was agreed", "Evidence: "):  # fmt: skip
        assert part in text, part
    assert 'href="https://news.example/1" rel="noreferrer nofollow"' in shown
    assert "Sources that failed" not in text
    assert report_as_markdown(json_of(report)).splitlines()[0] in text


def test_a_partial_report_says_which_source_failed(client: Client, org_a: Organization) -> None:
    company = make_company()
    SourceState.objects.create(source="news_feeds", target="feed", business=company, failures=3, error="HTTP 503")
    research(org_a, company)
    report = latest(org_a)
    text = text_of(client.get(page_of(report)))
    assert "Sources that failed Buying signals news_feeds: HTTP 503" in text
    assert "Partial: a source failed" in text
    listed = text_of(client.get(REPORTS, {"status__exact": "partial"}))
    assert "Quick Partial Buying signals, " in listed
    assert company.name not in text_of(client.get(REPORTS, {"status__exact": "complete"}))


def test_it_says_how_old_sections_are_and_what_has_changed(client: Client, report: ResearchReport) -> None:
    sections = ResearchSection.objects.for_org(report.org)
    long_ago = timezone.now() - timedelta(days=2)
    sections.filter(name="snapshot").update(superseded_at=long_ago)
    sections.filter(name="sources").update(generated_at=long_ago - timedelta(days=1), expires_at=long_ago)
    Business.objects.filter(pk=report.business_id).update(town="Hull")
    SourceState.objects.create(
        source="news_feeds", target="feed", business=report.business, failures=0, pulled_at=long_ago
    )
    text = text_of(client.get(page_of(report)))
    assert "replaced by a newer one 2 d ago" in text
    assert "expired 2 d ago" in text
    line = {"key": "k", "part": "Town", "text": "Hull"}
    ResearchReport.objects.for_org(report.org).filter(pk=report.pk).update(
        changes={"snapshot": {"new": [line], "gone": [line | {"text": "York"}],
                              "changed": [{"key": "k", "part": "Type", "before": "PLC", "after": "Ltd"}]}}
    )  # fmt: skip
    text = text_of(client.get(page_of(report)))
    assert "Since the report before Snapshot new Town: Hull" in text
    assert "changed Type: Ltd before: PLC" in text
    assert "gone Town: York" in text


def test_the_report_before_and_the_agent_lead_on(client: Client, report: ResearchReport, org_b: Organization) -> None:
    later = make_report(report.org)
    ResearchReport.objects.for_org(report.org).filter(pk=later.pk).update(previous=report)
    assert page_of(report) in client.get(page_of(later)).content.decode()
    assert report.execution is not None
    agent = str(report.execution.agent_id)
    assert report.business.name in text_of(client.get(REPORTS, {"agent": agent}))
    assert later.business.name not in text_of(client.get(REPORTS, {"agent": agent}))
    assert report.business.name not in text_of(client.get(REPORTS, {"org__id__exact": str(org_b.pk)}))
    assert "The report has no sections." in text_of(client.get(page_of(later)))


def evil_line(kind: str) -> dict[str, Any]:
    return {"key": EVIL, "part": EVIL, "text": EVIL, "cites": [EVIL], "kind": kind, "quote": EVIL}


def test_what_others_wrote_is_text(client: Client, report: ResearchReport) -> None:
    fact = {"id": EVIL, "text": EVIL, "source": EVIL, "url": "javascript:alert(1)", "on": EVIL, "retrieved_at": EVIL,
            "reliability": 0.5}  # fmt: skip
    ResearchSection.objects.for_org(report.org).update(
        content=[evil_line(kind) for kind in ("fact", "quote", "advice", "conflict", "unknown")], evidence=[fact],
        prose=[{"text": EVIL, "cites": [EVIL]}], mode="llm", status="partial", problem=EVIL, fallback_reason=EVIL,
        dropped_sentences=1,
    )  # fmt: skip
    line = {"key": EVIL, "part": EVIL, "text": EVIL, "before": EVIL, "after": EVIL}
    ResearchReport.objects.for_org(report.org).filter(pk=report.pk).update(
        problems=[{"section": EVIL, "problem": EVIL}], requested_by=EVIL,
        changes={EVIL: {"new": [line], "changed": [line], "gone": [line]}},
    )  # fmt: skip
    Business.objects.filter(pk=report.business_id).update(name=EVIL)
    for url in (page_of(report), REPORTS):
        shown = client.get(url).content.decode()
        assert "&lt;script&gt;alert" in shown
        for unsafe in ("<script>alert", 'href="javascript:', "</td><script"):
            assert unsafe not in shown


def test_reports_are_judged(client: Client, report: ResearchReport) -> None:
    url = reverse("admin:agents_researchreport_verdict", args=[report.pk])
    told = text_of(client.post(url, {"verdict": "wrong", "note": "They moved."}, follow=True))
    assert "Kept as wrong." in told
    assert "Wrong They moved. olga@example.com (staff)" in told


# Introduction paths


@pytest.fixture
def intro(org_a: Organization) -> IntroPath:
    known, middle, target = (make_business(name) for name in ("Known Ltd", "Middle Ltd", "Target Ltd"))

    def end(business: Business) -> dict[str, str | None]:
        return {"id": str(business.pk), "name": business.name, "company_number": business.company_number}

    fact = {"id": "f1", "text": "LOVELACE, Ada is director of Known Ltd.", "source": "companies_house_api",
            "url": "https://register.example/1", "on": "2019-03-01", "retrieved_at": "2025-11-02",
            "reliability": 0.83}  # fmt: skip
    links = [
        {"kind": "officer", "strength": 0.5, "via": {"id": "1", "name": "LOVELACE, Ada"}, "from": end(known),
         "to": end(middle), "evidence": [fact]},
        {"kind": "address", "strength": 0.2, "via": {"id": "k", "name": "7 Mill Lane"}, "from": end(middle),
         "to": end(target), "evidence": [fact | {"id": "f2", "url": "javascript:alert(1)", "text": EVIL}]},
    ]  # fmt: skip
    return make_path(org_a, target=target, start=known, hops=2, strength=0.1, links=links, summary="Known to Target")


def test_a_path_is_read_hop_by_hop(client: Client, intro: IntroPath) -> None:
    page = client.get(reverse("admin:agents_intropath_change", args=[intro.pk]))
    text, shown = text_of(page), page.content.decode()
    for part in ("Known Ltd", "LOVELACE, Ada officer of both, strength 0.50", "7 Mill Lane the same registered office",
                 "83 %", "2019-03-01", "Alpha", "no probability"):  # fmt: skip
        assert part in text, part
    assert 'href="https://register.example/1"' in shown
    assert "javascript:alert(1)&#x27;" not in shown
    assert "<script>alert" not in shown
    assert reverse("admin:businesses_business_change", args=[intro.target_id]) in shown


def test_a_path_that_begins_with_a_person(client: Client, org_a: Organization, intro: IntroPath) -> None:
    first = intro.links[0] | {"from": None}
    path = make_path(org_a, target=intro.target, links=[first])
    text = text_of(client.get(reverse("admin:agents_intropath_change", args=[path.pk])))
    assert "a person whom the organisation knows" in text
    assert "LOVELACE, Ada known to the organisation, strength 0.50" in text


def test_paths_are_filtered_and_judged(client: Client, intro: IntroPath, org_b: Organization) -> None:
    make_path(org_b, summary="Theirs", strength=0.9, gone_at=timezone.now())

    def found(**asked: Any) -> list[str]:
        text = text_of(client.get(PATHS, asked))
        return [summary for summary in ("Known to Target", "Theirs") if summary in text]

    assert found() == ["Known to Target", "Theirs"]
    assert found(org__id__exact=str(intro.org_id)) == ["Known to Target"]
    assert found(strength="0.5") == ["Theirs"]
    assert found(hops="1") == ["Theirs"]
    assert found(found="no") == ["Theirs"]
    assert found(strength="7") == []
    url = reverse("admin:agents_intropath_verdict", args=[intro.pk])
    assert "Kept as useful." in text_of(client.post(url, {"verdict": "useful"}, follow=True))


@pytest.mark.parametrize("rows", [1, 10])
def test_pages_take_the_same_statements(
    client: Client, org_a: Organization, rows: int, django_assert_max_num_queries: Any
) -> None:
    paths = [make_path(org_a, start=make_business()) for _ in range(rows)]
    reports = [make_report(org_a) for _ in range(rows)]
    pages = (
        (REPORTS, 9), (PATHS, 9), (page_of(reports[0]), 10),
        (reverse("admin:agents_intropath_change", args=[paths[0].pk]), 9),
    )  # fmt: skip
    client.get(REPORTS)
    for url, statements in pages:
        with django_assert_max_num_queries(statements):
            text_of(client.get(url))
