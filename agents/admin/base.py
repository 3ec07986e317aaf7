"""What the lists and pages of results share: whose they are, what they are about, and what staff may do with them."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import flatten
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from agents.refusals import reason_of
from oppspot.core.admin import LINK, ChoiceFilter, LargeTableAdmin, ReadOnlyMixin, column
from oppspot.core.errors import OppspotError
from oppspot.jobs.admin.durations import NOTHING

MAX_ACTED_ON = 500
OF_ORG = ("org", AutocompleteSelectFilter)
RowView = Callable[[HttpRequest, Any], HttpResponse]


def staff(request: HttpRequest) -> str:
    """Who acts, as it is written down."""
    return f"{request.user.get_username()} (staff)"


class GoneFilter(ChoiceFilter):
    title, parameter_name = "found at the last look", "found"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No: gone")]

    def narrowed(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(gone_at__isnull=value == "yes")


class ResultAdmin(ReadOnlyMixin, LargeTableAdmin):
    """Base of lists of what agents made for organisations: the latest first, changed by actions only."""

    list_select_related = ["org", "agent"]
    sortable_by: list[str] = []
    ordering = ["-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset: QuerySet[Any] = super().get_queryset(request).select_related(*self.list_select_related)
        return queryset

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """All that the page shows."""
        return list(flatten(self.fields or []))

    def has_judge_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"agents.change_{self.opts.model_name}")

    def url_name(self, action: str) -> str:
        """Of a view of this model's own, without the admin's name before it."""
        return f"{self.opts.app_label}_{self.opts.model_name}_{action}"

    def page_of(self, row: Model) -> HttpResponse:
        return redirect(f"admin:{self.url_name('change')}", row.pk)

    def form_url(
        self, name: str, view: RowView, may: Callable[[HttpRequest], bool], methods: Sequence[str] = ("POST",)
    ) -> URLPattern:
        """The address of a form on the page of a row, for those who `may` send it."""

        def guarded(request: HttpRequest, pk: UUID) -> HttpResponse:
            if not may(request):
                raise PermissionDenied
            if request.method not in methods:
                return HttpResponseNotAllowed(methods)
            return view(request, get_object_or_404(self.get_queryset(request), pk=pk))

        view_of_site: Callable[..., HttpResponse] = self.admin_site.admin_view(guarded)
        return path(f"<uuid:pk>/{name}/", view_of_site, name=self.url_name(name))

    def judge(
        self, request: HttpRequest, queryset: QuerySet[Any], act: Callable[[Any, str], Any], headline: str
    ) -> None:
        done, refused = [], Counter[str]()
        for row in queryset.order_by("-pk")[:MAX_ACTED_ON]:
            try:
                done.append(act(row, staff(request)))
            except OppspotError as error:
                refused[error.message] += 1
        if done:
            self.write_down(request, done, headline)
            self.message_user(request, f"{headline}: {len(done)}.", messages.SUCCESS)
        for reason, count in refused.items():
            self.message_user(request, f"Not done: {count}. {reason}", messages.WARNING)

    def attempt(self, request: HttpRequest, act: Callable[[], Any], headline: str) -> Any:
        """What `act` gives, or None when a service refused it; either is told."""
        try:
            done = act()
        except OppspotError as error:
            self.message_user(request, f"Not done. {reason_of(error)}", messages.WARNING)
            return None
        self.message_user(request, f"{headline}.", messages.SUCCESS)
        return done

    def say_wrong(self, request: HttpRequest, form: BaseForm) -> None:
        """What a small form on a page was given that it does not take."""
        told = [f"{form.fields[name].label or name}: {text}" for name, texts in form.errors.items() for text in texts]
        self.message_user(request, " ".join(["Not done.", *told]), messages.WARNING)

    def write_down(self, request: HttpRequest, rows: list[Any], headline: str) -> None:
        """Write down in the admin's log who did what."""
        LogEntry.objects.log_actions(str(request.user.pk), rows, CHANGE, f"{headline}.")

    @column("Organisation")
    def organisation(self, row: Any) -> str:
        return str(row.org.name)

    @column("Agent")
    def agent_link(self, row: Any) -> str:
        return link_to(row.agent, row.agent.name) if row.agent else NOTHING

    @column("Execution")
    def execution_link(self, row: Any) -> str:
        if row.execution_id is None:
            return NOTHING
        url = reverse("admin:agents_agentexecution_change", args=[row.execution_id])
        return format_html('<a class="{}" href="{}">{}</a>', LINK, url, row.execution_id)


class OfCompanyAdmin(ResultAdmin):
    """Base of lists of results that are about one company each."""

    list_select_related = ["org", "agent", "business"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("business__embedding", "business__search_vector")

    @column("Company")
    def company(self, row: Any) -> str:
        return link_to(row.business, row.business.name)


def link_to(row: Model, text: str) -> str:
    """A link to the page of a row."""
    url = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return format_html('<a class="{}" href="{}">{}</a>', LINK, url, text)
