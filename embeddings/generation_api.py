"""API that asks for vectors."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from embeddings.events import DEFAULT_BATCH, MAX_BATCH, MAX_REQUESTED
from embeddings.requests import request_embeddings
from oppspot.jobs.api import JOB, JobSerializer, job_accepted
from oppspot.jobs.models import Priority
from oppspot.organizations.api import StrictSerializer
from oppspot.organizations.idempotency import IdempotentPost
from oppspot.organizations.scopes import Scope

REASON = "All of these companies have a current vector."
PRIORITIES = [priority.name.lower() for priority in Priority]


class GenerateSerializer(StrictSerializer):
    """Either `company_ids` or `generate_all`."""

    company_ids = serializers.ListField(
        child=serializers.UUIDField(), required=False, min_length=1, max_length=MAX_REQUESTED
    )
    generate_all = serializers.BooleanField(
        default=False, help_text="All companies of the register; needs the scope `admin`."
    )
    batch_size = serializers.IntegerField(
        default=DEFAULT_BATCH, min_value=1, max_value=MAX_BATCH, help_text="Companies of one job."
    )
    priority = serializers.ChoiceField(choices=PRIORITIES, default="normal")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["generate_all"] and "company_ids" in attrs:
            raise serializers.ValidationError({"generate_all": ["Leave it out, or company_ids."]})
        if not attrs["generate_all"] and "company_ids" not in attrs:
            raise serializers.ValidationError({"company_ids": ["Name companies, or say generate_all."]})
        return attrs


class GenerationSerializer(JobSerializer):
    """The job that makes the vectors."""

    count = serializers.IntegerField(allow_null=True, help_text="Companies it will embed; null for all of them.")
    unknown_ids = serializers.ListField(child=serializers.UUIDField(), help_text="No company has these ids.")

    class Meta(JobSerializer.Meta):
        fields: ClassVar[list[str]] = [*JobSerializer.Meta.fields, "count", "unknown_ids"]


class NothingToDoSerializer(serializers.Serializer[Any]):
    """No job was made."""

    count = serializers.IntegerField(help_text="0")
    reason = serializers.CharField()
    unknown_ids = serializers.ListField(child=serializers.UUIDField(), help_text="No company has these ids.")


UNKNOWN = "a2a86a5e-3a0c-4d4e-9d3a-0d0a6b1a6b52"
NEW_JOB = JOB | {
    "waiting_for": "",
    "progress": {"done": 0, "total": None},
    "started_at": None,
    "count": 1,
    "unknown_ids": [UNKNOWN],
}


class GenerateEmbeddingsView(IdempotentPost):
    """Vectors on request."""

    @extend_schema(
        operation_id="embeddings_generate",
        summary="Embed companies",
        tags=["embeddings"],
        request=GenerateSerializer,
        responses={200: NothingToDoSerializer, 202: GenerationSerializer},
        examples=[
            OpenApiExample(
                "Some companies",
                request_only=True,
                value={"company_ids": ["5f0c1bb4-6f3a-4c43-9f55-0f6f4f1b7c1e", UNKNOWN], "priority": "high"},
            ),
            OpenApiExample("All companies", request_only=True, value={"generate_all": True, "batch_size": 100}),
            OpenApiExample(
                "Nothing to do",
                response_only=True,
                status_codes=["200"],
                value={"count": 0, "reason": REASON, "unknown_ids": []},
            ),
            OpenApiExample("A job", response_only=True, status_codes=["202"], value=NEW_JOB),
        ],
    )
    def post(self, request: Request) -> Response:
        """Companies whose vector is missing or outdated get one, by a job that is found at `Location`; 200 when there
        are none. Vectors belong to the register, which all organisations share; the job to yours."""
        serializer = GenerateSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        asked = serializer.validated_data
        actor = request.actor  # type: ignore[attr-defined]
        if asked["generate_all"] and Scope.ADMIN not in actor.scopes:
            raise PermissionDenied("Embedding the whole register needs the scope admin.")
        requested = request_embeddings(
            org=actor.org,
            company_ids=asked.get("company_ids"),
            batch_size=asked["batch_size"],
            priority=Priority[asked["priority"].upper()],
            requested_by=actor.label,
        )
        more = {"count": requested.count, "unknown_ids": [str(pk) for pk in requested.unknown_ids]}
        if requested.run is None:
            return Response({**more, "reason": REASON})
        return job_accepted(requested.run, JobSerializer(requested.run).data | more)
