"""Writes: organisations, members, API keys. Each leaves a line in the log: what, of whom, by whom."""

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify

from oppspot.core.errors import InvalidInput, OppspotError
from oppspot.organizations.authentication import KEY_PREFIX, digest_of
from oppspot.organizations.models import ApiKey, Membership, Organization, User
from oppspot.organizations.scopes import Role, Scope

DISPLAYED_PREFIX = 8
logger = structlog.get_logger(__name__)


class LastOwner(OppspotError):
    """This is the organisation's last owner: make somebody else an owner first."""

    code = "last_owner"
    status = 409


class OwnersOnly(OppspotError):
    """Only an owner may make, change or remove an owner."""

    code = "owners_only"
    status = 403


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
    logger.info("organization_created", organization=slug)
    return org


def change_role(*, membership: Membership, role: str, by_owner: bool) -> Membership:
    """Give a member another role. Raises `OwnersOnly` and `LastOwner`."""
    if Role.OWNER in {membership.role, role} and not by_owner:
        raise OwnersOnly
    with transaction.atomic():
        if role != Role.OWNER:
            _keep_an_owner(membership)
        Membership.objects.for_org(membership.org).filter(pk=membership.pk).update(role=role)
    logger.info("role_changed", membership=str(membership.pk), before=membership.role, after=role)
    membership.role = role
    return membership


def remove_member(*, membership: Membership, by_owner: bool) -> None:
    """End a membership. Raises `OwnersOnly` and `LastOwner`."""
    if membership.role == Role.OWNER and not by_owner:
        raise OwnersOnly
    with transaction.atomic():
        _keep_an_owner(membership)
        Membership.objects.for_org(membership.org).filter(pk=membership.pk).delete()
    logger.info("member_removed", membership=str(membership.pk), user=membership.user_id, role=membership.role)


def is_last_owner(membership: Membership) -> bool:
    """Whether nobody else owns the organisation: for forms; writing asks again under a lock."""
    owners = Membership.objects.for_org(membership.org).filter(role=Role.OWNER).values_list("pk", flat=True)
    return list(owners) == [membership.pk]


def _keep_an_owner(membership: Membership) -> None:
    """Hold the owners until the end of the transaction; two who leave at once must not both find the other."""
    members = Membership.objects.for_org(membership.org)
    owners = members.filter(role=Role.OWNER).order_by("pk").select_for_update().values_list("pk", flat=True)
    if list(owners) == [membership.pk]:
        raise LastOwner


def issue_api_key(
    *,
    org: Organization,
    name: str,
    scopes: Collection[str] = (Scope.READ,),
    expires_at: datetime | None = None,
    created_by: User | None = None,
) -> tuple[ApiKey, str]:
    """Make an API key; returns it with its secret, which is stored nowhere. Raises `InvalidInput`."""
    expires_at = expires_at or timezone.now() + timedelta(days=settings.API_KEY_MAX_DAYS)
    check_key_terms(scopes=scopes, expires_at=expires_at)
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
    logger.info("api_key_issued", key=str(key.pk), prefix=key.prefix, scopes=key.scopes, organization=org.slug)
    return key, KEY_PREFIX + token


def check_key_terms(*, scopes: Collection[str], expires_at: datetime) -> None:
    """Raise `InvalidInput` unless a key may have these scopes until then."""
    latest = timezone.now() + timedelta(days=settings.API_KEY_MAX_DAYS)
    if not timezone.now() < expires_at <= latest + timedelta(minutes=1):
        message = f"Must lie within the next {settings.API_KEY_MAX_DAYS} days."
        raise InvalidInput(f"expires_at: {message}", fields={"expires_at": [message]})
    if unknown := sorted(set(scopes) - set(Scope.values)):
        raise InvalidInput(f"Unknown scopes: {', '.join(unknown)}.", fields={"scopes": ["Unknown scope."]})
    if not scopes:
        raise InvalidInput("A key needs at least one scope.", fields={"scopes": ["Required."]})


def revoke_api_key(*, key: ApiKey) -> ApiKey:
    """Make `key` useless from the next request on; revoking twice keeps the first time."""
    now = timezone.now()
    if ApiKey.objects.for_org(key.org).filter(pk=key.pk, revoked_at=None).update(revoked_at=now):
        logger.info("api_key_revoked", key=str(key.pk), prefix=key.prefix)
    key.refresh_from_db(fields=["revoked_at"])
    return key
