"""Watchlists: names once, companies once, limits kept, and nothing of another organisation."""

from typing import Any
from uuid import uuid4

import pytest
from pytest_django import DjangoAssertNumQueries

from businesses import watchlists
from businesses.matching import Row
from businesses.models import Watchlist, WatchlistEntry, WatchlistExclusion
from businesses.watchlists import (
    BY_SEARCH,
    NameTaken,
    NoSuchWatchlist,
    TooManyWatchlists,
    WatchlistFull,
    add_businesses,
    allow_businesses,
    create_watchlist,
    delete_watchlist,
    edit_watchlist,
    entries_of,
    exclusions_of,
    match_rows,
    remove_businesses,
)
from oppspot.core.errors import InvalidInput
from oppspot.organizations.models import Organization
from tests.factories import make_business

pytestmark = pytest.mark.django_db


@pytest.fixture
def ours(org_a: Organization) -> Watchlist:
    return create_watchlist(org=org_a, name="Ours", created_by="user:1")


def test_a_name_is_once_in_an_organisation(org_a: Organization, org_b: Organization, ours: Watchlist) -> None:
    with pytest.raises(NameTaken, match="named 'OURS' already"):
        create_watchlist(org=org_a, name=" OURS ")
    assert create_watchlist(org=org_b, name="Ours").org == org_b
    other = create_watchlist(org=org_a, name="Other   one")
    assert other.name == "Other one"
    with pytest.raises(NameTaken):
        edit_watchlist(org=org_a, watchlist_id=other.pk, changes={"name": "ours"})
    assert edit_watchlist(org=org_a, watchlist_id=ours.pk, changes={"name": "OURS"}).name == "OURS"


@pytest.mark.parametrize(("name", "message"), [("  ", "needs a name"), ("x" * 201, "Longer than 200 characters")])
def test_names_that_are_none(org_a: Organization, name: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        create_watchlist(org=org_a, name=name)


def test_limits(org_a: Organization, ours: Watchlist, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchlists, "MAX_WATCHLISTS", 1)
    monkeypatch.setattr(watchlists, "MAX_ENTRIES", 2)
    with pytest.raises(TooManyWatchlists):
        create_watchlist(org=org_a, name="second")
    ids = [make_business().pk for _ in range(3)]
    with pytest.raises(WatchlistFull):
        add_businesses(org=org_a, watchlist_id=ours.pk, business_ids=ids)
    assert not entries_of(org=org_a, watchlist_id=ours.pk).exists()
    add_businesses(org=org_a, watchlist_id=ours.pk, business_ids=ids[:2])
    assert add_businesses(org=org_a, watchlist_id=ours.pk, business_ids=ids[:2]).known == ids[:2]


def test_companies_are_added_once_and_unknown_ones_told(
    org_a: Organization, ours: Watchlist, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    first, second = make_business().pk, make_business().pk
    missing = uuid4()
    added = add_businesses(
        org=org_a, watchlist_id=ours.pk, business_ids=[first, missing, first], added_by="ospt_x", note="n"
    )
    assert (added.new, added.known, added.unknown) == ([first], [], [missing])
    with django_assert_num_queries(9):  # savepoint, release, lock, companies, listed, excluded, count, insert, touch
        added = add_businesses(org=org_a, watchlist_id=ours.pk, business_ids=[first, second], matched_by="search")
    assert (added.new, added.known) == ([second], [first])
    entries = entries_of(org=org_a, watchlist_id=ours.pk).order_by("added_at")
    assert list(entries.values_list("matched_by", "added_by", "note")) == [("hand", "ospt_x", "n"), ("search", "", "")]
    assert remove_businesses(org=org_a, watchlist_id=ours.pk, business_ids=[first, missing]) == 1


def test_matched_rows_are_added_unless_it_is_a_dry_run(org_a: Organization, ours: Watchlist) -> None:
    make_business("Acme Ltd", company_number="00000001")
    make_business("Zenith Ltd", company_number="00000002")
    rows = [Row(1, number="1"), Row(2, name="zenith"), Row(3, name="nobody")]
    counts = {"rows": 3, "matched": 2, "already": 0, "unmatched": 1}
    report = match_rows(org=org_a, watchlist_id=ours.pk, rows=rows, dry_run=True)
    assert report.counts == counts
    assert not entries_of(org=org_a, watchlist_id=ours.pk).exists()
    assert match_rows(org=org_a, watchlist_id=ours.pk, rows=rows, added_by="user:1").counts == counts
    entries = entries_of(org=org_a, watchlist_id=ours.pk)
    assert sorted(entries.values_list("matched_by", "added_by")) == [("name", "user:1"), ("number", "user:1")]
    again = match_rows(org=org_a, watchlist_id=ours.pk, rows=rows)
    assert again.counts == {"rows": 3, "matched": 0, "already": 2, "unmatched": 1}


def test_another_organisations_watchlist_is_none(org_b: Organization, ours: Watchlist) -> None:
    business = make_business()
    for act in (
        lambda: edit_watchlist(org=org_b, watchlist_id=ours.pk, changes={"name": "theirs"}),
        lambda: add_businesses(org=org_b, watchlist_id=ours.pk, business_ids=[business.pk]),
        lambda: remove_businesses(org=org_b, watchlist_id=ours.pk, business_ids=[business.pk]),
        lambda: match_rows(org=org_b, watchlist_id=ours.pk, rows=[Row(1, name="x")]),
        lambda: delete_watchlist(org=org_b, watchlist_id=ours.pk),
    ):
        with pytest.raises(NoSuchWatchlist):
            act()
    assert Watchlist.objects.for_org(ours.org).get().name == "Ours"


def test_a_deleted_watchlist_takes_its_entries_along(org_a: Organization, ours: Watchlist) -> None:
    business = make_business()
    add_businesses(org=org_a, watchlist_id=ours.pk, business_ids=[business.pk])
    assert delete_watchlist(org=org_a, watchlist_id=ours.pk) == 1
    assert not WatchlistEntry.objects.for_org(org_a).exists()


def test_only_some_fields_are_edited(org_a: Organization, ours: Watchlist) -> None:
    with pytest.raises(ValueError, match="not editable: created_by"):
        edit_watchlist(org=org_a, watchlist_id=ours.pk, changes={"created_by": "me"})


def test_what_was_taken_off_stays_off_a_search_and_comes_back_by_hand(org_a: Organization, ours: Watchlist) -> None:
    target: dict[str, Any] = {"org": org_a, "watchlist_id": ours.pk}
    first, second, third = (make_business(company_number=f"0000000{place}") for place in (1, 2, 3))
    ids = [first.pk, second.pk, third.pk]
    add_businesses(**target, business_ids=ids, matched_by=BY_SEARCH)
    assert remove_businesses(**target, business_ids=[*ids, uuid4()], removed_by="user:7") == 3
    assert set(exclusions_of(**target).values_list("business_id", "removed_by")) == {(pk, "user:7") for pk in ids}
    again = add_businesses(**target, business_ids=ids, matched_by=BY_SEARCH)
    assert (again.new, again.known, again.excluded) == ([], [], ids)
    assert add_businesses(**target, business_ids=[first.pk]).new == [first.pk]
    assert match_rows(**target, rows=[Row(1, number="2")]).counts["matched"] == 1
    assert allow_businesses(**target, business_ids=[third.pk, uuid4()]) == 1
    assert not exclusions_of(**target).exists()
    found = add_businesses(**target, business_ids=ids, matched_by=BY_SEARCH)
    assert (found.new, found.known, found.excluded) == ([third.pk], ids[:2], [])


def test_a_removal_is_of_one_list_and_goes_with_it(org_a: Organization, org_b: Organization, ours: Watchlist) -> None:
    business = make_business()
    others = [create_watchlist(org=org_a, name="Other"), create_watchlist(org=org_b, name="Ours")]
    for watchlist in (ours, *others):
        add_businesses(org=watchlist.org, watchlist_id=watchlist.pk, business_ids=[business.pk])
    remove_businesses(org=org_a, watchlist_id=ours.pk, business_ids=[business.pk])
    for watchlist in others:
        assert entries_of(org=watchlist.org, watchlist_id=watchlist.pk).exists()
        assert not exclusions_of(org=watchlist.org, watchlist_id=watchlist.pk).exists()
    with pytest.raises(NoSuchWatchlist):
        allow_businesses(org=org_b, watchlist_id=ours.pk, business_ids=[business.pk])
    delete_watchlist(org=org_a, watchlist_id=ours.pk)
    assert not WatchlistExclusion.all_orgs.exists()


def test_what_was_never_on_the_list_is_not_kept_off(org_a: Organization, ours: Watchlist) -> None:
    business = make_business()
    assert remove_businesses(org=org_a, watchlist_id=ours.pk, business_ids=[business.pk]) == 0
    assert not exclusions_of(org=org_a, watchlist_id=ours.pk).exists()
