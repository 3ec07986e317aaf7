"""Filling a watchlist from a search: new ones are added, those that were there stay, and the search is kept."""

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from businesses.models import Business, Watchlist
from businesses.watchlists import (
    add_businesses,
    allow_businesses,
    create_watchlist,
    entries_of,
    remove_businesses,
)
from embeddings.watchlist_fill import NoSavedSearch, fill_watchlist
from oppspot.core.errors import InvalidInput
from oppspot.organizations.models import Organization
from tests.answers import problem_of
from tests.factories import make_business

pytestmark = pytest.mark.django_db
BEER = {"query": "craft beer", "mode": "lexical", "filters": {}, "limit": 10}


@pytest.fixture(autouse=True)
def quick(settings: Settings) -> None:
    settings.EMBEDDING_PROVIDER = "deterministic"
    settings.EMBEDDING_MODEL = ""


@pytest.fixture
def ours(org_a: Organization) -> Watchlist:
    return create_watchlist(org=org_a, name="Ours")


@pytest.fixture
def brewery(db: None) -> Business:
    return make_business("Hop House", description="craft beer brewer", sic_codes=["11050"])


def test_it_is_filled_and_filled_again(org_a: Organization, ours: Watchlist, brewery: Business) -> None:
    by_hand = make_business("Spark", description="electric cars")
    add_businesses(org=org_a, watchlist_id=ours.pk, business_ids=[by_hand.pk])
    filled = fill_watchlist(org=org_a, watchlist_id=ours.pk, saved=BEER, added_by="user:1")
    assert (filled.new, filled.kept, filled.others) == ([brewery.pk], [], 1)
    ours.refresh_from_db()
    assert ours.search == BEER
    later = make_business("Malt Mill", description="brewer of craft beer")
    again = fill_watchlist(org=org_a, watchlist_id=ours.pk)
    assert (again.new, again.kept, again.others) == ([later.pk], [brewery.pk], 1)
    Business.objects.filter(pk=brewery.pk).update(description="bakery")
    without = fill_watchlist(org=org_a, watchlist_id=ours.pk)
    assert (without.new, without.kept, without.others) == ([], [later.pk], 2), "nothing is taken off"
    how = dict(entries_of(org=org_a, watchlist_id=ours.pk).values_list("business__name", "matched_by"))
    assert how == {"Spark": "hand", "Hop House": "search", "Malt Mill": "search"}


def test_a_dry_run_changes_nothing(org_a: Organization, ours: Watchlist, brewery: Business) -> None:
    filled = fill_watchlist(org=org_a, watchlist_id=ours.pk, saved=BEER, dry_run=True)
    assert (filled.new, filled.kept, filled.others) == ([brewery.pk], [], 0)
    ours.refresh_from_db()
    assert ours.search is None
    assert not entries_of(org=org_a, watchlist_id=ours.pk).exists()


def test_what_was_removed_by_hand_is_found_and_left_out(
    org_a: Organization, ours: Watchlist, brewery: Business
) -> None:
    later = make_business("Malt Mill", description="brewer of craft beer")
    fill_watchlist(org=org_a, watchlist_id=ours.pk, saved=BEER)
    remove_businesses(org=org_a, watchlist_id=ours.pk, business_ids=[brewery.pk])
    for dry_run in (True, False):
        filled = fill_watchlist(org=org_a, watchlist_id=ours.pk, dry_run=dry_run)
        assert (filled.new, filled.kept, filled.excluded, filled.others) == ([], [later.pk], [brewery.pk], 0)
    allow_businesses(org=org_a, watchlist_id=ours.pk, business_ids=[brewery.pk])
    assert fill_watchlist(org=org_a, watchlist_id=ours.pk).new == [brewery.pk]


def test_what_cannot_be_searched_is_not_kept(org_a: Organization, ours: Watchlist) -> None:
    with pytest.raises(NoSavedSearch):
        fill_watchlist(org=org_a, watchlist_id=ours.pk)
    with pytest.raises(InvalidInput):
        fill_watchlist(org=org_a, watchlist_id=ours.pk, saved=BEER | {"filters": {"sic": "nonsense"}})
    ours.refresh_from_db()
    assert ours.search is None


def test_the_endpoint(writer_client: APIClient, vera_client: APIClient, ours: Watchlist, brewery: Business) -> None:
    url = f"/api/v1/watchlists/{ours.pk}/fill/"
    problem_of(writer_client.post(url, {}), 409, "no_saved_search")
    problem_of(vera_client.post(url, BEER), 403)
    body = writer_client.post(url, {"query": "craft beer", "mode": "lexical", "filters": {"sic": "11"}}).json()
    search = {"query": "craft beer", "mode": "lexical", "filters": {"sic": "11"}, "limit": 50}
    assert body == {
        "dry_run": False,
        "search": search,
        "new": [str(brewery.pk)],
        "kept": [],
        "excluded": [],
        "others": 0,
    }
    again = writer_client.post(url, {}, headers={"Idempotency-Key": "k"})
    assert again.json() == body | {"new": [], "kept": [str(brewery.pk)]}
    assert writer_client.post(url, {}, headers={"Idempotency-Key": "k"}).headers["Idempotency-Replayed"] == "true"
    assert writer_client.get(f"/api/v1/watchlists/{ours.pk}/").json()["search"] == search


def test_what_the_endpoint_refuses(writer_client: APIClient, ours: Watchlist) -> None:
    url = f"/api/v1/watchlists/{ours.pk}/fill/"
    wrong = problem_of(writer_client.post(url, BEER | {"filters": {"sic": "nonsense"}}), 400)
    assert wrong["errors"]["filters"]["sic"]
    for body in (BEER | {"limit": 101}, BEER | {"mode": "magic"}, {"mode": "lexical"}, BEER | {"threshold": 1}):
        problem_of(writer_client.post(url, body), 400)
