"""Channels: where an organisation's messages go. Managed by its admins, seen by all."""

from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from oppspot.jobs.api import NothingSerializer
from oppspot.organizations.api import OrgViewSet, StrictSerializer
from oppspot.organizations.scopes import Scope
from signals_app.alerts.api.deliveries import DELIVERY, DeliverySerializer
from signals_app.alerts.models import Channel, ChannelKind, Purpose, State
from signals_app.alerts.services import create_channel, rotate_secret, send_test, update_channel

MAX_NAME, MAX_ADDRESS = 100, 2_000
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD1cqTmzZmyYQ="  # noqa: S105  an example
CHANNEL = {
    "id": "019ab0f2-7a60-7c3d-8e4f-506172839a4b",
    "name": "CRM",
    "kind": "webhook",
    "target": "https://crm.example/…",
    "is_enabled": True,
    "failing_since": None,
    "disabled_at": None,
    "disabled_reason": "",
    "secret_rotated_at": None,
    "created_at": "2025-11-02T04:10:00Z",
    "updated_at": "2025-11-02T04:10:00Z",
}
NEW = {"name": "CRM", "kind": "webhook", "address": "https://crm.example/hooks/oppspot"}
TEST = DELIVERY | {
    "purpose": Purpose.TEST.value,
    "subject": "Test of oppSpot alerts",
    "alerts_count": 0,
    "state": State.PENDING.value,
    "tries": 0,
    "next_try_at": "2025-11-02T04:10:00Z",
    "delivered_at": None,
}


def shown_target(channel: Channel) -> str:
    """An e-mail address as it is; of a URL the host alone, as the rest may be a secret."""
    if channel.kind == ChannelKind.EMAIL:
        return channel.address
    url = urlsplit(channel.address)
    return f"{url.scheme}://{url.netloc}/…"


@extend_schema_serializer(examples=[OpenApiExample("A channel", value=CHANNEL, response_only=True)])
class ChannelSerializer(serializers.ModelSerializer[Channel]):
    """Where messages go."""

    target = serializers.SerializerMethodField(help_text="An e-mail address, or the host of the URL.")

    class Meta:
        model = Channel
        fields: ClassVar[list[str]] = list(CHANNEL)
        read_only_fields = fields

    def get_target(self, channel: Channel) -> str:
        return shown_target(channel)


@extend_schema_serializer(
    examples=[OpenApiExample("A channel with its secret", value=CHANNEL | {"secret": SECRET}, response_only=True)]
)
class ChannelSecretSerializer(ChannelSerializer):
    secret = serializers.CharField(
        read_only=True, help_text="What signs this channel's webhooks, shown this once; empty for other kinds."
    )

    class Meta(ChannelSerializer.Meta):
        fields: ClassVar[list[str]] = [*ChannelSerializer.Meta.fields, "secret"]


@extend_schema_serializer(examples=[OpenApiExample("A webhook", value=NEW, request_only=True)])
class ChannelCreateSerializer(StrictSerializer):
    name = serializers.CharField(max_length=MAX_NAME)
    kind = serializers.ChoiceField(choices=ChannelKind.choices)
    address = serializers.CharField(
        max_length=MAX_ADDRESS, write_only=True, help_text="An e-mail address, or a URL (https), shown to nobody."
    )


@extend_schema_serializer(examples=[OpenApiExample("Enable it again", value={"is_enabled": True}, request_only=True)])
class ChannelEditSerializer(StrictSerializer):
    name = serializers.CharField(max_length=MAX_NAME, required=False)
    address = serializers.CharField(max_length=MAX_ADDRESS, required=False, write_only=True)
    is_enabled = serializers.BooleanField(required=False, help_text="Enabling forgets earlier failures.")


@extend_schema_view(
    list=extend_schema(summary="List alert channels"),
    retrieve=extend_schema(summary="One alert channel"),
    destroy=extend_schema(summary="Delete an alert channel, with its deliveries"),
)
@extend_schema(tags=["alerts"])
class ChannelViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.DestroyModelMixin, OrgViewSet):
    """Channels of the organisation. Answers with a secret are not kept, so that there is no Idempotency-Key here."""

    model = Channel
    serializer_class = ChannelSerializer
    ordering_fields = ("-id",)
    scopes = dict.fromkeys(("create", "partial_update", "destroy", "test", "rotate_secret"), Scope.ADMIN)

    def get_queryset(self) -> QuerySet[Channel]:
        return super().get_queryset().select_related("org")

    @extend_schema(
        summary="Make an alert channel", request=ChannelCreateSerializer, responses={201: ChannelSecretSerializer}
    )
    def create(self, request: Request) -> Response:
        """The answer holds the secret of a webhook, which is shown this once. A channel of kind `email` needs an
        installation that sends e-mail (503, `not_configured`)."""
        serializer = ChannelCreateSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        actor = request.actor  # type: ignore[attr-defined]
        channel, secret = create_channel(org=actor.org, created_by=actor.label, **serializer.validated_data)
        return self._with_secret(channel, secret, status.HTTP_201_CREATED)

    @extend_schema(summary="Change an alert channel", request=ChannelEditSerializer, responses=ChannelSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """A channel that was disabled after days of failure is enabled again here."""
        channel = self.get_object()
        serializer = ChannelEditSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        actor = request.actor  # type: ignore[attr-defined]
        changed = update_channel(channel=channel, changes=serializer.validated_data, by=actor.label)
        return Response(ChannelSerializer(changed).data)

    @extend_schema(
        summary="Send a test message",
        request=None,
        responses={202: DeliverySerializer},
        examples=[OpenApiExample("A test", value=TEST, response_only=True, status_codes=["202"])],
    )
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Tried once, through a disabled channel, too; the delivery tells what came of it."""
        channel = self._channel_for(request)
        delivery = send_test(channel=channel, by=request.actor.label)  # type: ignore[attr-defined]
        return Response(DeliverySerializer(delivery).data, status.HTTP_202_ACCEPTED)

    @extend_schema(summary="Make a new secret", request=None, responses=ChannelSecretSerializer)
    @action(detail=True, methods=["post"], url_path="rotate-secret")
    def rotate_secret(self, request: Request, pk: str) -> Response:
        """The answer holds it, this once. For 24 hours messages are signed with the one before, too."""
        channel, secret = rotate_secret(channel=self._channel_for(request))
        return self._with_secret(channel, secret, status.HTTP_200_OK)

    def _channel_for(self, request: Request) -> Channel:
        channel: Channel = self.get_object()
        NothingSerializer(data=request.data).is_valid(raise_exception=True)
        return channel

    @staticmethod
    def _with_secret(channel: Channel, secret: str, status_code: int) -> Response:
        channel.secret = secret  # type: ignore[attr-defined]
        data: dict[str, Any] = ChannelSecretSerializer(channel).data
        return Response(data, status_code, headers={"Cache-Control": "no-store"})
