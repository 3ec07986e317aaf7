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
    """drf-spectacular's schema plus 400, 401, 403 and 404 in problem form."""

    PROBLEMS = {400: "Invalid input", 401: "No valid credential", 403: "Not allowed", 404: "No such object"}

    def get_response_serializers(self) -> Any:
        found = super().get_response_serializers()
        responses = found if isinstance(found, dict) else {self._success_status(): found}
        return responses | {
            (status, "application/problem+json"): OpenApiResponse(ProblemSerializer, description=text)
            for status, text in self.PROBLEMS.items()
        }

    def _success_status(self) -> int:
        if self.method == "DELETE":
            return 204
        return 201 if self.method == "POST" and getattr(self.view, "action", "") == "create" else 200
