"""Feedback: what people think of what agents made."""

from typing import Any, ClassVar

import django_filters
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from agents.feedback import give_feedback
from agents.models import Feedback, Judged, Verdict
from oppspot.organizations.api import OrgViewSet, StrictSerializer
from oppspot.organizations.idempotency import IdempotentPost

MAX_NOTE = 2_000  # characters
FEEDBACK = {
    "id": "019ab0f2-7a73-7c3d-8e4f-506172839a4b",
    "subject_type": "opportunity",
    "subject_id": "019ab0f2-7a74-7b2c-9d3e-4f5061728394",
    "verdict": "useful",
    "note": "They had just bought a second site.",
    "given_by": "ospt_Zk3vQ0xN",
    "given_at": "2025-11-02T04:10:00Z",
}
NEW = {name: FEEDBACK[name] for name in ("subject_type", "subject_id", "verdict", "note")}


@extend_schema_serializer(
    examples=[OpenApiExample("A verdict", value=FEEDBACK, response_only=True, status_codes=["200", "201"])]
)
class FeedbackSerializer(serializers.ModelSerializer[Feedback]):
    """A verdict on a result."""

    class Meta:
        model = Feedback
        fields: ClassVar[list[str]] = list(FEEDBACK)
        read_only_fields = fields


@extend_schema_serializer(examples=[OpenApiExample("A verdict", value=NEW, request_only=True)])
class FeedbackWriteSerializer(StrictSerializer):
    subject_type = serializers.ChoiceField(choices=Judged.choices)
    subject_id = serializers.UUIDField()
    verdict = serializers.ChoiceField(choices=Verdict.choices)
    note = serializers.CharField(max_length=MAX_NOTE, allow_blank=True, default="")


class FeedbackFilter(django_filters.FilterSet):
    subject_type = django_filters.ChoiceFilter(choices=Judged.choices, help_text="On which kind of result.")
    subject_id = django_filters.UUIDFilter("subject_id", help_text="On one result.")
    verdict = django_filters.ChoiceFilter(choices=Verdict.choices, help_text="What was thought of it.")

    class Meta:
        model = Feedback
        fields: ClassVar[list[str]] = []


@extend_schema(tags=["agents"])
class FeedbackViewSet(mixins.ListModelMixin, IdempotentPost, OrgViewSet):
    """Verdicts of the organisation's people and programs."""

    model = Feedback
    serializer_class = FeedbackSerializer
    filterset_class = FeedbackFilter
    ordering_fields = ("-id",)

    @extend_schema(summary="List feedback")
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The latest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(
        summary="Say what a result was worth",
        request=FeedbackWriteSerializer,
        responses={200: FeedbackSerializer, 201: FeedbackSerializer},
    )
    def create(self, request: Request) -> Response:
        """One verdict of each person on a result: another takes its place (200)."""
        serializer = FeedbackWriteSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        actor = request.actor  # type: ignore[attr-defined]
        given, is_new = give_feedback(org=actor.org, given_by=actor.label, **serializer.validated_data)
        status_code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return Response(FeedbackSerializer(given).data, status_code)
