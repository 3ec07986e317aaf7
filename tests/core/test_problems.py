"""Errors have one shape, whatever raised them, and say nothing that outsiders need not know."""

import json
import logging
import sys
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, connection
from django.http import Http404
from django.test import Client, RequestFactory
from rest_framework import exceptions
from rest_framework.test import APIClient
from structlog.stdlib import ProcessorFormatter

from oppspot.core import problems
from oppspot.core.errors import InvalidInput, OppspotError, RetryableError, SkipItemError
from oppspot.core.logging import structlog_config
from oppspot.core.problems import CONTENT_TYPE, exception_handler
from oppspot.organizations.services import LastOwner


@pytest.mark.parametrize(
    ("error", "status", "code", "detail", "headers"),
    [
        (Http404("secret"), 404, "not_found", "There is no such object.", {}),
        (PermissionDenied("secret"), 403, "permission_denied", "You may not do this.", {}),
        (exceptions.NotFound(), 404, "not_found", "Not found.", {}),
        (exceptions.Throttled(wait=7.2), 429, "throttled", "Request was throttled. Expected available in 8 seconds.",
         {"Retry-After": "8"}),
        (exceptions.UnsupportedMediaType("a/b"), 415, "unsupported_media_type",
         'Unsupported media type "a/b" in request.', {}),
        (LastOwner(), 409, "last_owner",
         "This is the organisation's last owner: make somebody else an owner first.", {}),
        (InvalidInput("sic: Unknown.", hint="Try 62."), 400, "invalid", "sic: Unknown. Try 62.", {}),
        (RetryableError("Busy.", retry_after=2.5), 503, "try_again", "Busy.", {"Retry-After": "3"}),
        (OperationalError("password=secret"), 503, "database_unavailable", "The database cannot answer right now.",
         {"Retry-After": "5"}),
    ],
)  # fmt: skip
def test_each_error_is_a_problem(
    error: Exception, status: int, code: str, detail: str, headers: dict[str, str]
) -> None:
    response: Any = exception_handler(error, {})
    assert (response.status_code, response.content_type) == (status, CONTENT_TYPE)
    body = response.data
    assert (body["status"], body["code"], body["detail"], body["type"]) == (status, code, detail, "about:blank")
    assert {name: value for name, value in response.headers.items() if name != "Content-Type"} == headers


def test_errors_by_field_are_also_one_sentence() -> None:
    error = exceptions.ValidationError({"filters": {"sic": ["Unknown.", "Too long."]}, "non_field_errors": ["Both."]})
    body = exception_handler(error, {}).data  # type: ignore[union-attr]
    assert body["detail"] == "filters.sic: Unknown.; filters.sic: Too long.; Both."
    assert json.loads(json.dumps(body["errors"]))["filters"]["sic"] == ["Unknown.", "Too long."]
    assert exception_handler(exceptions.ValidationError("No."), {}).data["detail"] == "No."  # type: ignore[union-attr]


def test_unknown_errors_stay_errors() -> None:
    assert exception_handler(ZeroDivisionError(), {}) is None


def test_an_errors_docstring_is_its_message() -> None:
    assert str(SkipItemError()) == "One item of a batch cannot be processed; the others can."
    assert str(OppspotError("What.", hint="Do this.")) == "What. Do this."


@pytest.mark.parametrize(
    ("path", "content_type"), [("/api/v1/nothing/", CONTENT_TYPE), ("/admin/nothing/", "text/html; charset=utf-8")]
)
def test_pages_for_people_programs_get_problems(path: str, content_type: str) -> None:
    request = RequestFactory().get(path)
    answers = [
        problems.not_found(request, Http404("x")),
        problems.permission_denied(request, PermissionDenied("x")),
        problems.bad_request(request, ValueError("x")),
        problems.server_error(request),
    ]
    assert [answer.status_code for answer in answers] == [404, 403, 400, 500]
    assert {answer["Content-Type"] for answer in answers} == {content_type}


@pytest.mark.django_db
def test_a_bug_answers_500_without_its_cause(
    key_client: APIClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("oppspot.organizations.api.OrganizationView.get", fail)
    key_client.raise_request_exception = False
    with caplog.at_level(logging.ERROR):
        response = key_client.get("/api/v1/organization/")
    assert response.status_code == 500
    assert response.headers["Content-Type"] == CONTENT_TYPE
    assert "secret" not in response.content.decode()
    assert response.json()["request_id"] in caplog.text


# Health and headers


def test_alive_without_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OperationalError("password=secret")

    monkeypatch.setattr(connection, "cursor", refuse)
    assert Client().get("/healthz/").json() == {"status": "ok"}
    response = Client().get("/healthz/ready/")
    assert (response.status_code, response.json()) == (503, {"status": "database unavailable"})
    assert response["Retry-After"] == "5"
    assert Client().post("/healthz/ready/").status_code == 405


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "script", "style"),
    [
        ("/api/v1/businesses/", "'self'", "'self'"),
        ("/healthz/", "'self'", "'self'"),
        ("/api/docs/", "'self'", "'self' 'unsafe-inline'"),
        ("/admin/login/", "'self' 'unsafe-inline' 'unsafe-eval'", "'self' 'unsafe-inline'"),
    ],
)
def test_security_headers(path: str, script: str, style: str) -> None:
    headers = Client().get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert (policy["script-src"], policy["style-src"]) == (script, style)
    assert policy["default-src"] == "'self'"
    assert policy["object-src"] == policy["frame-ancestors"] == "'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"


def test_logs_of_the_console_hold_no_local_variables() -> None:
    """They would hold keys and passwords."""
    for renderer in ("console", "json"):
        configured = structlog_config(level="INFO", renderer=renderer)["formatters"]["structured"]
        formatter = ProcessorFormatter(
            processors=configured["processors"], foreign_pre_chain=configured["foreign_pre_chain"]
        )
        try:
            secret = f"hunter-{1 + 1}"  # put together here: the source line itself is shown
            raise ZeroDivisionError(len(secret))
        except ZeroDivisionError:
            record = logging.LogRecord("x", logging.ERROR, "x", 1, "failed", None, sys.exc_info())
        text = formatter.format(record)
        assert "ZeroDivisionError" in text
        assert "hunter-2" not in text
