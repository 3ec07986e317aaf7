"""API of what was taken off a watchlist by hand, and may not come back with its search."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from businesses.models import WatchlistExclusion
from businesses.watchlist_api import ENTRY, EntriesRemoveSerializer, ListedBusinessSerializer, OfWatchlist
from businesses.watchlists import allow_businesses

EXCLUSION = {
    "id": "019ab0f2-7a5d-7b02-8c33-4d5e6f708192",
    "business": ENTRY["business"],
    "removed_by": "ospt_Zk3vQ0xN",
    "removed_at": "2025-11-03T09:20:00Z",
}


@extend_schema_serializer(examples=[OpenApiExample("A company that stays off", value=EXCLUSION, response_only=True)])
class WatchlistExclusionSerializer(serializers.ModelSerializer[WatchlistExclusion]):
    business = ListedBusinessSerializer()

    class Meta:
        model = WatchlistExclusion
        fields: ClassVar[list[str]] = list(EXCLUSION)
        read_only_fields = fields


@extend_schema_serializer(examples=[OpenApiExample("Allowed", value={"allowed": 1}, response_only=True)])
class AllowedSerializer(serializers.Serializer[Any]):
    allowed = serializers.IntegerField(help_text="How many had been removed.")


@extend_schema_view(list=extend_schema(summary="List companies that were removed from a watchlist"))
@extend_schema(tags=["watchlists"])
class WatchlistExclusionViewSet(mixins.ListModelMixin, OfWatchlist):
    """Companies that somebody removed, the latest first: filling the list from its search leaves them out."""

    model = WatchlistExclusion
    serializer_class = WatchlistExclusionSerializer
    ordering_fields = ("-id",)

    def get_queryset(self) -> QuerySet[WatchlistExclusion]:
        exclusions: QuerySet[WatchlistExclusion] = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return exclusions
        shown = [f"business__{name}" for name in ("company_number", "name", "town", "status")]
        own = ["watchlist_id", "removed_by", "removed_at"]
        return exclusions.filter(watchlist=self.watchlist).select_related("business").only(*own, *shown)


@extend_schema(tags=["watchlists"])
class WatchlistAllowanceViewSet(OfWatchlist):
    """Taking a removal back."""

    @extend_schema(
        summary="Let removed companies come back", request=EntriesRemoveSerializer, responses=AllowedSerializer
    )
    def create(self, request: Request, watchlist_id: UUID) -> Response:
        """They are put on the list again by the next fill that finds them; adding them by id does it at once."""
        serializer = EntriesRemoveSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        allowed = allow_businesses(**self.target(), business_ids=serializer.validated_data["business_ids"])
        return Response({"allowed": allowed})
