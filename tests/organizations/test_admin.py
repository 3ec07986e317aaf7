"""The admin of organisations, members, users and keys."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.utils import timezone
from rest_framework.test import APIClient

from oppspot.organizations.models import ApiKey, Membership, Organization, User
from oppspot.organizations.scopes import Role
from oppspot.organizations.services import create_organization
from tests.conftest import client_of, client_with
from tests.factories import make_key, make_member, make_user

KEYS = "/admin/organizations/apikey/"
MEMBERSHIPS = "/admin/organizations/membership/"
USERS = "/admin/organizations/user/"


def post(client: APIClient, url: str, **values: Any) -> Any:
    return client.post(url, values, format="multipart")


def errors_of(response: Any) -> dict[str, Any]:
    assert response.status_code == 200
    errors: dict[str, Any] = response.context["adminform"].form.errors
    return errors


@pytest.fixture
def clerk(db: None) -> Callable[..., APIClient]:
    """A member of staff who is no superuser: `clerk("view_apikey")`."""

    def make(*codenames: str) -> APIClient:
        user = make_user("clerk", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        return client_of(user)

    return make


# Keys


def test_a_key_is_issued_and_shown_once(olga_client: APIClient, olga: User, org_a: Organization) -> None:
    page = olga_client.get(f"{KEYS}add/").content.decode()
    assert page.count('type="checkbox"') >= 4, "scopes are checkboxes"
    response = post(olga_client, f"{KEYS}add/", org=str(org_a.pk), name="CRM", scopes=["read", "register:write"])
    assert response.status_code == 302, errors_of(response)
    text = olga_client.get(KEYS).content.decode()
    found = re.search(r"ospt_[\w-]{43}", text)
    assert found
    assert client_with(found[0]).get("/api/v1/organization/").json()["scopes"] == ["read", "register:write"]
    assert found[0] not in olga_client.get(KEYS).content.decode()
    key = ApiKey.objects.for_org(org_a).get()
    assert key.created_by == olga
    assert found[0] not in str(list(LogEntry.objects.values()))
    detail = olga_client.get(f"{KEYS}{key.pk}/change/").content.decode()
    assert key.prefix in detail
    assert key.digest not in detail


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"name": ""}, "name"),
        ({"name": "taken"}, "name"),
        ({"org": ""}, "org"),
        ({"expires_at_0": "2020-01-01", "expires_at_1": "00:00"}, "expires_at"),
        ({"expires_at_0": "2099-01-01", "expires_at_1": "00:00"}, "expires_at"),
        ({"expires_at_0": "soon", "expires_at_1": ""}, "expires_at"),
    ],
)
def test_a_wrong_key_is_explained(
    olga_client: APIClient, org_a: Organization, values: dict[str, Any], field: str
) -> None:
    make_key(org_a)
    ApiKey.objects.for_org(org_a).update(name="taken")
    form = {"org": str(org_a.pk), "name": "CRM", "scopes": ["read"]} | values
    assert list(errors_of(post(olga_client, f"{KEYS}add/", **form))) == [field]
    assert ApiKey.objects.for_org(org_a).count() == 1


def test_keys_are_revoked_never_edited_or_deleted(olga_client: APIClient, org_a: Organization) -> None:
    (key, secret), (other, _) = make_key(org_a), make_key(org_a)
    page = f"{KEYS}{key.pk}/change/"
    assert post(olga_client, page, name="x").status_code == 403
    assert post(olga_client, page.replace("change", "delete"), post="yes").status_code == 403
    post(olga_client, KEYS, action="revoke", _selected_action=[str(key.pk)])
    assert client_with(secret).get("/api/v1/organization/").status_code == 401
    other.refresh_from_db()
    assert other.is_active
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.change_message) == (str(key.pk), "Revoked.")
    first = ApiKey.objects.for_org(org_a).get(pk=key.pk).revoked_at
    post(olga_client, KEYS, action="revoke", _selected_action=[str(key.pk)])
    assert ApiKey.objects.for_org(org_a).get(pk=key.pk).revoked_at == first


def test_who_may_only_look_does_not_revoke(clerk: Callable[..., APIClient], org_a: Organization) -> None:
    key, _ = make_key(org_a)
    client = clerk("view_apikey")
    assert client.get(KEYS).status_code == 200
    assert client.get(f"{KEYS}add/").status_code == 403
    post(client, KEYS, action="revoke", _selected_action=[str(key.pk)])
    key.refresh_from_db()
    assert key.is_active


def test_the_list_of_keys_tells_their_state(olga_client: APIClient, org_a: Organization) -> None:
    make_key(org_a)
    make_key(org_a, revoked_at=timezone.now())
    text = olga_client.get(KEYS).content.decode()
    assert "revoked" in text
    assert "active" in text


# Members


def test_the_last_owner_stays(olga_client: APIClient, alice: User, bob: User, org_a: Organization) -> None:
    owner, member = (Membership.objects.for_org(org_a).get(user=user) for user in (alice, bob))
    page = f"{MEMBERSHIPS}{owner.pk}/"
    assert "role" in errors_of(post(olga_client, f"{page}change/", role="viewer"))
    assert olga_client.get(f"{page}delete/").status_code == 403
    assert post(olga_client, f"{MEMBERSHIPS}{member.pk}/change/", role="owner").status_code == 302
    assert post(olga_client, f"{page}change/", role="viewer").status_code == 302
    assert post(olga_client, f"{page}delete/", post="yes").status_code == 302
    assert [row.role for row in Membership.objects.for_org(org_a)] == [Role.OWNER]
    assert LogEntry.objects.count() == 3


def test_a_member_is_added_once(olga_client: APIClient, nomad: User, org_a: Organization) -> None:
    values = {"org": str(org_a.pk), "user": str(nomad.pk), "role": "viewer"}
    assert post(olga_client, f"{MEMBERSHIPS}add/", **values).status_code == 302
    assert "__all__" in errors_of(post(olga_client, f"{MEMBERSHIPS}add/", **values))


# Users


def test_a_user_is_added_with_e_mail_and_password(olga_client: APIClient) -> None:
    values = {"email": "new@example.com", "password1": "correct horse battery", "password2": "correct horse battery"}
    response = post(olga_client, f"{USERS}add/", usable_password="true", **values)
    assert response.status_code == 302, errors_of(response)
    assert User.objects.get(email="new@example.com").check_password("correct horse battery")
    again = post(olga_client, f"{USERS}add/", usable_password="true", **values | {"email": "NEW@example.com"})
    assert errors_of(again)


def test_users_are_deactivated_not_deleted(olga_client: APIClient, bob: User) -> None:
    assert olga_client.get(f"{USERS}{bob.pk}/delete/").status_code == 403
    text = olga_client.get(f"{USERS}{bob.pk}/change/").content.decode()
    assert 'name="is_active"' in text


def test_only_a_superuser_hands_out_rights(clerk: Callable[..., APIClient], olga: User, org_a: Organization) -> None:
    client = clerk("view_user", "change_user")
    bob = make_member("bob", org_a)
    page = f"{USERS}{bob.pk}/change/"
    assert 'name="is_superuser"' not in client.get(page).content.decode()
    post(client, page, email="bob@example.com", is_superuser="on", is_staff="on", is_active="on")
    bob.refresh_from_db()
    assert (bob.is_staff, bob.is_superuser) == (False, False)
    assert post(client, f"{USERS}{olga.pk}/change/", email="x@example.com").status_code == 403
    assert client.get(f"{USERS}{olga.pk}/password/").status_code == 403


@pytest.mark.parametrize("model", ["organization", "membership", "user", "apikey"])
def test_lists_cost_the_same_for_one_and_for_many(
    olga_client: APIClient, model: str, django_assert_max_num_queries: Any
) -> None:
    for index in range(8):
        org = create_organization(name=f"Org {index}")
        make_member(f"user{index}", org)
        make_key(org)
    with django_assert_max_num_queries(6):  # session, user, what waits for a review, two counts, page
        assert olga_client.get(f"/admin/organizations/{model}/").status_code == 200


def test_the_side_bar_links_to_pages_that_open(olga_client: APIClient) -> None:
    response = olga_client.get("/admin/")
    links = {item["link"] for section in response.context["sidebar_navigation"] for item in section["items"]}
    assert len(links) >= 9
    for link in links:
        assert olga_client.get(link).status_code == 200, link
