"""Scoping fails closed, also in the four places where Django and DRF read a manager of their own choice."""

import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, prefetch_related_objects
from rest_framework import serializers
from rest_framework.test import APIClient

from businesses.models import Business
from oppspot.organizations.api import OrgRelatedField, OrgViewSet
from oppspot.organizations.models import ApiKey, Membership, Organization, User
from oppspot.organizations.scoping import OrgRequired
from tests.architecture.org_owned import org_owned_models
from tests.conftest import client_with
from tests.factories import make_key


@pytest.mark.parametrize(
    "use",
    [
        Membership.objects.all,
        lambda: Membership.objects.filter(role="owner"),
        lambda: Membership.objects.get(pk=uuid.uuid4()),
        Membership.objects.exists,
        Membership.objects.count,
        lambda: Membership.objects.create(role="owner"),
        lambda: Membership.objects.bulk_create([]),
        lambda: Membership.objects.update_or_create(role="owner"),
        Membership.objects.none,
        lambda: Membership.objects.for_org(None),
        lambda: Membership.objects.for_org(Organization(pk=None)),
    ],
)
def test_no_rows_without_an_organisation(use: Any) -> None:
    with pytest.raises(OrgRequired, match=r"for_org\(org\)"):
        use()


def test_an_organisation_sees_its_own_rows(
    alice: User, charlie: User, org_a: Organization, org_b: Organization
) -> None:
    assert [member.user for member in Membership.objects.for_org(org_a)] == [alice]
    assert [member.user for member in Membership.objects.for_org(org_b)] == [charlie]


# 1. Django's own machinery reads the first manager


def test_trap_1_validation_refresh_and_prefetch_work(alice: User, org_a: Organization) -> None:
    membership = Membership.objects.for_org(org_a).get()
    membership.refresh_from_db()
    membership.full_clean(exclude=["id"])
    with pytest.raises(ValidationError, match="already exists"):
        Membership(org=org_a, user=alice).full_clean()
    prefetch_related_objects([membership], "user", "org")
    assert membership.user == alice


def test_trap_1_the_admin_lists_rows(olga_client: APIClient, alice: User) -> None:
    assert b"alice@example.com" in olga_client.get("/admin/organizations/membership/").content


# 2. DRF's field for foreign keys accepts another organisation's row


class Plain(serializers.Serializer[Any]):
    key = serializers.PrimaryKeyRelatedField(queryset=ApiKey.all_orgs.all())


class Scoped(serializers.Serializer[Any]):
    key = OrgRelatedField(ApiKey)


def test_trap_2_a_foreign_key_reads_as_missing(org_a: Organization, org_b: Organization) -> None:
    own, foreign = make_key(org_a)[0], make_key(org_b)[0]
    context = {"request": SimpleNamespace(org=org_a)}
    assert Plain(data={"key": foreign.pk}).is_valid(), "the trap is there"

    def errors(value: Any) -> list[str]:
        serializer = Scoped(data={"key": value}, context=context)
        serializer.is_valid()
        return [str(text) for text in serializer.errors.get("key", [])]

    assert errors(own.pk) == []
    missing = uuid.uuid4()
    assert errors(foreign.pk) == [text.replace(str(missing), str(foreign.pk)) for text in errors(missing)] != []


def test_trap_2_the_field_refuses_to_work_without_an_organisation(org_a: Organization) -> None:
    key, _ = make_key(org_a)
    with pytest.raises(OrgRequired):
        Scoped(data={"key": key.pk}, context={"request": SimpleNamespace(org=None)}).is_valid()


# 3. A global parent leads to every organisation's children


def test_trap_3_no_global_model_leads_to_org_owned_rows() -> None:
    owned = set(org_owned_models())
    for parent in (Business, User, Organization):
        leading = [relation.name for relation in parent._meta.related_objects if relation.related_model in owned]
        assert leading == [], f"{parent.__name__} leads to {leading}"


def test_trap_3_the_way_to_ask_for_parents(alice: User, charlie: User, org_a: Organization) -> None:
    members = User.objects.filter(Exists(Membership.objects.for_org(org_a).filter(user=OuterRef("pk"))))
    assert list(members) == [alice]


# 4. The organisation comes from the credential, never from the request's body or query


def test_trap_4_a_body_cannot_choose_the_organisation(ada_client: APIClient, org_b: Organization) -> None:
    for name in ("org", "org_id", "organization"):
        response = ada_client.post("/api/v1/api-keys/", {"name": "x", name: str(org_b.pk)})
        assert response.status_code == 400
        assert ada_client.get(f"/api/v1/api-keys/?{name}={org_b.pk}").status_code == 400
    assert not ApiKey.objects.for_org(org_b).exists()


def test_trap_4_a_foreign_object_answers_as_a_missing_one(org_a: Organization, org_b: Organization) -> None:
    client = client_with(make_key(org_a, "admin")[1])
    foreign, _ = make_key(org_b)
    answers = []
    for identifier in (foreign.pk, uuid.uuid4()):
        answer = client.get(f"/api/v1/api-keys/{identifier}/")
        answers.append((answer.status_code, {**answer.json(), "request_id": ""}, sorted(answer.headers)))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


def test_a_view_without_an_organisation_has_no_rows() -> None:
    view = OrgViewSet()
    view.model, view.request = Membership, SimpleNamespace(org=None)  # type: ignore[assignment]
    with pytest.raises(OrgRequired):
        view.get_queryset()
