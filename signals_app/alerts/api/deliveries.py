"""What was raised, and what was sent: alerts and deliveries."""

from typing import Any, ClassVar

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
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from businesses.models import Business
from oppspot.jobs.api import NothingSerializer
from oppspot.organizations.api import OrgViewSet
from oppspot.organizations.idempotency import IdempotentPost
from signals_app.alerts.models import Alert, Attempt, Carried, Delivery, Purpose, State
from signals_app.alerts.services import resend
from signals_app.models import BuyingSignal

SHOWN = 100  # alerts and tries that an answer holds

ALERT = {
    "id": "019ab0f2-7a63-7d4e-8f50-617283940a1b",
    "rule": "019ab0f2-7a61-7b2c-9d3e-4f5061728394",
    "business": {
        "id": "0192f0c1-7b7e-4c0d-9f0e-3d9a54c1b2aa",
        "company_number": "01234567",
        "name": "BORING SOFTWARE LTD",
    },
    "signal": {
        "id": "019ab0f2-7a64-7e5f-9061-7283940a1b2c",
        "signal_type": "funding_round",
        "rule": "share_allotment",
        "signal_strength": "strong",
        "confidence_score": 85,
        "is_negative": False,
        "occurred_on": "2025-11-01",
        "source_url": "https://find-and-update.company-information.service.gov.uk/company/01234567",
    },
    "day": "2025-11-02",
    "created_at": "2025-11-02T04:10:00Z",
    "told_at": "2025-11-02T08:30:00Z",
}
DELIVERY = {
    "id": "019ab0f2-7a65-7f60-8172-83940a1b2c3d",
    "message_id": "msg_019ab0f27a657f60817283940a1b2c3d",
    "channel": "019ab0f2-7a60-7c3d-8e4f-506172839a4b",
    "purpose": "digest",
    "subject": "Brewers that grow: 12 companies",
    "alerts_count": 12,
    "state": "delivered",
    "reason": "",
    "tries": 1,
    "next_try_at": None,
    "delivered_at": "2025-11-02T08:30:01Z",
    "created_at": "2025-11-02T08:30:00Z",
}
ATTEMPT = {
    "number": 1,
    "result": "delivered",
    "status_code": 204,
    "answer": "",
    "duration_ms": 182,
    "started_at": "2025-11-02T08:30:01Z",
}
DETAIL = DELIVERY | {
    "body": '{"type":"signal.alert","timestamp":"2025-11-02T08:30:00Z","data":{}}',
    "alerts": ["019ab0f2-7a63-7d4e-8f50-617283940a1b"],
    "attempts": [ATTEMPT],
}


class AlertedBusinessSerializer(serializers.ModelSerializer[Business]):
    class Meta:
        model = Business
        fields: ClassVar[list[str]] = list(ALERT["business"])


class AlertedSignalSerializer(serializers.ModelSerializer[BuyingSignal]):
    signal_type = serializers.CharField(read_only=True)
    signal_strength = serializers.CharField(read_only=True)

    class Meta:
        model = BuyingSignal
        fields: ClassVar[list[str]] = list(ALERT["signal"])


@extend_schema_serializer(examples=[OpenApiExample("An alert", value=ALERT, response_only=True)])
class AlertSerializer(serializers.ModelSerializer[Alert]):
    """A company did what a rule waits for."""

    business = AlertedBusinessSerializer(read_only=True)
    signal = AlertedSignalSerializer(read_only=True)

    class Meta:
        model = Alert
        fields: ClassVar[list[str]] = list(ALERT)
        read_only_fields = fields


@extend_schema_serializer(examples=[OpenApiExample("A delivery", value=DELIVERY, response_only=True)])
class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    """A message to a channel, and what became of it."""

    message_id = serializers.CharField(read_only=True, help_text="The `webhook-id` of every try.")

    class Meta:
        model = Delivery
        fields: ClassVar[list[str]] = list(DELIVERY)
        read_only_fields = fields


class DeliveryAttemptSerializer(serializers.ModelSerializer[Attempt]):
    """One try, and what came of it."""

    class Meta:
        model = Attempt
        fields: ClassVar[list[str]] = list(ATTEMPT)
        read_only_fields = fields


@extend_schema_serializer(
    examples=[OpenApiExample("A delivery", value=DETAIL, response_only=True, status_codes=["200", "202"])]
)
class DeliveryDetailSerializer(DeliverySerializer):
    """A delivery with its body and the latest tries."""

    alerts = serializers.SerializerMethodField(help_text=f"Those it carries, {SHOWN} at most.")
    attempts = serializers.SerializerMethodField(help_text=f"The latest {SHOWN}, in the order of time.")

    class Meta(DeliverySerializer.Meta):
        fields: ClassVar[list[str]] = [*DeliverySerializer.Meta.fields, "body", "alerts", "attempts"]

    @extend_schema_field(serializers.ListField(child=serializers.UUIDField()))
    def get_alerts(self, delivery: Delivery) -> list[str]:
        carried = Carried.objects.for_org(self.context["request"].org).filter(delivery=delivery).order_by("alert_id")
        return [str(pk) for pk in carried.values_list("alert_id", flat=True)[:SHOWN]]

    @extend_schema_field(DeliveryAttemptSerializer(many=True))
    def get_attempts(self, delivery: Delivery) -> Any:
        attempts = Attempt.objects.for_org(self.context["request"].org).filter(delivery=delivery)
        return DeliveryAttemptSerializer(list(attempts.order_by("-number")[:SHOWN])[::-1], many=True).data


class AlertFilter(django_filters.FilterSet):
    rule = django_filters.UUIDFilter("rule_id", help_text="Of this rule.")
    business = django_filters.UUIDFilter("business_id", help_text="About this company.")
    day_from = django_filters.DateFilter("day", "gte", help_text="Raised on or after this day.")
    day_to = django_filters.DateFilter("day", "lte", help_text="Raised on or before this day.")

    class Meta:
        model = Alert
        fields: ClassVar[list[str]] = []


class DeliveryFilter(django_filters.FilterSet):
    channel = django_filters.UUIDFilter("channel_id", help_text="Through this channel.")
    state = django_filters.MultipleChoiceFilter(choices=State.choices, help_text="Repeatable.")
    purpose = django_filters.MultipleChoiceFilter(choices=Purpose.choices, help_text="Repeatable.")

    class Meta:
        model = Delivery
        fields: ClassVar[list[str]] = []


@extend_schema_view(list=extend_schema(summary="List alerts"), retrieve=extend_schema(summary="One alert"))
@extend_schema(tags=["alerts"])
class AlertViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """Alerts of the organisation, the latest first: at most one a rule, company and day."""

    model = Alert
    serializer_class = AlertSerializer
    filterset_class = AlertFilter
    ordering_fields = ("-id",)

    def get_queryset(self) -> QuerySet[Alert]:
        columns = [f"{name}__{field}" for name in ("business", "signal") for field in ALERT[name]]
        plain = ["rule", "business", "signal", "day", "created_at", "told_at"]
        return super().get_queryset().select_related("business", "signal").only(*plain, *columns)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return super().filter_queryset(queryset) if self.action == "list" else queryset


@extend_schema_view(list=extend_schema(summary="List deliveries"))
@extend_schema(tags=["alerts"])
class DeliveryViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, IdempotentPost, OrgViewSet):
    """The log of what was sent, the latest first."""

    model = Delivery
    serializer_class = DeliverySerializer
    filterset_class = DeliveryFilter
    ordering_fields = ("-id",)

    def get_queryset(self) -> QuerySet[Delivery]:
        found = super().get_queryset()
        return found.defer("body") if self.action == "list" else found.select_related("org", "channel")

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return super().filter_queryset(queryset) if self.action == "list" else queryset

    @extend_schema(summary="One delivery", responses=DeliveryDetailSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """With its body as it is sent, and its tries."""
        return Response(self._detail(self.get_object()))

    @extend_schema(summary="Send a delivery again", request=None, responses={202: DeliveryDetailSerializer})
    @action(detail=True, methods=["post"])
    def resend(self, request: Request, pk: str) -> Response:
        """New tries of one that has ended, delivered or not, with the same body and message id: a receiver that had it
        knows it. One that is still tried, or whose channel is disabled, is a conflict (409, `wrong_state`)."""
        delivery: Delivery = self.get_object()
        NothingSerializer(data=request.data).is_valid(raise_exception=True)
        return Response(self._detail(resend(delivery=delivery)), status.HTTP_202_ACCEPTED)

    def _detail(self, delivery: Delivery) -> Any:
        return DeliveryDetailSerializer(delivery, context=self.get_serializer_context()).data
