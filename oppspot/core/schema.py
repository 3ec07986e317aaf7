"""OpenAPI: every operation also lists the problems it answers with."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers


class ProblemSerializer(serializers.Serializer[Any]):
    """Problem details (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField(help_text="The phrase of the HTTP status.")
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="What went wrong, for programs.")
    detail = serializers.CharField(help_text="What went wrong, for people.")
    request_id = serializers.CharField(allow_null=True, help_text="Quote it in a report.")
    errors = serializers.DictField(required=False, help_text="Messages by field.")  # type: ignore[assignment]


class ProblemAutoSchema(AutoSchema):
    """drf-spectacular's schema plus the problems that any endpoint may answer with."""

    PROBLEMS = {
        400: "Invalid input",
        401: "No valid credential",
        403: "Not allowed",
        404: "No such object",
        406: "No representation is acceptable",
        429: "Too many requests of the organisation; see Retry-After",
        503: "The service cannot answer right now; see Retry-After",
    }
    PROBLEMS_OF_WRITES = {
        409: "Conflict with what is there",
        413: "The body is too large",
        415: "The body is not JSON",
    }

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        """`extend_schema(responses=…)` replaces what `get_response_serializers` says, so they are added here."""
        responses = super()._get_response_bodies(direction)
        problems = self.PROBLEMS | (self.PROBLEMS_OF_WRITES if self.method != "GET" else {})
        for status, text in problems.items():
            answer = OpenApiResponse(ProblemSerializer, description=text)
            media = ["application/problem+json"]
            body = self._get_response_for_code(answer, str(status), media, direction)  # type: ignore[no-untyped-call]
            responses.setdefault(str(status), body)
        return dict(sorted(responses.items()))
