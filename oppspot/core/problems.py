"""Errors of the API as problem details (RFC 9457), in one shape and with the request's id."""

import http
from collections.abc import Mapping
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from oppspot.core.errors import OppspotError

CONTENT_TYPE = "application/problem+json"
logger = structlog.get_logger(__name__)


def problem(status: int, code: str, detail: str, errors: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The body of an error: `type`, `title`, `status`, `code`, `detail`, `request_id` and, by field, `errors`."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": structlog.contextvars.get_contextvars().get("request_id"),
    }
    if errors:
        body["errors"] = errors
    return body


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's exception handler: every known exception becomes a problem, the rest stay errors 500."""
    headers: dict[str, str] = {}
    match exc:
        case Http404():
            body = problem(404, "not_found", "There is no such object.")
        case PermissionDenied():
            body = problem(403, "permission_denied", "You may not do this.")
        case exceptions.ValidationError():
            errors = _by_field(exc.detail)
            body = problem(400, "invalid", "; ".join(_sentences(errors)), errors)
        case exceptions.APIException():
            headers = _headers_of(exc)
            code = str(getattr(exc.detail, "code", None) or exc.default_code)
            body = problem(exc.status_code, code, str(exc.detail))
        case OppspotError():
            retry_after = getattr(exc, "retry_after", None)
            headers = {} if retry_after is None else {"Retry-After": str(int(retry_after) + 1)}
            body = problem(exc.status, exc.code, f"{exc.message} {exc.hint}".strip(), exc.fields)
        case OperationalError():
            logger.error("database_unavailable", error=str(exc))
            headers = {"Retry-After": "5"}
            body = problem(503, "database_unavailable", "The database cannot answer right now.")
        case _:
            return None
    set_rollback()
    return Response(body, status=body["status"], headers=headers, content_type=CONTENT_TYPE)


def _by_field(detail: Any) -> dict[str, Any]:
    return dict(detail) if isinstance(detail, dict) else {"non_field_errors": detail}


def _sentences(errors: Any, prefix: str = "") -> list[str]:
    """`{"filters": {"sic": ["Unknown."]}}` as `["filters.sic: Unknown."]`."""
    if isinstance(errors, dict):
        return [
            text
            for key, value in errors.items()
            for text in _sentences(value, f"{prefix}.{key}".strip(".") if key != "non_field_errors" else prefix)
        ]
    if isinstance(errors, list):
        return [text for value in errors for text in _sentences(value, prefix)]
    return [f"{prefix}: {errors}" if prefix else str(errors)]


def _headers_of(exc: exceptions.APIException) -> dict[str, str]:
    headers = {}
    if challenge := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(exc, "wait", None):
        headers["Retry-After"] = str(int(wait))
    return headers


def _plain(status: int, code: str, detail: str) -> JsonResponse:
    return JsonResponse(problem(status, code, detail), status=status, content_type=CONTENT_TYPE)


def _for_people(request: HttpRequest) -> bool:
    return request.path.startswith("/admin/")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler404`: the same body for an unknown path as for an unknown object."""
    if _for_people(request):
        return defaults.page_not_found(request, exception)
    return _plain(404, "not_found", "There is no such object.")


def server_error(request: HttpRequest) -> HttpResponse:
    """`handler500`: says nothing about the cause; the log has it under the request's id."""
    if _for_people(request):
        return defaults.server_error(request)
    return _plain(500, "server_error", "Something went wrong on our side. Quote the request id when you report it.")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler400`."""
    if _for_people(request):
        return defaults.bad_request(request, exception)
    return _plain(400, "bad_request", "The request is malformed.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler403`."""
    if _for_people(request):
        return defaults.permission_denied(request, exception)
    return _plain(403, "permission_denied", "You may not do this.")
