"""The list of events, and one of them."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from oppspot.core.admin import LINK, LargeTableAdmin, ReadOnlyMixin, column
from oppspot.jobs.admin.durations import NOTHING, age_of, exactly
from oppspot.jobs.admin.filters import EventNameFilter, as_uuid
from oppspot.jobs.admin.texts import SYSTEM, pretty, run_link
from oppspot.jobs.models import Event


@admin.register(Event)
class EventAdmin(ReadOnlyMixin, LargeTableAdmin):
    list_display = ["name", "organisation", "listened", "created", "runs_link"]
    list_select_related = ["org"]
    list_filter = [EventNameFilter, ("org", AutocompleteSelectFilter)]
    sortable_by: list[str] = []
    search_fields = ["id"]  # shows the box; get_search_results decides
    search_help_text = "The id of an event, or a whole dedupe key."
    ordering = ["-id"]

    class Media:
        css = {"all": ["jobs/admin.css"]}

    fields = [
        *("id", "name", "organisation", "shown_created", "heard", "runs_link", "cause", "dedupe_key", "shown_data")
    ]
    readonly_fields = fields

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        term = search_term.replace("\x00", "").strip()
        if not term:
            return queryset, False
        key = ~Q(dedupe_key="") & Q(dedupe_key=term)  # the first half lets the partial index be used
        identifier = as_uuid(term)
        return queryset.filter(Q(pk=identifier) if identifier else key), False

    @column("Organisation")
    def organisation(self, event: Event) -> str:
        return event.org.name if event.org else SYSTEM

    @column("Listeners", colours={"nobody": "warning"})
    def listened(self, event: Event) -> Any:
        return str(event.listeners) if event.listeners else ("nobody", "nobody listens")

    @column("Listeners")
    def heard(self, event: Event) -> str:
        return str(event.listeners or "nobody listens")

    @column("Created")
    def shown_created(self, event: Event) -> str:
        return exactly(event.created_at)

    @column("Created")
    def created(self, event: Event) -> str:
        return age_of(event.created_at)

    @column("Runs")
    def runs_link(self, event: Event) -> str:
        url = reverse("admin:jobs_run_changelist", query={"event__id__exact": event.pk})
        return format_html('<a class="{}" href="{}">Its runs</a>', LINK, url)

    @column("Caused by")
    def cause(self, event: Event) -> str:
        return run_link(event.caused_by_run, f"run {event.caused_by_run}") if event.caused_by_run else NOTHING

    @column("Data")
    def shown_data(self, event: Event) -> str:
        return format_html('<pre class="jobs-text">{}</pre>', pretty(event.data))
