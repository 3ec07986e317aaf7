"""Profiles that won and lost opportunities suggest: proposed, and accepted or rejected by a person."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from agents.models import Agent, IcpSuggestion, SuggestionStatus
from agents.suggestions import accept_icp, propose_icp, reject_icp
from oppspot.core.filters import ComplainingFilterSet
from oppspot.jobs.api import NothingSerializer
from oppspot.organizations.api import OrgRelatedField, OrgViewSet, StrictSerializer
from oppspot.organizations.idempotency import IdempotentPost

INTERVAL = {"value": 0.74, "low": 0.62, "high": 0.85}
QUALITY = {"won": 34, "lost": 41, "auc": INTERVAL, "k": 20, "precision": INTERVAL, "base": 0.45}
MEASURED = {"quality": QUALITY, "unknown": 2, "note": "tells won from lost better than chance"}
UNMEASURED = {
    "quality": None,
    "unknown": 77,
    "note": "not measured: the profile asks for nothing that is known of the held-out",
}
LIFT = {
    "attribute": "industry",
    "value": "62",
    "won": 41,
    "lost": 12,
    "rate": 0.7736,
    "low": 0.6448,
    "high": 0.8659,
    "base": 0.4512,
    "lift": 1.7145,
}
SUGGESTION = {
    "id": "019ab0f2-7a76-7d44-8f50-61728394a5b6",
    "agent": "019ab0f2-7a70-7a11-8c2d-3e4f50617283",
    "status": "proposed",
    "icp": {"text": "", "sic": ["62"], "postcode_areas": ["EC"]},
    "current_icp": {"text": "", "sic": []},
    "learnt": {"sic": ["62"], "postcode_areas": ["EC"]},
    "lifts": [LIFT],
    "figures": {
        "train": {"won": 80, "lost": 96},
        "hold_out": {"won": 35, "lost": 42},
        "suggested": MEASURED,
        "current": UNMEASURED,
    },
    "won": 115,
    "lost": 138,
    "proposed_by": "ospt_Zk3vQ0xN",
    "proposed_at": "2026-11-02T04:10:00Z",
    "handled_by": "",
    "handled_at": None,
}


class IntervalSerializer(serializers.Serializer[Any]):
    """`low` and `high`: the 95 % interval of the bootstrap."""

    value = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class SplitSerializer(serializers.Serializer[Any]):
    won = serializers.IntegerField()
    lost = serializers.IntegerField()


class QualitySerializer(SplitSerializer):
    auc = IntervalSerializer(help_text="0.5 is chance.")
    k = serializers.IntegerField()
    precision = IntervalSerializer(help_text="Share of won among the best k.")
    base = serializers.FloatField(help_text="The precision of a random order.")


class MeasuredSerializer(serializers.Serializer[Any]):
    """How well the fit tells companies that were held out apart."""

    quality = QualitySerializer(allow_null=True)
    unknown = serializers.IntegerField(help_text="Held out, too, but nothing that is asked for is known of them.")
    note = serializers.CharField()


class FiguresSerializer(serializers.Serializer[Any]):
    train = SplitSerializer()
    hold_out = SplitSerializer()
    suggested = MeasuredSerializer()
    current = MeasuredSerializer()


class LiftSerializer(SplitSerializer):
    """How much more often companies of a value are won; `low` and `high`: the Wilson interval of `rate`, 95 %."""

    attribute = serializers.CharField(help_text="industry, postcode_area, age, size, company_type or signal.")
    value = serializers.CharField()
    rate = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()
    base = serializers.FloatField(help_text="Share of won among all of which the attribute is known.")
    lift = serializers.FloatField(allow_null=True, help_text="rate / base.")


@extend_schema_serializer(
    examples=[OpenApiExample("A suggestion", value=SUGGESTION, response_only=True, status_codes=["200", "201"])]
)
class IcpSuggestionSerializer(serializers.ModelSerializer[IcpSuggestion]):
    """A profile for an agent, what of it was learnt, and how well it does on companies that were held out."""

    icp = serializers.DictField(help_text="The profile as it would be.")
    current_icp = serializers.DictField(help_text="The agent's when it was proposed.")
    learnt = serializers.DictField(help_text="The fields that differ by what was learnt; empty: nothing was shown.")
    lifts = LiftSerializer(many=True)
    figures = FiguresSerializer()

    class Meta:
        model = IcpSuggestion
        fields: ClassVar[list[str]] = list(SUGGESTION)
        read_only_fields = fields


@extend_schema_serializer(
    examples=[OpenApiExample("For an agent", value={"agent": SUGGESTION["agent"]}, request_only=True)]
)
class ProposeSerializer(StrictSerializer):
    agent = OrgRelatedField(Agent, help_text="One whose kind has an ideal customer profile.")


class IcpSuggestionFilter(ComplainingFilterSet):
    agent = django_filters.UUIDFilter("agent_id", help_text="For this agent.")
    status = django_filters.ChoiceFilter(choices=SuggestionStatus.choices, help_text="What became of it.")

    class Meta:
        model = IcpSuggestion
        fields: ClassVar[list[str]] = []


@extend_schema(tags=["opportunities"])
class IcpSuggestionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, IdempotentPost, OrgViewSet):
    """Profiles learnt from outcomes."""

    model = IcpSuggestion
    serializer_class = IcpSuggestionSerializer
    filterset_class = IcpSuggestionFilter
    ordering_fields = ("-id",)

    def get_queryset(self) -> QuerySet[Any]:
        return super().get_queryset().select_related("org")

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return super().filter_queryset(queryset) if self.action == "list" else queryset

    @extend_schema(summary="List suggested profiles")
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The latest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(summary="One suggested profile")
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """With every lift and the figures of the held-out."""
        return super().retrieve(request, *args, **kwargs)

    @extend_schema(
        summary="Suggest a profile for an agent",
        request=ProposeSerializer,
        responses={200: IcpSuggestionSerializer, 201: IcpSuggestionSerializer},
    )
    def create(self, request: Request) -> Response:
        """Learnt from the opportunities that were marked as won or lost: 20 companies of each at least. The open
        suggestion comes back (200) while nothing has changed; otherwise the new one replaces it."""
        serializer = ProposeSerializer(data=request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        by = request.actor.label  # type: ignore[attr-defined]
        made, is_new = propose_icp(agent=serializer.validated_data["agent"], by=by)
        status_code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return Response(IcpSuggestionSerializer(made).data, status_code)

    @extend_schema(summary="Accept a suggested profile", request=None, responses=IcpSuggestionSerializer)
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, pk: str) -> Response:
        """It becomes the agent's. One that was handled, or made from another profile than the agent has now, is a
        conflict (409, `wrong_state`)."""
        return self._handle(request, accept_icp)

    @extend_schema(summary="Reject a suggested profile", request=None, responses=IcpSuggestionSerializer)
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, pk: str) -> Response:
        """The agent stays as it is."""
        return self._handle(request, reject_icp)

    def _handle(self, request: Request, handle: Any) -> Response:
        suggestion = self.get_object()
        NothingSerializer(data=request.data).is_valid(raise_exception=True)
        by = request.actor.label  # type: ignore[attr-defined]
        return Response(IcpSuggestionSerializer(handle(suggestion=suggestion, by=by)).data)
