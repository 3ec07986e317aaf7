"""Fixtures that every test may use: the cast, and clients that act for them.

Alice owns organisation A; Ada administers it, Bob is a member and Vera may look. Charlie owns organisation B.
Nomad belongs to no organisation. Olga works for us: staff, superuser, member of nothing.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.models.signals import post_migrate
from pytest_django import DjangoDbBlocker, Settings
from rest_framework.test import APIClient

from businesses.models import Business, SicCode
from businesses.sic import titles
from oppspot.organizations.models import Organization, User
from oppspot.organizations.scopes import Role, Scope
from oppspot.organizations.services import create_organization
from tests.factories import make_business, make_key, make_member, make_user


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Keep the SIC codes, which a migration loads, when a test of transactions empties all tables; and end what still
    holds the test database before it is dropped: threads of the live server leave sessions behind."""
    post_migrate.connect(load_sic_codes, sender=apps.get_app_config("businesses"))
    yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def load_sic_codes(**_: Any) -> None:
    SicCode.objects.bulk_create([SicCode(code=code, title=title) for code, title in titles().items()])


def client_of(user: User) -> APIClient:
    """A client signed in by session, as a browser is."""
    client = APIClient()
    client.force_login(user)
    return client


def client_with(secret: str) -> APIClient:
    """A client that sends an API key, as a program does."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


@pytest.fixture(autouse=True)
def fast_passwords(settings: Settings) -> None:
    """The real hasher takes half a second, which is its purpose."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def org_a(db: None) -> Organization:
    return create_organization(name="Alpha", slug="alpha")


@pytest.fixture
def org_b(db: None) -> Organization:
    return create_organization(name="Beta", slug="beta")


@pytest.fixture
def alice(org_a: Organization) -> User:
    return make_member("alice", org_a, Role.OWNER)


@pytest.fixture
def ada(org_a: Organization) -> User:
    return make_member("ada", org_a, Role.ADMIN)


@pytest.fixture
def bob(org_a: Organization) -> User:
    return make_member("bob", org_a, Role.MEMBER)


@pytest.fixture
def vera(org_a: Organization) -> User:
    return make_member("vera", org_a, Role.VIEWER)


@pytest.fixture
def charlie(org_b: Organization) -> User:
    return make_member("charlie", org_b, Role.OWNER)


@pytest.fixture
def nomad(db: None) -> User:
    return make_user("nomad")


@pytest.fixture
def olga(db: None) -> User:
    return make_user("olga", is_staff=True, is_superuser=True)


@pytest.fixture
def anonymous() -> APIClient:
    return APIClient()


@pytest.fixture
def alice_client(alice: User) -> APIClient:
    return client_of(alice)


@pytest.fixture
def ada_client(ada: User) -> APIClient:
    return client_of(ada)


@pytest.fixture
def bob_client(bob: User) -> APIClient:
    return client_of(bob)


@pytest.fixture
def vera_client(vera: User) -> APIClient:
    return client_of(vera)


@pytest.fixture
def charlie_client(charlie: User) -> APIClient:
    return client_of(charlie)


@pytest.fixture
def nomad_client(nomad: User) -> APIClient:
    return client_of(nomad)


@pytest.fixture
def olga_client(olga: User) -> APIClient:
    """Signed in to the admin."""
    return client_of(olga)


@pytest.fixture
def key_client(org_a: Organization) -> APIClient:
    """A program of organisation A that may read."""
    return client_with(make_key(org_a, Scope.READ)[1])


@pytest.fixture
def writer_client(org_a: Organization) -> APIClient:
    """A program of organisation A that may read and write."""
    return client_with(make_key(org_a, Scope.READ, Scope.WRITE)[1])


@pytest.fixture
def register_client(org_a: Organization) -> APIClient:
    """A program of organisation A that may also edit the register."""
    return client_with(make_key(org_a, Scope.READ, Scope.WRITE, Scope.REGISTER)[1])


@pytest.fixture
def business(db: None) -> Callable[..., Business]:
    """`business("Acme Ltd", town="Leeds", vector=[…])`, as `tests.factories.make_business`."""
    return make_business
