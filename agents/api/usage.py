"""What language models were asked and what it cost, from the ledger, and what may be spent."""

from datetime import date
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.api.executions import CALLS, UsageSerializer
from agents.api.fields import CostField, query_of
from agents.budgets import set_budget
from agents.stats import MAX_ROWS, budget_of, month_of, usage_by_agent, usage_total
from oppspot.organizations.api import StrictSerializer
from oppspot.organizations.scopes import Scope

MAX_MONTHS = 36
MONTH = r"^20[0-9]{2}-(0[1-9]|1[0-2])$"

BUDGET = {
    "monthly_cap": "25",
    "run_cap": "1",
    "is_default": False,
    "month": "2025-11",
    "spent": "4.118204",
    "reserved": "0.00212",
    "left": "20.879676",
    "updated_by": "user:12",
    "updated_at": "2025-10-05T10:00:00Z",
}
NAMED = {"agent": "019ab0f2-7a70-7c3d-8e4f-506172839a4b", "name": "Watch the brewers", "kind": "scout_agent"}
USAGE = {
    "since": "2025-11",
    "until": "2025-11",
    "rows": [{"month": "2025-11"} | NAMED | CALLS],
    "is_complete": True,
    "total": {name: value for name, value in CALLS.items() if name != "model"},
}


class MonthField(serializers.RegexField):
    """A month as `2025-11`, which is its first day to the code."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(MONTH, error_messages={"invalid": "Write a month as 2025-11."}, **kwargs)

    def to_representation(self, value: Any) -> str:
        return f"{value:%Y-%m}"


class MonthsSerializer(StrictSerializer):
    """Months, as query parameters."""

    since = MonthField(required=False, help_text="The first month (UTC); without it, that of `until`.")
    until = MonthField(required=False, help_text="The last month (UTC); without it, the one under way.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        last = _first_day(attrs["until"]) if "until" in attrs else month_of(timezone.now())
        first = _first_day(attrs["since"]) if "since" in attrs else last
        months = 12 * (last.year - first.year) + last.month - first.month + 1
        if not 1 <= months <= MAX_MONTHS:
            raise serializers.ValidationError({"since": [f"The period is one of 1 to {MAX_MONTHS} months."]})
        return {"since": first, "until": last}


def _first_day(month: str) -> date:
    return date.fromisoformat(f"{month}-01")


class UsageRowSerializer(UsageSerializer):
    """Of a month, an agent and a model."""

    month = MonthField()
    agent = serializers.UUIDField(source="agent_id", allow_null=True, help_text="Null: it was deleted.")
    name = serializers.CharField(source="agent")
    kind = serializers.CharField()
    model = serializers.CharField()


@extend_schema_serializer(examples=[OpenApiExample("A month", value=USAGE, response_only=True)])
class UsagePeriodSerializer(serializers.Serializer[Any]):
    """What was asked and what it cost."""

    since = MonthField()
    until = MonthField()
    rows = UsageRowSerializer(many=True, help_text="The latest month first, in it the costliest.")
    is_complete = serializers.BooleanField(help_text=f"False: there are more than {MAX_ROWS:,} rows.")
    total = UsageSerializer(help_text="Of the whole period.")


@extend_schema_serializer(examples=[OpenApiExample("A budget", value=BUDGET, response_only=True)])
class BudgetSerializer(serializers.Serializer[Any]):
    """What may be spent, and what is left of it in the month under way. US dollars."""

    monthly_cap = CostField(read_only=True, help_text="Of a calendar month (UTC).")
    run_cap = CostField(read_only=True, help_text="Of an execution, where its agent has no cap of its own.")
    is_default = serializers.BooleanField(help_text="Nobody has set one: the installation's caps hold.")
    month = MonthField()
    spent = CostField(read_only=True)
    reserved = CostField(read_only=True, help_text="For requests under way.")
    left = CostField(read_only=True)
    updated_by = serializers.CharField()
    updated_at = serializers.DateTimeField(allow_null=True)


@extend_schema_serializer(
    examples=[OpenApiExample("A budget", value={"monthly_cap": "25", "run_cap": "1"}, request_only=True)]
)
class BudgetWriteSerializer(StrictSerializer):
    monthly_cap = CostField(help_text="US dollars a calendar month (UTC).")
    run_cap = CostField(help_text="US dollars an execution.")


class UsageView(APIView):
    """The organisation's use of language models."""

    @extend_schema(
        operation_id="usage",
        summary="What language models cost",
        tags=["usage"],
        parameters=[MonthsSerializer],
        responses=UsagePeriodSerializer,
    )
    def get(self, request: Request) -> Response:
        """By month, agent and model, summed over the ledger: each request that was sent is a row of that."""
        period = query_of(request, MonthsSerializer)
        org = request.org  # type: ignore[attr-defined]
        rows = usage_by_agent(org=org, **period)
        found = period | {
            "rows": rows,
            "is_complete": len(rows) < MAX_ROWS,
            "total": usage_total(org=org, **period),
        }
        return Response(UsagePeriodSerializer(found).data)


class BudgetView(APIView):
    """What the organisation may spend on language models."""

    scopes = {"PUT": Scope.ADMIN}

    @extend_schema(operation_id="usage_budget", summary="The budget", tags=["usage"], responses=BudgetSerializer)
    def get(self, request: Request) -> Response:
        """A call that would pass a cap is not made, and the execution says so."""
        return self._answer(request)

    @extend_schema(
        operation_id="usage_budget_set",
        summary="Set the budget",
        tags=["usage"],
        request=BudgetWriteSerializer,
        responses=BudgetSerializer,
    )
    def put(self, request: Request) -> Response:
        """It holds for executions that begin from now on, and at once for the month."""
        serializer = BudgetWriteSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        actor = request.actor  # type: ignore[attr-defined]
        set_budget(org=actor.org, by=actor.label, **serializer.validated_data)
        return self._answer(request)

    @staticmethod
    def _answer(request: Request) -> Response:
        return Response(BudgetSerializer(budget_of(request.org)).data)  # type: ignore[attr-defined]
