"""API of introduction paths: who could introduce you to a company."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import mixins, serializers

from agents.models import IntroPath
from businesses.models import Business
from oppspot.core.filters import ComplainingFilterSet
from oppspot.organizations.api import OrgViewSet

TARGET = {
    "id": "0192f0c1-7b7e-4c0d-9f0e-3d9a54c1b2aa",
    "company_number": "01234567",
    "name": "BORING SOFTWARE LTD",
}
KNOWN = {"id": "0192f0c1-7b7f-4d1e-8f0a-4e0b65d2c3bb", "company_number": "07654321", "name": "MILL LANE TOOLS LTD"}
FACT = {
    "id": "f1",
    "text": "LOVELACE, Ada is director of MILL LANE TOOLS LTD from 2019-03-01.",
    "source": "companies_house_api",
    "url": "https://find-and-update.company-information.service.gov.uk/company/07654321/officers",
    "on": "2019-03-01",
    "retrieved_at": "2025-11-02",
    "reliability": None,
}
LINK = {
    "kind": "officer",
    "strength": 0.63,
    "via": {"id": "4711", "name": "LOVELACE, Ada"},
    "from": KNOWN,
    "to": TARGET,
    "evidence": [FACT],
}
PATH = {
    "id": "019ab0f2-7a70-7e1f-8a2b-3c4d5e6f7081",
    "agent": "019ab0f2-7a71-7f20-9b3c-4d5e6f708192",
    "execution": "019ab0f2-7a72-7031-8c4d-5e6f708192a3",
    "target": TARGET,
    "start": KNOWN,
    "summary": "MILL LANE TOOLS LTD by LOVELACE, Ada to BORING SOFTWARE LTD",
    "hops": 1,
    "strength": 0.63,
    "links": [LINK],
    "mode": "deterministic",
    "first_seen_at": "2025-11-02T04:10:00Z",
    "last_seen_at": "2025-11-09T04:10:00Z",
    "gone_at": None,
}


@extend_schema_serializer(component_name="PathCompany")
class CompanySerializer(serializers.ModelSerializer[Business]):
    class Meta:
        model = Business
        fields: ClassVar[list[str]] = list(TARGET)


@extend_schema_serializer(examples=[OpenApiExample("A path of one hop", value=PATH, response_only=True)])
class IntroPathSerializer(serializers.ModelSerializer[IntroPath]):
    """A way from a company or person that you know to one that you want to know."""

    target = CompanySerializer()
    start = CompanySerializer(allow_null=True, help_text="Null where it begins with a person.")
    strength = serializers.FloatField(help_text="0 to 1. Orders paths; it is no probability.")
    mode = serializers.CharField(read_only=True, help_text="How it was found: deterministic, llm or llm_fallback.")
    links = serializers.ListField(
        child=serializers.DictField(),
        help_text="Its hops: kind (officer or address), strength, via, from, to, and the evidence of each.",
    )

    class Meta:
        model = IntroPath
        fields: ClassVar[list[str]] = list(PATH)
        read_only_fields = fields


class IntroPathFilter(ComplainingFilterSet):
    target = django_filters.UUIDFilter("target_id", help_text="Id of the company to be introduced to.")
    start = django_filters.UUIDFilter("start_id", help_text="Id of the known company that it begins with.")
    agent = django_filters.UUIDFilter("agent_id", help_text="Id of the agent that found it.")
    min_strength = django_filters.NumberFilter(
        "strength", "gte", min_value=0, max_value=1, help_text="This strong, or stronger: 0 to 1."
    )
    max_hops = django_filters.NumberFilter("hops", "lte", min_value=1, max_value=3, help_text="At most so many hops.")
    is_gone = django_filters.BooleanFilter(
        "gone_at", "isnull", exclude=True, help_text="Whether it was not among the best any more at the last look."
    )

    class Meta:
        model = IntroPath
        fields: list[str] = []


@extend_schema_view(
    list=extend_schema(summary="List introduction paths"), retrieve=extend_schema(summary="One introduction path")
)
@extend_schema(tags=["agents"])
class IntroPathViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """The organisation's introduction paths, the latest found first, each hop with its evidence."""

    model = IntroPath
    serializer_class = IntroPathSerializer
    filterset_class = IntroPathFilter
    ordering_fields = ("-id", "strength")

    def get_queryset(self) -> QuerySet[Any]:
        shown = [f"{role}__{name}" for role in ("target", "start") for name in TARGET]
        own = [field.name for field in IntroPath._meta.concrete_fields if field.name not in {"path_key"}]
        return super().get_queryset().select_related("target", "start").only(*own, *shown)
