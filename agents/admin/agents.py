"""Agents: set up by forms that know their kind, run by hand, paused and resumed."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from agents.admin.configuration import collected
from agents.admin.forms import CONFIGURATION, OWN_FIELDS, ChooseForm, add_errors, agent_form, run_form
from agents.admin.wiring import HandoffInline, TriggerFormSet, TriggerInline
from agents.base import Kind
from agents.dry_runs import request_dry_run
from agents.handoffs import set_handoffs
from agents.models import Agent, Trigger
from agents.registry import UnknownKind, all_kinds, get_kind
from agents.services import create_agent, delete_agent, start_execution, update_agent
from agents.triggers import set_triggers
from oppspot.core.admin import LINK, ChoiceFilter, column
from oppspot.core.errors import InvalidInput, OppspotError
from oppspot.jobs.admin.durations import age_of
from oppspot.jobs.admin.filters import as_uuid
from oppspot.jobs.cron import describe
from oppspot.organizations.models import Organization

NO_ORG = UUID(int=0)


class KindFilter(ChoiceFilter):
    title, parameter_name = "kind", "agent_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(slug, kind.title) for slug, kind in all_kinds().items()]

    def narrowed(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(agent_type=value)


@admin.register(Agent)
class AgentAdmin(ModelAdmin):
    list_display = [
        "name",
        "organisation",
        "kind",
        "shown_state",
        "schedule",
        "next_run",
        "last_run",
        "executions_link",
    ]
    list_filter = [("org", AutocompleteSelectFilter), KindFilter, "is_active"]
    list_filter_submit = True
    list_select_related = ["org"]
    search_fields = ["name", "org__name"]
    ordering = ["-id"]
    sortable_by: list[str] = []
    actions = ["run", "pause", "resume"]
    inlines = [TriggerInline, HandoffInline]
    change_form_template = "agents/admin_agent.html"
    details = ["organisation", "kind", "shown_state", "next_run", "last_run", "executions_link", "created_by"]
    readonly_fields = details

    # Forms

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """First who for and what kind, then the form of that kind."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if self._chosen(request) is not None:
            return super().add_view(request, form_url, extra_context)  # type: ignore[no-any-return]
        form = ChooseForm(request.GET or None)
        if form.is_bound and form.is_valid():
            chosen = {"org": form.cleaned_data["org"].pk, "agent_type": form.cleaned_data["agent_type"]}
            return redirect(reverse("admin:agents_agent_add", query=chosen))
        context = self.admin_site.each_context(request) | {
            "title": "Add agent", "form": form, "kinds": list(all_kinds().values()), "opts": self.opts,
        }  # fmt: skip
        return TemplateResponse(request, "agents/admin_choose.html", context)

    def _chosen(self, request: HttpRequest) -> tuple[Organization, str] | None:
        org = Organization.objects.filter(pk=as_uuid(request.GET.get("org", "")) or NO_ORG).first()
        slug = request.GET.get("agent_type", "")
        return (org, slug) if org is not None and slug in all_kinds() else None

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        chosen = (obj.org, obj.agent_type) if obj else self._chosen(request)
        if chosen is None:
            return super().get_form(request, obj, change, **kwargs)
        org, slug = chosen
        kwargs["form"] = agent_form(org, slug, all_kinds().get(slug))
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        chosen = (obj.org, obj.agent_type) if obj else self._chosen(request)
        if chosen is None:
            return [(None, {"fields": ["name"]})]
        org, slug = chosen
        kind = all_kinds().get(slug)
        form = agent_form(org, slug, kind)
        own = ["name", "description"]
        sections: list[tuple[Any, dict[str, Any]]] = [(None, {"fields": own})]
        if kind:
            about = {"fields": [one.name for one in form.made], "description": kind.description}
            sections.append((kind.title, about))
        sections.append(("When", {"fields": ["schedule_cron", "time_zone"]}))
        sections.append(("Money", {"fields": ["run_cost_cap"]}))
        if obj:
            sections.append(("State", {"fields": self.details}))
        return sections

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.inlines if obj else []

    def save_model(self, request: HttpRequest, obj: Agent, form: Any, change: bool) -> None:
        values = {name: form.cleaned_data[name] for name in (*OWN_FIELDS, CONFIGURATION)}
        if change:
            saved = update_agent(agent=obj, changes=values)
        else:
            saved = create_agent(
                org=form.org, agent_type=form.kind_slug, created_by=f"user:{request.user.pk}", **values
            )
        obj.pk, obj.org, obj._state.adding = saved.pk, saved.org, False
        obj.refresh_from_db()

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        formset.new_objects, formset.changed_objects, formset.deleted_objects = [], [], []  # for the log
        if isinstance(formset, TriggerFormSet):
            set_triggers(agent=form.instance, triggers=formset.specs())
        else:
            set_handoffs(agent=form.instance, handoffs=formset.specs())

    def delete_model(self, request: HttpRequest, obj: Agent) -> None:
        delete_agent(agent=obj)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)  # type: ignore[no-any-return]
        except OppspotError as error:
            self.message_user(request, error.message, messages.ERROR)
            return redirect("admin:agents_agent_change", object_id)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list[Any], dict[str, int], set[str], Any]:
        """Its executions go along: as many as there are, not one by one."""
        return (
            [f"Agent {agent} of {agent.org}, with its executions" for agent in objs],
            {"agents": len(objs)},
            set(),
            [],
        )

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)  # one at a time: what it found loses its agent
        return actions

    # What can be done

    def has_run_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("agents.change_agent")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.run_view)
        return [path("<uuid:agent_id>/run/", view, name="agents_agent_run"), *super().get_urls()]

    def run_view(self, request: HttpRequest, agent_id: UUID) -> HttpResponse:
        """A form of the execution's input; sent, the page of the execution, or of the dry run's job."""
        if not self.has_run_permission(request):
            raise PermissionDenied
        agent = get_object_or_404(self.get_queryset(request).select_related("org"), pk=agent_id)
        try:
            kind: Kind[Any, Any] = get_kind(agent.agent_type)
        except UnknownKind as error:
            self.message_user(request, error.message, messages.ERROR)
            return redirect("admin:agents_agent_change", agent_id)
        form = run_form(agent, kind)(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            given = collected(form.made, form.cleaned_data)
            try:
                return self._started(request, agent, given)
            except InvalidInput as error:
                add_errors(form, error, form.made)
        context = self.admin_site.each_context(request) | {
            "title": f"Run {agent.name}", "form": form, "agent": agent, "kind": kind, "opts": self.opts,
        }  # fmt: skip
        return TemplateResponse(request, "agents/admin_run.html", context)

    @staticmethod
    def _started(request: HttpRequest, agent: Agent, given: dict[str, Any]) -> HttpResponse:
        by = f"user:{request.user.pk}"
        if "dry_run" in request.POST:
            return redirect("admin:jobs_run_change", request_dry_run(agent=agent, given=given, requested_by=by).pk)
        execution, _ = start_execution(agent=agent, trigger=Trigger.MANUAL, given=given, requested_by=by)
        LogEntry.objects.log_actions(str(request.user.pk), [agent], CHANGE, "Started.")
        return redirect("admin:agents_agentexecution_change", execution.pk)

    @admin.action(description="Run now", permissions=["run"])
    def run(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        started = []
        for agent in queryset.select_related("org"):
            try:
                start_execution(agent=agent, trigger=Trigger.MANUAL, requested_by=f"user:{request.user.pk}")
            except OppspotError as error:
                detail = next(iter(error.fields.values()), [error.message])[0] if error.fields else error.message
                self.message_user(request, f"{agent.name}: {detail}", messages.WARNING)
            else:
                started.append(agent)
        if started:
            LogEntry.objects.log_actions(str(request.user.pk), started, CHANGE, "Started.")
            self.message_user(request, f"Started {len(started)}.", messages.SUCCESS)

    @admin.action(description="Pause", permissions=["run"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        self._switch(request, queryset, is_active=False)

    @admin.action(description="Resume", permissions=["run"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        self._switch(request, queryset, is_active=True)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Agent], *, is_active: bool) -> None:
        switched = []
        for agent in queryset.select_related("org").filter(is_active=not is_active):
            try:
                switched.append(update_agent(agent=agent, changes={"is_active": is_active}))
            except InvalidInput as error:
                self.message_user(request, f"{agent.name}: {error.message}", messages.WARNING)
        done = "Resumed" if is_active else "Paused"
        if switched:
            LogEntry.objects.log_actions(str(request.user.pk), switched, CHANGE, f"{done}.")
        self.message_user(request, f"{done} {len(switched)} agent(s).")

    # Columns

    @column("Organisation")
    def organisation(self, agent: Agent) -> str:
        return agent.org.name

    @column("Kind")
    def kind(self, agent: Agent) -> str:
        known = all_kinds().get(agent.agent_type)
        return known.title if known else f"{agent.agent_type} (unknown)"

    @column("State", colours={"active": "success", "paused": "warning"})
    def shown_state(self, agent: Agent) -> str:
        return "active" if agent.is_active else "paused"

    @column("Schedule")
    def schedule(self, agent: Agent) -> str:
        return describe(agent.schedule_cron, agent.time_zone) if agent.schedule_cron else ""

    @column("Next")
    def next_run(self, agent: Agent) -> str:
        return age_of(agent.next_run_at) if agent.next_run_at else ""

    @column("Last")
    def last_run(self, agent: Agent) -> str:
        return age_of(agent.last_run_at) if agent.last_run_at else ""

    @column("Executions")
    def executions_link(self, agent: Agent) -> str:
        url = reverse("admin:agents_agentexecution_changelist", query={"agent": agent.pk})
        return format_html('<a class="{}" href="{}">Executions</a>', LINK, url)
