"""Watchlists, their companies, and organisations' own events, of all organisations: for staff."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from businesses.admin.register import EventKindFilter
from businesses.admin.uploads import ReportView, UnmatchedView, UploadView
from businesses.models import Business, EventKind, OrgEvent, Watchlist, WatchlistEntry
from businesses.watchlists import (
    add_businesses,
    create_watchlist,
    delete_watchlist,
    edit_watchlist,
    entries_of,
    exclusions_of,
    remove_businesses,
)
from oppspot.core.admin import LINK, LargeTableAdmin, ReadOnlyMixin, column
from oppspot.jobs.admin.durations import age_of
from oppspot.jobs.admin.filters import as_uuid
from oppspot.jobs.admin.texts import pretty

NO_LIST = UUID(int=0)


def company_link(business: Business) -> str:
    url = reverse("admin:businesses_business_change", args=[business.pk])
    return format_html('<a class="{}" href="{}">{}</a>', LINK, url, business.name)


class WatchlistForm(forms.ModelForm[Watchlist]):
    class Meta:
        model = Watchlist
        fields = ["org", "name", "description"]
        labels = {"org": "Organisation"}

    def clean(self) -> dict[str, Any]:
        """Say next to the name that it is taken, as the service would."""
        cleaned = super().clean() or {}
        org, name = cleaned.get("org") or getattr(self.instance, "org", None), cleaned.get("name")
        if org and name:
            others = Watchlist.objects.for_org(org).filter(name__iexact=" ".join(name.split()))
            if others.exclude(pk=self.instance.pk).exists():
                self.add_error("name", "The organisation has a watchlist of this name.")
        return cleaned


@admin.register(Watchlist)
class WatchlistAdmin(ModelAdmin):
    form = WatchlistForm
    list_display = ["name", "organisation", "companies", "searched", "created_at"]
    list_filter = [("org", AutocompleteSelectFilter)]
    list_filter_submit = True
    list_select_related = ["org"]
    search_fields = ["name"]
    autocomplete_fields = ["org"]
    ordering = ["-created_at"]
    details = [
        "companies_link",
        "removed_link",
        "upload_link",
        "shown_search",
        "created_by",
        "created_at",
        "updated_at",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Watchlist]:
        watchlists: QuerySet[Watchlist] = super().get_queryset(request).select_related("org")
        return watchlists

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["org", "name", "description", *(self.details if obj else [])]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["org", *self.details] if obj else []

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """One at a time: a list holds what somebody collected."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list[Any], dict[str, int], set[str], Any]:
        """How many entries go along, not each of what may be a hundred thousand."""
        told, count = [], 0
        for watchlist in objs:
            entries = entries_of(org=watchlist.org, watchlist_id=watchlist.pk).count()
            told.append(f"Watchlist {watchlist} of {watchlist.org}, with {entries:,} companies on it")
            count += entries
        return told, {"watchlists": len(told), "watchlist entries": count}, set(), []

    def save_model(self, request: HttpRequest, obj: Watchlist, form: Any, change: bool) -> None:
        if change:
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            edit_watchlist(org=obj.org, watchlist_id=obj.pk, changes=changes)
            return
        made = create_watchlist(
            org=obj.org, name=obj.name, description=obj.description, created_by=f"user:{request.user.pk}"
        )
        obj.pk, obj._state.adding = made.pk, False

    def delete_model(self, request: HttpRequest, obj: Watchlist) -> None:
        delete_watchlist(org=obj.org, watchlist_id=obj.pk)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        upload = "<uuid:watchlist_id>/upload/"
        kept = f"{upload}<slug:token>/"
        return [
            path(upload, wrap(UploadView.as_view(model_admin=self)), name="businesses_watchlist_upload"),
            path(kept, wrap(ReportView.as_view(model_admin=self)), name="businesses_watchlist_report"),
            path(
                f"{kept}unmatched.csv",
                wrap(UnmatchedView.as_view(model_admin=self)),
                name="businesses_watchlist_unmatched",
            ),
            *super().get_urls(),
        ]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Count the companies of the page's watchlists by one statement."""
        changelist = super().get_changelist_instance(request)
        watchlists = list(changelist.result_list)
        entries = WatchlistEntry.all_orgs.filter(watchlist__in=watchlists).order_by()
        counts: dict[UUID, int] = dict(entries.values_list("watchlist").annotate(Count("pk")))
        for watchlist in watchlists:
            watchlist.company_count = counts.get(watchlist.pk, 0)
        changelist.result_list = watchlists
        return changelist

    @column("Organisation")
    def organisation(self, watchlist: Watchlist) -> str:
        return watchlist.org.name

    @column("Companies")
    def companies(self, watchlist: Watchlist) -> str:
        return f"{getattr(watchlist, 'company_count', 0):,}"

    @column("Saved search")
    def searched(self, watchlist: Watchlist) -> str:
        return str(watchlist.search["query"]) if watchlist.search else ""

    @column("Companies")
    def companies_link(self, watchlist: Watchlist) -> str:
        count = entries_of(org=watchlist.org, watchlist_id=watchlist.pk).count()
        url = reverse("admin:businesses_watchlistentry_changelist", query={"watchlist": watchlist.pk})
        return format_html('<a class="{}" href="{}">{} on the list</a>', LINK, url, f"{count:,}")

    @column("Removed by hand")
    def removed_link(self, watchlist: Watchlist) -> str:
        count = exclusions_of(org=watchlist.org, watchlist_id=watchlist.pk).count()
        url = reverse("admin:businesses_watchlistexclusion_changelist", query={"watchlist": watchlist.pk})
        return format_html('<a class="{}" href="{}">{} stay off when it is filled</a>', LINK, url, f"{count:,}")

    @column("Add from a file")
    def upload_link(self, watchlist: Watchlist) -> str:
        url = reverse("admin:businesses_watchlist_upload", args=[watchlist.pk])
        return format_html('<a class="{}" href="{}">Upload a CSV file</a>', LINK, url)

    @column("Saved search")
    def shown_search(self, watchlist: Watchlist) -> str:
        return format_html("<pre>{}</pre>", pretty(watchlist.search)) if watchlist.search else "None"


class EntryForm(forms.ModelForm[WatchlistEntry]):
    class Meta:
        model = WatchlistEntry
        fields = ["watchlist", "business", "note"]
        labels = {"business": "Company"}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        watchlist, business = cleaned.get("watchlist"), cleaned.get("business")
        if watchlist and business:
            entries = entries_of(org=watchlist.org, watchlist_id=watchlist.pk)
            if entries.filter(business=business).exists():
                self.add_error("business", "It is on this watchlist already.")
        return cleaned


class WatchlistFilter(admin.SimpleListFilter):
    """One watchlist, as its own page links to it; there may be too many to offer."""

    title, parameter_name = "watchlist", "watchlist"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        identifier = as_uuid(request.GET.get(self.parameter_name, ""))
        chosen = Watchlist.all_orgs.filter(pk=identifier).first() if identifier else None
        return [(str(chosen.pk), chosen.name)] if chosen else []

    def has_output(self) -> bool:
        """One that is not there narrows, too: to nothing."""
        return self.value() is not None

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(watchlist=as_uuid(value) or NO_LIST) if value else queryset


@admin.register(WatchlistEntry)
class WatchlistEntryAdmin(LargeTableAdmin):
    """Companies on watchlists: added and removed, never edited. What is removed stays off when the list is filled."""

    form = EntryForm
    list_display = ["shown_company", "number", "town", "shown_list", "organisation", "matched_by", "added"]
    list_display_links = ["added"]
    list_filter = [
        ("org", AutocompleteSelectFilter),
        WatchlistFilter,
        ("matched_by", admin.ChoicesFieldListFilter),
    ]
    sortable_by: list[str] = []
    search_fields = ["id"]  # shows the box; get_search_results decides
    search_help_text = "A company number, or the beginning of a name."
    autocomplete_fields = ["watchlist", "business"]
    ordering = ["-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[WatchlistEntry]:
        entries = super().get_queryset(request).select_related("org", "watchlist", "business")
        narrow: QuerySet[WatchlistEntry] = entries.only(
            *("org__name", "watchlist__name", "watchlist__org", "note", "matched_by", "added_by", "added_at"),
            *("business__name", "business__company_number", "business__town"),
        )
        return narrow

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[WatchlistEntry], search_term: str
    ) -> tuple[QuerySet[WatchlistEntry], bool]:
        term = search_term.replace("\x00", "").strip()
        found = Business.objects.matching_text(term).values("pk")
        return (queryset.filter(business__in=found) if term else queryset), False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is None:
            return ["watchlist", "business", "note"]
        return ["shown_company", "shown_list", "organisation", "note", "matched_by", "added_by", "added_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return self.get_fields(request, obj) if obj else []

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: WatchlistEntry, form: Any, change: bool) -> None:
        org = obj.watchlist.org
        add_businesses(
            org=org, watchlist_id=obj.watchlist_id, business_ids=[obj.business_id], note=obj.note,
            added_by=f"user:{request.user.pk}",
        )  # fmt: skip
        entry = entries_of(org=org, watchlist_id=obj.watchlist_id).get(business=obj.business_id)
        obj.pk, obj.org, obj._state.adding = entry.pk, org, False

    def delete_model(self, request: HttpRequest, obj: WatchlistEntry) -> None:
        remove_businesses(
            org=obj.org, watchlist_id=obj.watchlist_id, business_ids=[obj.business_id],
            removed_by=f"user:{request.user.pk}",
        )  # fmt: skip

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[WatchlistEntry]) -> None:
        for entry in queryset:
            self.delete_model(request, entry)

    @column("Company")
    def shown_company(self, entry: WatchlistEntry) -> str:
        return company_link(entry.business)

    @column("Number")
    def number(self, entry: WatchlistEntry) -> str:
        return entry.business.company_number or ""

    @column("Town")
    def town(self, entry: WatchlistEntry) -> str:
        return entry.business.town

    @column("Watchlist")
    def shown_list(self, entry: WatchlistEntry) -> str:
        url = reverse("admin:businesses_watchlist_change", args=[entry.watchlist_id])
        return format_html('<a class="{}" href="{}">{}</a>', LINK, url, entry.watchlist.name)

    @column("Organisation")
    def organisation(self, entry: WatchlistEntry) -> str:
        return entry.org.name

    @column("Added")
    def added(self, entry: WatchlistEntry) -> str:
        return age_of(entry.added_at)


@admin.register(OrgEvent)
class OrgEventAdmin(ReadOnlyMixin, LargeTableAdmin):
    """What organisations' own systems told."""

    list_display = ["shown_kind", "company", "organisation", "occurred_on", "source", "observed"]
    list_filter = [("org", AutocompleteSelectFilter), EventKindFilter]
    sortable_by: list[str] = []
    ordering = ["-id"]
    fields = [
        *("shown_kind", "company", "organisation", "occurred_on", "observed_at", "source", "source_url"),
        *("created_by", "shown_payload", "fingerprint"),
    ]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[OrgEvent]:
        events = super().get_queryset(request).select_related("org", "business")
        narrow: QuerySet[OrgEvent] = events.only(
            *("kind", "occurred_on", "observed_at", "source", "source_url", "payload", "fingerprint", "created_by"),
            *("org__name", "business__name"),
        )
        return narrow

    @column("Kind")
    def shown_kind(self, event: OrgEvent) -> str:
        return dict(EventKind.choices).get(event.kind, event.kind)

    @column("Company")
    def company(self, event: OrgEvent) -> str:
        return company_link(event.business)

    @column("Organisation")
    def organisation(self, event: OrgEvent) -> str:
        return event.org.name

    @column("Told")
    def observed(self, event: OrgEvent) -> str:
        return age_of(event.observed_at)

    @column("Payload")
    def shown_payload(self, event: OrgEvent) -> str:
        return format_html("<pre>{}</pre>", pretty(event.payload))
