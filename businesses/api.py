"""API of the register: companies, what changed about them, and the industry classification."""

from typing import Any, ClassVar
from urllib.parse import urlsplit

import django_filters
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from businesses.embedding_state import EmbeddingState, embedding_state
from businesses.filters import BusinessFilter
from businesses.models import MAX_DESCRIPTION, Business, BusinessEvent, SicCode
from businesses.normalise import domain_of
from businesses.querysets import BusinessQuerySet
from businesses.services import edit_business
from businesses.sic import CODE_LENGTH, titles
from oppspot.core.pagination import StablePagination
from oppspot.organizations.api import StrictModelSerializer
from oppspot.organizations.scopes import Scope

MAX_QUERY = 200  # characters of `q`
MAX_CATEGORIES, MAX_SIC_CODES, MAX_EMPLOYEES = 50, 20, 10_000_000
FIRST_YEAR = 1000

SUMMARY = {
    "id": "0192f0c1-7b7e-4c0d-9f0e-3d9a54c1b2aa",
    "company_number": "01234567",
    "name": "BORING SOFTWARE LTD",
    "description": "Accounting software for small breweries.",
    "website": "https://boring.example",
    "categories": ["software", "accounting"],
    "sic_codes": ["62012"],
    "status": "active",
    "town": "LEEDS",
    "postcode": "LS1 4AP",
    "incorporated_on": "2014-03-11",
}
DETAIL = SUMMARY | {
    "domain": "boring.example",
    "sic_titles": "Business and domestic software development",
    "company_type": "Private Limited Company",
    "status_raw": "Active",
    "country_of_origin": "United Kingdom",
    "dissolved_on": None,
    "founded_year": 2013,
    "address_line1": "1 PARK ROW",
    "address_line2": "",
    "county": "WEST YORKSHIRE",
    "region": "",
    "country": "ENGLAND",
    "postcode_area": "LS",
    "accounts_category": "MICRO ENTITY",
    "accounts_last_made_up_on": "2024-03-31",
    "accounts_next_due_on": "2025-12-31",
    "confirmation_last_made_up_on": "2025-03-10",
    "confirmation_next_due_on": "2026-03-24",
    "charges_total": 1,
    "charges_outstanding": 0,
    "charges_part_satisfied": 0,
    "charges_satisfied": 1,
    "previous_names": [{"name": "DULL SOFTWARE LTD", "changed_on": "2016-05-01"}],
    "employee_count": 12,
    "source": "companies_house",
    "register_snapshot_on": "2025-11-01",
    "created_at": "2025-01-05T10:00:00Z",
    "updated_at": "2025-11-02T04:10:00Z",
    "embedding": {
        "model": "all-MiniLM-L6-v2",
        "generated_at": "2025-11-02T04:15:00Z",
        "token_count": 31,
        "is_current": True,
    },
}
EVENT = {
    "id": 4711,
    "kind": "address_changed",
    "occurred_on": None,
    "observed_at": "2025-11-02T04:10:00Z",
    "source": "companies_house",
    "source_url": "",
    "payload": {"before": {"town": "BRADFORD"}, "after": {"town": "LEEDS"}},
}


@extend_schema_serializer(examples=[OpenApiExample("A company", value=SUMMARY, response_only=True)])
class BusinessSummarySerializer(serializers.ModelSerializer[Business]):
    """A company as lists show it."""

    class Meta:
        model = Business
        fields: ClassVar[list[str]] = list(SUMMARY)


class EmbeddingSerializer(serializers.Serializer[Business]):
    """The state of a company's vector; never the vector."""

    model = serializers.CharField(source="embedding_model", help_text="Empty: there is no vector.")
    generated_at = serializers.DateTimeField(source="embedding_generated_at", allow_null=True)
    token_count = serializers.IntegerField(source="embedding_token_count", allow_null=True)
    is_current = serializers.SerializerMethodField(help_text="Made from the text the company has now.")

    def get_is_current(self, business: Business) -> bool:
        return embedding_state(business) == EmbeddingState.CURRENT


class PreviousNameSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    changed_on = serializers.CharField(allow_null=True)


@extend_schema_serializer(examples=[OpenApiExample("A company", value=DETAIL, response_only=True)])
class BusinessSerializer(serializers.ModelSerializer[Business]):
    """All facts about a company. Null, or an empty text, means unknown."""

    postcode_area = serializers.CharField(allow_null=True)
    previous_names = PreviousNameSerializer(many=True)
    embedding = EmbeddingSerializer(source="*")

    class Meta:
        model = Business
        fields: ClassVar[list[str]] = list(DETAIL)
        read_only_fields = fields


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A correction",
            value={"description": "Cloud accounting for breweries.", "employee_count": 14},
            request_only=True,
        )
    ]
)
class BusinessEditSerializer(StrictModelSerializer):
    """What may be corrected by hand; the rest comes from the register alone."""

    description = serializers.CharField(max_length=MAX_DESCRIPTION, allow_blank=True)
    website = serializers.CharField(max_length=2000, allow_blank=True, help_text="With or without https://.")
    categories = serializers.ListField(child=serializers.CharField(max_length=100), max_length=MAX_CATEGORIES)
    sic_codes = serializers.ListField(
        child=serializers.RegexField(r"^[0-9]{4,5}$"), max_length=MAX_SIC_CODES, help_text="Codes of UK SIC 2007."
    )
    employee_count = serializers.IntegerField(min_value=0, max_value=MAX_EMPLOYEES, allow_null=True)
    founded_year = serializers.IntegerField(min_value=FIRST_YEAR, max_value=9999, allow_null=True)
    town = serializers.CharField(max_length=200, allow_blank=True)

    class Meta:
        model = Business
        fields: ClassVar[list[str]] = [
            "description",
            "website",
            "categories",
            "sic_codes",
            "employee_count",
            "founded_year",
            "town",
        ]

    def validate_website(self, value: str) -> str:
        try:
            scheme = urlsplit(value).scheme if "//" in value else "https"
        except ValueError:
            scheme = ""
        if value and (scheme not in {"http", "https"} or not domain_of(value)):
            raise serializers.ValidationError("This is not the address of a website.")
        return value

    def validate_sic_codes(self, codes: list[str]) -> list[str]:
        # Four-digit codes of the older classification still occur in the register.
        if unknown := [code for code in codes if len(code) == CODE_LENGTH and code not in titles()]:
            raise serializers.ValidationError(f"Unknown: {', '.join(unknown)}.")
        return list(dict.fromkeys(codes))

    def validate_categories(self, categories: list[str]) -> list[str]:
        return list(dict.fromkeys(categories))

    def validate_founded_year(self, year: int | None) -> int | None:
        if year is not None and year > timezone.now().year:
            raise serializers.ValidationError("This year has not come yet.")
        return year


@extend_schema_serializer(examples=[OpenApiExample("A move", value=EVENT, response_only=True)])
class BusinessEventSerializer(serializers.ModelSerializer[BusinessEvent]):
    payload = serializers.DictField(help_text="Facts of the event, e.g. before and after.")

    class Meta:
        model = BusinessEvent
        fields: ClassVar[list[str]] = list(EVENT)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A code", value={"code": "62012", "title": "Business and domestic software development"}, response_only=True
        )
    ]
)
class SicCodeSerializer(serializers.ModelSerializer[SicCode]):
    class Meta:
        model = SicCode
        fields: ClassVar[list[str]] = ["code", "title"]


class BusinessListFilter(BusinessFilter):
    """The register's filters, and a look-up by number or name."""

    q = django_filters.CharFilter(
        method="by_text", max_length=MAX_QUERY, help_text="A company number, or the beginning of a name."
    )

    def by_text(self, queryset: BusinessQuerySet, name: str, value: str) -> BusinessQuerySet:
        return queryset.matching_text(value)


class BusinessEventFilter(django_filters.FilterSet):
    kind = django_filters.CharFilter("kind", "exact", help_text="Kind of event, e.g. name_changed.")

    class Meta:
        model = BusinessEvent
        fields: ClassVar[list[str]] = []


class SicCodeFilter(django_filters.FilterSet):
    q = django_filters.CharFilter(
        method="by_text", max_length=MAX_QUERY, help_text="First digits of a code, or words of its title."
    )

    class Meta:
        model = SicCode
        fields: ClassVar[list[str]] = []

    def by_text(self, queryset: QuerySet[SicCode], name: str, value: str) -> QuerySet[SicCode]:
        if value.isdigit():
            return queryset.filter(code__startswith=value)
        for word in value.split():
            queryset = queryset.filter(title__icontains=word)
        return queryset


@extend_schema_view(list=extend_schema(summary="List companies"), retrieve=extend_schema(summary="One company"))
@extend_schema(tags=["businesses"])
class BusinessViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Business]):
    """Companies of the register, which all organisations share."""

    serializer_class = BusinessSerializer
    pagination_class = StablePagination
    filterset_class = BusinessListFilter
    ordering_fields = ("name", "incorporated_on", "company_number")
    scopes = {"partial_update": Scope.REGISTER}

    def get_queryset(self) -> BusinessQuerySet:
        if self.action == "list":
            return Business.objects.only(*SUMMARY)
        return Business.objects.defer("embedding", "search_vector", "register_hash", "import_hash")

    def get_serializer_class(self) -> type[serializers.ModelSerializer[Business]]:
        return BusinessSummarySerializer if self.action == "list" else BusinessSerializer

    @extend_schema(summary="Correct a company", request=BusinessEditSerializer, responses=BusinessSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Needs the scope `register:write`: the register is shared by all organisations."""
        business = self.get_object()
        serializer = BusinessEditSerializer(business, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        actor = request.actor  # type: ignore[attr-defined]
        edit_business(business_id=business.pk, changes=serializer.validated_data, edited_by=actor.label)
        return Response(BusinessSerializer(self.get_object()).data)


@extend_schema_view(list=extend_schema(summary="What changed about a company"))
@extend_schema(tags=["businesses"])
class BusinessEventViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[BusinessEvent]):
    """What happened to one company, the latest observation first."""

    serializer_class = BusinessEventSerializer
    pagination_class = StablePagination
    filterset_class = BusinessEventFilter
    ordering_fields = ("-id",)
    queryset = BusinessEvent.objects.none()  # names the model for the OpenAPI document

    def get_queryset(self) -> QuerySet[BusinessEvent]:
        business = get_object_or_404(Business.objects.only("pk"), pk=self.kwargs["business_id"])
        return BusinessEvent.objects.filter(business=business)


@extend_schema_view(list=extend_schema(summary="Look up industries"))
@extend_schema(tags=["businesses"])
class SicCodeViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[SicCode]):
    """UK SIC 2007, the classification of industries."""

    queryset = SicCode.objects.all()
    serializer_class = SicCodeSerializer
    pagination_class = StablePagination
    filterset_class = SicCodeFilter
    ordering_fields = ("code",)
