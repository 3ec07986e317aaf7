"""API of signals: what was seen, what people make of it, and their own."""

from typing import Any, ClassVar

from django.http import Http404
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from businesses.models.events import MAX_URL
from oppspot.organizations.api import OrgViewSet, StrictModelSerializer, StrictSerializer
from oppspot.organizations.idempotency import IdempotentPost
from signals_app.filters import SignalFilter
from signals_app.models import BuyingSignal, Competitor, SignalStatus, SignalType, SourceReliability, Strength
from signals_app.scoring import reliability
from signals_app.services import DEFAULT_DAYS, MAX_DAYS, MAX_OUTCOME, change_status, confirm, record_signal

MAX_QUOTE, MAX_ALIASES = 2_000, 20

EVIDENCE = {
    "fact": "event:4711",
    "source": "companies_house_api",
    "url": "https://find-and-update.company-information.service.gov.uk/company/01234567/filing-history",
    "on": "2025-11-02",
    "quote": "SH01 capital-allotment-shares",
}
SIGNAL = {
    "id": "019ab0f2-7a58-7a1b-9c2d-3e4f50617283",
    "business": "0192f0c1-7b7e-4c0d-9f0e-3d9a54c1b2aa",
    "signal_type": "funding_round",
    "rule": "share_allotment",
    "rule_version": "2026-11",
    "signal_strength": "very_strong",
    "weight": 80,
    "confidence_score": 75,
    "is_negative": False,
    "needs_review": False,
    "signal_data": {"form": "SH01"},
    "evidence": [EVIDENCE],
    "source": "companies_house_api",
    "source_url": EVIDENCE["url"],
    "occurred_on": "2025-11-02",
    "half_life_days": 60,
    "detected_by": "scout",
    "detected_at": "2025-11-03T04:10:00Z",
    "expires_at": "2026-05-01T00:00:00Z",
    "status": "active",
    "outcome": "",
    "handled_by": "",
    "handled_at": None,
}


class EvidenceSerializer(serializers.Serializer[Any]):
    """A report that the signal rests on."""

    fact = serializers.CharField(help_text="The event: event:4711, or org_event:<id> of your own.")
    source = serializers.CharField()  # type: ignore[assignment]
    url = serializers.CharField()
    on = serializers.DateField()
    quote = serializers.CharField(help_text="What of it counts, word for word.")


@extend_schema_serializer(examples=[OpenApiExample("A signal", value=SIGNAL, response_only=True)])
class SignalSerializer(serializers.ModelSerializer[BuyingSignal]):
    """A sign that a company may soon buy, or (negative) that it will not."""

    business = serializers.UUIDField(source="business_id")
    evidence = EvidenceSerializer(many=True)
    signal_data = serializers.DictField()

    class Meta:
        model = BuyingSignal
        fields: ClassVar[list[str]] = list(SIGNAL)
        read_only_fields = fields


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A planned plant",
            request_only=True,
            value={
                "business": SIGNAL["business"],
                "signal_type": "expansion",
                "signal_strength": "strong",
                "confidence_score": 90,
                "quote": "Told our account manager of a second plant.",
                "dedupe_key": "crm-4711",
            },
        )
    ]
)
class SignalCreateSerializer(StrictSerializer):
    """A signal that you know by yourself."""

    business = serializers.UUIDField()
    signal_type = serializers.ChoiceField(choices=SignalType.choices)
    signal_strength = serializers.ChoiceField(choices=Strength.choices)
    confidence_score = serializers.IntegerField(min_value=0, max_value=100)
    source = serializers.CharField(  # type: ignore[assignment]
        max_length=60, default="own", help_text="Your name for where it comes from."
    )
    source_url = serializers.URLField(max_length=MAX_URL, default="", allow_blank=True)
    occurred_on = serializers.DateField(required=False, help_text="Today, unless given.")
    days = serializers.IntegerField(
        min_value=1, max_value=MAX_DAYS, default=DEFAULT_DAYS, help_text="It lasts so long."
    )
    quote = serializers.CharField(max_length=MAX_QUOTE, default="", allow_blank=True, help_text="What you know.")
    signal_data = serializers.DictField(default=dict, help_text="Anything else about it.")
    dedupe_key = serializers.CharField(
        max_length=200, default="", allow_blank=True, help_text="Told again with it, it is the same signal."
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "It led somewhere", request_only=True, value={"status": "acted_upon", "outcome": "Meeting booked"}
        )
    ]
)
class SignalStatusSerializer(StrictSerializer):
    """What became of it."""

    status = serializers.ChoiceField(choices=SignalStatus.choices)
    outcome = serializers.CharField(max_length=MAX_OUTCOME, default="", allow_blank=True)


@extend_schema_view(list=extend_schema(summary="List signals"), retrieve=extend_schema(summary="One signal"))
@extend_schema(tags=["signals"])
class SignalViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet, IdempotentPost):
    """The organisation's buying signals, the latest detected first."""

    model = BuyingSignal
    serializer_class = SignalSerializer
    filterset_class = SignalFilter
    ordering_fields = ("-id", "occurred_on")

    @extend_schema(
        summary="Tell of a signal",
        request=SignalCreateSerializer,
        responses={200: SignalSerializer, 201: SignalSerializer},
    )
    def create(self, request: Request) -> Response:
        """201; or 200 with the signal that is there already, of the same `dedupe_key`, or of the same day and words."""
        serializer = SignalCreateSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        told = dict(serializer.validated_data)
        actor = request.actor  # type: ignore[attr-defined]
        signal, is_new = record_signal(
            org=actor.org,
            business_id=told.pop("business"),
            strength=told.pop("signal_strength"),
            confidence=told.pop("confidence_score"),
            data=told.pop("signal_data"),
            told_by=actor.label,
            **told,
        )
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return Response(SignalSerializer(signal).data, status=code)

    @extend_schema(summary="Say what became of a signal", request=SignalStatusSerializer, responses=SignalSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Acted upon, false, over, or active again. A false one lowers what its source is worth to you."""
        signal = self.get_object()
        serializer = SignalStatusSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        actor = request.actor  # type: ignore[attr-defined]
        return self._answer(
            lambda: change_status(org=actor.org, signal_id=signal.pk, by=actor.label, **serializer.validated_data)
        )

    @extend_schema(summary="Confirm a signal that waits for a review", request=None, responses=SignalSerializer)
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, pk: str) -> Response:
        """From then on it counts, and alerts and agents hear of it."""
        StrictSerializer(data=request.data).is_valid(raise_exception=True)
        signal = self.get_object()
        actor = request.actor  # type: ignore[attr-defined]
        return self._answer(lambda: confirm(org=actor.org, signal_id=signal.pk, by=actor.label))

    def _answer(self, change: Any) -> Response:
        try:
            return Response(SignalSerializer(change()).data)
        except BuyingSignal.DoesNotExist:  # gone since it was looked up
            raise Http404 from None


COMPETITOR = {
    "id": "019ab0f2-7a59-7c1d-8e2f-405162738495",
    "name": "Rival Software",
    "aliases": ["Rival"],
    "created_at": "2025-01-05T10:00:00Z",
}


@extend_schema_serializer(
    examples=[
        OpenApiExample("A competitor", value=COMPETITOR, response_only=True),
        OpenApiExample("A new one", value={"name": "Rival Software", "aliases": ["Rival"]}, request_only=True),
    ]
)
class CompetitorSerializer(StrictModelSerializer):
    aliases = serializers.ListField(
        child=serializers.CharField(max_length=200, min_length=2), max_length=MAX_ALIASES, default=list
    )

    class Meta:
        model = Competitor
        fields: ClassVar[list[str]] = list(COMPETITOR)
        read_only_fields: ClassVar[list[str]] = ["id", "created_at"]

    def validate_name(self, name: str) -> str:
        others = Competitor.objects.for_org(self.context["request"].org).filter(name__iexact=name)
        if others.exclude(pk=getattr(self.instance, "pk", None)).exists():
            raise serializers.ValidationError("There is a competitor of this name.")
        return name

    def create(self, validated_data: dict[str, Any]) -> Competitor:
        org = self.context["request"].org
        made: Competitor = Competitor.objects.for_org(org).create(org=org, **validated_data)
        return made


@extend_schema_view(
    list=extend_schema(summary="List competitors"),
    create=extend_schema(summary="Name a competitor"),
    retrieve=extend_schema(summary="One competitor"),
    destroy=extend_schema(summary="Forget a competitor"),
)
@extend_schema(tags=["signals"])
class CompetitorViewSet(
    mixins.ListModelMixin,
    mixins.CreateModelMixin,
    mixins.RetrieveModelMixin,
    mixins.DestroyModelMixin,
    OrgViewSet,
    IdempotentPost,
):
    """Rivals whose names in news, on websites and in advertisements are signals."""

    model = Competitor
    serializer_class = CompetitorSerializer
    ordering_fields = ("name", "created_at")

    @extend_schema(
        summary="Change a competitor", request=CompetitorSerializer(partial=True), responses=CompetitorSerializer
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        serializer = self.get_serializer(self.get_object(), data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        serializer.save()
        return Response(serializer.data)


RELIABILITY = {
    "source": "news_feeds",
    "confirmed": 12,
    "refuted": 3,
    "reliability": 0.85,
    "updated_at": "2025-11-02T04:10:00Z",
}


@extend_schema_serializer(examples=[OpenApiExample("A source", value=RELIABILITY, response_only=True)])
class ReliabilitySerializer(serializers.ModelSerializer[SourceReliability]):
    """How the signals of a source turned out."""

    reliability = serializers.SerializerMethodField(help_text="What its signals are multiplied by; 1 is full trust.")

    class Meta:
        model = SourceReliability
        fields: ClassVar[list[str]] = list(RELIABILITY)

    def get_reliability(self, row: SourceReliability) -> float:
        return round(reliability(row.confirmed, row.refuted), 4)


@extend_schema_view(list=extend_schema(summary="How reliable sources are"))
@extend_schema(tags=["signals"])
class ReliabilityViewSet(mixins.ListModelMixin, OrgViewSet):
    """Sources that the organisation's people judged, by what they said of their signals."""

    model = SourceReliability
    serializer_class = ReliabilitySerializer
    ordering_fields = ("source",)
