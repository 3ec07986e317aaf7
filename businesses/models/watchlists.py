"""Lists of companies that an organisation watches."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from businesses.models.register import Business
from oppspot.organizations.scoping import OrgOwned


class Watchlist(OrgOwned):
    """A named list of companies. With `search` it can be filled anew from what that finds."""

    name = models.CharField(max_length=200)
    description = models.TextField(blank=True, default="")
    search = models.JSONField(null=True, blank=True, help_text="A saved search: query, mode, filters, limit.")
    created_by = models.TextField(blank=True, default="", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "watchlists"
        constraints = [
            models.UniqueConstraint("org", Lower("name"), name="watchlist_name_once"),
            models.UniqueConstraint(fields=["org", "id"], name="watchlist_of_org"),
            models.CheckConstraint(condition=~Q(name=""), name="watchlist_has_name"),
        ]

    def __str__(self) -> str:
        return self.name


class WatchlistEntry(OrgOwned):
    """A company on a watchlist, and how it came there."""

    watchlist = models.ForeignKey(Watchlist, on_delete=models.CASCADE, related_name="+")
    business = models.ForeignKey(Business, on_delete=models.PROTECT, related_name="+")
    note = models.TextField(blank=True, default="")
    matched_by = models.CharField(
        max_length=10,
        choices=[(by, by) for by in ("hand", "number", "domain", "name", "search")],
        default="hand",
    )
    added_by = models.TextField(blank=True, default="", editable=False)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "watchlist_entries"
        verbose_name_plural = "watchlist entries"
        constraints = [
            models.UniqueConstraint(fields=["org", "watchlist", "business"], name="watchlist_entry_once"),
            models.CheckConstraint(
                condition=Q(matched_by__in=("hand", "number", "domain", "name", "search")),
                name="watchlist_entry_matched_by_known",
            ),
        ]
        indexes = [models.Index(fields=["business"], name="watchlist_entry_business")]

    def __str__(self) -> str:
        return f"{self.business_id} on {self.watchlist_id}"


class WatchlistExclusion(OrgOwned):
    """A company that somebody took off a watchlist: filling the list from its search leaves it out."""

    watchlist = models.ForeignKey(Watchlist, on_delete=models.CASCADE, related_name="+")
    business = models.ForeignKey(Business, on_delete=models.PROTECT, related_name="+")
    removed_by = models.TextField(blank=True, default="", editable=False)
    removed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "watchlist_exclusions"
        constraints = [
            models.UniqueConstraint(fields=["org", "watchlist", "business"], name="watchlist_exclusion_once")
        ]

    def __str__(self) -> str:
        return f"{self.business_id} off {self.watchlist_id}"
