"""How agents did, over a period."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.api.fields import CostField, PeriodSerializer, query_of
from agents.stats import stats_by_agent, stats_by_kind

STATS: dict[str, Any] = {
    "executions": 22,
    "completed": 19,
    "failed": 1,
    "cancelled": 1,
    "open": 1,
    "success_rate": 0.95,
    "p50_ms": 4_020.5,
    "p95_ms": 9_800.0,
    "items_processed": 2_280,
    "api_calls": 57,
    "tokens_used": 81_000,
    "cost": "0.0412",
}
NAMED = {"agent": "019ab0f2-7a70-7c3d-8e4f-506172839a4b", "name": "Watch the brewers"}


class StatsSerializer(serializers.Serializer[Any]):
    """Executions that were asked for within the period."""

    executions = serializers.IntegerField()
    completed = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    open = serializers.IntegerField(help_text="Queued and running.")
    success_rate = serializers.FloatField(
        allow_null=True, help_text="Completed of those that completed or failed, 0 to 1; null: none has."
    )
    p50_ms = serializers.FloatField(allow_null=True, help_text="Of those that completed: half took no longer.")
    p95_ms = serializers.FloatField(allow_null=True, help_text="95 of 100 took no longer.")
    items_processed = serializers.IntegerField()
    api_calls = serializers.IntegerField()
    tokens_used = serializers.IntegerField()
    cost = CostField(read_only=True, help_text="US dollars.")


class AgentStatsSerializer(StatsSerializer):
    agent = serializers.UUIDField(source="agent_id")
    name = serializers.CharField()
    kind = serializers.CharField()


class KindStatsSerializer(StatsSerializer):
    kind = serializers.CharField()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Figures",
            value={
                "agents": [NAMED | {"kind": "scout_agent"} | STATS],
                "kinds": [{"kind": "scout_agent"} | STATS],
            },
            response_only=True,
        )
    ]
)
class AllStatsSerializer(serializers.Serializer[Any]):
    """How agents did."""

    agents = AgentStatsSerializer(many=True)
    kinds = KindStatsSerializer(many=True)


class StatsView(APIView):
    """Figures of the organisation's agents."""

    @extend_schema(
        operation_id="agents_stats",
        summary="How agents did",
        tags=["agents"],
        parameters=[PeriodSerializer],
        responses=AllStatsSerializer,
    )
    def get(self, request: Request) -> Response:
        """By agent and by kind, of executions that were asked for within the period; without one, of all."""
        period = query_of(request, PeriodSerializer)
        org = request.org  # type: ignore[attr-defined]
        found = {"agents": stats_by_agent(org=org, **period), "kinds": stats_by_kind(org=org, **period)}
        return Response(AllStatsSerializer(found).data)
