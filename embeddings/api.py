"""API of search."""

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from businesses.filters import BusinessFilter
from businesses.models import Business
from embeddings.search import FACETS, MAX_EXAMPLES, MAX_LIMIT, MAX_QUERY, MODES, Hit, SearchResult, search
from oppspot.core.errors import InvalidInput
from oppspot.organizations.api import StrictSerializer
from oppspot.organizations.scopes import Scope

DEFAULT_LIMIT = 10
FILTER_HELP = "The filters of the company list, by name: " + ", ".join(BusinessFilter.base_filters) + "."
LIMIT_HELP = "Results at most; that many come back when they exist."
THRESHOLD_HELP = (
    "Least cosine similarity; 0 means none. Left out: the model's calibrated default, applied to companies found by "
    "meaning only. Similarities of different models are not comparable."
)
EXPLAIN_HELP = "Say why each result is one."

EXAMPLE_RESULT = {
    "query": "app-only bank for small businesses",
    "count": 1,
    "mode": "hybrid",
    "model": "all-MiniLM-L6-v2",
    "threshold": 0.25,
    "results": [
        {
            "id": "5f0c1bb4-6f3a-4c43-9f55-0f6f4f1b7c1e",
            "company_number": None,
            "name": "Starling Bank",
            "description": "Branchless current accounts run from a phone …",
            "website": "https://www.starlingbank.com",
            "categories": ["digital bank", "business banking", "fintech"],
            "sic_codes": ["64191"],
            "town": "London",
            "status": "unknown",
            "similarity": 0.5127,
            "score": 0.0164,
            "explanation": None,
        }
    ],
    "facets": {name: [] for name in FACETS},
}


class CommonSearchSerializer(StrictSerializer):
    limit = serializers.IntegerField(default=DEFAULT_LIMIT, min_value=1, max_value=MAX_LIMIT, help_text=LIMIT_HELP)
    threshold = serializers.FloatField(
        required=False, allow_null=True, min_value=0, max_value=1, help_text=THRESHOLD_HELP
    )
    filters = serializers.DictField(required=False, default=dict, help_text=FILTER_HELP)
    explain = serializers.BooleanField(default=False, help_text=EXPLAIN_HELP)


class SemanticSearchSerializer(CommonSearchSerializer):
    query = serializers.CharField(max_length=MAX_QUERY)
    mode = serializers.ChoiceField(choices=MODES, default="hybrid")


class SimilarSearchSerializer(CommonSearchSerializer):
    examples = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=MAX_EXAMPLES)
    negatives = serializers.ListField(
        child=serializers.UUIDField(), required=False, default=list, max_length=MAX_EXAMPLES
    )


class ExplanationSerializer(serializers.Serializer[Any]):
    semantic_rank = serializers.IntegerField(allow_null=True, help_text="Place among the matches by meaning.")
    lexical_rank = serializers.IntegerField(allow_null=True, help_text="Place among the matches by words.")
    matched = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()), help_text="Word stems and where they were found."
    )


class HitSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    company_number = serializers.CharField(allow_null=True)
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    website = serializers.CharField(allow_blank=True)
    categories = serializers.ListField(child=serializers.CharField())
    sic_codes = serializers.ListField(child=serializers.CharField())
    town = serializers.CharField(allow_blank=True)
    status = serializers.CharField()
    similarity = serializers.FloatField(allow_null=True, help_text="Cosine; null without a vector to compare.")
    score = serializers.FloatField(help_text="What the results are ordered by.")
    explanation = ExplanationSerializer(allow_null=True)


class FacetValueSerializer(serializers.Serializer[Any]):
    value = serializers.CharField()
    count = serializers.IntegerField()


class FacetsSerializer(serializers.Serializer[Any]):
    town = FacetValueSerializer(many=True)
    sic_division = FacetValueSerializer(many=True)
    category = FacetValueSerializer(many=True)
    status = FacetValueSerializer(many=True)


class SearchResultSerializer(serializers.Serializer[Any]):
    query = serializers.CharField(allow_blank=True)
    count = serializers.IntegerField(help_text="How many results this answer holds.")
    mode = serializers.ChoiceField(choices=MODES)
    model = serializers.CharField()
    threshold = serializers.FloatField()
    results = HitSerializer(many=True)
    facets = FacetsSerializer(help_text="Counts over the best matches (up to 100).")


HIT_VALUES = ("company_number", "name", "description", "website", "categories", "sic_codes", "town", "status")


def _hit(hit: Hit, *, explain: bool) -> dict[str, Any]:
    explanation = {"semantic_rank": hit.semantic_rank, "lexical_rank": hit.lexical_rank, "matched": hit.matched}
    return {
        "id": str(hit.pk),
        **{name: hit.values[name] for name in HIT_VALUES},
        "similarity": None if hit.similarity is None else round(hit.similarity, 4),
        "score": round(hit.score, 6),
        "explanation": explanation if explain else None,
    }


def as_json(result: SearchResult, *, explain: bool) -> dict[str, Any]:
    """The body of an answer, in the shape of `SearchResultSerializer` (written out: it is on the fast path)."""
    return {
        "query": result.query,
        "count": len(result.hits),
        "mode": result.mode,
        "model": result.model,
        "threshold": result.threshold,
        "results": [_hit(hit, explain=explain) for hit in result.hits],
        "facets": {
            name: [{"value": value, "count": count} for value, count in values]
            for name, values in result.facets.items()
        },
    }


def answer(serializer: CommonSearchSerializer) -> Response:
    """Search as the body says; complaints about a filter are put under the body's `filters`."""
    serializer.is_valid(raise_exception=True)
    arguments = serializer.validated_data
    try:
        result = search(**arguments)
    except InvalidInput as error:
        if error.fields and error.fields.keys() <= BusinessFilter.base_filters.keys() | arguments["filters"].keys():
            raise serializers.ValidationError({"filters": error.fields}) from error
        raise
    return Response(as_json(result, explain=arguments["explain"]))


class SemanticSearchView(APIView):
    """Companies by the meaning and the words of a query."""

    scopes = {"POST": Scope.READ}

    @extend_schema(
        operation_id="search_semantic",
        summary="Search by meaning and words",
        tags=["search"],
        request=SemanticSearchSerializer,
        responses=SearchResultSerializer,
        examples=[
            OpenApiExample("A query", request_only=True, value={"query": "app-only bank for small businesses"}),
            OpenApiExample(
                "With filters",
                request_only=True,
                value={"query": "craft beer brewer", "limit": 5, "filters": {"sic": "11"}, "explain": True},
            ),
            OpenApiExample("Results", response_only=True, value=EXAMPLE_RESULT),
        ],
    )
    def post(self, request: Request) -> Response:
        return answer(SemanticSearchSerializer(data=request.data))


class SimilarSearchView(APIView):
    """Companies like several others, and unlike some."""

    scopes = {"POST": Scope.READ}

    @extend_schema(
        operation_id="search_similar",
        summary="Companies like several others",
        tags=["search"],
        request=SimilarSearchSerializer,
        responses=SearchResultSerializer,
        examples=[
            OpenApiExample(
                "Like one, unlike another",
                request_only=True,
                value={
                    "examples": ["5f0c1bb4-6f3a-4c43-9f55-0f6f4f1b7c1e"],
                    "negatives": ["a2a86a5e-3a0c-4d4e-9d3a-0d0a6b1a6b52"],
                    "limit": 10,
                },
            ),
            OpenApiExample("Results", response_only=True, value=EXAMPLE_RESULT | {"query": "", "mode": "semantic"}),
        ],
    )
    def post(self, request: Request) -> Response:
        return answer(SimilarSearchSerializer(data=request.data))


class SimilarToQuerySerializer(serializers.Serializer[Any]):
    limit = serializers.IntegerField(default=DEFAULT_LIMIT, min_value=1, max_value=MAX_LIMIT, help_text=LIMIT_HELP)
    threshold = serializers.FloatField(required=False, min_value=0, max_value=1, help_text=THRESHOLD_HELP)
    explain = serializers.BooleanField(default=False, help_text=EXPLAIN_HELP)


class SimilarToView(APIView):
    """Companies like one."""

    @extend_schema(
        operation_id="businesses_similar",
        summary="Companies like one",
        tags=["search"],
        parameters=[
            SimilarToQuerySerializer,
            *[
                OpenApiParameter(name, str, description=str(declared.extra.get("help_text", "")))
                for name, declared in BusinessFilter.base_filters.items()
            ],
        ],
        responses=SearchResultSerializer,
        examples=[
            OpenApiExample("Results", response_only=True, value=EXAMPLE_RESULT | {"query": "", "mode": "semantic"})
        ],
    )
    def get(self, request: Request, pk: UUID) -> Response:
        if not Business.objects.filter(pk=pk).exists():
            raise Http404
        serializer = SimilarToQuerySerializer(data=request.query_params)
        serializer.is_valid(raise_exception=True)
        own = set(serializer.fields)
        filters = {
            name: request.query_params.getlist(name) if name == "status" else value
            for name, value in request.query_params.items()
            if name not in own
        }
        result = search(examples=[pk], filters=filters, **serializer.validated_data)
        return Response(as_json(result, explain=serializer.validated_data["explain"]))
