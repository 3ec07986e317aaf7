"""The OpenAPI document: complete, with examples, and true of what the API does."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from pytest_django import Settings
from rest_framework.test import APIClient
from schemathesis.checks import not_a_server_error, response_schema_conformance
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance

from oppspot.organizations.models import Organization
from oppspot.organizations.scopes import Scope
from tests.architecture.routes import API
from tests.factories import make_business, make_key, make_member

DOCUMENT: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
OPERATIONS = [
    (path, method.upper(), operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


def test_the_document_is_valid_and_without_warnings(tmp_path: Any) -> None:
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "schema.yml"))


def test_every_endpoint_is_in_the_document() -> None:
    inventory = {
        (re.sub(r"<(?:\w+:)?(\w+)>", "<>", path), method) for path, methods in API.items() for method in methods
    }
    described = {(re.sub(r"\{\w+\}", "<>", path), method) for path, method, _ in OPERATIONS}
    assert described == inventory


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=lambda value: str(value)[:40])
def test_every_operation_is_described_with_examples(path: str, method: str, operation: dict[str, Any]) -> None:
    assert operation.get("summary") or operation.get("description"), "say what it does"
    assert operation["tags"] != ["api"], "give it a tag"
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "query":
            assert parameter.get("description"), f"say what {parameter['name']} does"
    contents = [operation.get("requestBody", {}).get("content", {})]
    contents += [answer.get("content", {}) for status, answer in operation["responses"].items() if status < "300"]
    for content in contents:
        for media, described in content.items():
            assert described.get("examples"), f"{method} {path}: an example of {media}"
    assert {"400", "401", "403", "404", "429"} <= set(operation["responses"])


@pytest.mark.parametrize("accept", ["application/vnd.oai.openapi", "application/json", "*/*"])
def test_the_document_is_served_to_everyone(anonymous: APIClient, accept: str) -> None:
    response = anonymous.get("/api/schema/", headers={"Accept": accept})
    assert response.status_code == 200
    assert b"/api/v1/businesses/" in response.content


def test_the_documentation_needs_no_other_server(anonymous: APIClient) -> None:
    response = anonymous.get("/api/docs/")
    text = response.content.decode()
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", text)
    assert "<script>" not in text, "the policy forbids inline scripts"
    for path in re.findall(r"(?:src|href)=\"(/static/[^\"]+)\"", text):
        assert finders.find(path.removeprefix("/static/")), path
    script = anonymous.get("/api/docs/?script=")
    assert script.status_code == 200
    assert "script-src 'self'" in response.headers["Content-Security-Policy"]


# Requests made up from the document


schema = schemathesis.openapi.from_dict(DOCUMENT)
schema.app = get_wsgi_application()


@pytest.fixture
def authorization(org_a: Organization, settings: Settings) -> Iterator[dict[str, str]]:
    """A key that may do everything, without a limit; and the test's own connection, which a request would close."""
    settings.THROTTLE_REQUESTS_PER_MINUTE = 0
    make_member("bob", org_a)
    make_business("Acme Brewing Ltd", town="Leeds", sic_codes=["11050"], vector=[1.0, 2.0])
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield {"Authorization": f"Bearer {make_key(org_a, *Scope.values)[1]}"}
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@schema.parametrize()
@hypothesis_settings(
    max_examples=10,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_api_does_what_the_document_says(case: Any, authorization: dict[str, str]) -> None:
    case.call_and_validate(
        headers=authorization | {"Host": "localhost"},
        checks=[not_a_server_error, response_schema_conformance, content_type_conformance, status_code_conformance],
    )
