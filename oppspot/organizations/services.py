"""Writes: organisations, members, API keys."""

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify

from oppspot.core.errors import InvalidInput
from oppspot.organizations.authentication import KEY_PREFIX, digest_of
from oppspot.organizations.models import ApiKey, Membership, Organization, User
from oppspot.organizations.scopes import Role, Scope

DISPLAYED_PREFIX = 8


def create_organization(*, name: str, owner: User | None = None, slug: str = "") -> Organization:
    """Make an organisation, with `owner` as its first member. Raises `InvalidInput` when the slug is taken."""
    slug = slug or slugify(name)
    if not slug:
        raise InvalidInput("The name has no letters to make a slug from; give one.", fields={"slug": ["Required."]})
    with transaction.atomic():
        org, created = Organization.objects.get_or_create(slug=slug, defaults={"name": name})
        if not created:
            raise InvalidInput(f"There is an organisation {slug!r} already.", fields={"slug": ["Taken."]})
        if owner is not None:
            Membership.objects.for_org(org).create(org=org, user=owner, role=Role.OWNER)
    return org


def issue_api_key(
    *,
    org: Organization,
    name: str,
    scopes: Collection[str] = (Scope.READ,),
    expires_at: datetime | None = None,
    created_by: User | None = None,
) -> tuple[ApiKey, str]:
    """Make an API key; returns it with its secret, which is stored nowhere. Raises `InvalidInput`."""
    latest = timezone.now() + timedelta(days=settings.API_KEY_MAX_DAYS)
    expires_at = expires_at or latest
    if not timezone.now() < expires_at <= latest + timedelta(minutes=1):
        message = f"Must lie within the next {settings.API_KEY_MAX_DAYS} days."
        raise InvalidInput(f"expires_at: {message}", fields={"expires_at": [message]})
    if unknown := sorted(set(scopes) - set(Scope.values)):
        raise InvalidInput(f"Unknown scopes: {', '.join(unknown)}.", fields={"scopes": ["Unknown scope."]})
    if not scopes:
        raise InvalidInput("A key needs at least one scope.", fields={"scopes": ["Required."]})
    token = secrets.token_urlsafe(32)
    key = ApiKey(
        org=org,
        name=name,
        prefix=token[:DISPLAYED_PREFIX],
        digest=digest_of(KEY_PREFIX + token),
        scopes=sorted(scopes),
        expires_at=expires_at,
        created_by=created_by,
    )
    try:
        with transaction.atomic():
            key.save(force_insert=True)
    except IntegrityError as error:
        message = "An active key has this name."
        raise InvalidInput(f"name: {message}", fields={"name": [message]}) from error
    return key, KEY_PREFIX + token


def revoke_api_key(*, key: ApiKey) -> ApiKey:
    """Make `key` useless from the next request on; revoking twice keeps the first time."""
    now = timezone.now()
    ApiKey.objects.for_org(key.org).filter(pk=key.pk, revoked_at=None).update(revoked_at=now)
    key.refresh_from_db(fields=["revoked_at"])
    return key
