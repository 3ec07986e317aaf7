"""Watchlists: making and changing them, and putting companies on them by id, by matching rows, or from a search.

What somebody takes off a list stays off when it is filled from its search, until somebody puts it on again or allows
it to come back.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from businesses.matching import Outcome, Report, Row, match
from businesses.models import Business, Watchlist, WatchlistEntry, WatchlistExclusion
from oppspot.core.errors import InvalidInput, OppspotError
from oppspot.organizations.models import Organization

MAX_NAME, MAX_DESCRIPTION, MAX_NOTE = 200, 2_000, 1_000  # characters
BY_SEARCH = "search"  # how a company comes on a list without anybody having chosen it
MAX_WATCHLISTS = 1_000  # of an organisation
MAX_ENTRIES = 100_000  # of a watchlist
EDITABLE = frozenset({"name", "description", "search"})
INSERTED = 1_000  # rows of one statement

logger = structlog.get_logger(__name__)


class NameTaken(OppspotError):
    """There is a watchlist of this name already."""

    code = "name_taken"
    status = 409


class NoSuchWatchlist(OppspotError):
    """There is no such object."""

    code = "not_found"
    status = 404


class WatchlistFull(OppspotError):
    """The watchlist cannot hold that many companies."""

    code = "watchlist_full"
    status = 409


class TooManyWatchlists(OppspotError):
    """The organisation has as many watchlists as it may have."""

    code = "too_many_watchlists"
    status = 409


@dataclass(frozen=True, slots=True)
class Added:
    """Companies that were to be put on a watchlist: put there, there before, not in the register, or (found by a
    search) left out because somebody took them off."""

    new: list[UUID]
    known: list[UUID]
    unknown: list[UUID]
    excluded: list[UUID] = field(default_factory=list)


def entries_of(*, org: Organization, watchlist_id: UUID) -> QuerySet[WatchlistEntry]:
    return WatchlistEntry.objects.for_org(org).filter(watchlist_id=watchlist_id)


def exclusions_of(*, org: Organization, watchlist_id: UUID) -> QuerySet[WatchlistExclusion]:
    return WatchlistExclusion.objects.for_org(org).filter(watchlist_id=watchlist_id)


def create_watchlist(*, org: Organization, name: str, description: str = "", created_by: str = "") -> Watchlist:
    """Raises `NameTaken`, `TooManyWatchlists` and `InvalidInput`."""
    values = _checked({"name": name, "description": description})
    if Watchlist.objects.for_org(org).count() >= MAX_WATCHLISTS:
        raise TooManyWatchlists(f"An organisation may have {MAX_WATCHLISTS:,} watchlists.")
    watchlist = Watchlist(org=org, created_by=created_by, **values)
    _save(watchlist)
    logger.info("watchlist_created", watchlist=str(watchlist.pk), created_by=created_by)
    return watchlist


def edit_watchlist(*, org: Organization, watchlist_id: UUID, changes: Mapping[str, Any]) -> Watchlist:
    """Write `changes` (of `EDITABLE`). Raises `NameTaken`, `InvalidInput` and `NoSuchWatchlist`."""
    if refused := sorted(set(changes) - EDITABLE):
        raise ValueError(f"not editable: {', '.join(refused)}")
    with transaction.atomic():
        watchlist = _locked(org, watchlist_id)
        for name, value in _checked(changes).items():
            setattr(watchlist, name, value)
        _save(watchlist)
    return watchlist


def delete_watchlist(*, org: Organization, watchlist_id: UUID) -> int:
    """Delete a watchlist; returns how many companies were on it. Raises `NoSuchWatchlist`."""
    with transaction.atomic():
        watchlist = _locked(org, watchlist_id)
        removed, _ = entries_of(org=org, watchlist_id=watchlist_id).delete()
        exclusions_of(org=org, watchlist_id=watchlist_id).delete()
        Watchlist.objects.for_org(org).filter(pk=watchlist.pk).delete()
    logger.info("watchlist_deleted", watchlist=str(watchlist_id), entries=removed)
    return removed


def add_businesses(
    *,
    org: Organization,
    watchlist_id: UUID,
    business_ids: Sequence[UUID],
    added_by: str = "",
    matched_by: str | Mapping[UUID, str] = "hand",
    note: str = "",
) -> Added:
    """Put companies on a watchlist; those that are on it stay as they are. `matched_by` may differ by company.

    What a search found is left out if somebody took it off; what somebody names comes back. Raises `WatchlistFull`,
    without adding any, and `NoSuchWatchlist`.
    """
    wanted = list(dict.fromkeys(business_ids))
    with transaction.atomic():
        watchlist = _locked(org, watchlist_id)
        entries = entries_of(org=org, watchlist_id=watchlist_id)
        there = set(Business.objects.filter(pk__in=wanted).values_list("pk", flat=True))
        listed = set(entries.filter(business__in=wanted).values_list("business_id", flat=True))
        exclusions = exclusions_of(org=org, watchlist_id=watchlist_id).filter(business__in=wanted)
        is_chosen = matched_by != BY_SEARCH
        off = set() if is_chosen else set(exclusions.values_list("business_id", flat=True))
        new = [pk for pk in wanted if pk in there and pk not in listed | off]
        if new and entries.count() + len(new) > MAX_ENTRIES:
            raise WatchlistFull(f"A watchlist may hold {MAX_ENTRIES:,} companies.")
        WatchlistEntry.objects.for_org(org).bulk_create(
            [
                WatchlistEntry(
                    org=org, watchlist=watchlist, business_id=pk, added_by=added_by, note=note,
                    matched_by=matched_by if isinstance(matched_by, str) else matched_by[pk],
                )
                for pk in new
            ],
            batch_size=INSERTED,
        )  # fmt: skip
        if new and is_chosen:
            exclusions.delete()
        if new:
            Watchlist.objects.for_org(org).filter(pk=watchlist_id).update(updated_at=timezone.now())
    known = [pk for pk in wanted if pk in listed]
    logger.info("watchlist_extended", watchlist=str(watchlist_id), new=len(new), known=len(known), added_by=added_by)
    return Added(new, known, [pk for pk in wanted if pk not in there], [pk for pk in wanted if pk in off])


def remove_businesses(
    *, org: Organization, watchlist_id: UUID, business_ids: Collection[UUID], removed_by: str = ""
) -> int:
    """Take companies off a watchlist, also for when it is filled again; returns how many were on it.

    Raises `NoSuchWatchlist`.
    """
    with transaction.atomic():
        watchlist = _locked(org, watchlist_id)
        entries = entries_of(org=org, watchlist_id=watchlist_id).filter(business__in=business_ids)
        WatchlistExclusion.objects.for_org(org).bulk_create(
            [
                WatchlistExclusion(org=org, watchlist=watchlist, business_id=pk, removed_by=removed_by)
                for pk in entries.values_list("business_id", flat=True)
            ],
            batch_size=INSERTED,
            ignore_conflicts=True,
        )
        removed, _ = entries.delete()
    logger.info("watchlist_shortened", watchlist=str(watchlist_id), removed=removed, removed_by=removed_by)
    return removed


def allow_businesses(*, org: Organization, watchlist_id: UUID, business_ids: Collection[UUID]) -> int:
    """Let companies that were taken off come back with the search; returns how many. Raises `NoSuchWatchlist`."""
    with transaction.atomic():
        _locked(org, watchlist_id)
        allowed, _ = exclusions_of(org=org, watchlist_id=watchlist_id).filter(business__in=business_ids).delete()
    return allowed


def match_rows(
    *, org: Organization, watchlist_id: UUID, rows: Sequence[Row], dry_run: bool = False, added_by: str = ""
) -> Report:
    """Match `rows` with the register and put what was found on the watchlist, unless `dry_run`.

    The report is of the list as it was before. Raises `WatchlistFull` and `NoSuchWatchlist`.
    """
    with transaction.atomic():
        _locked(org, watchlist_id)
        report = match(rows, entries=entries_of(org=org, watchlist_id=watchlist_id))
        found = {one.company.id: one.by for one in report.having(Outcome.MATCHED) if one.company}
        if found and not dry_run:
            add_businesses(
                org=org, watchlist_id=watchlist_id, business_ids=list(found), matched_by=found, added_by=added_by
            )
    return report


def _locked(org: Organization, watchlist_id: UUID) -> Watchlist:
    """The watchlist, held until the transaction ends: who adds to it counts what others have added."""
    watchlists = Watchlist.objects.for_org(org).select_for_update(no_key=True)
    watchlist: Watchlist | None = watchlists.filter(pk=watchlist_id).first()
    if watchlist is None:
        raise NoSuchWatchlist
    return watchlist


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    checked = dict(values)
    if "name" in checked:
        checked["name"] = " ".join(checked["name"].split())
        if not checked["name"]:
            raise InvalidInput("name: A watchlist needs a name.", fields={"name": ["A watchlist needs a name."]})
    for name, limit in (("name", MAX_NAME), ("description", MAX_DESCRIPTION)):
        if len(checked.get(name, "")) > limit:
            message = f"Longer than {limit:,} characters."
            raise InvalidInput(f"{name}: {message}", fields={name: [message]})
    return checked


def _save(watchlist: Watchlist) -> None:
    try:
        with transaction.atomic():
            watchlist.save()
    except IntegrityError as error:
        if "watchlist_name_once" not in str(error):
            raise
        raise NameTaken(
            f"There is a watchlist named {watchlist.name!r} already.", fields={"name": ["Taken."]}
        ) from None
