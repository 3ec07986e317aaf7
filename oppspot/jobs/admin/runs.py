"""The list of runs, and one of them with all that is known about it."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from oppspot.core.admin import LINK, LargeTableAdmin, ReadOnlyMixin, column
from oppspot.jobs.admin.dashboard import DashboardView
from oppspot.jobs.admin.durations import NOTHING, age_of, exactly, in_words, since
from oppspot.jobs.admin.filters import AgeFilter, FunctionFilter, StateFilter, as_uuid
from oppspot.jobs.admin.run_page import run_sections
from oppspot.jobs.admin.texts import STATE_COLOURS, SYSTEM, run_link, short_id, state_of
from oppspot.jobs.models import Priority, Run, Status, WaitingFor
from oppspot.jobs.services import WrongState, cancel_run, retry_run

MAX_ACTED_ON = 500  # runs by one action
SHOWN_ERROR = 200  # characters in the list
NO_RUN = UUID(int=0)
FACTS = [  # side by side
    ("shown_function", "shown_state"),
    ("organisation", "event_link"),
    ("tries", "progress"),
    ("created", "ready"),
    ("started", "finished"),
    ("wait", "took"),
    ("id", "parent_link"),
]
MORE = [
    ("queue", "shown_priority"),
    ("worker", "leased"),
    ("requested_by", "cancel_requested"),
    ("concurrency_key", "concurrency_limit"),
    ("rate_key", "gather_key"),
    ("idempotency_key", "fence"),
]


def moment(field: str, description: str) -> Callable[..., str]:
    """A detail: the date of `field`, to the second."""

    @column(description)
    def shown(self: Any, run: Run) -> str:
        return exactly(getattr(run, field))

    return shown


@admin.register(Run)
class RunAdmin(ReadOnlyMixin, LargeTableAdmin):
    list_display = [
        *("shown_id", "work", "state", "organisation", "tries", "progress"),
        *("age", "wait", "took"),
    ]
    list_select_related = ["org"]
    list_filter = [StateFilter, FunctionFilter, ("org", AutocompleteSelectFilter), AgeFilter]
    sortable_by: list[str] = []
    search_fields = ["id"]  # shows the box; get_search_results decides
    search_help_text = "The id of a run or of its event."
    ordering = ["-id"]
    actions = ["cancel", "retry"]
    change_form_template = "jobs/admin_run.html"
    fieldsets = [(None, {"fields": FACTS}), ("More", {"classes": ["collapse"], "fields": MORE})]
    readonly_fields = [name for pair in (*FACTS, *MORE) for name in pair]

    class Media:
        css = {"all": ["jobs/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        queryset: QuerySet[Run] = super().get_queryset(request).defer("output", "event_ids")
        return queryset

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Run], search_term: str
    ) -> tuple[QuerySet[Run], bool]:
        term = search_term.replace("\x00", "").strip()
        if not term:
            return queryset, False
        identifier = as_uuid(term)
        if identifier is None:
            messages.warning(request, "That is not an id: write all of it.")
            return queryset.none(), False
        return queryset.filter(Q(pk=identifier) | Q(event=identifier)), False

    # Pages

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        urls: list[URLPattern] = super().get_urls()
        return [
            path("dashboard/", wrap(DashboardView.as_view(model_admin=self)), name="jobs_dashboard"),
            path("<uuid:run_id>/cancel/", wrap(partial(self.act_view, act=self.do_cancel)), name="jobs_run_cancel"),
            path("<uuid:run_id>/retry/", wrap(partial(self.act_view, act=self.do_retry)), name="jobs_run_retry"),
            *urls,
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        found = self.get_queryset(request).select_related("org", "event").filter(pk=as_uuid(object_id) or NO_RUN)
        run = found.first()
        context = extra_context or {}
        if run is not None and self.has_view_permission(request, run):
            context |= run_sections(run, self.get_queryset(request)) | {
                "may_operate": self.has_operate_permission(request),
                "title": str(run),
            }
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.change_run")

    def act_view(
        self, request: HttpRequest, run_id: UUID, act: Callable[[HttpRequest, QuerySet[Run]], None]
    ) -> HttpResponse:
        if not self.has_operate_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        found = self.get_queryset(request).filter(pk=run_id)
        get_object_or_404(found)
        act(request, found)
        return redirect("admin:jobs_run_change", run_id)

    # What can be done

    @admin.action(description="Cancel the selected runs", permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        self.do_cancel(request, queryset)

    @admin.action(description="Run the selected dead letters again", permissions=["operate"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        self.do_retry(request, queryset)

    def do_cancel(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        self._act(request, queryset, cancel_run, "Cancelled", "cancelled")

    def do_retry(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        self._act(request, queryset, retry_run, "Put back in line", "put back in line")

    def _act(
        self, request: HttpRequest, queryset: QuerySet[Run], act: Callable[[Run], Run], headline: str, verb: str
    ) -> None:
        """Do it to each, log it, and say to how many it was done and why not to the others."""
        runs = list(queryset.order_by("-pk")[: MAX_ACTED_ON + 1])
        done: list[Run] = []
        refused: Counter[str] = Counter()
        for run in runs[:MAX_ACTED_ON]:
            try:
                done.append(act(run))
            except WrongState as error:
                refused[error.message] += 1
        if done:
            LogEntry.objects.log_actions(str(request.user.pk), done, CHANGE, f"{headline}.")
            going = sum(run.status == Status.RUNNING for run in done)
            note = f" {going} of them stop within a heartbeat." if going else ""
            self.message_user(request, f"{headline}: {len(done)}.{note}", messages.SUCCESS)
        for reason, count in refused.items():
            self.message_user(request, f"Not {verb}: {count}. {reason}", messages.WARNING)
        if len(runs) > MAX_ACTED_ON:
            self.message_user(request, f"Only the first {MAX_ACTED_ON} were looked at.", messages.WARNING)

    # Columns

    @column("Run")
    def shown_id(self, run: Run) -> str:
        return format_html('<span title="{}">{}</span>', run.pk, short_id(run.pk))

    @column("Function and error")
    def work(self, run: Run) -> str:
        """The error's first line below the name, where it is as wide as it likes to be."""
        line = run.error.strip().partition("\n")[0][:SHOWN_ERROR]
        if not line:
            return run.function
        return format_html('{}<br><span class="jobs-first-line" title="{}">{}</span>', run.function, line, line)

    @column("State", colours=STATE_COLOURS)
    def state(self, run: Run) -> tuple[str, str]:
        return state_of(run)

    @column("Organisation")
    def organisation(self, run: Run) -> str:
        return run.org.name if run.org else SYSTEM

    @column("Try")
    def tries(self, run: Run) -> str:
        return f"{run.attempt} of {run.max_attempts}"

    @column("Progress")
    def progress(self, run: Run) -> str:
        if not run.progress_total:
            return f"{run.progress_done:,}" if run.progress_done else NOTHING
        return format_html(
            '<span class="jobs-progress"><progress max="{}" value="{}"></progress> {} of {}</span>',
            *(run.progress_total, min(run.progress_done, run.progress_total)),
            *(f"{run.progress_done:,}", f"{run.progress_total:,}"),
        )

    @column("Created")
    def age(self, run: Run) -> str:
        return age_of(run.created_at)

    @column("Waited")
    def wait(self, run: Run) -> str:
        """From ready to started; unknown of a run that was put back, as its row says only when it was ready last."""
        if run.status == Status.QUEUED:
            if run.waiting_for == WaitingFor.TIME:
                return f"due {age_of(run.run_after)}"
            known = run.waiting_for == WaitingFor.NOTHING and run.fence == run.attempt
            return since(run.run_after) if known else NOTHING
        if run.started_at is None or run.fence != 1:
            return NOTHING
        return since(run.run_after, run.started_at)

    @column("Took")
    def took(self, run: Run) -> str:
        """From the first start to the end, pauses included."""
        if run.started_at is None or run.status == Status.QUEUED:
            return NOTHING
        return in_words(((run.finished_at or timezone.now()) - run.started_at).total_seconds())

    # Details

    @column("Function")
    def shown_function(self, run: Run) -> str:
        return run.function

    created = moment("created_at", "Created")
    ready = moment("run_after", "Ready from")
    started = moment("started_at", "First started")
    finished = moment("finished_at", "Finished")
    leased = moment("lease_until", "Leased until")
    cancel_requested = moment("cancel_requested_at", "Asked to cancel")

    @column("State")
    def shown_state(self, run: Run) -> str:
        return state_of(run)[1]

    @column("Event")
    def event_link(self, run: Run) -> str:
        url = reverse("admin:jobs_event_change", args=[run.event_id])
        batch = f" and {len(run.event_ids) - 1} more" if len(run.event_ids) > 1 else ""
        return format_html('<a class="{}" href="{}">{}</a>{}', LINK, url, run.event.name, batch)

    @column("Caused by")
    def parent_link(self, run: Run) -> str:
        return run_link(run.parent_id, f"run {short_id(run.parent_id)}") if run.parent_id else NOTHING

    @column("Priority")
    def shown_priority(self, run: Run) -> str:
        return Priority(run.priority).label
