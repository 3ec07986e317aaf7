"""What was taken off watchlists by hand, of all organisations: for staff, who may let it come back."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from businesses.admin.watchlists import WatchlistFilter, company_link
from businesses.models import Business, WatchlistExclusion
from businesses.watchlists import allow_businesses
from oppspot.core.admin import LINK, LargeTableAdmin, column
from oppspot.jobs.admin.durations import age_of


@admin.register(WatchlistExclusion)
class WatchlistExclusionAdmin(LargeTableAdmin):
    """Deleting one lets the company come back with the list's search."""

    list_display = ["shown_company", "number", "shown_list", "organisation", "removed_by", "removed"]
    list_display_links = ["removed"]
    list_filter = [("org", AutocompleteSelectFilter), WatchlistFilter]
    sortable_by: list[str] = []
    search_fields = ["id"]  # shows the box; get_search_results decides
    search_help_text = "A company number, or the beginning of a name."
    ordering = ["-id"]
    fields = ["shown_company", "shown_list", "organisation", "removed_by", "removed_at"]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[WatchlistExclusion]:
        exclusions = super().get_queryset(request).select_related("org", "watchlist", "business")
        narrow: QuerySet[WatchlistExclusion] = exclusions.only(
            *("org__name", "watchlist__name", "watchlist__org", "removed_by", "removed_at"),
            *("business__name", "business__company_number"),
        )
        return narrow

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[WatchlistExclusion], search_term: str
    ) -> tuple[QuerySet[WatchlistExclusion], bool]:
        term = search_term.replace("\x00", "").strip()
        found = Business.objects.matching_text(term).values("pk")
        return (queryset.filter(business__in=found) if term else queryset), False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def delete_model(self, request: HttpRequest, obj: WatchlistExclusion) -> None:
        allow_businesses(org=obj.org, watchlist_id=obj.watchlist_id, business_ids=[obj.business_id])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[WatchlistExclusion]) -> None:
        for exclusion in queryset:
            self.delete_model(request, exclusion)

    @column("Company")
    def shown_company(self, exclusion: WatchlistExclusion) -> str:
        return company_link(exclusion.business)

    @column("Number")
    def number(self, exclusion: WatchlistExclusion) -> str:
        return exclusion.business.company_number or ""

    @column("Watchlist")
    def shown_list(self, exclusion: WatchlistExclusion) -> str:
        url = reverse("admin:businesses_watchlist_change", args=[exclusion.watchlist_id])
        return format_html('<a class="{}" href="{}">{}</a>', LINK, url, exclusion.watchlist.name)

    @column("Organisation")
    def organisation(self, exclusion: WatchlistExclusion) -> str:
        return exclusion.org.name

    @column("Removed")
    def removed(self, exclusion: WatchlistExclusion) -> str:
        return age_of(exclusion.removed_at)
