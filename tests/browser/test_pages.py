"""The pages in a real browser: they work under the Content-Security-Policy and fetch nothing from elsewhere."""

import os
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, sync_playwright
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from embeddings.providers import get_provider
from oppspot.organizations.models import User
from tests.factories import embed, make_business

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PASSWORD = "correct horse battery staple"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.alone,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
]


@pytest.fixture
def page(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A page that collects in `page.complaints` what the console says and what is asked of other hosts."""
    monkeypatch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # Playwright's loop runs in this thread
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        complaints: list[str] = []
        page.on(
            "console",
            lambda message: (
                complaints.append(f"{message.text} ({message.location['url']})") if message.type == "error" else None
            ),
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        own = urlsplit(live_server.url).netloc
        page.on(
            "request",
            lambda request: (
                complaints.append(f"asked {request.url}") if urlsplit(request.url).netloc not in {own, ""} else None
            ),
        )
        yield page
        browser.close()
        assert complaints == []


@pytest.fixture
def companies(settings: Settings) -> None:
    settings.EMBEDDING_PROVIDER = "deterministic"
    settings.EMBEDDING_MODEL = ""
    provider = get_provider()
    for name, description in (("Hop House", "craft beer brewer"), ("Spark", "electric car charging network")):
        business = make_business(name, description=description, town="Leeds", sic_codes=["11050"])
        embed(business, provider.embed_query(description).tolist(), model=provider.model)


def sign_in(page: Page, live_server: LiveServer, path: str) -> None:
    User.objects.create_superuser("olga@example.com", PASSWORD)
    page.goto(f"{live_server.url}/admin/login/?next={path}")
    page.fill("input[name=username]", "olga@example.com")
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(f"**{path}")


def shoot(page: Page, name: str, *, full_page: bool = False) -> None:
    """Keep a picture when `SCREENSHOTS` names a folder for them."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=full_page)


def test_searching_in_the_admin(page: Page, live_server: LiveServer, companies: None) -> None:
    sign_in(page, live_server, "/admin/embeddings/embeddingmodel/search/")
    page.fill("#id_query", "craft beer")
    page.press("#id_query", "Enter")
    page.wait_for_selector(".oppspot-table")
    assert "Hop House" in page.inner_text(".oppspot-table")
    assert "Spark" not in page.inner_text(".oppspot-table")
    shoot(page, "search")
    page.click("text=Hop House")
    page.wait_for_selector("text=craft beer brewer")
    shoot(page, "company")


def test_finding_a_company_in_the_list(page: Page, live_server: LiveServer, companies: None) -> None:
    sign_in(page, live_server, "/admin/businesses/business/")
    assert "Hop House" in page.inner_text("#changelist")
    shoot(page, "companies")
    page.goto(f"{live_server.url}/admin/businesses/business/?q=spark")
    assert "Spark" in page.inner_text("#result_list")
    assert "Hop House" not in page.inner_text("#result_list")


def test_the_api_is_described_without_a_network(page: Page, live_server: LiveServer) -> None:
    page.goto(f"{live_server.url}/api/docs/")
    page.wait_for_selector("text=/api/v1/search/semantic/")
    assert page.locator(".opblock").count() > 10
    shoot(page, "docs")
