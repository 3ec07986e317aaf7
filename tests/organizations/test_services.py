"""Organisations, members and keys as services make and change them."""

from collections.abc import Callable
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from oppspot.core.errors import InvalidInput, OppspotError
from oppspot.organizations.models import ApiKey, Membership, Organization, User
from oppspot.organizations.scopes import Role, Scope
from oppspot.organizations.services import (
    LastOwner,
    OwnersOnly,
    change_role,
    create_organization,
    issue_api_key,
    remove_member,
    revoke_api_key,
)
from tests.factories import make_key, make_member, make_user


def membership_of(user: User, org: Organization) -> Membership:
    found: Membership = Membership.objects.for_org(org).get(user=user)
    return found


def test_an_organisation_has_its_maker_as_owner(nomad: User) -> None:
    org = create_organization(name="Größer & Söhne", owner=nomad)
    assert org.slug == "groer-sohne"
    assert membership_of(nomad, org).role == Role.OWNER


@pytest.mark.django_db
def test_a_slug_is_there_once() -> None:
    create_organization(name="Alpha")
    with pytest.raises(InvalidInput, match="already"):
        create_organization(name="alpha")
    with pytest.raises(InvalidInput, match="slug"):
        create_organization(name="数据")
    assert create_organization(name="数据", slug="data").slug == "data"


# Owners


def test_the_last_owner_stays(alice: User, bob: User, org_a: Organization) -> None:
    owner = membership_of(alice, org_a)
    for role in (Role.ADMIN, Role.MEMBER, Role.VIEWER):
        with pytest.raises(LastOwner):
            change_role(membership=owner, role=role, by_owner=True)
    with pytest.raises(LastOwner):
        remove_member(membership=owner, by_owner=True)
    change_role(membership=owner, role=Role.OWNER, by_owner=True)
    change_role(membership=membership_of(bob, org_a), role=Role.OWNER, by_owner=True)
    change_role(membership=owner, role=Role.VIEWER, by_owner=True)
    assert membership_of(alice, org_a).role == Role.VIEWER
    with pytest.raises(LastOwner):
        remove_member(membership=membership_of(bob, org_a), by_owner=True)


def test_an_owner_of_another_organisation_does_not_count(alice: User, charlie: User, org_a: Organization) -> None:
    with pytest.raises(LastOwner):
        remove_member(membership=membership_of(alice, org_a), by_owner=True)


def test_only_owners_deal_with_owners(alice: User, bob: User, org_a: Organization) -> None:
    for attempt in (
        lambda: change_role(membership=membership_of(bob, org_a), role=Role.OWNER, by_owner=False),
        lambda: change_role(membership=membership_of(alice, org_a), role=Role.MEMBER, by_owner=False),
        lambda: remove_member(membership=membership_of(alice, org_a), by_owner=False),
    ):
        with pytest.raises(OwnersOnly):
            attempt()
    remove_member(membership=membership_of(bob, org_a), by_owner=False)


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_leave_at_once_leave_one() -> None:
    org = create_organization(name="Alpha")
    owners = [membership_of(make_member(name, org, Role.OWNER), org) for name in ("ann", "ben")]
    barrier, outcomes = Barrier(2), list[str]()

    def leave(membership: Membership) -> None:
        try:
            barrier.wait()
            remove_member(membership=membership, by_owner=True)
            outcomes.append("left")
        except OppspotError as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    threads = [Thread(target=leave, args=[membership]) for membership in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["last_owner", "left"]


# Keys


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "expires_at"),
        ({"expires_at": timezone.now() + timedelta(days=366)}, "expires_at"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["read", "everything"]}, "scopes"),
    ],
)
def test_terms_that_a_key_may_not_have(org_a: Organization, terms: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        issue_api_key(org=org_a, name="x", **terms)
    assert list(caught.value.fields) == [field]


def test_two_active_keys_have_two_names(org_a: Organization, org_b: Organization) -> None:
    key, _ = issue_api_key(org=org_a, name="CRM")
    with pytest.raises(InvalidInput, match="An active key has this name"):
        issue_api_key(org=org_a, name="CRM")
    issue_api_key(org=org_b, name="CRM")
    revoke_api_key(key=key)
    issue_api_key(org=org_a, name="CRM")


def test_revoking_twice_keeps_the_first_time(org_a: Organization) -> None:
    key, _ = make_key(org_a)
    first = revoke_api_key(key=key).revoked_at
    assert first is not None
    assert revoke_api_key(key=key).revoked_at == first


def test_no_two_keys_are_alike(org_a: Organization) -> None:
    secrets = {make_key(org_a)[1] for _ in range(20)}
    assert len(secrets) == 20
    assert all(secret.startswith("ospt_") and len(secret) == 48 for secret in secrets)


# What the tables guarantee


def test_the_database_refuses(org_a: Organization, bob: User) -> None:
    key, _ = make_key(org_a)
    attempts: list[Callable[[], Any]] = [
        lambda: Membership.objects.for_org(org_a).create(org=org_a, user=bob),
        lambda: Membership.objects.for_org(org_a).update(role="emperor"),
        lambda: ApiKey.objects.for_org(org_a).filter(pk=key.pk).update(scopes=[]),
        lambda: ApiKey.objects.for_org(org_a).filter(pk=key.pk).update(expires_at=key.created_at),
        lambda: make_user("BOB"),
    ]
    for attempt in attempts:
        with pytest.raises(IntegrityError), transaction.atomic():
            attempt()


def test_scopes_are_known_names() -> None:
    assert {scope.value for scope in Scope} == {"read", "write", "admin", "register:write"}
