"""Filling a watchlist from a search, which is kept with it: filled again, it gets what is found by then."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from businesses.models import Watchlist
from businesses.watchlists import (
    BY_SEARCH,
    NoSuchWatchlist,
    add_businesses,
    edit_watchlist,
    entries_of,
    exclusions_of,
)
from embeddings.search import search
from oppspot.core.errors import OppspotError
from oppspot.organizations.models import Organization

DEFAULT_MODE, DEFAULT_LIMIT = "hybrid", 50


class NoSavedSearch(OppspotError):
    """The watchlist has no saved search: name a query."""

    code = "no_saved_search"
    status = 409


@dataclass(frozen=True, slots=True)
class Filled:
    """Companies found, best first: those put on the watchlist, those that were on it, and those that stay off because
    somebody removed them. `others` are on it, too, but were not found: they stay."""

    search: Mapping[str, Any]
    new: list[UUID]
    kept: list[UUID]
    excluded: list[UUID]
    others: int


def fill_watchlist(
    *,
    org: Organization,
    watchlist_id: UUID,
    saved: Mapping[str, Any] | None = None,
    dry_run: bool = False,
    added_by: str = "",
) -> Filled:
    """Search, and put what is found on the watchlist; nothing is ever taken off it.

    `saved` ({query, mode, filters, limit}) is kept as the watchlist's search, and None uses the one that is kept.
    The search is done outside any transaction of its own. Raises `NoSavedSearch`, `NoSuchWatchlist`, `WatchlistFull`
    and what `search` raises.
    """
    watchlist = Watchlist.objects.for_org(org).filter(pk=watchlist_id).first()
    if watchlist is None:
        raise NoSuchWatchlist
    if not (saved or watchlist.search):
        raise NoSavedSearch
    wanted = {"mode": DEFAULT_MODE, "filters": {}, "limit": DEFAULT_LIMIT, **(saved or watchlist.search)}
    found = [hit.pk for hit in search(**wanted).hits]
    entries = entries_of(org=org, watchlist_id=watchlist_id)
    if dry_run:
        listed = set(entries.filter(business__in=found).values_list("business_id", flat=True))
        exclusions = exclusions_of(org=org, watchlist_id=watchlist_id).filter(business__in=found)
        off = set(exclusions.values_list("business_id", flat=True))
        new, kept = [pk for pk in found if pk not in listed | off], [pk for pk in found if pk in listed]
        return Filled(wanted, new, kept, [pk for pk in found if pk in off], entries.count() - len(kept))
    if wanted != watchlist.search:
        edit_watchlist(org=org, watchlist_id=watchlist_id, changes={"search": wanted})
    added = add_businesses(
        org=org, watchlist_id=watchlist_id, business_ids=found, matched_by=BY_SEARCH, added_by=added_by
    )
    others = entries.count() - len(added.new) - len(added.known)
    return Filled(wanted, added.new, added.known, added.excluded, others)
