"""What agents can be, and what can start them."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.registry import all_kinds
from agents.triggers import TRIGGERING
from oppspot.jobs.registry import get_event

KIND = {
    "slug": "scout_agent",
    "title": "Scout",
    "description": "Turns what happened to the companies that it watches into buying signals.",
    "parallel": 1,
    "timeout_s": 900.0,
    "configuration_schema": {"type": "object", "properties": {"min_confidence": {"type": "integer", "default": 60}}},
    "input_schema": {"type": "object", "properties": {}},
}
EVENT = {
    "name": "signals/buying_signal.detected",
    "description": "A detector saw a sign that a company may soon buy; `signal_data` is what it saw.",
    "schema": {"type": "object", "properties": {"signal_type": {"type": "string"}}},
}


class KindSerializer(serializers.Serializer[Any]):
    """A kind of agent."""

    slug = serializers.CharField(help_text="What `agent_type` names.")
    title = serializers.CharField()
    description = serializers.CharField()
    parallel = serializers.IntegerField(help_text="Executions of one agent at a time.")
    timeout_s = serializers.FloatField(help_text="Seconds that one try of an execution may take.")
    configuration_schema = serializers.DictField(help_text="JSON schema of `configuration`.")
    input_schema = serializers.DictField(help_text="JSON schema of `input`.")


class EventSerializer(serializers.Serializer[Any]):
    """An event that may start agents."""

    name = serializers.CharField()
    description = serializers.CharField()
    schema = serializers.DictField(help_text="JSON schema of its data, whose fields `where` may name.")


@extend_schema_serializer(
    examples=[OpenApiExample("Kinds", value={"kinds": [KIND], "events": [EVENT]}, response_only=True)]
)
class KindsSerializer(serializers.Serializer[Any]):
    """What agents can be, and what can start them."""

    kinds = KindSerializer(many=True)
    events = EventSerializer(many=True)


class KindsView(APIView):
    """The kinds of agents."""

    @extend_schema(operation_id="agents_kinds", summary="Kinds of agents", tags=["agents"], responses=KindsSerializer)
    def get(self, request: Request) -> Response:
        """With the schemas of what they are set up with and given, and the events that may start them."""
        kinds = [
            {
                "slug": kind.slug,
                "title": kind.title,
                "description": kind.description,
                "parallel": kind.parallel,
                "timeout_s": kind.timeout_s,
                "configuration_schema": kind.Params.model_json_schema(),
                "input_schema": kind.Input.model_json_schema(),
            }
            for kind in all_kinds().values()
        ]
        schemas = {name: get_event(name).schema for name in TRIGGERING}
        events = [
            {"name": name, "description": (schema.__doc__ or "").strip(), "schema": schema.model_json_schema()}
            for name, schema in schemas.items()
        ]
        return Response(KindsSerializer({"kinds": kinds, "events": events}).data)
