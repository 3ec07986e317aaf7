"""The list of those not to be contacted, over the API. It answers hashes, as nothing else is stored."""

from typing import Any, ClassVar

import django_filters
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from agents.models import Suppression, SuppressionKind, SuppressionReason
from agents.suppression import MAX_BULK, Wish, add_suppression, add_suppressions, remove_suppression
from oppspot.organizations.api import OrgViewSet, StrictSerializer
from oppspot.organizations.idempotency import IdempotentPost

SUPPRESSION = {
    "id": "019ab0f2-7a75-7b2c-9d3e-4f5061728394",
    "kind": "company",
    "value": "01234567",
    "reason": "opted_out",
    "created_by": "ospt_Zk3vQ0xN",
    "created_at": "2025-10-31T07:30:04Z",
}
NEW = {"kind": "email", "value": "jane@acme.example", "reason": "opted_out"}


@extend_schema_serializer(
    examples=[OpenApiExample("A company", value=SUPPRESSION, response_only=True, status_codes=["200", "201"])]
)
class SuppressionSerializer(serializers.ModelSerializer[Suppression]):
    """Somebody not to be contacted; `value` is a company's number, or a keyed hash."""

    class Meta:
        model = Suppression
        fields: ClassVar[list[str]] = list(SUPPRESSION)
        read_only_fields = fields


@extend_schema_serializer(examples=[OpenApiExample("An address", value=NEW, request_only=True)])
class SuppressionWriteSerializer(StrictSerializer):
    kind = serializers.ChoiceField(choices=SuppressionKind.choices)
    value = serializers.CharField(max_length=400, help_text="An e-mail address or a domain is stored as a hash only.")
    reason = serializers.ChoiceField(choices=SuppressionReason.choices, default=SuppressionReason.OPTED_OUT)


@extend_schema_serializer(examples=[OpenApiExample("Some", value={"items": [NEW]}, request_only=True)])
class SuppressionBulkSerializer(StrictSerializer):
    items = serializers.ListField(child=SuppressionWriteSerializer(), min_length=1, max_length=MAX_BULK)


@extend_schema_serializer(examples=[OpenApiExample("Some", value={"given": 3, "new": 2}, response_only=True)])
class SuppressionBulkResultSerializer(serializers.Serializer[Any]):
    given = serializers.IntegerField()
    new = serializers.IntegerField()


class SuppressionFilter(django_filters.FilterSet):
    kind = django_filters.ChoiceFilter(choices=SuppressionKind.choices, help_text="What is not to be contacted.")
    reason = django_filters.ChoiceFilter(choices=SuppressionReason.choices, help_text="And why.")

    class Meta:
        model = Suppression
        fields: ClassVar[list[str]] = []


@extend_schema(tags=["agents"])
class SuppressionViewSet(mixins.ListModelMixin, IdempotentPost, OrgViewSet):
    """Companies, domains and addresses that are never written to."""

    model = Suppression
    serializer_class = SuppressionSerializer
    filterset_class = SuppressionFilter
    ordering_fields = ("-id",)

    @extend_schema(summary="List those not to be contacted")
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The latest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(
        summary="Do not contact somebody",
        request=SuppressionWriteSerializer,
        responses={200: SuppressionSerializer, 201: SuppressionSerializer},
    )
    def create(self, request: Request) -> Response:
        """What is on the list already stays (200)."""
        serializer = SuppressionWriteSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        actor = request.actor  # type: ignore[attr-defined]
        row, is_new = add_suppression(org=actor.org, wish=Wish(**serializer.validated_data), by=actor.label)
        return Response(SuppressionSerializer(row).data, status.HTTP_201_CREATED if is_new else status.HTTP_200_OK)

    @extend_schema(summary="Contact somebody again")
    def destroy(self, request: Request, pk: str) -> Response:
        actor = request.actor  # type: ignore[attr-defined]
        remove_suppression(suppression=self.get_object(), by=actor.label)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="Do not contact many", request=SuppressionBulkSerializer, responses=SuppressionBulkResultSerializer
    )
    @action(detail=False, methods=["post"])
    def bulk(self, request: Request) -> Response:
        """All or none; what is on the list already is not counted as new."""
        serializer = SuppressionBulkSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wishes = [Wish(**item) for item in serializer.validated_data["items"]]
        actor = request.actor  # type: ignore[attr-defined]
        new = add_suppressions(org=actor.org, wishes=wishes, by=actor.label)
        return Response({"given": len(wishes), "new": new})
