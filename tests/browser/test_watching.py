"""The pages of watchlists and sources in a real browser."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from businesses.models import Feed, SourceGap, SourcePull, SourceState, Watchlist
from businesses.sources import registry
from businesses.watchlists import create_watchlist, entries_of
from oppspot.jobs.models import Run
from oppspot.jobs.scheduling import declared
from oppspot.organizations.services import create_organization
from tests.browser.test_jobs import look
from tests.browser.test_pages import page, pytestmark, sign_in
from tests.businesses.pull_sources import SOURCES
from tests.factories import make_business

__all__ = ["page", "pytestmark"]  # the fixture and the conditions of the other pages


@pytest.fixture
def standing(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that had trouble, and one that lacks its key."""
    declared()  # the real schedules name the real sources, and are looked at once
    monkeypatch.setattr(registry, "_sources", lambda: SOURCES)
    now = timezone.now()
    SourcePull.objects.create(
        source="fine", status="partial", started_at=now - timedelta(hours=2), finished_at=now - timedelta(minutes=110),
        targets=120, items=431, new=17, failed=7,
        failures=[{"where": f"https://news{n}.example/feed.xml", "reason": "HTTP 503 after 3 tries"} for n in range(7)],
    )  # fmt: skip
    company = make_business("Acme Ltd")
    for number in range(4):
        SourceState.objects.create(
            source="fine", target=f"feed {number}", pulled_at=now - timedelta(hours=2 + number), failures=number % 2,
            business=company, error="HTTP 503" if number % 2 else "",
        )  # fmt: skip
    SourceGap.objects.create(source="fine", target="filings", after=4711, note="too long ago")
    Feed.objects.create(url="https://news.example.com/feed.xml", title="Trade news")


def test_sources_are_looked_at_and_one_is_pulled(page: Page, live_server: LiveServer, standing: None) -> None:
    sign_in(page, live_server, "/admin/businesses/sources/")
    page.wait_for_selector("#source-fine")
    look(page, "sources")
    page.click("text=Pull now")
    page.wait_for_selector("text=Fine news will be pulled by the next worker that is free.")
    assert Run.all_orgs.get().function == "businesses.pull"
    page.click("text=2 failing")
    page.wait_for_selector("#result_list")
    assert page.locator("#result_list tbody tr").count() == 2
    for name in ("sourcepull", "sourcestate", "sourcegap", "feed", "orgevent"):
        page.goto(f"{live_server.url}/admin/businesses/{name}/")
        page.wait_for_selector("#changelist")
        look(page, f"watching-{name}")


@pytest.fixture
def ours(transactional_db: None) -> Watchlist:
    make_business("ACME LTD", company_number="00000001", town="LEEDS", status="active")
    for number in range(2):
        make_business("TWIN LTD", company_number=f"0000002{number}", town="HULL", status="active")
    return create_watchlist(org=create_organization(name="Alpha"), name="Breweries")


def test_a_file_is_looked_at_and_put_on_a_watchlist(
    page: Page, live_server: LiveServer, ours: Watchlist, tmp_path: Path
) -> None:
    file = tmp_path / "list.csv"
    file.write_text("number,name,town\n1,Acme,Leeds\n,Twin,\n1,Zenith,\n,Nobody,\n,Acme,\n")
    sign_in(page, live_server, f"/admin/businesses/watchlist/{ours.pk}/change/")
    look(page, "watchlist")
    page.click("text=Upload a CSV file")
    look(page, "watchlist-upload")
    page.set_input_files("#id_file", str(file))
    page.click("text=Show what it would do")
    page.wait_for_selector("#unmatched")
    assert "2 companies have this name." in page.inner_text("#unmatched")
    look(page, "watchlist-report")
    with page.expect_download() as download:
        page.click("text=Download what did not match")
    assert "Nobody" in Path(download.value.path()).read_text(encoding="utf-8-sig")
    page.click("text=Put 1 on the list")
    page.wait_for_selector("text=Put 1 companies on the list. 3 rows did not match.")
    assert entries_of(org=ours.org, watchlist_id=ours.pk).count() == 1
    page.goto(f"{live_server.url}/admin/businesses/watchlistentry/?watchlist={ours.pk}")
    page.wait_for_selector("#result_list >> text=ACME LTD")
    look(page, "watchlist-entries")
