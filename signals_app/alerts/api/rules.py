"""Alert rules: which signals an organisation wants to be told of, when, and through which channels."""

from typing import Any, ClassVar
from zoneinfo import available_timezones

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import (
    OpenApiExample,
    extend_schema,
    extend_schema_field,
    extend_schema_serializer,
    extend_schema_view,
)
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from businesses.models import Watchlist
from oppspot.organizations.api import OrgRelatedField, OrgViewSet, StrictSerializer
from oppspot.organizations.idempotency import IdempotentPost
from signals_app.alerts.models import AlertRule, Channel, Frequency
from signals_app.alerts.services import save_rule
from signals_app.models import SignalType, Strength

MAX_CHANNELS = 10
RULE = {
    "id": "019ab0f2-7a61-7b2c-9d3e-4f5061728394",
    "name": "Brewers that grow",
    "is_active": True,
    "signal_types": ["funding_round", "expansion"],
    "min_strength": "strong",
    "min_confidence": 60,
    "min_score": 40.0,
    "include_negative": False,
    "watchlist": "019ab0f2-7a62-7a1b-8c2d-3e4f50617283",
    "channels": ["019ab0f2-7a60-7c3d-8e4f-506172839a4b"],
    "time_zone": "Europe/London",
    "quiet_from": "22:00",
    "quiet_until": "07:00",
    "frequency": "daily",
    "digest_at": "08:30",
    "next_digest_at": "2025-11-03T08:30:00Z",
    "created_at": "2025-11-02T04:10:00Z",
    "updated_at": "2025-11-02T04:10:00Z",
}
SERVERS = ("id", "next_digest_at", "created_at", "updated_at")
NEW = {name: value for name, value in RULE.items() if name not in SERVERS}


@extend_schema_field({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"})
class LocalTimeField(serializers.TimeField):
    """Hours and minutes of a day."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="%H:%M", input_formats=["%H:%M"], **kwargs)


@extend_schema_serializer(examples=[OpenApiExample("A rule", value=RULE, response_only=True)])
class RuleSerializer(serializers.ModelSerializer[AlertRule]):
    """Which signals the organisation is told of."""

    channels: Any = serializers.PrimaryKeyRelatedField(many=True, read_only=True)
    quiet_from = LocalTimeField(read_only=True, allow_null=True)
    quiet_until = LocalTimeField(read_only=True, allow_null=True)
    digest_at = LocalTimeField(read_only=True, allow_null=True)

    class Meta:
        model = AlertRule
        fields: ClassVar[list[str]] = list(RULE)
        read_only_fields = fields


@extend_schema_serializer(
    examples=[
        OpenApiExample("A daily digest", value=NEW, request_only=True),
        OpenApiExample("All signals, at once", value={"name": "Everything", "channels": []}, request_only=True),
    ]
)
class RuleWriteSerializer(StrictSerializer):
    """What a rule waits for. All conditions must be met."""

    name = serializers.CharField(max_length=100)
    is_active = serializers.BooleanField(default=True)
    signal_types = serializers.ListField(
        child=serializers.ChoiceField(choices=SignalType.choices),
        default=list,
        max_length=len(SignalType),
        help_text="Empty: all types.",
    )
    min_strength = serializers.ChoiceField(choices=Strength.choices, default=Strength.WEAK)
    min_confidence = serializers.IntegerField(min_value=0, max_value=100, default=0)
    min_score = serializers.FloatField(
        min_value=0, max_value=100, default=0.0, help_text="Of the company; one without a score has 0."
    )
    include_negative = serializers.BooleanField(default=False, help_text="Also signs against a purchase.")
    watchlist = OrgRelatedField(
        Watchlist, allow_null=True, default=None, help_text="Its companies only. The rule is deleted with it."
    )
    channels = OrgRelatedField(Channel, many=True, default=list, help_text=f"At most {MAX_CHANNELS}.")
    time_zone = serializers.CharField(max_length=60, default="Europe/London", help_text="E.g. Europe/London.")
    quiet_from = LocalTimeField(allow_null=True, default=None, help_text="Nothing is sent from this local time …")
    quiet_until = LocalTimeField(allow_null=True, default=None, help_text="… until this one, maybe of the next day.")
    frequency = serializers.ChoiceField(choices=Frequency.choices, default=Frequency.IMMEDIATE)
    digest_at = LocalTimeField(allow_null=True, default=None, help_text="The local time of a daily digest.")

    def validate_time_zone(self, name: str) -> str:
        if name not in available_timezones():
            raise serializers.ValidationError("There is no such time zone; write e.g. Europe/London.")
        return name

    def validate_signal_types(self, types: list[str]) -> list[str]:
        return list(dict.fromkeys(types))

    def validate_channels(self, channels: list[Channel]) -> list[Channel]:
        if len(channels) > MAX_CHANNELS:
            raise serializers.ValidationError(f"At most {MAX_CHANNELS}.")
        return list(dict.fromkeys(channels))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Of a change, together with what stays."""

        def value(name: str) -> Any:
            return attrs[name] if name in attrs else getattr(self.instance, name, None)

        quiet = value("quiet_from"), value("quiet_until")
        if (quiet[0] is None) != (quiet[1] is None) or (quiet[0] is not None and quiet[0] == quiet[1]):
            raise serializers.ValidationError({"quiet_until": ["Quiet hours have a beginning and another end."]})
        if (value("frequency") == Frequency.DAILY) != (value("digest_at") is not None):
            raise serializers.ValidationError({"digest_at": ["A daily digest needs a time, the others have none."]})
        return attrs


class RuleFilter(django_filters.FilterSet):
    is_active = django_filters.BooleanFilter("is_active", help_text="Whether it is at work.")

    class Meta:
        model = AlertRule
        fields: ClassVar[list[str]] = []


@extend_schema_view(
    list=extend_schema(summary="List alert rules"),
    retrieve=extend_schema(summary="One alert rule"),
    destroy=extend_schema(summary="Delete an alert rule, with its alerts"),
)
@extend_schema(tags=["alerts"])
class RuleViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.DestroyModelMixin, IdempotentPost, OrgViewSet
):
    """Rules of the organisation."""

    model = AlertRule
    serializer_class = RuleSerializer
    filterset_class = RuleFilter
    ordering_fields = ("-id",)

    def get_queryset(self) -> QuerySet[AlertRule]:
        return super().get_queryset().select_related("org").prefetch_related("channels")

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return super().filter_queryset(queryset) if self.action == "list" else queryset

    @extend_schema(summary="Make an alert rule", request=RuleWriteSerializer, responses={201: RuleSerializer})
    def create(self, request: Request) -> Response:
        """A company that meets it is told at most once a day."""
        values = self._valid(request)
        channels = values.pop("channels")
        actor = request.actor  # type: ignore[attr-defined]
        rule = AlertRule(org=actor.org, created_by=actor.label, **values)
        save_rule(rule=rule, channels=channels)
        return Response(RuleSerializer(self._stored(rule)).data, status.HTTP_201_CREATED)

    @extend_schema(summary="Change an alert rule", request=RuleWriteSerializer, responses=RuleSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """What waits for a digest is told at the next one, or within a minute when there are no digests any more."""
        rule: AlertRule = self.get_object()
        values = self._valid(request, rule)
        channels = values.pop("channels", None)
        for name, value in values.items():
            setattr(rule, name, value)
        save_rule(rule=rule, channels=channels)
        return Response(RuleSerializer(self._stored(rule)).data)

    def _valid(self, request: Request, rule: AlertRule | None = None) -> dict[str, Any]:
        serializer = RuleWriteSerializer(
            rule, data=request.data, partial=rule is not None, context=self.get_serializer_context()
        )
        serializer.is_valid(raise_exception=True)
        values: dict[str, Any] = serializer.validated_data
        return values

    def _stored(self, rule: AlertRule) -> AlertRule:
        stored: AlertRule = self.get_queryset().get(pk=rule.pk)
        return stored
