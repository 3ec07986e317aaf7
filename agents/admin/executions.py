"""Executions: what happened step by step, what it cost, and what it led to."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from agents.admin.agents import KindFilter
from agents.admin.execution_page import execution_sections
from agents.models import Agent, AgentExecution, ExecutionStatus
from agents.services import cancel_execution, retry_execution
from oppspot.core.admin import LINK, LargeTableAdmin, ReadOnlyMixin, column
from oppspot.jobs.admin.durations import NOTHING, age_of, exactly, in_words
from oppspot.jobs.admin.filters import as_uuid
from oppspot.jobs.services import WrongState

STATES = {"queued": "info", "running": "info", "completed": "success", "failed": "danger", "cancelled": "warning"}
NONE = UUID(int=0)
MAX_ACTED_ON = 500
SHOWN_ERROR = 160


class ExecutionKindFilter(KindFilter):
    def narrowed(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(agent__agent_type=value)


class AgentFilter(admin.SimpleListFilter):
    """One agent, as its own page links to it; there may be too many to offer."""

    title, parameter_name = "agent", "agent"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        identifier = as_uuid(request.GET.get(self.parameter_name, ""))
        chosen = Agent.all_orgs.filter(pk=identifier).first() if identifier else None
        return [(str(chosen.pk), chosen.name)] if chosen else []

    def has_output(self) -> bool:
        return self.value() is not None

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(agent=as_uuid(value) or NONE) if value else queryset


@admin.register(AgentExecution)
class AgentExecutionAdmin(ReadOnlyMixin, LargeTableAdmin):
    list_display = [
        *("shown_agent", "organisation", "state", "trigger", "items_processed", "shown_cost", "created", "took"),
        "error",
    ]
    list_select_related = ["org", "agent"]
    list_filter = [("org", AutocompleteSelectFilter), ExecutionKindFilter, "status", "trigger", AgentFilter]
    sortable_by: list[str] = []
    ordering = ["-id"]
    actions = ["cancel", "retry"]
    change_form_template = "agents/admin_execution.html"
    fields = [
        ("agent_link", "organisation"),
        ("shown_status", "mode"),
        ("trigger", "requested_by"),
        ("created", "took"),
        ("started", "completed"),
        ("items_processed", "api_calls"),
        ("tokens_used", "shown_cost"),
        ("shown_cap", "job_link"),
        ("id", "parent_link"),
    ]
    readonly_fields = [name for pair in fields for name in pair]

    class Media:
        css = {"all": ["jobs/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[AgentExecution]:
        queryset: QuerySet[AgentExecution] = super().get_queryset(request).select_related("org", "agent")
        return queryset

    # Pages

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        name = "agents_agentexecution"
        return [
            path("<uuid:pk>/cancel/", wrap(partial(self.act_view, act=self.do_cancel)), name=f"{name}_cancel"),
            path("<uuid:pk>/retry/", wrap(partial(self.act_view, act=self.do_retry)), name=f"{name}_retry"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        execution = self.get_queryset(request).filter(pk=as_uuid(object_id) or NONE).first()
        context = extra_context or {}
        if execution is not None and self.has_view_permission(request, execution):
            context |= execution_sections(execution) | {
                "may_operate": self.has_operate_permission(request),
                "title": f"{execution.agent.name}, {exactly(execution.created_at)}",
            }
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("agents.change_agentexecution")

    def act_view(
        self, request: HttpRequest, pk: UUID, act: Callable[[HttpRequest, QuerySet[AgentExecution]], None]
    ) -> HttpResponse:
        if not self.has_operate_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        found = self.get_queryset(request).filter(pk=pk)
        get_object_or_404(found)
        act(request, found)
        return redirect("admin:agents_agentexecution_change", pk)

    # What can be done

    @admin.action(description="Cancel the selected executions", permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[AgentExecution]) -> None:
        self.do_cancel(request, queryset)

    @admin.action(description="Retry the selected executions", permissions=["operate"])
    def retry(self, request: HttpRequest, queryset: QuerySet[AgentExecution]) -> None:
        self.do_retry(request, queryset)

    def do_cancel(self, request: HttpRequest, queryset: QuerySet[AgentExecution]) -> None:
        self._act(request, queryset, lambda one: cancel_execution(execution=one), "Cancelled")

    def do_retry(self, request: HttpRequest, queryset: QuerySet[AgentExecution]) -> None:
        self._act(request, queryset, lambda one: retry_execution(execution=one), "Put back in line")

    def _act(
        self,
        request: HttpRequest,
        queryset: QuerySet[AgentExecution],
        act: Callable[[AgentExecution], AgentExecution],
        headline: str,
    ) -> None:
        done: list[AgentExecution] = []
        refused: Counter[str] = Counter()
        for execution in queryset.order_by("-pk")[:MAX_ACTED_ON]:
            try:
                done.append(act(execution))
            except WrongState as error:
                refused[error.message] += 1
        if done:
            LogEntry.objects.log_actions(str(request.user.pk), done, CHANGE, f"{headline}.")
            self.message_user(request, f"{headline}: {len(done)}.", messages.SUCCESS)
        for reason, count in refused.items():
            self.message_user(request, f"Not done: {count}. {reason}", messages.WARNING)

    # Columns and details

    @column("Agent")
    def shown_agent(self, execution: AgentExecution) -> str:
        return execution.agent.name

    @column("Agent")
    def agent_link(self, execution: AgentExecution) -> str:
        url = reverse("admin:agents_agent_change", args=[execution.agent_id])
        return format_html('<a class="{}" href="{}">{}</a>', LINK, url, execution.agent.name)

    @column("Organisation")
    def organisation(self, execution: AgentExecution) -> str:
        return execution.org.name

    @column("State", colours=STATES)
    def state(self, execution: AgentExecution) -> tuple[str, str]:
        return execution.status, str(ExecutionStatus(execution.status).label)

    @column("State")
    def shown_status(self, execution: AgentExecution) -> str:
        return str(ExecutionStatus(execution.status).label)

    @column("Cost")
    def shown_cost(self, execution: AgentExecution) -> str:
        return f"${execution.cost:.4f}" if execution.cost else NOTHING

    @column("May cost")
    def shown_cap(self, execution: AgentExecution) -> str:
        return NOTHING if execution.cost_cap is None else f"${execution.cost_cap:.2f}"

    @column("Created")
    def created(self, execution: AgentExecution) -> str:
        return age_of(execution.created_at)

    @column("Started")
    def started(self, execution: AgentExecution) -> str:
        return exactly(execution.started_at)

    @column("Completed")
    def completed(self, execution: AgentExecution) -> str:
        return exactly(execution.completed_at)

    @column("Took")
    def took(self, execution: AgentExecution) -> str:
        return NOTHING if execution.duration_ms is None else in_words(execution.duration_ms / 1000)

    @column("Error")
    def error(self, execution: AgentExecution) -> str:
        return execution.error_message[:SHOWN_ERROR]

    @column("Job")
    def job_link(self, execution: AgentExecution) -> str:
        if execution.run_id is None:
            return NOTHING
        url = reverse("admin:jobs_run_change", args=[execution.run_id])
        return format_html('<a class="{}" href="{}">{}</a>', LINK, url, execution.run_id)

    @column("Caused by")
    def parent_link(self, execution: AgentExecution) -> str:
        if execution.parent_id is None:
            return NOTHING
        url = reverse("admin:agents_agentexecution_change", args=[execution.parent_id])
        return format_html('<a class="{}" href="{}">{}</a>', LINK, url, execution.parent_id)
