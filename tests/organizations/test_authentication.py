"""From a credential to one organisation, or to a refusal that tells nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from businesses.models import Business
from oppspot.organizations.models import ApiKey, Membership, Organization, User
from oppspot.organizations.scopes import Role, Scope
from tests.answers import problem_of
from tests.conftest import client_of, client_with
from tests.factories import long_ago, make_key, make_member

ORGANIZATION = "/api/v1/organization/"


def acting_for(client: APIClient, **headers: Any) -> str:
    response = client.get(ORGANIZATION, headers=headers)
    assert response.status_code == 200, response.content
    slug: str = response.json()["slug"]
    return slug


# Keys


def test_a_key_acts_for_its_organisation_with_its_scopes(key_client: APIClient, org_b: Organization) -> None:
    body = key_client.get(ORGANIZATION).json()
    assert (body["slug"], body["scopes"]) == ("alpha", ["read"])


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_written_in_any_case(org_a: Organization, scheme: str) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"{scheme} {make_key(org_a)[1]}")
    assert acting_for(client) == "alpha"


@pytest.mark.parametrize(
    "changes",
    [{"revoked_at": long_ago(seconds=1)}, {"expires_at": long_ago(seconds=1), "created_at": long_ago(days=2)}],
    ids=["revoked", "expired"],
)
def test_a_dead_key_is_refused(org_a: Organization, changes: dict[str, Any]) -> None:
    response = client_with(make_key(org_a, **changes)[1]).get(ORGANIZATION)
    body = problem_of(response, 401, "authentication_failed")
    assert body == problem_of(client_with("ospt_unknown").get(ORGANIZATION), 401)
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="oppspot"'


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer a b",
        "Bearer xyz",
        "Bearer ospt_",
        "Bearer ospt_\xff",
        "Bearer ospt_é",
        "Basic YTpi",
        "ospt_x",
    ],
)
def test_a_malformed_header_is_no_credential(db: None, header: str) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=header)
    problem_of(client.get(ORGANIZATION), 401)


def test_a_key_beside_a_session_decides(alice_client: APIClient, org_b: Organization) -> None:
    alice_client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_key(org_b)[1]}")
    assert acting_for(alice_client) == "beta"
    alice_client.credentials(HTTP_AUTHORIZATION="Bearer ospt_unknown")
    problem_of(alice_client.get(ORGANIZATION), 401)


def test_a_key_costs_one_query_and_notes_its_use_seldom(
    org_a: Organization, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    key, secret = make_key(org_a)
    client = client_with(secret)
    with django_assert_num_queries(3):  # key with its organisation, note of its use, throttle
        client.get(ORGANIZATION)
    key.refresh_from_db()
    assert key.last_used_at is not None
    with django_assert_num_queries(2):  # key with its organisation, throttle
        client.get(ORGANIZATION)
    ApiKey.objects.for_org(org_a).update(last_used_at=long_ago(minutes=6))
    with django_assert_num_queries(3):
        client.get(ORGANIZATION)


def test_a_key_may_only_name_its_own_organisation(org_a: Organization, org_b: Organization) -> None:
    client = client_with(make_key(org_a)[1])
    assert acting_for(client, **{"X-Organization": "alpha"}) == "alpha"
    assert acting_for(client, **{"X-Organization": str(org_a.pk)}) == "alpha"
    foreign = problem_of(client.get(ORGANIZATION, headers={"X-Organization": "beta"}), 403, "no_organization")
    assert foreign == problem_of(client.get(ORGANIZATION, headers={"X-Organization": "gamma"}), 403)


def test_the_secret_is_stored_nowhere(org_a: Organization) -> None:
    key, secret = make_key(org_a)
    stored = {field.name: str(getattr(key, field.name)) for field in ApiKey._meta.concrete_fields}
    assert not any(secret.removeprefix("ospt_") in value for value in stored.values())
    assert len(key.prefix) == 8


# Sessions


def test_a_person_acts_for_the_only_organisation_they_have(bob_client: APIClient) -> None:
    body = bob_client.get(ORGANIZATION).json()
    assert (body["slug"], body["scopes"]) == ("alpha", ["read", "write"])


def test_a_person_with_several_names_one(bob: User, org_b: Organization) -> None:
    Membership.objects.for_org(org_b).create(org=org_b, user=bob, role=Role.VIEWER)
    client = client_of(bob)
    body = problem_of(client.get(ORGANIZATION), 400, "organization_required")
    assert "X-Organization" in body["detail"]
    assert acting_for(client, **{"X-Organization": "beta"}) == "beta"
    assert acting_for(client, **{"X-Organization": str(org_b.pk)}) == "beta"
    assert acting_for(client, **{"X-Organization": "alpha"}) == "alpha"
    assert client.get(ORGANIZATION, headers={"X-Organization": "beta"}).json()["scopes"] == ["read"]


def test_an_unknown_and_a_foreign_organisation_answer_alike(
    bob_client: APIClient, nomad_client: APIClient, org_b: Organization
) -> None:
    named = [
        *("beta", str(org_b.pk), "gamma", "00000000-0000-7000-8000-000000000000", "0" * 36, "x" * 5000),
        *("\x00", "al pha", "ALPHA", "' OR 1=1", "ünïcode"),
    ]
    for client in (bob_client, nomad_client):
        bodies = [
            problem_of(client.get(ORGANIZATION, headers={"X-Organization": name}), 403, "no_organization")
            for name in named
        ]
        assert all(body == bodies[0] for body in bodies)


def test_a_person_without_an_organisation_is_refused(nomad_client: APIClient, olga_client: APIClient) -> None:
    for client in (nomad_client, olga_client):
        problem_of(client.get(ORGANIZATION), 403, "no_organization")


def test_leaving_ends_access_at_once(bob: User, bob_client: APIClient, org_a: Organization) -> None:
    assert acting_for(bob_client) == "alpha"
    Membership.objects.for_org(org_a).filter(user=bob).delete()
    problem_of(bob_client.get(ORGANIZATION), 403, "no_organization")


def test_a_deactivated_person_is_nobody(bob: User, bob_client: APIClient) -> None:
    User.objects.filter(pk=bob.pk).update(is_active=False)
    problem_of(bob_client.get(ORGANIZATION), 401)


def test_a_session_needs_a_csrf_token_to_write(alice: User) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.get(ORGANIZATION).status_code == 200
    body = problem_of(client.post("/api/v1/api-keys/", {"name": "x"}), 403, "permission_denied")
    assert "CSRF" in body["detail"]
    client.get("/admin/login/?next=/admin/")
    assert client.cookies["csrftoken"].value
    token = {"X-CSRFToken": client.cookies["csrftoken"].value}
    assert client.post("/api/v1/api-keys/", {"name": "x"}, headers=token).status_code == 201


def test_a_key_needs_no_csrf_token(org_a: Organization) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_key(org_a, Scope.ADMIN)[1]}")
    assert client.post("/api/v1/api-keys/", {"name": "x"}).status_code == 201


def test_staff_who_may_change_companies_may_correct_the_register(
    org_a: Organization, business: Callable[..., Business]
) -> None:
    boss = make_member("boss", org_a, Role.VIEWER)
    path = f"/api/v1/businesses/{business().pk}/"
    problem_of(client_of(boss).patch(path, {"town": "York"}), 403)
    User.objects.filter(pk=boss.pk).update(is_staff=True, is_superuser=True)
    assert client_of(User.objects.get(pk=boss.pk)).patch(path, {"town": "York"}).status_code == 200


def test_sign_in_to_the_admin_with_e_mail_and_password(db: None) -> None:
    User.objects.create_superuser("Olga@Example.com", "correct horse battery")
    client = Client()
    for email, password, status in [
        ("olga@example.com", "wrong", 200),
        ("nobody@example.com", "correct horse battery", 200),
        ("OLGA@example.com", "correct horse battery", 302),
    ]:
        response = client.post("/admin/login/?next=/admin/", {"username": email, "password": password})
        assert response.status_code == status, (email, password)
    assert client.get("/admin/").status_code == 200
    without_next = Client().post("/admin/login/", {"username": "olga@example.com", "password": "correct horse battery"})
    assert without_next["Location"] == "/admin/"
