"""Corrections of single companies, through the API that offers them."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from businesses.models import Business
from businesses.services import edit_business
from tests.answers import problem_of
from tests.factories import embed

LIST = "/api/v1/businesses/"
MISSING = "00000000-0000-4000-8000-000000000000"
Make = Callable[..., Business]


def detail(business: Business) -> str:
    return f"{LIST}{business.pk}/"


def test_a_correction_writes_what_changed_and_outdates_the_vector(register_client: APIClient, business: Make) -> None:
    acme = business("Acme", vector=[1.0, 2.0], town="Leeds")
    changes = {
        "description": "Brews beer.",
        "website": "https://www.acme.example/",
        "categories": ["beer", "beer", "brewing"],
        "sic_codes": ["11050"],
        "employee_count": 12,
        "founded_year": 1999,
        "town": "Leeds",
    }
    with CaptureQueriesContext(connection) as queries:
        response = register_client.patch(detail(acme), changes)
    assert response.status_code == 200, response.content
    body = response.json()
    assert {name: body[name] for name in changes} == changes | {"categories": ["beer", "brewing"]}
    assert body["domain"] == "acme.example"
    assert body["sic_titles"] == "Manufacture of beer"
    assert body["embedding"]["is_current"] is False
    (update,) = [query["sql"] for query in queries if query["sql"].startswith('UPDATE "businesses"')]
    assert '"description" =' in update
    assert '"town" =' not in update, "it did not change"
    assert '"embedding" =' not in update


def test_a_correction_that_changes_nothing_writes_nothing(register_client: APIClient, business: Make) -> None:
    acme = business("Acme", town="Leeds")
    before = Business.objects.values().get(pk=acme.pk)
    for changes in ({}, {"town": "Leeds"}, {"town": "Leeds", "employee_count": None}):
        assert register_client.patch(detail(acme), changes).status_code == 200
    assert Business.objects.values().get(pk=acme.pk) == before


def test_a_fact_that_is_not_embedded_leaves_the_vector_current(register_client: APIClient, business: Make) -> None:
    acme = business("Acme", vector=[1.0])
    assert register_client.patch(detail(acme), {"employee_count": 7}).json()["embedding"]["is_current"] is True


def test_only_the_register_scope_may_correct(
    business: Make, writer_client: APIClient, alice_client: APIClient, olga_client: APIClient
) -> None:
    acme = business("Acme")
    for client in (writer_client, alice_client):
        problem_of(client.patch(detail(acme), {"town": "York"}), 403, "permission_denied")
    problem_of(olga_client.patch(detail(acme), {"town": "York"}), 403, "no_organization")
    assert Business.objects.get(pk=acme.pk).town == ""


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "Other"}, "name"),
        ({"embedding": [1]}, "embedding"),
        ({"text_hash": "x"}, "text_hash"),
        ({"id": MISSING}, "id"),
        ({"description": "x" * 20_001}, "description"),
        ({"description": None}, "description"),
        ({"website": "javascript://acme.example/%0aalert(1)"}, "website"),
        ({"website": "acme"}, "website"),
        ({"website": "http://[::1"}, "website"),
        ({"categories": "beer"}, "categories"),
        ({"categories": ["x"] * 51}, "categories"),
        ({"categories": [["x"]]}, "categories"),
        ({"categories": {"a": 1}}, "categories"),
        ({"sic_codes": ["99998"]}, "sic_codes"),
        ({"sic_codes": ["62"]}, "sic_codes"),
        ({"sic_codes": ["٦٢٠١٢"]}, "sic_codes"),
        ({"employee_count": -1}, "employee_count"),
        ({"employee_count": 10**30}, "employee_count"),
        ({"employee_count": 1.5}, "employee_count"),
        ({"founded_year": 3000}, "founded_year"),
        ({"town": ["Leeds"]}, "town"),
    ],
)
def test_a_wrong_correction_is_named(
    register_client: APIClient, business: Make, changes: dict[str, Any], field: str
) -> None:
    acme = business("Acme")
    before = Business.objects.values().get(pk=acme.pk)
    body = problem_of(register_client.patch(detail(acme), changes), 400, "invalid")
    assert list(body["errors"]) == [field]
    assert Business.objects.values().get(pk=acme.pk) == before


@pytest.mark.parametrize("website", ["", "acme.example", "http://acme.example", "https://bücher.example/x?y=1"])
def test_websites_that_are_accepted(register_client: APIClient, business: Make, website: str) -> None:
    assert register_client.patch(detail(business()), {"website": website}).json()["website"] == website


@pytest.mark.parametrize("method", ["put", "delete", "post", "options"])
def test_a_company_is_neither_replaced_nor_deleted(register_client: APIClient, business: Make, method: str) -> None:
    problem_of(getattr(register_client, method)(detail(business()), {}), 405, "method_not_allowed")


def test_a_vector_made_again_is_current_again(register_client: APIClient, business: Make) -> None:
    acme = business("Acme", vector=[1.0])
    register_client.patch(detail(acme), {"town": "York"})
    acme.refresh_from_db()
    embed(acme, [2.0])
    assert register_client.get(detail(acme)).json()["embedding"]["is_current"] is True


def test_the_service_refuses_what_is_not_editable(business: Make) -> None:
    with pytest.raises(ValueError, match="not editable: name"):
        edit_business(business_id=business().pk, changes={"name": "x", "town": "y"}, edited_by="test")
    with pytest.raises(Business.DoesNotExist):
        edit_business(business_id=uuid.uuid4(), changes={"town": "y"}, edited_by="test")
