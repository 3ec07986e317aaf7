"""Reports through the API, as JSON and as Markdown."""

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from agents.models import ResearchReport
from oppspot.organizations.models import Organization
from tests.agents.research_cases import fill, latest, make_company, research
from tests.answers import problem_of
from tests.factories import make_business

pytestmark = pytest.mark.django_db
URL = "/api/v1/reports/"


def make_report(org: Organization) -> ResearchReport:
    made: ResearchReport = ResearchReport.objects.for_org(org).create(
        org=org, business=make_business(), depth="quick", status="partial", is_reuse=False
    )
    return made


def test_a_report_is_read_with_its_sections(org_a: Organization, org_b: Organization, key_client: APIClient) -> None:
    company = make_company()
    fill(org_a, company)
    research(org_a, company)
    report, theirs = latest(org_a), make_report(org_b)
    (row,) = key_client.get(URL, {"business": str(company.pk)}).json()["results"]
    assert (row["id"], row["business"]["name"]) == (str(report.pk), "Boring Software Ltd")
    assert key_client.get(URL, {"status": "partial"}).json()["results"] == []
    found = key_client.get(f"{URL}{report.pk}/").json()
    assert [one["name"] for one in found["sections"]][:2] == ["snapshot", "buying_signals"]
    assert found["sections"][0]["content"][0]["text"] == "Boring Software Ltd"
    for url in (f"{URL}{theirs.pk}/", f"{URL}{theirs.pk}/markdown/"):
        assert problem_of(key_client.get(url), 404)
    assert problem_of(key_client.get(URL, {"depth": "deep"}), 400)


@pytest.mark.parametrize("accept", ["*/*", "text/markdown", "application/json"])
def test_markdown_is_what_it_says(org_a: Organization, key_client: APIClient, accept: str) -> None:
    company = make_company()
    fill(org_a, company)
    research(org_a, company)
    answer = key_client.get(f"{URL}{latest(org_a).pk}/markdown/", headers={"accept": accept})
    assert answer["Content-Type"] == "text/markdown; charset=utf-8"
    text = answer.content.decode()
    assert text.startswith(f"# Boring Software Ltd ({company.company_number})\n")
    assert "- **Description:** “Makes software for &lt;b&gt;calm&lt;/b&gt; people." in text
    assert "(https://evil" not in text
    assert "[source](<https://news.example/1>)" in text
    missing = key_client.get(f"{URL}{company.pk}/markdown/", headers={"accept": accept})
    assert (missing.status_code, missing.json()["status"]) == (404, 404)


@pytest.mark.parametrize("rows", [1, 20])
def test_a_page_takes_one_statement(
    org_a: Organization, key_client: APIClient, rows: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(rows):
        make_report(org_a)
    key_client.get(URL)
    with django_assert_num_queries(3):  # the key, the throttle, the page
        assert len(key_client.get(URL).json()["results"]) == rows
