"""The pages of what agents found and wrote, in a real browser."""

import pytest
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from agents.models import Draft, DraftStatus, Suppression
from oppspot.organizations.services import create_organization
from tests.agents.draft_cases import make_draft
from tests.agents.research_cases import fill, latest, make_company, research
from tests.agents.test_path_api import make_path
from tests.browser.test_jobs import look
from tests.browser.test_pages import page, pytestmark, sign_in
from tests.factories import make_business

__all__ = ["page", "pytestmark"]  # the fixture and the conditions of the other pages


@pytest.fixture
def draft(transactional_db: None) -> Draft:
    made: Draft = make_draft(create_organization(name="Alpha"), make_business("Acme Ltd"))
    return made


def test_a_draft_is_read_approved_and_exported(page: Page, live_server: LiveServer, draft: Draft) -> None:
    sign_in(page, live_server, f"/admin/agents/draft/{draft.pk}/change/")
    look(page, "draft")
    page.get_by_role("link", name="Edit", exact=True).click()
    page.wait_for_selector("#id_body")
    look(page, "draft-edit")
    page.fill("#id_body", "Hello,\n\nshall we talk about Acme Ltd?")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_selector("text=It reads so now: version 2.")
    page.click("text=Approve this text")
    page.wait_for_selector("text=Approved, as it was read.")
    page.fill("#id_export_to", "jane@acme.example")
    page.get_by_role("button", name="Export", exact=True).click()
    page.wait_for_selector("text=Nothing was sent")
    look(page, "draft-export")
    assert page.inner_text("#body") == "Hello,\n\nshall we talk about Acme Ltd?"
    page.goto(f"{live_server.url}/admin/agents/draft/")
    assert "EXPORTED" in page.inner_text("#result_list").upper()
    look(page, "drafts")
    draft.refresh_from_db()
    assert draft.status == DraftStatus.EXPORTED


def test_a_report_and_a_path_are_read_and_judged(page: Page, live_server: LiveServer, draft: Draft) -> None:
    company = make_company()
    fill(draft.org, company)
    research(draft.org, company)
    path = make_path(draft.org, target=company, start=draft.business)
    sign_in(page, live_server, f"/admin/agents/researchreport/{latest(draft.org).pk}/change/")
    page.wait_for_selector("#buying_signals >> text=raises £3m")
    page.click("#snapshot summary")
    look(page, "report")
    page.select_option("select[name=verdict]", "already_known")
    page.click("#verdict button")
    page.wait_for_selector("text=Kept as already known.")
    page.goto(f"{live_server.url}/admin/agents/intropath/{path.pk}/change/")
    page.wait_for_selector("text=No hops are stored.")
    for name in ("researchreport", "intropath"):
        page.goto(f"{live_server.url}/admin/agents/{name}/")
        page.wait_for_selector("#result_list")
        look(page, f"agents-{name}")


def test_many_are_not_to_be_contacted(page: Page, live_server: LiveServer, draft: Draft) -> None:
    sign_in(page, live_server, "/admin/agents/suppression/add/")
    look(page, "suppression-add")
    page.select_option("select[name=org]", str(draft.org_id), force=True)
    page.fill("#id_values", "jane@acme.example\nnobody")
    add = page.get_by_role("button", name="Add", exact=True)
    add.click()
    page.wait_for_selector("text=Line 2: This is no e-mail address.")
    page.fill("#id_values", "jane@acme.example")
    add.click()
    page.wait_for_selector("#result_list >> text=Not readable")
    look(page, "suppressions")
    assert Suppression.objects.for_org(draft.org).count() == 1
