"""Job postings: each once, with how many are open, from careers pages wherever they are and from files."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from businesses.models import BusinessEvent, SourceState
from businesses.payloads import payload_of
from businesses.sources import job_postings
from businesses.sources.careers_pages import careers_link, is_ats, posting_links
from businesses.sources.html_pages import Link, Page
from businesses.sources.job_postings import JobPostings
from businesses.sources.job_values import posting_of
from tests.businesses.sources.test_event_files import VALUES
from tests.businesses.sources.websites import (
    HOSTS,
    Site,
    checkpoint,
    payloads,
    raw,
    reasons,
    redirect,
    reply,
    site,
    was_reached,
)
from tests.factories import make_business

pytestmark = [pytest.mark.django_db, pytest.mark.allow_hosts(HOSTS)]

TODAY = date(2026, 11, 20)


@pytest.fixture
def web() -> Iterator[Site]:
    with site() as server:
        server.show("/", "<title>Acme</title><a href=/about>About</a><a href=/careers/>Join the team</a>")
        yield server


class Hasty(JobPostings):
    pause_s = 0.001


def posting(title: str, **fields: Any) -> dict[str, Any]:
    return {"@type": "JobPosting", "title": title, "datePosted": "2026-03-01"} | fields


def jobs(*things: Any, body: str = "<p>Work with us") -> str:
    scripts = "".join(f'<script type="application/ld+json">{json.dumps(thing)}</script>' for thing in things)
    return f"<title>Careers</title>{body}{scripts}"


def test_each_posting_is_told_once_as_detectors_expect_it(web: Site) -> None:
    company = web.company()
    full = posting(
        "Senior &amp; <b>Lead</b> Engineer", description="&lt;p&gt;Build <b>widgets</b>.&lt;/p&gt;",
        identifier={"@type": "PropertyValue", "name": "Acme", "value": 17}, employmentType=["FULL_TIME", "CONTRACTOR"],
        jobLocation=[{"@type": "Place", "address": {"addressLocality": "Leeds", "addressCountry": {"name": "GB"}}}],
        jobLocationType="TELECOMMUTE", validThrough="2026-12-01T00:00", url="/careers/17?utm_source=x",
        hiringOrganization={"name": "Acme", "department": {"name": "Platform"}},
    )  # fmt: skip
    web.show("/careers/", jobs({"@graph": [full, posting("Fitter")]}))
    for _ in range(2):
        pull = web.pull(Hasty(), company).pull
        assert (pull.status, pull.failed) == ("completed", 0), reasons(pull)
    assert BusinessEvent.objects.count() == 2
    event = BusinessEvent.objects.get(payload__title="Senior & Lead Engineer")
    assert (event.business_id, str(event.occurred_on)) == (company.pk, "2026-03-01")
    assert event.source_url == web.url("/careers/17")
    assert event.payload == {
        "title": "Senior & Lead Engineer", "description": "Build widgets.", "department": "Platform",
        "locations": ["Leeds, GB"], "is_remote": True, "employment_type": "FULL_TIME, CONTRACTOR",
        "posted_on": "2026-03-01", "valid_through": "2026-12-01", "open_count": 2,
    }  # fmt: skip
    payload_of("job_posted", event.payload)


def test_growth_can_be_computed(web: Site) -> None:
    company = web.company()
    web.show("/careers/", jobs(posting("One"), posting("Two")))
    web.pull(Hasty(), company)
    web.show("/careers/", jobs(*(posting(title) for title in ("Two", "Three", "Four", "Five"))))
    web.pull(Hasty(), company)
    told = payloads("job_posted")
    assert [(each.get("open_before"), each["open_count"]) for each in told] == [(None, 2)] * 2 + [(2, 4)] * 3
    web.show("/careers/", jobs())
    web.pull(Hasty(), company)
    assert checkpoint("job_postings")["open"] == {}


def test_postings_on_pages_of_their_own_are_read_once(web: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_postings, "MAX_POSTING_PAGES", 2)
    company = web.company()
    web.show("/careers/", jobs(body="".join(f"<a href=/careers/{n}>Job {n}</a>" for n in range(3))))
    for n in range(3):
        web.show(f"/careers/{n}", jobs(posting(f"Job {n}")))
    web.pull(Hasty(), company)
    assert web.asked() == ["/robots.txt", "/", "/careers/", "/careers/0", "/careers/1"]
    web.pull(Hasty(), company)
    assert web.asked() == ["/careers/", "/careers/2"]
    web.show("/careers/", jobs(body="<a href=/careers/2>Job 2</a>"))
    web.pull(Hasty(), company)
    assert web.asked() == ["/careers/"]
    assert len(checkpoint("job_postings")["open"]) == 1
    assert [(each.get("open_before"), each["open_count"]) for each in payloads("job_posted")] == [
        (None, 2), (None, 2), (2, 3),
    ]  # fmt: skip


def test_the_page_is_guessed_if_nothing_leads_to_it_and_looked_for_again_if_it_moves(web: Site) -> None:
    company = web.company()
    web.show("/", "<title>Acme</title>")
    web.show("/jobs", jobs(posting("One")))
    web.pull(Hasty(), company)
    assert web.asked() == ["/robots.txt", "/", "/careers", "/jobs"]
    web.on("/jobs", reply(status=404))
    web.show("/careers", jobs(posting("Two")))
    web.pull(Hasty(), company)
    assert [each["title"] for each in payloads("job_posted")] == ["One", "Two"]
    web.on("/careers", reply(status=404))
    assert "No careers page was found" in reasons(web.pull(Hasty(), company).pull)


def test_one_broken_script_or_posting_is_one_failure(web: Site) -> None:
    company = web.company()
    deep = '<script type="application/ld+json">' + '{"a":' * 5_000 + "1" + "}" * 5_000 + "</script>"
    broken = '<script type="application/ld+json">{"@type": "JobPosting",</script>'
    web.show("/careers/", jobs(posting(""), posting("Good", datePosted="soon"), body=deep + broken))
    pull = web.pull(Hasty(), company).pull
    assert (pull.new, pull.failed) == (1, 3)
    assert "script 1" in reasons(pull)
    assert "posting 1: a posting without a title" in reasons(pull)
    assert BusinessEvent.objects.get().occurred_on is None


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (reply(status=429, Retry_After="60"), "status 429"),
        (reply(status=429), "status 429"),
        (reply(status=502), "status 502"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 900\r\n\r\n<p>"), "only a part"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 50000000\r\n\r\n<p>"), "No careers page"),
        (redirect("http://169.254.169.254/"), "No careers page"),
        (redirect("http://inside.test/"), "No careers page"),
    ],
)
def test_a_page_that_fails_loses_nothing(web: Site, behaviour: Any, reason: str) -> None:
    company = web.company()
    web.show("/careers/", jobs(posting("One")))
    web.pull(Hasty(), company)
    kept = checkpoint("job_postings")
    web.on("/careers/", behaviour)
    pull = web.pull(Hasty(), company).pull
    assert (pull.new, pull.failed) == (0, 1)
    assert reason in reasons(pull)
    assert checkpoint("job_postings") == kept
    assert not was_reached(web.metadata)


def test_a_company_without_a_website_is_not_asked(web: Site) -> None:
    assert web.pull(Hasty(), make_business()).pull.targets == 0


def page(*links: tuple[str, str], url: str = "https://www.acme.example/") -> Page:
    return Page(url, links=[Link(*link) for link in links])


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ([("https://www.acme.example/blog/careering-along", "Life here")], ""),
        ([("https://www.acme.example/en/careers", "")], "https://www.acme.example/en/careers"),
        ([("https://www.acme.example/people", "We\u2019re hiring!")], "https://www.acme.example/people"),
        ([("https://careers.acme.example/", "x"), ("https://acme.example/jobs", "")], "https://careers.acme.example/"),
        ([("https://acme.example/jobs", ""), ("https://jobs.lever.co/acme", "")], "https://jobs.lever.co/acme"),
        ([("https://other.example/careers", "Careers")], ""),
    ],
)
def test_where_jobs_are_advertised(links: list[tuple[str, str]], expected: str) -> None:
    assert careers_link(page(*links)) == expected


def test_links_to_postings_are_on_the_careers_page_s_own_host() -> None:
    listed = page(
        ("https://jobs.lever.co/acme/1-2", ""), ("https://jobs.lever.co/acme", ""), ("https://lever.co/x", ""),
        ("https://jobs.lever.co/o/fitter", ""), ("https://jobs.lever.co/imprint", ""), url="https://jobs.lever.co/acme",
    )  # fmt: skip
    assert posting_links(listed) == ["https://jobs.lever.co/acme/1-2", "https://jobs.lever.co/o/fitter"]
    assert is_ats("https://acme.bamboohr.com/jobs/")
    assert not is_ats("https://notlever.co/acme")


def test_files_name_the_company_in_each_line(web: Site, tmp_path: Path) -> None:
    company = web.company(company_number="00000001")
    web.show("/careers/", jobs(posting("One", identifier="1")))
    web.pull(Hasty(), company)
    rows: list[Any] = [
        {"number": "1", "title": "One", "id": "1"},  # known from the careers page
        {
            "domain": "company.test",
            "title": "Two",
            "posted_on": "2026-02-03",
            "locations": ["Leeds"],
            "is_remote": True,
        },
        {"name": "Nobody Ltd", "title": "Three"},
        {"number": "1"},
        "{",
    ]
    path = tmp_path / "jobs.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    pull = web.pull(Hasty(), paths=(path,)).pull
    assert (pull.items, pull.new, pull.failed) == (2, 1, 3)
    for reason in ("jobs.jsonl:3: name Nobody Ltd", "jobs.jsonl:4: a posting without", "jobs.jsonl:5: not JSON"):
        assert reason in reasons(pull)
    event = BusinessEvent.objects.get(payload__title="Two")
    assert (str(event.occurred_on), event.payload["locations"], event.payload["is_remote"]) == (
        "2026-02-03", ["Leeds"], True,
    )  # fmt: skip
    assert web.pull(Hasty(), paths=(path,)).pull.items == 0
    assert SourceState.objects.filter(target=str(path.resolve())).exists()


FIELDS = st.sampled_from(
    ["title", "description", "identifier", "url", "jobLocation", "employmentType", "datePosted", "hiringOrganization"]
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(FIELDS, VALUES, max_size=8))
def test_any_posting_can_be_stored(thing: dict[str, Any]) -> None:
    found = posting_of({"title": "Fitter"} | {key: value for key, value in thing.items() if key != "title"}, "", TODAY)
    assert "\x00" not in json.dumps(found.payload, ensure_ascii=False)
    payload_of("job_posted", dict(found.payload))
