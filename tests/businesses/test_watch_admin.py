"""Admin of watchlists and own events: staff's lists, uploads with a look before they are done, and harmless files."""

import csv
import io
import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from businesses import watchlists
from businesses.models import Business, OrgEvent, Watchlist, WatchlistEntry
from businesses.org_events import Told, record_events
from businesses.sources.pull import CompanyKey
from businesses.watchlists import add_businesses, create_watchlist, entries_of, exclusions_of
from oppspot.organizations.models import Organization, User
from tests.conftest import client_of
from tests.factories import make_business, make_user

pytestmark = pytest.mark.django_db
LISTS, ENTRIES = "/admin/businesses/watchlist/", "/admin/businesses/watchlistentry/"
REMOVALS = "/admin/businesses/watchlistexclusion/"
FILE = b"name,number,town\nAcme,1,\nZenith,,Leeds\n=cmd|' /C calc'!A0,,\n<script>alert(1)</script>,,\n"


@pytest.fixture
def ours(org_a: Organization) -> Watchlist:
    return create_watchlist(org=org_a, name="Ours")


@pytest.fixture
def acme(db: None) -> Business:
    return make_business("ACME LTD", company_number="00000001", town="LEEDS")


def upload(client: APIClient, watchlist: Watchlist, raw: bytes = FILE) -> Any:
    file = SimpleUploadedFile("list.csv", raw)
    return client.post(f"{LISTS}{watchlist.pk}/upload/", {"file": file}, format="multipart")


def text_of(response: Any) -> str:
    assert response.status_code == 200, response.status_code
    return re.sub(r"\s+", " ", response.content.decode())


# Watchlists


def test_a_watchlist_is_made_renamed_and_deleted(olga_client: APIClient, olga: User, org_a: Organization) -> None:
    form = {"org": str(org_a.pk), "name": "Breweries", "description": ""}
    assert olga_client.post(f"{LISTS}add/", form, format="multipart").status_code == 302
    made = Watchlist.objects.for_org(org_a).get()
    assert (made.name, made.created_by) == ("Breweries", f"user:{olga.pk}")
    again = olga_client.post(f"{LISTS}add/", form | {"name": "BREWERIES"}, format="multipart")
    assert "The organisation has a watchlist of this name." in text_of(again)
    change = {"name": "Brewers", "description": "North"}
    assert olga_client.post(f"{LISTS}{made.pk}/change/", change, format="multipart").status_code == 302
    made.refresh_from_db()
    assert (made.name, made.description) == ("Brewers", "North")
    add_businesses(org=org_a, watchlist_id=made.pk, business_ids=[make_business().pk])
    assert "with 1 companies on it" in text_of(olga_client.get(f"{LISTS}{made.pk}/delete/"))
    assert olga_client.post(f"{LISTS}{made.pk}/delete/", {"post": "yes"}, format="multipart").status_code == 302
    assert not Watchlist.objects.for_org(org_a).exists()


def test_the_lists_cost_the_same_at_any_length(olga_client: APIClient, ours: Watchlist) -> None:
    def costs() -> list[int]:
        found = []
        for url in (LISTS, ENTRIES, f"{ENTRIES}?watchlist={ours.pk}"):
            with CaptureQueriesContext(connection) as queries:
                assert olga_client.get(url).status_code == 200
            found.append(len(queries))
        return found

    add_businesses(org=ours.org, watchlist_id=ours.pk, business_ids=[make_business().pk])
    costs()  # content types and such are asked once
    before = costs()
    add_businesses(org=ours.org, watchlist_id=ours.pk, business_ids=[make_business().pk for _ in range(9)])
    for number in range(9):
        create_watchlist(org=ours.org, name=f"List {number}")
    assert costs() == before


def test_entries_are_found_added_and_removed(
    olga_client: APIClient, ours: Watchlist, acme: Business, org_b: Organization
) -> None:
    theirs = create_watchlist(org=org_b, name="Theirs")
    add_businesses(org=org_b, watchlist_id=theirs.pk, business_ids=[make_business("Zenith Ltd").pk])
    form = {"watchlist": str(ours.pk), "business": str(acme.pk), "note": "fair"}
    assert olga_client.post(f"{ENTRIES}add/", form, format="multipart").status_code == 302
    entry = WatchlistEntry.objects.for_org(ours.org).get()
    assert (entry.business, entry.note, entry.matched_by) == (acme, "fair", "hand")
    again = olga_client.post(f"{ENTRIES}add/", form, format="multipart")
    assert "It is on this watchlist already." in text_of(again)

    def shown(query: str) -> list[str]:
        found = olga_client.get(f"{ENTRIES}?{query}").context["cl"].result_list
        return sorted(one.business.name for one in found)

    assert shown("") == ["ACME LTD", "Zenith Ltd"]
    assert shown(f"watchlist={ours.pk}") == ["ACME LTD"]
    assert shown("watchlist=nonsense") == []
    assert (shown("q=acme"), shown("q=1"), shown("q=%00"), shown("q=beta")) == (
        ["ACME LTD"], ["ACME LTD"], ["ACME LTD", "Zenith Ltd"], [],
    )  # fmt: skip
    chosen = {"action": "delete_selected", "_selected_action": [str(entry.pk)], "post": "yes"}
    assert olga_client.post(ENTRIES, chosen, format="multipart").status_code == 302
    assert shown("") == ["Zenith Ltd"]


def test_own_events_are_listed(olga_client: APIClient, org_a: Organization, acme: Business) -> None:
    told = Told(CompanyKey("number", "1"), "meeting_held", "crm", payload={"with": "<b>Sam</b>"})
    assert len(record_events(org=org_a, events=[told])) == 1
    event = OrgEvent.objects.for_org(org_a).get()
    page = text_of(olga_client.get("/admin/businesses/orgevent/"))
    assert "meeting_held" in page
    assert "ACME LTD" in page
    detail = text_of(olga_client.get(f"/admin/businesses/orgevent/{event.pk}/change/"))
    assert "&lt;b&gt;Sam" in detail


# Uploads


def test_an_upload_is_looked_at_and_then_done(
    olga_client: APIClient, olga: User, ours: Watchlist, acme: Business
) -> None:
    page = olga_client.get(f"{LISTS}{ours.pk}/upload/")
    assert "Show what it would do" in text_of(page)
    sent = upload(olga_client, ours)
    assert sent.status_code == 302
    report = sent["Location"]
    text = text_of(olga_client.get(report))
    assert "Of 4 rows: <b>1</b> new, 0 on the list already, 3 without a company." in text
    assert "No company is named “Zenith”." in text
    assert "<script>alert(1)" not in text
    assert not entries_of(org=ours.org, watchlist_id=ours.pk).exists(), "looking writes nothing"
    assert "csv" not in str(dict(olga_client.session.items())), "the session keeps nothing of it"

    done = olga_client.post(report, {}, format="multipart", follow=True)
    text = text_of(done)
    assert "Put 1 companies on the list. 3 rows did not match." in text
    assert "Of 4 rows: <b>0</b> new, 1 on the list already, 3 without a company." in text
    entry = entries_of(org=ours.org, watchlist_id=ours.pk).get()
    assert (entry.business, entry.matched_by, entry.added_by) == (acme, "number", f"user:{olga.pk}")
    assert LogEntry.objects.get().get_change_message() == "Put 1 companies on the list."


def test_what_did_not_match_is_a_harmless_file(olga_client: APIClient, ours: Watchlist, acme: Business) -> None:
    report = upload(olga_client, ours)["Location"]
    response = olga_client.get(f"{report}unmatched.csv")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="unmatched.csv"'
    rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert [row["name"] for row in rows] == ["Zenith", "'=cmd|' /C calc'!A0", "<script>alert(1)</script>"]
    assert [row["reason"] for row in rows] == ["unknown_name"] * 3


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"colour\nred\n", "names no column number, domain or name"),
        (b"PK\x03\x04", "workbook"),
        (b"", "empty"),
        (b"name\n" + b"a" * (10 * 1024 * 1024), "larger than 10 MB"),
    ],
)
def test_files_that_are_refused(olga_client: APIClient, ours: Watchlist, raw: bytes, message: str) -> None:
    assert message in text_of(upload(olga_client, ours, raw))


def test_a_file_that_is_gone_is_asked_for_again(olga_client: APIClient, ours: Watchlist) -> None:
    report = upload(olga_client, ours)["Location"]
    cache.clear()
    for response in (
        olga_client.get(report, follow=True),
        olga_client.post(report, {}, format="multipart", follow=True),
        olga_client.get(f"{report}unmatched.csv", follow=True),
    ):
        assert "The file is no longer kept: upload it again." in text_of(response)


def test_a_file_is_for_who_uploaded_it_and_its_list(olga_client: APIClient, ours: Watchlist) -> None:
    other_list = create_watchlist(org=ours.org, name="Other")
    report = upload(olga_client, ours)["Location"]
    other_person = client_of(make_user("otto", is_staff=True, is_superuser=True))
    for client, url in ((other_person, report), (olga_client, report.replace(str(ours.pk), str(other_list.pk)))):
        assert client.get(url).status_code == 302


def test_a_full_list_is_told(
    olga_client: APIClient, ours: Watchlist, acme: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchlists, "MAX_ENTRIES", 0)
    report = upload(olga_client, ours)["Location"]
    assert "A watchlist may hold 0 companies." in text_of(olga_client.post(report, {}, format="multipart", follow=True))


def test_only_those_who_may_change_watchlists_upload(ours: Watchlist) -> None:
    clerk = client_of(make_user("clerk", is_staff=True))
    assert clerk.get(f"{LISTS}{ours.pk}/upload/").status_code == 403
    assert upload(clerk, ours).status_code == 403
    assert clerk.get(f"{LISTS}{ours.pk}/upload/token/").status_code == 403
    assert clerk.post(f"{LISTS}{ours.pk}/upload/token/").status_code == 403
    assert clerk.get(f"{LISTS}{ours.pk}/upload/token/unmatched.csv").status_code == 403


def test_removals_are_seen_searched_and_taken_back(
    olga_client: APIClient, olga: User, ours: Watchlist, acme: Business
) -> None:
    add_businesses(org=ours.org, watchlist_id=ours.pk, business_ids=[acme.pk])
    entry = entries_of(org=ours.org, watchlist_id=ours.pk).get()
    assert olga_client.post(f"{ENTRIES}{entry.pk}/delete/", {"post": "yes"}, format="multipart").status_code == 302
    kept = exclusions_of(org=ours.org, watchlist_id=ours.pk).get()
    assert (kept.business, kept.removed_by) == (acme, f"user:{olga.pk}")
    page = text_of(olga_client.get(f"{LISTS}{ours.pk}/change/"))
    assert f'{REMOVALS}?watchlist={ours.pk}"' in page
    assert "1 stay off when it is filled" in page
    assert "ACME LTD" in text_of(olga_client.get(f"{REMOVALS}?watchlist={ours.pk}&q=1"))
    assert "ACME LTD" not in text_of(olga_client.get(f"{REMOVALS}?q=zenith"))
    chosen = {"action": "delete_selected", "_selected_action": [str(kept.pk)], "post": "yes"}
    assert olga_client.post(REMOVALS, chosen, format="multipart").status_code == 302
    assert not exclusions_of(org=ours.org, watchlist_id=ours.pk).exists()
    assert olga_client.get(f"{REMOVALS}add/").status_code == 403
