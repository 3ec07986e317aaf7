"""Rows for tests, made with as little as they need."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from typing import Any

from django.utils import timezone

from businesses.models import Business
from oppspot.organizations.models import ApiKey, Membership, Organization, User
from oppspot.organizations.scopes import Role, Scope
from oppspot.organizations.services import issue_api_key

_numbers = count(1)


def make_user(name: str, **fields: Any) -> User:
    """A user `name@example.com` without a password: hashing one costs more than most tests."""
    return User.objects.create_user(f"{name}@example.com", first_name=name.title(), **fields)


def make_member(name: str, org: Organization, role: str = Role.MEMBER) -> User:
    """A user who has `role` in `org`."""
    user = make_user(name)
    Membership.objects.for_org(org).create(org=org, user=user, role=role)
    return user


def make_key(org: Organization, *scopes: str, **changes: Any) -> tuple[ApiKey, str]:
    """An API key of `org` and its secret; `changes` are written to the row as they are."""
    key, secret = issue_api_key(org=org, name=f"key {next(_numbers)}", scopes=scopes or (Scope.READ,))
    if changes:
        ApiKey.objects.for_org(org).filter(pk=key.pk).update(**changes)
        key.refresh_from_db()
    return key, secret


def long_ago(**ago: int) -> Any:
    """A moment in the past: `long_ago(days=3)`."""
    return timezone.now() - timedelta(**ago)


def make_business(name: str = "", *, vector: Sequence[float] | None = None, **fields: Any) -> Business:
    """A company; with `vector` also the embedding columns, current for the model `test-model`."""
    number = next(_numbers)
    fields.setdefault("company_number", f"T{number:07}")
    business = Business(name=name or f"Company {number} Ltd", **fields)
    business.save()
    business.refresh_from_db(fields=["text_hash", "postcode_area"])
    if vector is not None:
        embed(business, vector)
    return business


def embed(business: Business, vector: Sequence[float], *, model: str = "test-model", template: str = "1") -> None:
    """Give `business` a vector made from its present text."""
    business.embedding, business.embedding_model = list(vector), model
    business.embedding_generated_at, business.embedding_token_count = timezone.now(), len(business.name)
    business.embedding_hash = f"{template}:{business.text_hash}"
    columns = ["embedding", "embedding_model", "embedding_generated_at", "embedding_token_count", "embedding_hash"]
    Business.objects.filter(pk=business.pk).update(**{column: getattr(business, column) for column in columns})
