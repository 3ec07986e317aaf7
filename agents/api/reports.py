"""API of reports: what is known of a company, line by line with its evidence."""

import json
from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_field,
    extend_schema_serializer,
)
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from agents.models import Depth, ReportStatus, ResearchReport
from agents.reports import sections_of
from agents.research.rendering import report_as_json, report_as_markdown, section_as_json
from businesses.models import Business
from oppspot.core.filters import ComplainingFilterSet
from oppspot.organizations.api import OrgViewSet

LINE = {
    "key": "signal:019ab0f2-7a74-7b2c-9d3e-4f5061728300",
    "part": "Funding round",
    "text": "share allotment on 2025-10-20, Very strong, confidence 90 of 100",
    "cites": ["bs1"],
    "kind": "fact",
    "quote": "",
}
FACT = {
    "id": "bs1",
    "text": "Funding round: share allotment on 2025-10-20, Very strong, confidence 90 of 100",
    "source": "companies_house_api",
    "url": "https://find-and-update.company-information.service.gov.uk/company/09446231/filing-history",
    "on": "2025-10-20",
    "retrieved_at": "2025-10-21",
    "reliability": 0.83,
}
SECTION = {
    "name": "buying_signals",
    "title": "Buying signals",
    "status": "ok",
    "problem": "",
    "mode": "deterministic",
    "fallback_reason": "",
    "is_reused": False,
    "generated_at": "2025-11-02T04:10:00+00:00",
    "expires_at": "2025-11-05T04:10:00+00:00",
    "content": [LINE],
    "prose": [],
    "dropped_sentences": 0,
    "evidence": [FACT],
}
REPORT = {
    "id": "019ab0f2-7a76-7d44-9f50-617283940516",
    "business": {
        "id": "6f1d8a52-3f0e-4a53-9c1b-2c7f6a1d9e10",
        "company_number": "09446231",
        "name": "Monzo Bank Limited",
    },
    "execution": "019ab0f2-7a71-7b22-9d3e-4f5061728394",
    "depth": "quick",
    "status": "complete",
    "is_reuse": False,
    "score": 57.3,
    "evidence_count": 31,
    "problems": [],
    "previous": None,
    "changes": {},
    "requested_by": "sam@northern-growth.example",
    "created_at": "2025-11-02T04:10:00Z",
}
MARKDOWN = """\
# Monzo Bank Limited (09446231)

Quick report of 2025-11-02, complete.

## Buying signals

- **Funding round:** share allotment on 2025-10-20, Very strong, confidence 90 of 100 \\[bs1\\]
"""


@extend_schema_serializer(component_name="ReportCompany")
class CompanySerializer(serializers.ModelSerializer[Business]):
    class Meta:
        model = Business
        fields: ClassVar[list[str]] = ["id", "company_number", "name"]


@extend_schema_serializer(component_name="ReportLine")
class LineSerializer(serializers.Serializer[Any]):
    """A line: what it says, and the evidence that it rests on."""

    key = serializers.CharField(help_text="The same for the same fact in the next report.")
    part = serializers.CharField(help_text="Its label.")
    text = serializers.CharField()
    cites = serializers.ListField(child=serializers.CharField(), help_text="Ids of the section's evidence.")
    kind = serializers.CharField(help_text="fact, quote, advice, conflict or unknown.")
    quote = serializers.CharField(help_text="What others wrote, word for word; empty otherwise.")


@extend_schema_serializer(component_name="ReportEvidence")
class EvidenceSerializer(serializers.Serializer[Any]):
    """A stored fact."""

    id = serializers.CharField()
    text = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # DRF takes it out of the class
    url = serializers.CharField()
    on = serializers.CharField(help_text="Day of what it tells; empty if unknown.")
    retrieved_at = serializers.CharField(help_text="Day on which it was read; empty if unknown.")
    reliability = serializers.FloatField(allow_null=True, help_text="Of the source, 0 to 1; null: nobody judged it.")


@extend_schema_serializer(component_name="ReportSentence")
class SentenceSerializer(serializers.Serializer[Any]):
    """A sentence of a language model, held against the evidence that it cites."""

    text = serializers.CharField()
    cites = serializers.ListField(child=serializers.CharField())


@extend_schema_serializer(component_name="ReportSectionDetail")
class SectionSerializer(serializers.Serializer[Any]):
    """A section, as of the day it was made."""

    name = serializers.CharField()
    title = serializers.CharField()
    status = serializers.CharField(help_text="ok, partial or failed.")
    problem = serializers.CharField(help_text="Which sources failed, and why.")
    mode = serializers.CharField(help_text="deterministic, llm or llm_fallback.")
    fallback_reason = serializers.CharField()
    is_reused = serializers.BooleanField(help_text="It was still fresh, and not made for this report.")
    generated_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    content = LineSerializer(many=True)
    prose = SentenceSerializer(many=True)
    dropped_sentences = serializers.IntegerField(help_text="Of the model's, as no stored fact supports them.")
    evidence = EvidenceSerializer(many=True)


@extend_schema_serializer(
    component_name="ResearchReport", examples=[OpenApiExample("A report", value=REPORT, response_only=True)]
)
class ReportSerializer(serializers.ModelSerializer[ResearchReport]):
    """A report without its sections."""

    business = CompanySerializer()
    depth = serializers.CharField(help_text="quick or detailed.")
    status = serializers.CharField(help_text="complete, or partial when a source failed.")
    problems = serializers.ListField(child=serializers.DictField(), help_text="[{section, problem}].")
    changes = serializers.DictField(help_text="By section: what is new, changed and gone since `previous`.")

    class Meta:
        model = ResearchReport
        fields: ClassVar[list[str]] = list(REPORT)
        read_only_fields = fields


@extend_schema_serializer(
    component_name="ResearchReportDetail",
    examples=[OpenApiExample("A report with a section", value=REPORT | {"sections": [SECTION]}, response_only=True)],
)
class ReportDetailSerializer(ReportSerializer):
    """A report with its sections, in order."""

    sections = serializers.SerializerMethodField()

    class Meta(ReportSerializer.Meta):
        fields: ClassVar[list[str]] = [*REPORT, "sections"]
        read_only_fields = fields

    @extend_schema_field(SectionSerializer(many=True))
    def get_sections(self, report: ResearchReport) -> list[dict[str, Any]]:
        return [section_as_json(link) for link in sections_of(report.org, [report.pk])[report.pk]]


class MarkdownRenderer(BaseRenderer):
    """So that a client may ask for Markdown; problems are JSON all the same."""

    media_type = "text/markdown"
    format = "markdown"
    charset = "utf-8"

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        return json.dumps(data, default=str).encode()


class ReportFilter(ComplainingFilterSet):
    business = django_filters.UUIDFilter("business_id", help_text="Id of the company.")
    execution = django_filters.UUIDFilter("execution_id", help_text="Id of the execution that made it.")
    depth = django_filters.ChoiceFilter(choices=Depth.choices, help_text="quick or detailed.")
    status = django_filters.ChoiceFilter(choices=ReportStatus.choices, help_text="complete or partial.")

    class Meta:
        model = ResearchReport
        fields: list[str] = []


@extend_schema(tags=["agents"])
class ReportViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """The organisation's reports on companies, the latest first."""

    model = ResearchReport
    serializer_class = ReportSerializer
    filterset_class = ReportFilter
    ordering_fields = ("-id",)

    def get_queryset(self) -> QuerySet[Any]:
        shown = [f"business__{name}" for name in ("id", "name", "company_number")]
        own = [field.name for field in ResearchReport._meta.concrete_fields]
        return super().get_queryset().select_related("business", "org").only(*own, *shown, "org__id")

    def get_serializer_class(self) -> type[Any]:
        return ReportDetailSerializer if self.action == "retrieve" else ReportSerializer

    @extend_schema(summary="List reports")
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        return super().list(request, *args, **kwargs)

    @extend_schema(summary="One report, with its sections")
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        return super().retrieve(request, *args, **kwargs)

    @extend_schema(
        summary="One report as Markdown",
        parameters=[OpenApiParameter("format", exclude=True)],  # there is nothing to choose
        responses={
            (200, "text/markdown"): OpenApiResponse(
                OpenApiTypes.STR, examples=[OpenApiExample("A report", value=MARKDOWN, media_type="text/markdown")]
            )
        },
    )
    @action(detail=True, renderer_classes=[JSONRenderer, MarkdownRenderer], filterset_class=None)
    def markdown(self, request: Request, pk: Any = None) -> HttpResponse:
        """What others wrote is shown as text: no link but to evidence, no image, no HTML."""
        report = self.get_object()
        told = report_as_json(report, sections_of(report.org, [report.pk])[report.pk])
        return HttpResponse(report_as_markdown(told), content_type="text/markdown; charset=utf-8")
