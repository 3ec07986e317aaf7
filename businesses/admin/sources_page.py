"""The page of sources: how each stands, and a button to ask it now."""

from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.views.generic import TemplateView
from unfold.views import UnfoldModelAdminViewMixin

from businesses.events import SourcePullRun
from businesses.models import PullStatus, SourcePull
from businesses.sources.registry import source_class, source_names
from businesses.standing import Standing, standings
from oppspot.jobs.admin.durations import age_of, since
from oppspot.jobs.services import emit

SHOWN_FAILURES = 5
MAY_PULL = "businesses.add_sourcepull"
# Colours of a state: classes of businesses/admin.css.
GOOD, POOR, BAD, PLAIN = "watch-good", "watch-poor", "watch-bad", "watch-plain"
COLOURS = {
    PullStatus.RUNNING: PLAIN,
    PullStatus.COMPLETED: GOOD,
    PullStatus.PARTIAL: POOR,
    PullStatus.FAILED: BAD,
    PullStatus.NOT_CONFIGURED: PLAIN,
}


class SourcesView(UnfoldModelAdminViewMixin, TemplateView):
    title = "Sources"
    permission_required = "businesses.view_sourcepull"
    template_name = "businesses/admin_sources.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        may_pull = self.request.user.has_perm(MAY_PULL)
        return context | {"sources": [card_of(one) for one in standings()], "may_pull": may_pull}


def card_of(one: Standing) -> dict[str, Any]:
    """What the page shows of a source, in words."""
    state, colour = state_of(one)
    last = one.last
    return {
        "source": one,
        "state": state,
        "colour": colour,
        "next": age_of(one.next_at) if one.next_at else "",
        "oldest": age_of(one.oldest) if one.oldest else "",
        "pulled": age_of(last.started_at) if last else "",
        "took": since(last.started_at, last.finished_at) if last and last.finished_at else "",
        "failures": last.failures[:SHOWN_FAILURES] if last else [],
        "more_failures": max(last.failed - SHOWN_FAILURES, 0) if last else 0,
        "pulls_url": _list("sourcepull", source=one.name),
        "targets_url": _list("sourcestate", source=one.name),
        "failing_url": _list("sourcestate", source=one.name, standing="failing"),
        "gaps_url": _list("sourcegap", source=one.name, standing="open"),
    }


def state_of(one: Standing) -> tuple[str, str]:
    """The state of a source in a word or two, and its colour."""
    if not one.is_configured:
        return "Not configured", PLAIN
    if one.last is None:
        return "Never pulled", PLAIN
    status = PullStatus(one.last.status)
    return str(status.label), COLOURS[status]


def _list(model: str, **query: str) -> str:
    return reverse(f"admin:businesses_{model}_changelist", query=query)


def pull_now(request: HttpRequest, name: str) -> HttpResponse:
    """Have a source pulled by the next worker that is free; pulls of one source follow each other."""
    if not request.user.has_perm(MAY_PULL):
        raise PermissionDenied
    if name not in source_names():
        raise Http404
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    source = source_class(name)()
    missing = source.missing()
    source.close()
    if missing:
        messages.error(request, f"{source.label} is not configured. {missing}")
    else:
        with transaction.atomic():
            emit(SourcePullRun, {"source": name}, requested_by=f"user:{request.user.pk}")
        messages.success(request, f"{source.label} will be pulled by the next worker that is free.")
    return redirect("businesses_sources")


def sources_urls(site: AdminSite) -> list[URLPattern]:
    """They lie beside the lists of the models, as they are about several."""

    def page(request: HttpRequest) -> Any:
        return SourcesView.as_view(model_admin=site.get_model_admin(SourcePull))(request)

    return [
        path("", site.admin_view(page), name="businesses_sources"),
        path("<slug:name>/pull/", site.admin_view(pull_now), name="businesses_sources_pull"),
    ]
