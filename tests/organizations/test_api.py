"""The organisation's own API: itself, its members, its keys."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from oppspot.organizations.models import ApiKey, Membership, Organization, User
from oppspot.organizations.scopes import Role, Scope
from tests.answers import pages, problem_of
from tests.conftest import client_with
from tests.factories import make_key, make_member

MEMBERS, KEYS = "/api/v1/members/", "/api/v1/api-keys/"


def page_of(user: User, org: Organization) -> str:
    return f"{MEMBERS}{Membership.objects.for_org(org).get(user=user).pk}/"


# Members


def test_members_are_listed_with_their_roles(
    vera_client: APIClient, alice: User, bob: User, charlie: User, org_a: Organization
) -> None:
    found = [(row["email"], row["role"]) for page in pages(vera_client, f"{MEMBERS}?page_size=1") for row in page]
    assert found == [("bob@example.com", "member"), ("alice@example.com", "owner"), ("vera@example.com", "viewer")]


def test_members_cost_five_queries(
    vera_client: APIClient, org_a: Organization, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for name in ("ann", "ben", "cat"):
        make_member(name, org_a)
    with django_assert_num_queries(5):  # session, user, membership with organisation, throttle, page
        assert len(vera_client.get(MEMBERS).json()["results"]) == 4


def test_an_admin_changes_roles_but_not_those_of_owners(
    ada_client: APIClient, alice: User, bob: User, org_a: Organization
) -> None:
    assert ada_client.patch(page_of(bob, org_a), {"role": "admin"}).json()["role"] == "admin"
    problem_of(ada_client.patch(page_of(bob, org_a), {"role": "owner"}), 403, "owners_only")
    problem_of(ada_client.patch(page_of(alice, org_a), {"role": "member"}), 403, "owners_only")
    problem_of(ada_client.delete(page_of(alice, org_a)), 403, "owners_only")
    assert ada_client.delete(page_of(bob, org_a)).status_code == 204
    problem_of(ada_client.get(page_of(alice, org_a).replace("0", "1")), 404)


def test_the_last_owner_stays(alice_client: APIClient, alice: User, bob: User, org_a: Organization) -> None:
    problem_of(alice_client.patch(page_of(alice, org_a), {"role": "member"}), 409, "last_owner")
    problem_of(alice_client.delete(page_of(alice, org_a)), 409, "last_owner")
    assert alice_client.patch(page_of(bob, org_a), {"role": "owner"}).status_code == 200
    assert alice_client.delete(page_of(alice, org_a)).status_code == 204


def test_a_key_with_the_admin_scope_is_no_owner(alice: User, bob: User, org_a: Organization) -> None:
    client = client_with(make_key(org_a, Scope.READ, Scope.ADMIN)[1])
    assert client.patch(page_of(bob, org_a), {"role": "viewer"}).status_code == 200
    problem_of(client.delete(page_of(alice, org_a)), 403, "owners_only")


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "role"), ({"role": "emperor"}, "role"), ({"role": None}, "role"), ({"role": "admin", "org": "x"}, "org"),
     ({"role": ["admin"]}, "role")],
)  # fmt: skip
def test_a_wrong_role_is_named(
    ada_client: APIClient, bob: User, org_a: Organization, body: dict[str, Any], field: str
) -> None:
    assert list(problem_of(ada_client.patch(page_of(bob, org_a), body), 400, "invalid")["errors"]) == [field]


# Keys


def test_a_key_is_issued_used_and_revoked(ada_client: APIClient, ada: User, org_a: Organization) -> None:
    response = ada_client.post(KEYS, {"name": "CRM", "scopes": ["read", "write"]})
    assert response.status_code == 201
    body = response.json()
    client = client_with(body["key"])
    assert client.get("/api/v1/organization/").json()["scopes"] == ["read", "write"]
    shown = ada_client.get(f"{KEYS}{body['id']}/").json()
    assert "key" not in shown
    assert body["key"].removeprefix("ospt_").startswith(shown["prefix"])
    assert ApiKey.objects.for_org(org_a).get(pk=body["id"]).created_by == ada
    assert ada_client.delete(f"{KEYS}{body['id']}/").status_code == 204
    problem_of(client.get("/api/v1/organization/"), 401, "authentication_failed")
    assert ada_client.get(f"{KEYS}{body['id']}/").json()["revoked_at"]


def test_a_key_lives_a_year_unless_it_is_told_otherwise(ada_client: APIClient) -> None:
    def life(**body: Any) -> timedelta:
        answer = ada_client.post(KEYS, {"name": f"key {len(body)}", **body}).json()
        return datetime.fromisoformat(answer["expires_at"]) - timezone.now()

    assert timedelta(days=364) < life() < timedelta(days=366)
    assert life(expires_at=(timezone.now() + timedelta(days=3)).isoformat()) < timedelta(days=4)


def test_the_scope_to_edit_the_register_is_not_the_organisations_to_give(ada_client: APIClient) -> None:
    body = problem_of(ada_client.post(KEYS, {"name": "x", "scopes": ["register:write"]}), 400, "invalid")
    assert "scopes" in body["errors"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": {"a": 1}}, "name"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "scopes": "read"}, "scopes"),
        ({"name": "x", "scopes": [["read"]]}, "scopes"),
        ({"name": "x", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "x", "expires_at": "9999-12-31T23:59:59-14:00"}, "expires_at"),
        ({"name": "x", "expires_at": "tomorrow"}, "expires_at"),
        ({"name": "x", "org": "y"}, "org"),
        ({"name": "x", "digest": "y"}, "digest"),
        ({"name": "taken"}, "name"),
    ],
)
def test_a_wrong_key_is_named(ada_client: APIClient, body: dict[str, Any], field: str) -> None:
    ada_client.post(KEYS, {"name": "taken"})
    assert list(problem_of(ada_client.post(KEYS, body), 400, "invalid")["errors"]) == [field]


def test_keys_cost_five_queries(
    ada_client: APIClient, org_a: Organization, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(5):
        make_key(org_a)
    with django_assert_num_queries(5):  # session, user, membership with organisation, throttle, page
        assert len(ada_client.get(KEYS).json()["results"]) == 5


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
def test_keys_are_for_admins(org_a: Organization, role: str, bob_client: APIClient, vera_client: APIClient) -> None:
    client = bob_client if role == Role.MEMBER else vera_client
    problem_of(client.get(KEYS), 403, "permission_denied")
    problem_of(client.post(KEYS, {"name": "x"}), 403, "permission_denied")
