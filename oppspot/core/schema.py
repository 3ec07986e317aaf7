"""OpenAPI: every operation also lists the problems it answers with, and what its view says for all its methods."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework import serializers

from oppspot.core.problems import problem

EXAMPLE_ID = "3f8f715b-af3f-42f3-9a68-684e6c852849"


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
    """drf-spectacular's schema plus the problems that any endpoint may answer with.

    A base class of views that adds headers or problems to a method says so once, for every view: in
    `schema_parameters` (`{"POST": [OpenApiParameter(…)]}`) and `schema_problems` (`{"POST": {422: (code, text)}}`).
    """

    # Code and meaning by status.
    PROBLEMS = {
        400: ("invalid", "Invalid input; `errors` has the messages by field."),
        401: ("authentication_failed", "No valid credential."),
        403: ("permission_denied", "Your role or API key does not allow this."),
        404: ("not_found", "There is no such object."),
        406: ("not_acceptable", "Answers are JSON."),
        429: ("throttled", "Too many requests of the organisation; see Retry-After."),
        503: ("try_again", "The service cannot answer right now; see Retry-After."),
    }
    PROBLEMS_OF_WRITES = {
        409: ("conflict", "Conflict with what is there."),
        413: ("too_large", "The body is too large."),
        415: ("unsupported_media_type", "The body is not JSON."),
    }

    def get_override_parameters(self) -> list[Any]:
        return [*super().get_override_parameters(), *getattr(self.view, "schema_parameters", {}).get(self.method, [])]

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        """`extend_schema(responses=…)` replaces what `get_response_serializers` says, so they are added here."""
        responses = super()._get_response_bodies(direction)
        problems = self.PROBLEMS | (self.PROBLEMS_OF_WRITES if self.method != "GET" else {})
        problems |= getattr(self.view, "schema_problems", {}).get(self.method, {})
        for status, (code, text) in problems.items():
            example = OpenApiExample(
                code, value=problem(status, code, text) | {"request_id": EXAMPLE_ID}, status_codes=[str(status)]
            )
            answer = OpenApiResponse(ProblemSerializer, description=text, examples=[example])
            media = ["application/problem+json"]
            body = self._get_response_for_code(answer, str(status), media, direction)  # type: ignore[no-untyped-call]
            responses.setdefault(str(status), body)
        return dict(sorted(responses.items()))
