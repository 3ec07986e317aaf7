"""The register and what is watched: companies, what happened to them, people, watchlists, and how sources stand."""

from businesses.models.events import BusinessEvent, EventKind, OrgEvent
from businesses.models.people import Appointment, Officer
from businesses.models.register import MAX_DESCRIPTION, SEPARATOR, Business, SicCode, Status, Words
from businesses.models.sources import Feed, PullStatus, RequestBudget, SourceGap, SourcePull, SourceState
from businesses.models.watchlists import Watchlist, WatchlistEntry, WatchlistExclusion

__all__ = [
    "MAX_DESCRIPTION",
    "SEPARATOR",
    "Appointment",
    "Business",
    "BusinessEvent",
    "EventKind",
    "Feed",
    "Officer",
    "OrgEvent",
    "PullStatus",
    "RequestBudget",
    "SicCode",
    "SourceGap",
    "SourcePull",
    "SourceState",
    "Status",
    "Watchlist",
    "WatchlistEntry",
    "WatchlistExclusion",
    "Words",
]
