"""API of scores: companies by how much they move, why, and what happened to one."""

import base64
import json
from datetime import date
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
    extend_schema_field,
    extend_schema_serializer,
    extend_schema_view,
)
from rest_framework import mixins, serializers
from rest_framework.exceptions import ValidationError
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from businesses.api import SUMMARY
from businesses.models import Business
from oppspot.organizations.api import OrgViewSet
from signals_app.api import SIGNAL, SignalSerializer
from signals_app.filters import ScoreFilter
from signals_app.models import BusinessScore
from signals_app.ranking import COMPANY, ranked
from signals_app.scoring import Tier, explain, tier_of, today
from signals_app.timeline import Entry, Key, timeline

PAGE = 50
TOP = {
    "id": SIGNAL["id"],
    "signal_type": "funding_round",
    "rule": "share_allotment",
    "strength": "very_strong",
    "confidence": 75,
    "is_negative": False,
    "occurred_on": "2025-11-02",
    "share": 0.52,
    "source_url": SIGNAL["source_url"],
}
SCORE = {
    "business": {name: SUMMARY[name] for name in COMPANY},
    "score": 67.4,
    "tier": "hot",
    "signals": 2,
    "latest_on": "2025-11-02",
    "as_of": "2025-11-20",
    "top_signals": [TOP],
}


@extend_schema_serializer(component_name="ScoredBusiness")
class CompanySerializer(serializers.ModelSerializer[Business]):
    """A company as the ranking shows it."""

    class Meta:
        model = Business
        fields: ClassVar[list[str]] = list(COMPANY)


class ShareField(serializers.FloatField):
    """0 to 1, to four places: the list and the explanation tell the same."""

    def to_representation(self, value: Any) -> Any:
        return round(float(value), 4)


class TopSignalSerializer(serializers.Serializer[Any]):
    """A signal behind a score; `share` is its part before the others are put beside it, 0 to 1."""

    id = serializers.UUIDField()
    signal_type = serializers.CharField()
    rule = serializers.CharField()
    strength = serializers.CharField()
    confidence = serializers.IntegerField()
    is_negative = serializers.BooleanField()
    occurred_on = serializers.DateField()
    share = ShareField()
    source_url = serializers.CharField()


@extend_schema_serializer(examples=[OpenApiExample("A company that moves", value=SCORE, response_only=True)])
class ScoreSerializer(serializers.ModelSerializer[BusinessScore]):
    """How much a company moves, 0 to 100, as of a day, and the heaviest signals behind it."""

    business = CompanySerializer()
    score = serializers.SerializerMethodField()
    tier = serializers.SerializerMethodField()
    top_signals = TopSignalSerializer(many=True)

    class Meta:
        model = BusinessScore
        fields: ClassVar[list[str]] = list(SCORE)

    def get_score(self, row: BusinessScore) -> float:
        return round(row.score, 2)

    def get_tier(self, row: BusinessScore) -> Tier:
        return tier_of(row.score)


@extend_schema_view(list=extend_schema(summary="Companies that move, the most first"))
@extend_schema(tags=["signals"])
class ScoreViewSet(mixins.ListModelMixin, OrgViewSet):
    """The organisation's ranking: hot, warm and watching."""

    model = BusinessScore
    serializer_class = ScoreSerializer
    filterset_class = ScoreFilter
    ordering_fields = ("-score", "latest_on")

    def get_queryset(self) -> QuerySet[BusinessScore]:
        if getattr(self, "swagger_fake_view", False):
            return super().get_queryset()
        return ranked(self.request.org)  # type: ignore[attr-defined]


CONTRIBUTION = {"points": 51.2, "share": 0.52, "signal": SIGNAL}
EXPLAINED = {
    "business": SIGNAL["business"],
    "score": 67.4,
    "tier": "hot",
    "as_of": "2025-11-20",
    "contributions": [CONTRIBUTION],
}


class ContributionSerializer(serializers.Serializer[Any]):
    """A signal's part. `points`: what the score would lose without it; negative signals have negative points."""

    points = serializers.FloatField()
    share = ShareField()
    signal = SignalSerializer()


@extend_schema_serializer(examples=[OpenApiExample("Why it is hot", value=EXPLAINED, response_only=True)])
class ExplainedScoreSerializer(serializers.Serializer[Any]):
    """A company's score as of now, with every signal that counts."""

    business = serializers.UUIDField()
    score = serializers.FloatField()
    tier = serializers.ChoiceField(choices=Tier.choices)
    as_of = serializers.DateField()
    contributions = ContributionSerializer(many=True)


class ExplainedScoreView(APIView):
    """One company's score."""

    @extend_schema(
        operation_id="scores_retrieve",
        summary="Why a company's score is what it is",
        responses=ExplainedScoreSerializer,
        tags=["signals"],
    )
    def get(self, request: Request, business_id: Any) -> Response:
        """Computed now from the active signals; 0 for a company without any."""
        get_object_or_404(Business.objects.only("pk"), pk=business_id)
        scored = explain(request.org, business_id)  # type: ignore[attr-defined]
        parts = [
            {"points": round(part.points, 2), "share": part.share, "signal": part.signal}
            for part in scored.contributions
        ]
        answer = {
            "business": business_id, "score": round(scored.score, 2), "tier": scored.tier, "as_of": today(),
            "contributions": parts,
        }  # fmt: skip
        return Response(ExplainedScoreSerializer(answer).data)


HAPPENED = {
    "id": "4711",
    "kind": "filing",
    "source": "companies_house_api",
    "source_url": SIGNAL["source_url"],
    "payload": {"type": "SH01"},
}
ENTRY = {"on": "2025-11-02", "what": "event", "event": HAPPENED, "signal": None}


class HappenedSerializer(serializers.Serializer[Any]):
    """An event, public or your own."""

    id = serializers.CharField()
    kind = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    source_url = serializers.CharField()
    payload = serializers.DictField()


class EntrySerializer(serializers.Serializer[Entry]):
    """A public event (`event`), one of your own (`org_event`), or a signal."""

    on = serializers.DateField()
    what = serializers.ChoiceField(choices=["event", "org_event", "signal"])
    event = serializers.SerializerMethodField()
    signal = serializers.SerializerMethodField()

    @extend_schema_field(HappenedSerializer(allow_null=True))
    def get_event(self, entry: Entry) -> Any:
        return None if entry.what == "signal" else HappenedSerializer(entry.row).data

    @extend_schema_field(SignalSerializer(allow_null=True))
    def get_signal(self, entry: Entry) -> Any:
        return SignalSerializer(entry.row).data if entry.what == "signal" else None


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A company's last year", response_only=True, value={"next": "WyIyMDI1LTExLTAyIl0", "results": [ENTRY]}
        )
    ]
)
class TimelineSerializer(serializers.Serializer[Any]):
    """Newest first; `next` is the `cursor` of the following page, null on the last."""

    next = serializers.CharField(allow_null=True)
    results = EntrySerializer(many=True)


class TimelineView(APIView):
    """What happened to one company."""

    @extend_schema(
        operation_id="businesses_timeline",
        summary="What happened to a company, and what it means to you",
        parameters=[OpenApiParameter("cursor", str, description="`next` of the page before.")],
        responses=TimelineSerializer,
        tags=["signals"],
    )
    def get(self, request: Request, business_id: Any) -> Response:
        """Public events, your organisation's own, and its signals, in one line of time."""
        if unknown := sorted(set(request.query_params) - {"cursor", "format"}):
            raise ValidationError({name: ["Unknown parameter."] for name in unknown})
        business = get_object_or_404(Business.objects.only("pk"), pk=business_id)
        after = _decoded(request.query_params.get("cursor", ""))
        entries = timeline(request.org, business, after=after, limit=PAGE + 1)  # type: ignore[attr-defined]
        following = _encoded(entries[PAGE - 1].key) if len(entries) > PAGE else None
        return Response(TimelineSerializer({"next": following, "results": entries[:PAGE]}).data)


def _encoded(key: Key) -> str:
    text = json.dumps([key[0].isoformat(), *key[1:]])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decoded(cursor: str) -> Key | None:
    if not cursor:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        on, what, key = json.loads(text)
        return date.fromisoformat(on), str(what), str(key)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValidationError({"cursor": ["Not a cursor of this list: take it from `next`."]}) from error
