"""What language models cost: the ledger, the budgets, and models that are left alone for a while."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from agents.budgets import set_budget
from agents.llm.breaker import close_breaker
from agents.models import LLMBreaker, LLMBudget, LLMCall, LLMMonth
from oppspot.core.admin import LargeTableAdmin, ReadOnlyMixin, column

OF_ORG = ("org", AutocompleteSelectFilter)
STATES = {"reserved": "info", "settled": "success", "released": "warning", "unknown": "danger"}


@admin.register(LLMCall)
class LLMCallAdmin(ReadOnlyMixin, LargeTableAdmin):
    list_display = [
        *("prompt", "org", "model", "shown_state", "is_cached", "tokens_in", "tokens_out", "cost", "latency_ms"),
        "created_at",
    ]
    list_select_related = ["org"]
    list_filter = [OF_ORG, "state", "is_cached"]
    sortable_by: list[str] = []
    ordering = ["-id"]
    fields = [
        *("org", "execution", "step", "prompt", "prompt_version", "model", "shown_state", "is_cached", "month"),
        *("reserved_cost", "cost", "tokens_in", "tokens_out", "latency_ms", "http_status", "provider_request_id"),
        *("error", "prompt_sha256", "response_sha256", "created_at", "ended_at"),
    ]
    readonly_fields = fields

    @column("State", colours=STATES)
    def shown_state(self, call: LLMCall) -> str:
        return call.state


@admin.register(LLMBudget)
class LLMBudgetAdmin(ModelAdmin):
    list_display = ["org", "monthly_cap", "run_cap", "updated_by", "updated_at"]
    list_select_related = ["org"]
    search_fields = ["org__name"]
    autocomplete_fields = ["org"]
    fields = ["org", "monthly_cap", "run_cap", "updated_by", "updated_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["updated_by", "updated_at", *(["org"] if obj else [])]

    def save_model(self, request: HttpRequest, obj: LLMBudget, form: Any, change: bool) -> None:
        by = f"user:{request.user.pk}"
        saved = set_budget(org=obj.org, monthly_cap=obj.monthly_cap, run_cap=obj.run_cap, by=by)
        obj.pk, obj._state.adding = saved.pk, False


@admin.register(LLMMonth)
class LLMMonthAdmin(ReadOnlyMixin, LargeTableAdmin):
    list_display = ["org", "month", "spent", "reserved"]
    list_select_related = ["org"]
    list_filter = [OF_ORG]
    sortable_by: list[str] = []
    ordering = ["-month", "-id"]
    fields = ["org", "month", "spent", "reserved"]
    readonly_fields = fields


@admin.register(LLMBreaker)
class LLMBreakerAdmin(ReadOnlyMixin, ModelAdmin):
    list_display = ["key", "failures", "open_until", "needs_operator", "reason", "updated_at"]
    ordering = ["key"]
    actions = ["close"]
    fields = ["key", "failures", "open_until", "needs_operator", "reason", "updated_at"]
    readonly_fields = fields

    def has_close_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("agents.change_llmbreaker")

    @admin.action(description="Ask again", permissions=["close"])
    def close(self, request: HttpRequest, queryset: QuerySet[LLMBreaker]) -> None:
        by = f"user:{request.user.pk}"
        count = sum(close_breaker(key=breaker.key, by=by) for breaker in queryset)
        self.message_user(request, f"{count} model(s) will be asked again.")
