"""API that fills a watchlist from a search."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from businesses.filters import BusinessFilter
from businesses.watchlist_api import SavedSearchSerializer, watchlist_for
from embeddings.api import FILTER_HELP, LIMIT_HELP
from embeddings.search import MAX_LIMIT, MAX_QUERY, MODES
from embeddings.watchlist_fill import DEFAULT_LIMIT, DEFAULT_MODE, fill_watchlist
from oppspot.core.errors import InvalidInput
from oppspot.organizations.api import StrictSerializer
from oppspot.organizations.idempotency import IdempotentPost

SEARCH = {"query": "craft beer brewer", "mode": "hybrid", "filters": {"sic": "11"}, "limit": 50}
FILLED = {
    "dry_run": False,
    "search": SEARCH,
    "new": ["5f0c1bb4-6f3a-4c43-9f55-0f6f4f1b7c1e"],
    "kept": ["0192f0c1-7b7e-4c0d-9f0e-3d9a54c1b2aa"],
    "excluded": [],
    "others": 12,
}


class FillSerializer(StrictSerializer):
    """A search to keep and to fill the watchlist from; without a query, the one that is kept."""

    query = serializers.CharField(max_length=MAX_QUERY, required=False)
    mode = serializers.ChoiceField(choices=MODES, required=False, help_text=f"Left out: {DEFAULT_MODE}.")
    filters = serializers.DictField(required=False, help_text=FILTER_HELP)
    limit = serializers.IntegerField(
        min_value=1, max_value=MAX_LIMIT, required=False, help_text=f"{LIMIT_HELP} Left out: {DEFAULT_LIMIT}."
    )
    dry_run = serializers.BooleanField(default=False, help_text="Only report; the search is not kept either.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.keys() & {"mode", "filters", "limit"} and "query" not in attrs:
            raise serializers.ValidationError({"query": ["Needed with mode, filters or limit."]})
        return attrs


class FilledSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    search = SavedSearchSerializer()
    new = serializers.ListField(child=serializers.UUIDField(), help_text="Put on the watchlist, best match first.")
    kept = serializers.ListField(child=serializers.UUIDField(), help_text="Found, and on it already.")
    excluded = serializers.ListField(
        child=serializers.UUIDField(), help_text="Found, and left out: somebody removed them from the list."
    )
    others = serializers.IntegerField(help_text="Companies that are on it and were not found: they stay.")


class WatchlistFillView(IdempotentPost):
    """A watchlist filled from what a search finds."""

    @extend_schema(
        operation_id="watchlists_fill",
        summary="Fill a watchlist from a search",
        tags=["watchlists"],
        request=FillSerializer,
        responses=FilledSerializer,
        examples=[
            OpenApiExample("A new search", request_only=True, value=SEARCH),
            OpenApiExample("The kept search again", request_only=True, value={}),
            OpenApiExample("Filled", response_only=True, value=FILLED),
        ],
    )
    def post(self, request: Request, watchlist_id: UUID) -> Response:
        """What is found is added, but for what was removed by hand; nothing is taken off. The search is kept, so that
        an empty body fills the list again; a list without one is a conflict then (409, `no_saved_search`)."""
        actor = request.actor  # type: ignore[attr-defined]
        watchlist_for(actor.org, watchlist_id)
        serializer = FillSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        asked = dict(serializer.validated_data)
        dry_run = asked.pop("dry_run")
        try:
            filled = fill_watchlist(
                org=actor.org, watchlist_id=watchlist_id, saved=asked or None, dry_run=dry_run, added_by=actor.label
            )
        except InvalidInput as error:
            if (
                error.fields
                and error.fields.keys() <= BusinessFilter.base_filters.keys() | asked.get("filters", {}).keys()
            ):
                raise serializers.ValidationError({"filters": error.fields}) from error
            raise
        shown = {name: getattr(filled, name) for name in ("search", "new", "kept", "excluded", "others")}
        return Response(FilledSerializer({"dry_run": dry_run, **shown}).data)
