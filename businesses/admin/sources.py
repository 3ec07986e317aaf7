"""Lists of what sources did and where they stand, and the feeds that staff enters."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminURLInputWidget

from businesses.models import Feed, PullStatus, SourceGap, SourcePull, SourceState
from businesses.models.events import MAX_URL
from businesses.sources.registry import source_class, source_names
from oppspot.core.admin import LINK, ChoiceFilter, LargeTableAdmin, ReadOnlyMixin, column
from oppspot.core.http import PUBLIC, ForbiddenAddress
from oppspot.core.http.urls import vetted_url
from oppspot.jobs.admin.durations import NOTHING, age_of, since
from oppspot.jobs.admin.texts import pretty

SHOWN_ERROR = 200  # characters in a list
PULL_COLOURS = {
    str(PullStatus.RUNNING.label): "primary",
    str(PullStatus.COMPLETED.label): "success",
    str(PullStatus.PARTIAL.label): "warning",
    str(PullStatus.FAILED.label): "danger",
    str(PullStatus.NOT_CONFIGURED.label): "default",
}


class SourceFilter(ChoiceFilter):
    """The registered sources; listing those that occur would read the whole table."""

    title, parameter_name = "source", "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, source_class(name).label) for name in source_names()]

    def narrowed(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(source=value)


class StandingFilter(ChoiceFilter):
    """Choices by name, with their labels and conditions in `standings`."""

    title, parameter_name = "standing", "standing"
    standings: dict[str, tuple[str, Q]] = {}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, label) for name, (label, _) in self.standings.items()]

    def narrowed(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(self.standings[value][1])


class StateFilter(StandingFilter):
    standings = {
        "failing": ("Failing", Q(failures__gt=0)),
        "fine": ("Fine", Q(failures=0, pulled_at__isnull=False)),
        "never": ("Never pulled", Q(pulled_at=None)),
    }


class GapFilter(StandingFilter):
    standings = {"open": ("Open", Q(closed_at=None)), "closed": ("Closed", Q(closed_at__isnull=False))}


@admin.register(SourcePull)
class SourcePullAdmin(ReadOnlyMixin, LargeTableAdmin):
    list_display = ["source", "state", "started", "took", "targets", "items", "new", "failed", "requested_by"]
    list_filter = [SourceFilter, ("status", admin.ChoicesFieldListFilter)]
    sortable_by: list[str] = []
    ordering = ["-id"]
    fields = [
        *("source", "state", "started_at", "seen_at", "finished_at", "requested_by"),
        *("targets", "items", "new", "failed", "shown_failures", "note"),
    ]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[SourcePull]:
        pulls: QuerySet[SourcePull] = super().get_queryset(request).defer("failures")
        return pulls

    @column("State", colours=PULL_COLOURS)
    def state(self, pull: SourcePull) -> str:
        return pull.get_status_display()

    @column("Started")
    def started(self, pull: SourcePull) -> str:
        return age_of(pull.started_at)

    @column("Took")
    def took(self, pull: SourcePull) -> str:
        return since(pull.started_at, pull.finished_at) if pull.finished_at else NOTHING

    @column("What failed")
    def shown_failures(self, pull: SourcePull) -> str:
        """The first of them, as many as are kept."""
        if not pull.failures:
            return "Nothing"
        rows = ((one.get("where", ""), one.get("reason", "")) for one in pull.failures)
        listed = format_html_join("", "<li><b>{}</b>: {}</li>", rows)
        more = pull.failed - len(pull.failures)
        return format_html("<ul>{}</ul>{}", listed, f"And {more:,} more." if more > 0 else "")


@admin.register(SourceState)
class SourceStateAdmin(ReadOnlyMixin, LargeTableAdmin):
    list_display = ["shown_target", "source", "company", "pulled", "succeeded", "failures", "problem"]
    list_filter = [SourceFilter, StateFilter]
    sortable_by: list[str] = []
    search_fields = ["target"]  # shows the box; get_search_results decides
    search_help_text = "A whole target: the id of a company or a feed, or the name of a stream or file."
    ordering = ["-id"]
    fields = [
        *("source", "target", "company", "pulled_at", "succeeded_at", "failures", "error"),
        "shown_checkpoint",
    ]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[SourceState]:
        states = super().get_queryset(request).select_related("business")
        narrow: QuerySet[SourceState] = states.only(
            *("source", "target", "pulled_at", "succeeded_at", "failures", "error", "checkpoint", "business__name")
        )
        return narrow

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[SourceState], search_term: str
    ) -> tuple[QuerySet[SourceState], bool]:
        """By the unique index of source and target, which a condition on the target alone would not use."""
        term = search_term.replace("\x00", "").strip()
        return (queryset.filter(source__in=source_names(), target=term) if term else queryset), False

    @column("Target")
    def shown_target(self, state: SourceState) -> str:
        return state.target

    @column("Company")
    def company(self, state: SourceState) -> str:
        if state.business is None:
            return NOTHING
        url = reverse("admin:businesses_business_change", args=[state.business.pk])
        return format_html('<a class="{}" href="{}">{}</a>', LINK, url, state.business.name)

    @column("Pulled")
    def pulled(self, state: SourceState) -> str:
        return age_of(state.pulled_at)

    @column("Last success")
    def succeeded(self, state: SourceState) -> str:
        return age_of(state.succeeded_at)

    @column("Error")
    def problem(self, state: SourceState) -> str:
        return state.error[:SHOWN_ERROR]

    @column("Checkpoint")
    def shown_checkpoint(self, state: SourceState) -> str:
        return format_html("<pre>{}</pre>", pretty(state.checkpoint))


@admin.register(SourceGap)
class SourceGapAdmin(ReadOnlyMixin, LargeTableAdmin):
    list_display = ["shown_target", "source", "after", "until", "noticed", "closed", "note"]
    list_filter = [SourceFilter, GapFilter]
    sortable_by: list[str] = []
    ordering = ["-id"]
    fields = ["source", "target", "after", "until", "noticed_at", "closed_at", "note"]
    readonly_fields = fields

    @column("Stream")
    def shown_target(self, gap: SourceGap) -> str:
        return gap.target

    @column("Noticed")
    def noticed(self, gap: SourceGap) -> str:
        return age_of(gap.noticed_at)

    @column("Closed")
    def closed(self, gap: SourceGap) -> str:
        return age_of(gap.closed_at)


class FeedForm(forms.ModelForm[Feed]):
    url = forms.URLField(
        label="URL", max_length=MAX_URL, assume_scheme="https", widget=UnfoldAdminURLInputWidget,
        help_text="Of the feed itself (RSS or Atom), on a public host.",
    )  # fmt: skip

    class Meta:
        model = Feed
        fields = ["url", "title", "business", "is_active"]
        labels = {"business": "Company"}

    def clean_url(self) -> str:
        """What the guarded client would refuse is refused here, next to the field; no name is resolved."""
        url: str = self.cleaned_data["url"]
        try:
            vetted_url(url, PUBLIC)
        except ForbiddenAddress as error:
            raise forms.ValidationError(str(error)) from error
        return url


@admin.register(Feed)
class FeedAdmin(ModelAdmin):
    form = FeedForm
    list_display = ["shown_title", "url", "company", "is_active", "created_at"]
    list_display_links = ["shown_title"]
    list_filter = ["is_active"]
    list_select_related = ["business"]
    search_fields = ["title", "url"]
    autocomplete_fields = ["business"]
    ordering = ["-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Feed]:
        feeds: QuerySet[Feed] = super().get_queryset(request).defer("business__embedding", "business__search_vector")
        return feeds

    @column("Feed")
    def shown_title(self, feed: Feed) -> str:
        return str(feed)

    @column("Company")
    def company(self, feed: Feed) -> str:
        return feed.business.name if feed.business else "whichever it names"
