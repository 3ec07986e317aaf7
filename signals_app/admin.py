"""Admin of signals: what was seen for whom, a queue of what is unsure, and the ranking."""

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from oppspot.core.admin import LINK, ChoiceFilter, LargeTableAdmin, ReadOnlyMixin, column
from oppspot.organizations.models import Organization
from signals_app.models import (
    BusinessScore,
    BuyingSignal,
    Competitor,
    DetectionPass,
    SignalStatus,
    SignalType,
    SourceReliability,
    Strength,
)
from signals_app.ranking import in_tier
from signals_app.scoring import Tier, reliability, tier_of
from signals_app.services import WrongStatus, change_statuses, confirm

Judged = tuple[list[BuyingSignal], list[WrongStatus]]
Judge = Callable[[Organization, list[UUID], str], Judged]
MAX_ACTED_ON = 500  # signals by one action
SHOWN_WAITING = 99  # as many as are counted for the side bar, which every page has
STATUS_COLOURS = {"Active": "success", "Expired": "default", "Acted upon": "primary", "False positive": "danger"}
TIER_COLOURS = {"Hot": "danger", "Warm": "warning", "Watching": "info"}


class TypeFilter(ChoiceFilter):
    title, parameter_name = "type", "signal_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(one.value), str(one.label)) for one in SignalType]

    def narrowed(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(signal_type=value)


class StatusFilter(TypeFilter):
    title, parameter_name = "status", "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        review = [("review", "Active: waits for a review")]
        return [*review, *((str(one.value), str(one.label)) for one in SignalStatus)]

    def narrowed(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        if value == "review":
            return queryset.filter(status=SignalStatus.ACTIVE, needs_review=True)
        return queryset.filter(status=value)


def waiting_for_review() -> str:
    """How many signals wait for a review, whoever's they are, as the side bar shows it; empty if none does."""
    waiting = BuyingSignal.all_orgs.filter(status=SignalStatus.ACTIVE, needs_review=True)
    count = waiting[: SHOWN_WAITING + 1].count()
    return f"{SHOWN_WAITING}+" if count > SHOWN_WAITING else str(count or "")


class StrengthFilter(TypeFilter):
    title, parameter_name = "strength", "signal_strength"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(one.value), str(one.label)) for one in Strength]

    def narrowed(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(signal_strength=value)


class TierFilter(TypeFilter):
    title, parameter_name = "tier", "tier"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(one.value), str(one.label)) for one in Tier]

    def narrowed(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return in_tier(queryset, value)


def company_link(row: Any) -> str:
    url = reverse("admin:businesses_business_change", args=[row.business_id])
    return format_html('<a class="{}" href="{}">{}</a>', LINK, url, row.business.name)


@admin.register(BuyingSignal)
class BuyingSignalAdmin(ReadOnlyMixin, LargeTableAdmin):
    """Signals are made by detectors and judged by people: here by staff, in the organisation's name."""

    list_display = ["occurred_on", "company", "what", "strength", "confidence", "org", "state", "source"]
    list_display_links = ["occurred_on"]
    list_filter = [StatusFilter, TypeFilter, StrengthFilter, ("org", AutocompleteSelectFilter)]
    list_select_related = ["org", "business"]
    ordering = ["-id"]
    sortable_by: list[str] = []
    actions = ["do_confirm", "do_refute", "do_act_upon"]
    fields = [
        ("company", "org"), ("signal_type", "rule", "rule_version"), ("signal_strength", "weight", "confidence_score"),
        "reports", ("occurred_on", "detected_at", "expires_at"), ("status", "needs_review", "is_negative"),
        ("outcome", "handled_by", "handled_at"), ("source", "detected_by"), "signal_data",
    ]  # fmt: skip
    readonly_fields = ["company", "reports"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[BuyingSignal]:
        queryset: QuerySet[BuyingSignal] = super().get_queryset(request)
        return queryset.defer("business__embedding", "business__search_vector")

    def has_judge_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("signals_app.change_buyingsignal")

    @admin.action(description="Confirm: it is right, tell of it", permissions=["judge"])
    def do_confirm(self, request: HttpRequest, queryset: QuerySet[BuyingSignal]) -> None:
        def judge(org: Organization, ids: list[UUID], by: str) -> Judged:
            done: list[BuyingSignal] = []
            refused: list[WrongStatus] = []
            for pk in ids:
                try:
                    done.append(confirm(org=org, signal_id=pk, by=by))
                except WrongStatus as error:
                    refused.append(error)
            return done, refused

        self._judge(request, queryset, "Confirmed", judge)

    @admin.action(description="Mark as false: its source is worth less to them", permissions=["judge"])
    def do_refute(self, request: HttpRequest, queryset: QuerySet[BuyingSignal]) -> None:
        self._judge(request, queryset, "Marked as false", self._to(SignalStatus.FALSE_POSITIVE))

    @admin.action(description="Mark as acted upon", permissions=["judge"])
    def do_act_upon(self, request: HttpRequest, queryset: QuerySet[BuyingSignal]) -> None:
        self._judge(request, queryset, "Marked as acted upon", self._to(SignalStatus.ACTED_UPON))

    @staticmethod
    def _to(status: SignalStatus) -> Judge:
        return lambda org, ids, by: change_statuses(org=org, signal_ids=ids, status=status, by=by)

    def _judge(self, request: HttpRequest, queryset: QuerySet[BuyingSignal], headline: str, judge: Judge) -> None:
        by = f"{request.user.get_username()} (staff)"
        chosen: dict[Organization, list[UUID]] = defaultdict(list)
        for signal in queryset.order_by("-pk")[: MAX_ACTED_ON + 1]:
            chosen[signal.org].append(signal.pk)
        if sum(map(len, chosen.values())) > MAX_ACTED_ON:
            self.message_user(request, f"Choose at most {MAX_ACTED_ON} signals at a time.", messages.ERROR)
            return
        for org, ids in chosen.items():
            done, refused = judge(org, ids, by)
            if done:
                LogEntry.objects.log_actions(str(request.user.pk), done, CHANGE, f"{headline}.")
                self.message_user(request, f"{org}: {headline.lower()} {len(done)}.", messages.SUCCESS)
            for reason, count in Counter(error.message for error in refused).items():
                self.message_user(request, f"{org}: left as they are {count}. {reason}", messages.WARNING)

    @column("Company")
    def company(self, signal: BuyingSignal) -> str:
        return company_link(signal)

    @column("Signal")
    def what(self, signal: BuyingSignal) -> str:
        sign = "against: " if signal.is_negative else ""
        return f"{sign}{signal.get_signal_type_display()}: {signal.rule.replace('_', ' ')}"

    @column("Strength")
    def strength(self, signal: BuyingSignal) -> str:
        return signal.get_signal_strength_display()

    @column("Sure")
    def confidence(self, signal: BuyingSignal) -> str:
        return f"{signal.confidence_score} %"

    @column("Status", colours=STATUS_COLOURS | {"Review": "warning"})
    def state(self, signal: BuyingSignal) -> str:
        waits = signal.needs_review and signal.status == SignalStatus.ACTIVE
        return "Review" if waits else signal.get_status_display()

    @column("Evidence")
    def reports(self, signal: BuyingSignal) -> str:
        """Each report on a line: day, source, the words that count; linked where there is a page of the web."""
        rows = [(each["on"], each["source"], each["quote"] or "—", _web_link(each["url"])) for each in signal.evidence]
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{} · {} · “{}” {}</li>", rows))


def _web_link(url: str) -> str:
    if not url.startswith(("https://", "http://")):
        return ""
    return format_html('<a class="{}" href="{}" rel="noreferrer nofollow">source</a>', LINK, url)


@admin.register(BusinessScore)
class BusinessScoreAdmin(ReadOnlyMixin, LargeTableAdmin):
    list_display = ["shown_score", "tier", "company", "org", "signals", "latest_on", "as_of"]
    list_filter = [TierFilter, ("org", AutocompleteSelectFilter)]
    list_select_related = ["org", "business"]
    ordering = ["-score", "pk"]
    sortable_by: list[str] = []
    list_display_links = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[BusinessScore]:
        queryset: QuerySet[BusinessScore] = super().get_queryset(request)
        return queryset.defer("business__embedding", "business__search_vector")

    @column("Score")
    def shown_score(self, row: BusinessScore) -> str:
        return f"{row.score:.1f}"

    @column("Tier", colours=TIER_COLOURS)
    def tier(self, row: BusinessScore) -> str:
        return str(tier_of(row.score).label)

    @column("Company")
    def company(self, row: BusinessScore) -> str:
        return company_link(row)


@admin.register(Competitor)
class CompetitorAdmin(ModelAdmin):
    list_display = ["name", "org", "aliases"]
    list_filter = [("org", AutocompleteSelectFilter)]
    list_select_related = ["org"]
    search_fields = ["name"]
    autocomplete_fields = ["org"]
    list_filter_submit = True

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["org"] if obj else []


@admin.register(SourceReliability)
class SourceReliabilityAdmin(ReadOnlyMixin, ModelAdmin):
    list_display = ["source", "org", "confirmed", "refuted", "trust", "updated_at"]
    list_filter = [("org", AutocompleteSelectFilter)]
    list_select_related = ["org"]
    list_filter_submit = True

    @column("Trust")
    def trust(self, row: SourceReliability) -> str:
        return f"{reliability(row.confirmed, row.refuted):.0%}"


@admin.register(DetectionPass)
class DetectionPassAdmin(ReadOnlyMixin, LargeTableAdmin):
    list_display = ["started_at", "org", "finished_at", "businesses", "facts", "new", "renewed", "cleared"]
    list_filter = [("org", AutocompleteSelectFilter)]
    list_select_related = ["org"]
    ordering = ["-id"]
    sortable_by: list[str] = []
