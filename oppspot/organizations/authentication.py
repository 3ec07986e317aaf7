"""From a credential to one organisation: `request.org`, and what the credential may do: `request.actor`."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import DEFAULT_DB_ALIAS, connection
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.request import Request

from oppspot.organizations.models import ApiKey, Membership, Organization, User
from oppspot.organizations.scopes import ROLE_SCOPES, Scope

KEY_PREFIX = "ospt_"
LAST_USED_RESOLUTION = timedelta(minutes=5)  # a write for each request would cost more than the request

KEY_FIELDS = [field.attname for field in ApiKey._meta.concrete_fields]
ORG_FIELDS = [field.attname for field in Organization._meta.concrete_fields]
KEY_WITH_ORG = (
    f"SELECT {', '.join(f'k.{name}' for name in KEY_FIELDS)}, {', '.join(f'o.{name}' for name in ORG_FIELDS)} "  # noqa: S608  names of columns
    f"FROM {ApiKey._meta.db_table} k JOIN {Organization._meta.db_table} o ON o.id = k.org_id WHERE k.digest = %s"
)


@dataclass(frozen=True)
class Actor:
    """Who acts, for which organisation, with which scopes."""

    org: Organization
    scopes: frozenset[str]
    user: User | None = None
    role: str = ""  # of the user
    api_key: ApiKey | None = None

    @property
    def label(self) -> str:
        """Who it was, for logs: `user:12`, or the visible part of a key."""
        return f"ospt_{self.api_key.prefix}" if self.api_key else f"user:{self.user.pk if self.user else None}"


class KeyUser(AnonymousUser):
    """Stands in `request.user` for a client program: authenticated, but not a person."""

    is_authenticated = True  # type: ignore[assignment]
    is_anonymous = False  # type: ignore[assignment]


class OrgNotChosen(exceptions.APIException):
    status_code = 400
    default_code = "organization_required"
    default_detail = "You belong to several organisations: name one by its slug in the X-Organization header."


class NoOrganization(exceptions.PermissionDenied):
    default_code = "no_organization"
    default_detail = "You belong to no organisation, or not to the one named in X-Organization."


def digest_of(secret: str) -> str:
    """Hex SHA-256 of an API key."""
    return hashlib.sha256(secret.encode()).hexdigest()


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer ospt_…`, found by one indexed query."""

    def authenticate(self, request: Request) -> tuple[KeyUser, ApiKey] | None:
        words = get_authorization_header(request).split()
        if not words or words[0].lower() != b"bearer":
            return None
        if len(words) != 2 or not words[1].startswith(KEY_PREFIX.encode()):  # noqa: PLR2004  scheme and key
            raise exceptions.AuthenticationFailed("The Authorization header is not 'Bearer ospt_…'.")
        digest = hashlib.sha256(words[1]).hexdigest()
        key = _key_with_org(digest)
        if key is None or not key.is_active:
            raise exceptions.AuthenticationFailed("The API key is unknown, revoked or expired.")
        named = request.headers.get("X-Organization", "")
        if named and named not in {key.org.slug, str(key.org.pk)}:
            raise NoOrganization
        self._note_use(key)
        _act(request, Actor(org=key.org, scopes=frozenset(key.scopes), api_key=key))
        return KeyUser(), key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="oppspot"'

    @staticmethod
    def _note_use(key: ApiKey) -> None:
        now = timezone.now()
        if key.last_used_at is None or now - key.last_used_at > LAST_USED_RESOLUTION:
            ApiKey.objects.for_org(key.org).filter(pk=key.pk).update(last_used_at=now)


class SessionOrgAuthentication(SessionAuthentication):
    """A signed-in person acting for the organisation in `X-Organization`, or for the only one they have."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        user: Any = found[0]
        membership = self._membership(user, request.headers.get("X-Organization", ""))
        scopes = ROLE_SCOPES[membership.role]
        if user.is_staff and user.has_perm("businesses.change_business"):
            scopes |= {Scope.REGISTER}
        _act(request, Actor(org=membership.org, scopes=scopes, user=user, role=membership.role))
        return user, None

    @staticmethod
    def _membership(user: User, named: str) -> Membership:
        memberships = Membership.all_orgs.select_related("org").filter(user=user)
        if named:
            membership = memberships.filter(**_organization_named(named)).first()
            if membership is None:
                raise NoOrganization
            return membership
        candidates = list(memberships[:2])
        if not candidates:
            raise NoOrganization
        if len(candidates) > 1:
            raise OrgNotChosen
        return candidates[0]


def _key_with_org(digest: str) -> ApiKey | None:
    """The key and its organisation, by SQL written once: the compiler would take longer than the query, each time."""
    with connection.cursor() as cursor:
        cursor.execute(KEY_WITH_ORG, [digest])
        row = cursor.fetchone()
    if row is None:
        return None
    key = ApiKey.from_db(DEFAULT_DB_ALIAS, KEY_FIELDS, row[: len(KEY_FIELDS)])
    key.org = Organization.from_db(DEFAULT_DB_ALIAS, ORG_FIELDS, row[len(KEY_FIELDS) :])
    return key


def _organization_named(text: str) -> dict[str, Any]:
    """The condition for an organisation named by id or slug; one that no organisation meets for any other text."""
    try:
        return {"org__id": UUID(text)}
    except ValueError:
        return {"org__slug": text if text.isprintable() else ""}


def _act(request: Request, actor: Actor) -> None:
    request.org = actor.org  # type: ignore[attr-defined]
    request.actor = actor  # type: ignore[attr-defined]
    structlog.contextvars.bind_contextvars(org=actor.org.slug, actor=actor.label)  # on each line of this request's log


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the key appears in the OpenAPI document."""

    target_class = ApiKeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API key, `ospt_…`."}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The session cookie of a person signed in to the admin."""

    target_class = SessionOrgAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}
