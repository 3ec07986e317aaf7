"""Reports on companies: read section by section with their sources, and judged."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from agents.admin.base import OF_ORG, OfCompanyAdmin, link_to
from agents.admin.executions import NONE, AgentFilter
from agents.admin.report_page import TITLES, report_sections
from agents.admin.verdicts import VERDICTS, VerdictActions
from agents.models import Depth, Judged, ReportStatus, ResearchReport
from oppspot.core.admin import column
from oppspot.jobs.admin.durations import NOTHING, age_of, exactly
from oppspot.jobs.admin.filters import as_uuid

STATES = {"complete": "success", "partial": "warning"}


class ReportAgentFilter(AgentFilter):
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(execution__agent=as_uuid(value) or NONE) if value else queryset


@admin.register(ResearchReport)
class ResearchReportAdmin(VerdictActions, OfCompanyAdmin):
    judged = Judged.REPORT
    list_display = [
        *("made", "company", "organisation", "shown_depth", "state", "failed_in", "shown_score", "evidence_count"),
        "reused",
    ]
    list_select_related = ["org", "business", "previous"]
    list_filter = [OF_ORG, "status", "depth", ReportAgentFilter]
    actions = VERDICTS
    change_form_template = "agents/admin_report.html"
    fields = [
        ("company", "organisation", "shown_state"), ("shown_depth", "shown_score", "evidence_count"),
        ("shown_created", "requested_by", "reused"), ("execution_link", "previous_link"), "id",
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[ResearchReport]:
        return super().get_queryset(request).defer("previous__changes")

    def parts_of(self, request: HttpRequest, row: ResearchReport) -> dict[str, Any]:
        return report_sections(row) | {"title": f"{row.business.name}, {exactly(row.created_at)}"}

    # Columns and details

    @column("Made")
    def made(self, report: ResearchReport) -> str:
        return age_of(report.created_at)

    @column("Made")
    def shown_created(self, report: ResearchReport) -> str:
        return exactly(report.created_at)

    @column("Depth")
    def shown_depth(self, report: ResearchReport) -> str:
        return str(Depth(report.depth).label)

    @column("State", colours=STATES)
    def state(self, report: ResearchReport) -> tuple[str, str]:
        return report.status, str(ReportStatus(report.status).label)

    @column("State")
    def shown_state(self, report: ResearchReport) -> str:
        return str(ReportStatus(report.status).label)

    @column("A source failed in")
    def failed_in(self, report: ResearchReport) -> str:
        return ", ".join(TITLES.get(one["section"], one["section"]) for one in report.problems)

    @column("Score of its signals")
    def shown_score(self, report: ResearchReport) -> str:
        return NOTHING if report.score is None else f"{report.score:.0f}"

    @column("Made anew")
    def reused(self, report: ResearchReport) -> str:
        return "no: all was fresh" if report.is_reuse else "yes"

    @column("The report before")
    def previous_link(self, report: ResearchReport) -> str:
        previous = report.previous
        return link_to(previous, exactly(previous.created_at)) if previous else NOTHING
