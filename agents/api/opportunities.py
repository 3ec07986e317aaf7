"""Opportunities that agents found, and the scorecards of companies."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.models import Opportunity, OpportunityStatus, Scorecard
from agents.opportunities import mark_opportunity
from oppspot.core.filters import ComplainingFilterSet
from oppspot.organizations.api import OrgViewSet, StrictSerializer

MAX_OUTCOME = 2_000  # characters
REASON = {
    "part": "intent",
    "code": "funding_round",
    "text": "funding round: share allotment on 2026-10-20",
    "points": 18.4,
    "met": 0.61,
    "evidence": [
        {
            "source": "companies_house_api",
            "url": "https://find-and-update.company-information.service.gov.uk/company/09446231/filing-history",
            "on": "2026-10-20",
            "quote": "SH01",
            "signal": "019ab0f2-7a74-7b2c-9d3e-4f5061728300",
        }
    ],
}
PARTS = {"score": 71.5, "confidence": 88.0, "fit": 83.3, "intent": 61.2, "timing": 76.0, "data_quality": 75.0}
BUSINESS = {"id": "6f1d8a52-3f0e-4a53-9c1b-2c7f6a1d9e10", "name": "Monzo Bank Limited", "company_number": "09446231"}
OPPORTUNITY = {
    "id": "019ab0f2-7a74-7b2c-9d3e-4f5061728394",
    "agent": "019ab0f2-7a70-7a11-8c2d-3e4f50617283",
    "execution": "019ab0f2-7a71-7b22-9d3e-4f5061728394",
    "business": BUSINESS,
    "status": "open",
    **PARTS,
    "reasons": [REASON],
    "mode": "deterministic",
    "first_seen_at": "2026-11-02T04:10:00Z",
    "last_seen_at": "2026-11-09T04:10:00Z",
    "gone_at": None,
    "times_seen": 2,
    "outcome": "",
    "handled_by": "",
    "handled_at": None,
}
SCORECARD = {
    "id": "019ab0f2-7a75-7c33-8e4f-506172839405",
    "agent": OPPORTUNITY["agent"],
    "execution": OPPORTUNITY["execution"],
    "business": BUSINESS,
    **PARTS,
    "contributions": [REASON],
    "icp_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "scored_at": "2026-11-02T04:10:00Z",
}


@extend_schema_serializer(component_name="ReasonEvidence")
class EvidenceSerializer(serializers.Serializer[Any]):
    """A fact that a reason rests on."""

    source = serializers.CharField()  # type: ignore[assignment]  # a field of the answer, not the option of that name
    url = serializers.CharField()
    on = serializers.CharField(help_text="A day, or empty.")
    quote = serializers.CharField()
    signal = serializers.UUIDField(required=False)
    event = serializers.IntegerField(required=False)


class ReasonSerializer(serializers.Serializer[Any]):
    """A part of the score: all points add up to it."""

    part = serializers.ChoiceField(choices=["fit", "intent", "timing", "data_quality"])
    code = serializers.CharField()
    text = serializers.CharField()
    points = serializers.FloatField()
    met = serializers.FloatField(allow_null=True, help_text="How far it is met; null: unknown.")
    evidence = EvidenceSerializer(many=True)


@extend_schema_serializer(component_name="FoundBusiness")
class ScoredBusinessSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    company_number = serializers.CharField(allow_null=True)


@extend_schema_serializer(examples=[OpenApiExample("An opportunity", value=OPPORTUNITY, response_only=True)])
class OpportunitySerializer(serializers.ModelSerializer[Opportunity]):
    """A company worth acting upon, and why."""

    business = ScoredBusinessSerializer()
    reasons = ReasonSerializer(many=True)

    class Meta:
        model = Opportunity
        fields: ClassVar[list[str]] = list(OPPORTUNITY)
        read_only_fields = fields


@extend_schema_serializer(
    examples=[
        OpenApiExample("Won", value={"status": "won", "outcome": "Signed for two years."}, request_only=True),
    ]
)
class OpportunityWriteSerializer(StrictSerializer):
    status = serializers.ChoiceField(choices=OpportunityStatus.choices)
    outcome = serializers.CharField(max_length=MAX_OUTCOME, allow_blank=True, required=False)


class OpportunityFilter(ComplainingFilterSet):
    status = django_filters.MultipleChoiceFilter(
        choices=OpportunityStatus.choices, distinct=False, help_text="Repeatable."
    )
    agent = django_filters.UUIDFilter("agent_id", help_text="Found by this agent.")
    business = django_filters.UUIDFilter("business_id", help_text="Of this company.")
    min_score = django_filters.NumberFilter("score", "gte", help_text="Of this score or higher.")
    is_gone = django_filters.BooleanFilter(
        "gone_at", "isnull", exclude=True, help_text="Whether the agent looked and no longer found it."
    )

    class Meta:
        model = Opportunity
        fields: ClassVar[list[str]] = []


@extend_schema(tags=["opportunities"])
class OpportunityViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """Companies that agents found worth acting upon."""

    model = Opportunity
    serializer_class = OpportunitySerializer
    filterset_class = OpportunityFilter
    ordering_fields = ("-score", "-id")

    def get_queryset(self) -> QuerySet[Any]:
        return super().get_queryset().select_related("business")

    @extend_schema(summary="List opportunities")
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The highest score first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(summary="Show an opportunity")
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """With every reason and its evidence."""
        return super().retrieve(request, *args, **kwargs)

    @extend_schema(
        summary="Say what came of an opportunity",
        request=OpportunityWriteSerializer,
        responses={200: OpportunitySerializer},
    )
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Won and lost ones teach what fits; none of the closed is offered again."""
        opportunity = self.get_object()
        serializer = OpportunityWriteSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        by = request.actor.label  # type: ignore[attr-defined]
        mark_opportunity(opportunity=opportunity, by=by, **serializer.validated_data)
        return Response(OpportunitySerializer(self.get_object()).data)


@extend_schema_serializer(examples=[OpenApiExample("A scorecard", value=SCORECARD, response_only=True)])
class ScorecardSerializer(serializers.ModelSerializer[Scorecard]):
    """How well a company fits and when, as of a time."""

    business = ScoredBusinessSerializer()
    contributions = ReasonSerializer(many=True)

    class Meta:
        model = Scorecard
        fields: ClassVar[list[str]] = list(SCORECARD)
        read_only_fields = fields


class ScorecardFilter(ComplainingFilterSet):
    agent = django_filters.UUIDFilter("agent_id", help_text="Scored by this agent.")
    business = django_filters.UUIDFilter("business_id", help_text="Of this company: its history.")

    class Meta:
        model = Scorecard
        fields: ClassVar[list[str]] = []


@extend_schema(tags=["opportunities"])
class ScorecardViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """Scores of companies through time."""

    model = Scorecard
    serializer_class = ScorecardSerializer
    filterset_class = ScorecardFilter
    ordering_fields = ("-id",)

    def get_queryset(self) -> QuerySet[Any]:
        return super().get_queryset().select_related("business")

    @extend_schema(summary="List scorecards")
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The latest first; one is added only when something changed."""
        return super().list(request, *args, **kwargs)

    @extend_schema(summary="Show a scorecard")
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """With all that the score is the sum of."""
        return super().retrieve(request, *args, **kwargs)
