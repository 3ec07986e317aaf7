"""The API of watchlists: who may do what, what is told of each row, and answers that cost the same at any length."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from businesses.models import Watchlist
from businesses.watchlists import add_businesses, create_watchlist, entries_of, remove_businesses
from oppspot.organizations.models import Organization
from tests.answers import pages, problem_of
from tests.factories import make_business

pytestmark = pytest.mark.django_db
URL = "/api/v1/watchlists/"


@pytest.fixture
def ours(org_a: Organization) -> Watchlist:
    return create_watchlist(org=org_a, name="Ours")


def test_a_watchlist_is_made_read_renamed_and_deleted(writer_client: APIClient) -> None:
    made = writer_client.post(URL, {"name": "Breweries", "description": "North"})
    assert made.status_code == 201
    body = made.json()
    assert (body["name"], body["entries"], body["search"]) == ("Breweries", 0, None)
    assert body["created_by"].startswith("ospt_")
    one = f"{URL}{body['id']}/"
    assert writer_client.get(one).json() == body
    assert writer_client.patch(one, {"name": "Brewers"}).json()["name"] == "Brewers"
    assert [row["name"] for row in writer_client.get(URL).json()["results"]] == ["Brewers"]
    assert writer_client.delete(one).status_code == 204
    problem_of(writer_client.get(one), 404)


def test_what_is_refused(writer_client: APIClient, ours: Watchlist) -> None:
    problem_of(writer_client.post(URL, {"name": "OURS"}), 409, "name_taken")
    assert problem_of(writer_client.post(URL, {}), 400)["errors"] == {"name": ["This field is required."]}
    unknown = problem_of(writer_client.post(URL, {"name": "a", "org": str(uuid4())}), 400)
    assert unknown["errors"] == {"org": ["Unknown or read-only field."]}
    problem_of(writer_client.patch(f"{URL}{ours.pk}/", {"search": None}), 400)
    problem_of(writer_client.post(f"{URL}{ours.pk}/entries/", {"business_ids": []}), 400)
    problem_of(writer_client.post(f"{URL}{ours.pk}/entries/", {"business_ids": [str(uuid4())] * 501}), 400)
    problem_of(writer_client.post(f"{URL}{ours.pk}/match/", {"rows": [{"phone": "1"}]}), 400)
    problem_of(writer_client.post(f"{URL}{ours.pk}/match/", {"rows": [{"name": "x"}] * 2_001}), 400)


def test_a_viewer_reads_and_does_not_write(vera_client: APIClient, ours: Watchlist) -> None:
    assert vera_client.get(URL).json()["results"][0]["name"] == "Ours"
    assert vera_client.get(f"{URL}{ours.pk}/entries/").status_code == 200
    for method, url in (
        ("post", URL), ("patch", f"{URL}{ours.pk}/"), ("delete", f"{URL}{ours.pk}/"),
        ("post", f"{URL}{ours.pk}/entries/"), ("post", f"{URL}{ours.pk}/entries/remove/"),
        ("post", f"{URL}{ours.pk}/match/"),
    ):  # fmt: skip
        problem_of(getattr(vera_client, method)(url, {}), 403)


def test_companies_are_added_listed_and_removed(writer_client: APIClient, ours: Watchlist) -> None:
    first, second = make_business("Acme Ltd", town="Leeds"), make_business("Zenith Ltd")
    missing = str(uuid4())
    answer = writer_client.post(
        f"{URL}{ours.pk}/entries/", {"business_ids": [str(first.pk), str(second.pk), missing], "note": "fair"}
    )
    assert answer.json() == {"new": [str(first.pk), str(second.pk)], "known": [], "unknown": [missing]}
    (found,) = pages(writer_client, f"{URL}{ours.pk}/entries/")
    by_name = {row["business"]["name"]: row for row in found}
    assert sorted(by_name) == ["Acme Ltd", "Zenith Ltd"]
    entry = by_name["Acme Ltd"]
    assert (entry["note"], entry["matched_by"], entry["business"]["town"]) == ("fair", "hand", "Leeds")
    answer = writer_client.post(f"{URL}{ours.pk}/entries/remove/", {"business_ids": [str(first.pk), missing]})
    assert answer.json() == {"removed": 1}
    assert writer_client.get(f"{URL}{ours.pk}/").json()["entries"] == 1


def test_rows_are_matched_and_every_one_told(writer_client: APIClient, ours: Watchlist) -> None:
    acme = make_business("ACME LTD", company_number="00000001", town="LEEDS", status="active")
    rows = [{"number": "1"}, {"name": "acme"}, {"name": "=cmd|' /C calc'!A0"}, {}]
    body = {"rows": rows, "dry_run": True}
    tried = writer_client.post(f"{URL}{ours.pk}/match/", body).json()
    assert tried["counts"] == {"rows": 4, "matched": 1, "already": 1, "unmatched": 2}
    assert [row["outcome"] for row in tried["rows"]] == ["matched", "already", "unmatched", "unmatched"]
    assert [row["reason"] for row in tried["rows"]] == ["", "", "unknown_name", "empty"]
    company = {"id": str(acme.pk), "number": "00000001", "name": "ACME LTD", "town": "LEEDS", "status": "active"}
    assert tried["rows"][0] == {
        "row": 1, "outcome": "matched", "by": "number", "business": company, "reason": "", "note": "", "candidates": [],
    }  # fmt: skip
    assert not entries_of(org=ours.org, watchlist_id=ours.pk).exists()
    done = writer_client.post(f"{URL}{ours.pk}/match/", {"rows": rows}).json()
    assert done == tried | {"dry_run": False}
    assert entries_of(org=ours.org, watchlist_id=ours.pk).get().business == acme


def test_a_post_that_is_sent_again_is_answered_again(writer_client: APIClient) -> None:
    headers: Any = {"Idempotency-Key": "one"}
    first = writer_client.post(URL, {"name": "Once"}, headers=headers)
    second = writer_client.post(URL, {"name": "Once"}, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert second.headers["Idempotency-Replayed"] == "true"


def test_another_organisations_watchlist_is_not_there(charlie_client: APIClient, ours: Watchlist) -> None:
    business = make_business()
    for method, path, body in (
        ("get", "", None), ("patch", "", {"name": "x"}), ("delete", "", None), ("get", "entries/", None),
        ("post", "entries/", {"business_ids": [str(business.pk)]}), ("post", "match/", {"rows": [{"name": "x"}]}),
        ("post", "entries/remove/", {"business_ids": [str(business.pk)]}),
        ("post", "fill/", {"query": "x", "mode": "lexical"}),
    ):  # fmt: skip
        problem_of(getattr(charlie_client, method)(f"{URL}{ours.pk}/{path}", body), 404, "not_found")
    assert charlie_client.get(URL).json()["results"] == []


def test_lists_cost_the_same_at_any_length(key_client: APIClient, ours: Watchlist) -> None:
    def costs() -> list[int]:
        found = []
        for url in (URL, f"{URL}{ours.pk}/entries/"):
            with CaptureQueriesContext(connection) as queries:
                assert key_client.get(url).status_code == 200
            found.append(len(queries))
        return found

    key_client.get(URL)  # the key's first use is written down
    before = costs()
    for number in range(12):
        create_watchlist(org=ours.org, name=f"List {number}")
    add_businesses(org=ours.org, watchlist_id=ours.pk, business_ids=[make_business().pk for _ in range(12)])
    assert costs() == before


def test_what_was_removed_is_listed_and_may_be_allowed_back(
    writer_client: APIClient, vera_client: APIClient, ours: Watchlist
) -> None:
    one = f"{URL}{ours.pk}/"
    business = make_business("Acme Ltd")
    body = {"business_ids": [str(business.pk)]}
    writer_client.post(f"{one}entries/", body)
    assert writer_client.get(f"{one}exclusions/").json()["results"] == []
    writer_client.post(f"{one}entries/remove/", body)
    (shown,) = vera_client.get(f"{one}exclusions/").json()["results"]
    assert (shown["business"]["name"], shown["removed_by"][:5]) == ("Acme Ltd", "ospt_")
    problem_of(vera_client.post(f"{one}exclusions/remove/", body), 403)
    problem_of(writer_client.post(f"{one}exclusions/remove/", {"business_ids": []}), 400)
    assert writer_client.post(f"{one}exclusions/remove/", body).json() == {"allowed": 1}
    assert writer_client.post(f"{one}exclusions/remove/", body).json() == {"allowed": 0}


def test_a_list_of_removals_costs_the_same_at_any_length(writer_client: APIClient, ours: Watchlist) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert writer_client.get(f"{URL}{ours.pk}/exclusions/").status_code == 200
        return len(queries)

    def remove(count: int) -> None:
        ids = [make_business().pk for _ in range(count)]
        add_businesses(org=ours.org, watchlist_id=ours.pk, business_ids=ids)
        remove_businesses(org=ours.org, watchlist_id=ours.pk, business_ids=ids)

    remove(1)
    cost()
    before = cost()
    remove(10)
    assert cost() == before
