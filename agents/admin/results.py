"""What agents found, judged by people: opportunities, scorecards, and the profiles that outcomes suggest."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from agents.admin.base import OF_ORG, GoneFilter, OfCompanyAdmin, ResultAdmin
from agents.admin.executions import AgentFilter
from agents.admin.reasons import figures_table, learnt_table, lifts_table, reasons_table
from agents.admin.verdicts import VERDICTS, VerdictActions
from agents.models import IcpSuggestion, Judged, Opportunity, OpportunityStatus, Scorecard
from agents.opportunities import mark_opportunity
from agents.suggestions import accept_icp, reject_icp
from oppspot.core.admin import ChoiceFilter, column
from oppspot.jobs.admin.durations import NOTHING, age_of, exactly

STATUSES = {"open": "info", "contacted": "primary", "won": "success", "lost": "warning", "dismissed": "default"}
SUGGESTED = {"proposed": "info", "accepted": "success", "rejected": "warning", "replaced": "default"}


class ScoreFilter(ChoiceFilter):
    title, parameter_name = "score", "score"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(least), f"{least} or more") for least in (75, 50, 25)]

    def narrowed(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(score__gte=int(value))


class ScoredAdmin(VerdictActions, OfCompanyAdmin):
    """Base of lists of companies with a score."""

    list_display_links = ["shown_score"]

    @column("Score")
    def shown_score(self, row: Any) -> str:
        return f"{row.score:.0f}"

    @column("Known")
    def known(self, row: Any) -> str:
        return f"{row.confidence:.0f} %"

    @column("Parts")
    def parts(self, row: Any) -> str:
        named = {"Fit": row.fit, "intent": row.intent, "timing": row.timing, "data quality": row.data_quality}
        return ", ".join(f"{name} {'unknown' if value is None else f'{value:.0f}'}" for name, value in named.items())


@admin.register(Opportunity)
class OpportunityAdmin(ScoredAdmin):
    judged = Judged.OPPORTUNITY
    list_display = ["shown_score", "company", "organisation", "agent_link", "state", "why", "known", "seen", "gone"]
    list_filter = [OF_ORG, "status", ScoreFilter, GoneFilter, AgentFilter]
    actions = ["contacted", "won", "lost", "dismiss", *VERDICTS]
    fields = [
        ("company", "organisation"), ("shown_score", "known", "parts"), ("shown_state", "outcome"),
        ("handled_by", "shown_handled"), "reasons_shown", ("agent_link", "execution_link", "mode"),
        ("first_seen_at", "last_seen_at", "times_seen", "gone_at"), "id",
    ]  # fmt: skip

    def _mark(self, request: HttpRequest, queryset: QuerySet[Opportunity], status: OpportunityStatus) -> None:
        def act(row: Opportunity, by: str) -> Opportunity:
            return mark_opportunity(opportunity=row, status=status, by=by)

        self.judge(request, queryset, act, f"Marked as {status.label.lower()}")

    @admin.action(description="Mark as contacted", permissions=["judge"])
    def contacted(self, request: HttpRequest, queryset: QuerySet[Opportunity]) -> None:
        self._mark(request, queryset, OpportunityStatus.CONTACTED)

    @admin.action(description="Mark as won", permissions=["judge"])
    def won(self, request: HttpRequest, queryset: QuerySet[Opportunity]) -> None:
        self._mark(request, queryset, OpportunityStatus.WON)

    @admin.action(description="Mark as lost", permissions=["judge"])
    def lost(self, request: HttpRequest, queryset: QuerySet[Opportunity]) -> None:
        self._mark(request, queryset, OpportunityStatus.LOST)

    @admin.action(description="Dismiss: no agent offers it again", permissions=["judge"])
    def dismiss(self, request: HttpRequest, queryset: QuerySet[Opportunity]) -> None:
        self._mark(request, queryset, OpportunityStatus.DISMISSED)

    @column("State", colours=STATUSES)
    def state(self, row: Opportunity) -> tuple[str, str]:
        return row.status, str(OpportunityStatus(row.status).label)

    @column("State")
    def shown_state(self, row: Opportunity) -> str:
        return str(OpportunityStatus(row.status).label)

    @column("Why")
    def why(self, row: Opportunity) -> str:
        return row.reasons[0]["text"] if row.reasons else NOTHING

    @column("Seen")
    def seen(self, row: Opportunity) -> str:
        return f"{age_of(row.last_seen_at)}, {row.times_seen} times"

    @column("Gone")
    def gone(self, row: Opportunity) -> str:
        return age_of(row.gone_at) if row.gone_at else ""

    @column("When")
    def shown_handled(self, row: Opportunity) -> str:
        return exactly(row.handled_at)

    @column("Why this one")
    def reasons_shown(self, row: Opportunity) -> str:
        return reasons_table(row.reasons)


@admin.register(Scorecard)
class ScorecardAdmin(ScoredAdmin):
    judged = Judged.SCORECARD
    list_display = ["shown_score", "company", "organisation", "agent_link", "parts", "known", "scored"]
    list_filter = [OF_ORG, ScoreFilter, AgentFilter]
    actions = VERDICTS
    fields = [
        ("company", "organisation"), ("shown_score", "known", "parts"), "contributions_shown",
        ("agent_link", "execution_link"), ("scored_at", "icp_hash"), "id",
    ]  # fmt: skip

    @column("Scored")
    def scored(self, row: Scorecard) -> str:
        return age_of(row.scored_at)

    @column("The score is the sum of")
    def contributions_shown(self, row: Scorecard) -> str:
        return reasons_table(row.contributions)


@admin.register(IcpSuggestion)
class IcpSuggestionAdmin(ResultAdmin):
    list_display = ["proposed", "organisation", "agent_link", "state", "won", "lost", "learnt_fields", "note"]
    list_filter = [OF_ORG, "status", AgentFilter]
    actions = ["accept", "reject"]
    fields = [
        ("organisation", "agent_link", "shown_state"), "learnt_shown", "figures_shown", ("won", "lost"), "lifts_shown",
        ("proposed_by", "proposed_at"), ("handled_by", "handled_at"), "id",
    ]  # fmt: skip

    @admin.action(description="Accept: it becomes the agent's profile", permissions=["judge"])
    def accept(self, request: HttpRequest, queryset: QuerySet[IcpSuggestion]) -> None:
        self.judge(request, queryset, partial(_handled, accept_icp), "Accepted")

    @admin.action(description="Reject: the agent stays as it is", permissions=["judge"])
    def reject(self, request: HttpRequest, queryset: QuerySet[IcpSuggestion]) -> None:
        self.judge(request, queryset, partial(_handled, reject_icp), "Rejected")

    @column("Proposed")
    def proposed(self, row: IcpSuggestion) -> str:
        return age_of(row.proposed_at)

    @column("State", colours=SUGGESTED)
    def state(self, row: IcpSuggestion) -> tuple[str, str]:
        return row.status, row.get_status_display()

    @column("State")
    def shown_state(self, row: IcpSuggestion) -> str:
        return str(row.get_status_display())

    @column("Learnt")
    def learnt_fields(self, row: IcpSuggestion) -> str:
        return ", ".join(name.replace("_", " ") for name in row.learnt) or "nothing"

    @column("On the held-out")
    def note(self, row: IcpSuggestion) -> str:
        return str(row.figures["suggested"]["note"])

    @column("What would change")
    def learnt_shown(self, row: IcpSuggestion) -> str:
        return learnt_table(row)

    @column("On companies that were held out")
    def figures_shown(self, row: IcpSuggestion) -> str:
        return figures_table(row)

    @column("Who was won")
    def lifts_shown(self, row: IcpSuggestion) -> str:
        return lifts_table(row)


def _handled(handle: Callable[..., IcpSuggestion], row: IcpSuggestion, by: str) -> IcpSuggestion:
    return handle(suggestion=row, by=by)
