"""Drafts: reading, editing, approving and exporting what is to be said to companies."""

from typing import Any, ClassVar

import django_filters
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from agents.api.fields import ModeField
from agents.drafts import approve_draft, edit_draft, export_draft, reject_draft
from agents.models import Draft, DraftChannel, DraftStatus
from oppspot.organizations.api import OrgViewSet, StrictSerializer
from oppspot.organizations.idempotency import IdempotentPost

SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
CITATION = {
    "id": "s1", "text": "expansion (new city), 20 October 2025 (Leeds)", "source": "news_feeds",
    "url": "https://news.example/1", "on": "2025-10-20", "retrieved_at": "2025-10-21", "reliability": 0.9,
}  # fmt: skip
DRAFT: dict[str, Any] = {
    "id": "019ab0f2-7a74-7b2c-9d3e-4f5061728394",
    "agent": "019ab0f2-7a70-7c3d-8e4f-506172839a4b",
    "execution": "019ab0f2-7a72-7a1b-8c2d-3e4f50617283",
    "business": "0b8a3e5c-6a55-4c1e-9d6e-0c1d2e3f4a5b",
    "opportunity": None,
    "channel": "email",
    "form": "email",
    "tone": "plain",
    "recipient_name": "",
    "recipient_role": "",
    "subject": "What is next at Acme Ltd",
    "body": "Hello,\n\nI read about the plans of Acme Ltd in Leeds.\n\nWould a short call be useful?\n\nRegards",
    "claims": [{"text": "I read about the plans of Acme Ltd in Leeds.", "evidence": ["s1"]}],
    "citations": [CITATION],
    "warnings": [],
    "reason": "expansion.new_city",
    "mode": "deterministic",
    "template": "expansion@1+0a1b2c3d",
    "content_sha256": SHA256,
    "version": 1,
    "status": "draft",
    "edited_by": "",
    "approved_by": "",
    "approved_at": None,
    "exported_by": "",
    "exported_at": None,
    "rejected_by": "",
    "rejected_at": None,
    "rejection": "",
    "created_at": "2025-10-31T07:30:04Z",
    "written_at": "2025-10-31T07:30:04Z",
}
EXPORTED = {"id": DRAFT["id"], "channel": "email", "to": "jane@acme.example", "subject": DRAFT["subject"],
            "body": DRAFT["body"], "citations": [CITATION], "content_sha256": SHA256}  # fmt: skip


class ClaimSerializer(serializers.Serializer[Any]):
    """A part of the text, and the ids of what it rests on."""

    text = serializers.CharField()
    evidence = serializers.ListField(child=serializers.CharField())


class CitationSerializer(serializers.Serializer[Any]):
    """A stored fact, and where it is from."""

    id = serializers.CharField()
    text = serializers.CharField()
    source: Any = serializers.CharField(allow_blank=True)
    url = serializers.CharField(allow_blank=True)
    on = serializers.CharField(allow_blank=True)
    retrieved_at = serializers.CharField(allow_blank=True)
    reliability = serializers.FloatField(allow_null=True)


class WarningSerializer(serializers.Serializer[Any]):
    """What to look at before approving."""

    code = serializers.CharField()
    detail = serializers.CharField()


@extend_schema_serializer(examples=[OpenApiExample("A draft", value=DRAFT, response_only=True)])
class DraftSerializer(serializers.ModelSerializer[Draft]):
    """A text to somebody at a company."""

    agent: Any = serializers.UUIDField(source="agent_id", allow_null=True)
    execution: Any = serializers.UUIDField(source="execution_id", allow_null=True)
    business: Any = serializers.UUIDField(source="business_id")
    opportunity: Any = serializers.UUIDField(source="opportunity_id", allow_null=True)
    claims = ClaimSerializer(many=True)
    citations = CitationSerializer(many=True)
    warnings = WarningSerializer(many=True)
    mode = ModeField()

    class Meta:
        model = Draft
        fields: ClassVar[list[str]] = list(DRAFT)
        read_only_fields = fields


@extend_schema_serializer(examples=[OpenApiExample("Other words", value={"body": "Hello, …"}, request_only=True)])
class DraftEditSerializer(StrictSerializer):
    subject = serializers.CharField(max_length=500, allow_blank=True, required=False)
    body = serializers.CharField(max_length=10_000, required=False)


@extend_schema_serializer(
    examples=[OpenApiExample("What was read", value={"content_sha256": SHA256}, request_only=True)]
)
class ApprovalSerializer(StrictSerializer):
    content_sha256 = serializers.RegexField(r"^[0-9a-f]{64}$", help_text="Of the draft as it was read.")


@extend_schema_serializer(examples=[OpenApiExample("A reason", value={"reason": "Not now."}, request_only=True)])
class RejectionSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=2_000, allow_blank=True, default="")


@extend_schema_serializer(
    examples=[OpenApiExample("To an address", value={"to": "jane@acme.example"}, request_only=True)]
)
class ExportSerializer(StrictSerializer):
    to = serializers.CharField(
        max_length=320, allow_blank=True, default="", help_text="Checked against the do-not-contact list; not stored."
    )


@extend_schema_serializer(examples=[OpenApiExample("A text", value=EXPORTED, response_only=True)])
class ExportedSerializer(serializers.Serializer[Any]):
    """An approved text, for a person to take elsewhere."""

    id = serializers.UUIDField(source="draft.id")
    channel = serializers.CharField(source="draft.channel")
    to = serializers.CharField()
    subject = serializers.CharField()
    body = serializers.CharField()
    citations = CitationSerializer(many=True)
    content_sha256 = serializers.CharField(source="draft.content_sha256")


class DraftFilter(django_filters.FilterSet):
    agent = django_filters.UUIDFilter("agent_id", help_text="Of one agent.")
    business = django_filters.UUIDFilter("business_id", help_text="To one company.")
    status = django_filters.MultipleChoiceFilter(choices=DraftStatus.choices, help_text="Repeatable.")
    channel = django_filters.MultipleChoiceFilter(choices=DraftChannel.choices, help_text="Repeatable.")

    class Meta:
        model = Draft
        fields: ClassVar[list[str]] = []


@extend_schema(tags=["agents"])
class DraftViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, IdempotentPost, OrgViewSet):
    """What agents drafted. Nothing is sent from here: an approved draft is exported, and a person sends it."""

    model = Draft
    serializer_class = DraftSerializer
    filterset_class = DraftFilter
    ordering_fields = ("-id",)

    def filter_queryset(self, queryset: Any) -> Any:
        return super().filter_queryset(queryset) if self.action == "list" else queryset

    @extend_schema(summary="List drafts")
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The latest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(summary="One draft")
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().retrieve(request, *args, **kwargs)

    @extend_schema(summary="Edit a draft", request=DraftEditSerializer, responses=DraftSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """An approved draft needs approval anew. One that was exported or rejected is a conflict (409)."""
        draft, values = self._given(request, DraftEditSerializer)
        return Response(DraftSerializer(edit_draft(draft=draft, by=_by(request), **values)).data)

    @extend_schema(summary="Approve a draft", request=ApprovalSerializer, responses=DraftSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        """Of exactly the content that was read: a conflict (409) if it reads otherwise by now, if it says what no draft
        may say, if the company is closing or the recipient has resigned, or if one is on the do-not-contact list."""
        draft, values = self._given(request, ApprovalSerializer)
        approved = approve_draft(draft=draft, content=values["content_sha256"], by=_by(request))
        return Response(DraftSerializer(approved).data)

    @extend_schema(summary="Reject a draft", request=RejectionSerializer, responses=DraftSerializer)
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, pk: str) -> Response:
        """It is not to be used; nor is another like it written while nothing new is known."""
        draft, values = self._given(request, RejectionSerializer)
        return Response(DraftSerializer(reject_draft(draft=draft, by=_by(request), **values)).data)

    @extend_schema(summary="Export a draft", request=ExportSerializer, responses=ExportedSerializer)
    @action(detail=True, methods=["post"], echoed=("to",))
    def export(self, request: Request, pk: str) -> Response:
        """The approved text; the register and the do-not-contact list are asked once more."""
        draft, values = self._given(request, ExportSerializer)
        return Response(ExportedSerializer(export_draft(draft=draft, by=_by(request), **values)).data)

    def _given(self, request: Request, serializer_class: type[StrictSerializer]) -> tuple[Draft, dict[str, Any]]:
        draft: Draft = self.get_object()
        serializer = serializer_class(data=request.data)
        serializer.is_valid(raise_exception=True)
        return draft, serializer.validated_data


def _by(request: Request) -> str:
    label: str = request.actor.label  # type: ignore[attr-defined]
    return label
