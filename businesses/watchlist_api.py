"""API of watchlists: making them, and putting companies on them by id or by matching rows."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from businesses.lookup import Company
from businesses.matching import Outcome, Placed, Reason, Row
from businesses.models import Watchlist, WatchlistEntry
from businesses.watchlists import (
    MAX_DESCRIPTION,
    MAX_NAME,
    MAX_NOTE,
    add_businesses,
    create_watchlist,
    delete_watchlist,
    edit_watchlist,
    match_rows,
    remove_businesses,
)
from oppspot.organizations.api import OrgViewSet, StrictSerializer
from oppspot.organizations.idempotency import IdempotentPost
from oppspot.organizations.models import Organization
from oppspot.organizations.scoping import OrgOwned

MAX_IDS = 500  # companies of one request
MAX_ROWS = 2_000  # rows of one request; a body has 256 kB, files go through the admin or the command
MAX_CELL = 1_000  # characters

BUSINESS_ID = "0192f0c1-7b7e-4c0d-9f0e-3d9a54c1b2aa"
UNKNOWN_ID = "a2a86a5e-3a0c-4d4e-9d3a-0d0a6b1a6b52"
WATCHLIST = {
    "id": "019ab0f2-7a5b-7f60-8a11-2b3c4d5e6f70",
    "name": "Breweries in the north",
    "description": "Targets of the spring campaign.",
    "search": {"query": "craft beer brewer", "mode": "hybrid", "filters": {"sic": "11"}, "limit": 50},
    "entries": 41,
    "created_by": "ospt_Zk3vQ0xN",
    "created_at": "2025-11-02T04:10:00Z",
    "updated_at": "2025-11-02T04:10:00Z",
}
ENTRY = {
    "id": "019ab0f2-7a5c-7a01-9b22-3c4d5e6f7081",
    "business": {
        "id": BUSINESS_ID,
        "company_number": "01234567",
        "name": "BORING SOFTWARE LTD",
        "town": "LEEDS",
        "status": "active",
    },
    "note": "",
    "matched_by": "number",
    "added_by": "ospt_Zk3vQ0xN",
    "added_at": "2025-11-02T04:10:00Z",
}
COMPANY = {"id": BUSINESS_ID, "number": "01234567", "name": "BORING SOFTWARE LTD", "town": "LEEDS", "status": "active"}
NONE: dict[str, Any] = {"by": "", "business": None, "reason": "", "note": "", "candidates": []}
REPORT = {
    "dry_run": False,
    "counts": {"rows": 2, "matched": 1, "already": 0, "unmatched": 1},
    "rows": [
        NONE | {"row": 1, "outcome": "matched", "by": "number", "business": COMPANY},
        NONE | {"row": 2, "outcome": "unmatched", "reason": "unknown_name", "note": "No company is named “Zenith”."},
    ],
}


def watchlist_for(org: Organization, watchlist_id: Any) -> Watchlist:
    """The organisation's watchlist of this id; anything else is a 404."""
    found: Watchlist = get_object_or_404(Watchlist.objects.for_org(org), pk=watchlist_id)
    return found


def with_entries(watchlists: QuerySet[Watchlist], org: Organization) -> QuerySet[Watchlist]:
    """Watchlists with `entries`, how many companies are on each."""
    of_each = WatchlistEntry.objects.for_org(org).filter(watchlist=OuterRef("pk")).order_by()
    counted = of_each.values("watchlist").annotate(count=Count("pk")).values("count")
    return watchlists.annotate(entries=Coalesce(Subquery(counted, output_field=IntegerField()), 0))


class SavedSearchSerializer(serializers.Serializer[Any]):
    """What `fill` searches for."""

    query = serializers.CharField()
    mode = serializers.CharField()
    filters = serializers.DictField()
    limit = serializers.IntegerField()


@extend_schema_serializer(examples=[OpenApiExample("A watchlist", value=WATCHLIST, response_only=True)])
class WatchlistSerializer(serializers.ModelSerializer[Watchlist]):
    search = SavedSearchSerializer(allow_null=True, help_text="What it is filled from; set by filling it.")
    entries = serializers.IntegerField(help_text="How many companies are on it.")

    class Meta:
        model = Watchlist
        fields: ClassVar[list[str]] = list(WATCHLIST)
        read_only_fields = fields


@extend_schema_serializer(
    examples=[OpenApiExample("A watchlist", value={"name": "Breweries in the north"}, request_only=True)]
)
class WatchlistEditSerializer(StrictSerializer):
    name = serializers.CharField(max_length=MAX_NAME, help_text="Once in an organisation, whatever its case.")
    description = serializers.CharField(max_length=MAX_DESCRIPTION, allow_blank=True, required=False)


class ListedBusinessSerializer(serializers.Serializer[Any]):
    """A company, as short as a list needs it."""

    id = serializers.UUIDField()
    company_number = serializers.CharField(allow_null=True)
    name = serializers.CharField()
    town = serializers.CharField(allow_blank=True)
    status = serializers.CharField()


@extend_schema_serializer(examples=[OpenApiExample("An entry", value=ENTRY, response_only=True)])
class WatchlistEntrySerializer(serializers.ModelSerializer[WatchlistEntry]):
    business = ListedBusinessSerializer()
    matched_by = serializers.CharField(help_text="How it came on the list: hand, number, domain, name or search.")

    class Meta:
        model = WatchlistEntry
        fields: ClassVar[list[str]] = list(ENTRY)
        read_only_fields = fields


@extend_schema_serializer(
    examples=[OpenApiExample("Two companies", value={"business_ids": [BUSINESS_ID, UNKNOWN_ID]}, request_only=True)]
)
class EntriesRemoveSerializer(StrictSerializer):
    business_ids = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=MAX_IDS)


class EntriesAddSerializer(EntriesRemoveSerializer):
    note = serializers.CharField(max_length=MAX_NOTE, allow_blank=True, default="")


@extend_schema_serializer(
    examples=[
        OpenApiExample("Added", value={"new": [BUSINESS_ID], "known": [], "unknown": [UNKNOWN_ID]}, response_only=True)
    ]
)
class AddedSerializer(serializers.Serializer[Any]):
    """Ids of companies, by what became of them."""

    new = serializers.ListField(child=serializers.UUIDField(), help_text="Put on the watchlist.")
    known = serializers.ListField(child=serializers.UUIDField(), help_text="On it already, and left as they are.")
    unknown = serializers.ListField(child=serializers.UUIDField(), help_text="No company has these ids.")


@extend_schema_serializer(examples=[OpenApiExample("Removed", value={"removed": 1}, response_only=True)])
class RemovedSerializer(serializers.Serializer[Any]):
    removed = serializers.IntegerField(help_text="How many were on the watchlist.")


class RowSerializer(StrictSerializer):
    """What is known of a company; one of number, domain and name is needed to find it."""

    number = serializers.CharField(max_length=MAX_CELL, required=False, allow_blank=True, default="")
    domain = serializers.CharField(max_length=MAX_CELL, required=False, allow_blank=True, default="")
    name = serializers.CharField(max_length=MAX_CELL, required=False, allow_blank=True, default="")
    town = serializers.CharField(max_length=MAX_CELL, required=False, allow_blank=True, default="")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Two rows",
            value={"rows": [{"number": "1234567"}, {"name": "Zenith", "town": "Leeds"}], "dry_run": False},
            request_only=True,
        )
    ]
)
class MatchSerializer(StrictSerializer):
    rows = serializers.ListField(child=RowSerializer(), min_length=1, max_length=MAX_ROWS)
    dry_run = serializers.BooleanField(default=False, help_text="Only report, put nothing on the watchlist.")


class CompanySerializer(serializers.Serializer[Company]):
    id = serializers.UUIDField()
    number = serializers.CharField(allow_null=True)
    name = serializers.CharField()
    town = serializers.CharField(allow_blank=True)
    status = serializers.CharField()


class PlacedSerializer(serializers.Serializer[Placed]):
    """What became of a row."""

    row = serializers.IntegerField(source="row.line", help_text="Its place in the request, from 1.")
    outcome = serializers.ChoiceField(
        choices=[outcome.value for outcome in Outcome],
        help_text="`already`: the company was on the watchlist, or an earlier row meant it.",
    )
    by = serializers.CharField(help_text="What matched: number, domain or name.")
    business = CompanySerializer(source="company", allow_null=True)
    reason = serializers.SerializerMethodField(
        help_text=f"Why it did not match: {', '.join(reason.value for reason in Reason)}."
    )
    note = serializers.CharField(help_text="The reason in words, or what may be worth a look.")
    candidates = CompanySerializer(many=True, help_text="Companies that it could mean, up to five.")

    def get_reason(self, placed: Placed) -> str:
        return placed.reason.value if placed.reason else ""


class CountsSerializer(serializers.Serializer[Any]):
    rows = serializers.IntegerField()
    matched = serializers.IntegerField()
    already = serializers.IntegerField()
    unmatched = serializers.IntegerField()


@extend_schema_serializer(examples=[OpenApiExample("A report", value=REPORT, response_only=True)])
class ReportSerializer(serializers.Serializer[Any]):
    """Every row, in the order of the request."""

    dry_run = serializers.BooleanField()
    counts = CountsSerializer()
    rows = PlacedSerializer(source="placed", many=True)


@extend_schema_view(list=extend_schema(summary="List watchlists"), retrieve=extend_schema(summary="One watchlist"))
@extend_schema(tags=["watchlists"])
class WatchlistViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, IdempotentPost, OrgViewSet):
    """Named lists of companies that the organisation watches."""

    model = Watchlist
    serializer_class = WatchlistSerializer
    ordering_fields = ("-created_at", "name")

    def get_queryset(self) -> QuerySet[Watchlist]:
        watchlists = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return watchlists
        return with_entries(watchlists, self.request.org)  # type: ignore[attr-defined]

    @extend_schema(summary="Make a watchlist", request=WatchlistEditSerializer, responses={201: WatchlistSerializer})
    def create(self, request: Request) -> Response:
        """A name that another watchlist of the organisation has is a conflict (409, `name_taken`)."""
        serializer = WatchlistEditSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        actor = request.actor  # type: ignore[attr-defined]
        made = create_watchlist(org=actor.org, created_by=actor.label, **serializer.validated_data)
        return Response(self._shown(made), status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Rename or describe a watchlist", request=WatchlistEditSerializer, responses=WatchlistSerializer
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        watchlist = watchlist_for(request.org, pk)  # type: ignore[attr-defined]
        serializer = WatchlistEditSerializer(data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        edit_watchlist(org=watchlist.org, watchlist_id=watchlist.pk, changes=serializer.validated_data)
        return Response(self._shown(watchlist))

    @extend_schema(summary="Delete a watchlist", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """The companies stay in the register; that they were watched is gone."""
        watchlist = watchlist_for(request.org, pk)  # type: ignore[attr-defined]
        delete_watchlist(org=watchlist.org, watchlist_id=watchlist.pk)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _shown(self, watchlist: Watchlist) -> Any:
        return WatchlistSerializer(self.get_queryset().get(pk=watchlist.pk)).data


class OfWatchlist(IdempotentPost, OrgViewSet):
    """Base of what happens on one watchlist, which is looked for before the body is read."""

    model: type[OrgOwned] = WatchlistEntry
    watchlist: Watchlist

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.watchlist = watchlist_for(request.org, kwargs["watchlist_id"])  # type: ignore[attr-defined]

    def target(self) -> dict[str, Any]:
        """Arguments of the services."""
        return {"org": self.request.org, "watchlist_id": self.watchlist.pk}  # type: ignore[attr-defined]


@extend_schema_view(list=extend_schema(summary="List companies of a watchlist"))
@extend_schema(tags=["watchlists"])
class WatchlistEntryViewSet(mixins.ListModelMixin, OfWatchlist):
    """The companies of a watchlist, the latest first."""

    serializer_class = WatchlistEntrySerializer
    ordering_fields = ("-id",)

    def get_queryset(self) -> QuerySet[WatchlistEntry]:
        entries: QuerySet[WatchlistEntry] = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return entries
        shown = [f"business__{name}" for name in ("company_number", "name", "town", "status")]
        own = ["watchlist_id", "note", "matched_by", "added_by", "added_at"]
        return entries.filter(watchlist=self.watchlist).select_related("business").only(*own, *shown)

    @extend_schema(summary="Add companies by id", request=EntriesAddSerializer, responses=AddedSerializer)
    def create(self, request: Request, watchlist_id: UUID) -> Response:
        """Ids that no company has are told and stop nothing else. A full watchlist is a conflict (409)."""
        serializer = EntriesAddSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        asked = serializer.validated_data
        added = add_businesses(
            **self.target(),
            business_ids=asked["business_ids"],
            note=asked["note"],
            added_by=request.actor.label,  # type: ignore[attr-defined]
        )
        return Response(AddedSerializer(added).data)


@extend_schema(tags=["watchlists"])
class WatchlistRemovalViewSet(OfWatchlist):
    """Taking companies off a watchlist."""

    @extend_schema(summary="Remove companies by id", request=EntriesRemoveSerializer, responses=RemovedSerializer)
    def create(self, request: Request, watchlist_id: UUID) -> Response:
        """Those that are not on it are no error. Filling the list from its search does not bring them back."""
        serializer = EntriesRemoveSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        removed = remove_businesses(
            **self.target(),
            business_ids=serializer.validated_data["business_ids"],
            removed_by=request.actor.label,  # type: ignore[attr-defined]
        )
        return Response({"removed": removed})


@extend_schema(tags=["watchlists"])
class WatchlistMatchViewSet(OfWatchlist):
    """Rows of somebody's list, matched with the register."""

    @extend_schema(summary="Add companies by matching rows", request=MatchSerializer, responses=ReportSerializer)
    def create(self, request: Request, watchlist_id: UUID) -> Response:
        """A row matches by company number, else by domain, else by name, and only when no other company could be
        meant. The answer tells of every row what matched, or why nothing did."""
        serializer = MatchSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        asked = serializer.validated_data
        rows = [Row(place, **row) for place, row in enumerate(asked["rows"], start=1)]
        report = match_rows(
            **self.target(),
            rows=rows,
            dry_run=asked["dry_run"],
            added_by=request.actor.label,  # type: ignore[attr-defined]
        )
        told = {"dry_run": asked["dry_run"], "counts": report.counts, "placed": report.placed}
        return Response(ReportSerializer(told).data)
