"""Users, organisations, memberships and API keys; what is kept of an organisation's requests."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils import timezone

from oppspot.core.ids import uuid7
from oppspot.organizations.scopes import Role, Scope
from oppspot.organizations.scoping import OrgOwned


class EmailUserManager(UserManager["User"]):
    """Users are made and found by their e-mail address, whatever its case."""

    def create_user(self, email: str, password: str | None = None, **extra: Any) -> "User":  # type: ignore[override]
        return self._create(email, password, **{"is_staff": False, "is_superuser": False, **extra})

    def create_superuser(self, email: str, password: str | None = None, **extra: Any) -> "User":  # type: ignore[override]
        return self._create(email, password, **{"is_staff": True, "is_superuser": True, **extra})

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)

    def _create(self, email: str, password: str | None, **extra: Any) -> "User":
        if not email:
            raise ValueError("A user needs an e-mail address.")
        user = self.model(email=self.normalize_email(email), **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractUser):
    """A person; signs in with an e-mail address."""

    username = None  # type: ignore[assignment]
    email = models.EmailField("e-mail address", unique=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[EmailUserManager] = EmailUserManager()

    class Meta(AbstractUser.Meta):
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_unique")]

    def __str__(self) -> str:
        return self.email


class Organization(models.Model):
    """A customer: whose signals, agents and keys are its own."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=60, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "organisation"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Membership(OrgOwned):
    """A user's role in an organisation."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["org", "user"], name="membership_once"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.org}"


class ApiKey(OrgOwned):
    """A credential of a client program. The secret is shown once and kept only as a SHA-256 digest:
    it is 256 random bits, which need no slow hash."""

    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=8, help_text="The first characters after ospt_, to tell keys apart.")
    digest = models.CharField(max_length=64, editable=False, validators=[RegexValidator(r"^[0-9a-f]{64}$")])
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope))
    created_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "API key"
        constraints = [
            models.UniqueConstraint(fields=["org", "name"], condition=Q(revoked_at=None), name="api_key_name_once"),
            # The digest is looked up before the organisation is known; two equal ones would be two equal secrets.
            models.UniqueConstraint(fields=["digest"], include=["org"], name="api_key_digest_once"),
            models.CheckConstraint(condition=~Q(scopes=[]), name="api_key_has_scopes"),
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="api_key_expires_later"),
        ]

    def __str__(self) -> str:
        return f"{self.name} (ospt_{self.prefix}…)"

    @property
    def is_active(self) -> bool:
        return self.revoked_at is None and self.expires_at > timezone.now()


class RequestCount(OrgOwned):
    """How many requests an organisation made in a clock minute; an unlogged table, written by `OrgThrottle`."""

    window_started = models.DateTimeField()
    requests = models.IntegerField()

    class Meta:
        db_table = "organization_requests"
        constraints = [models.UniqueConstraint(fields=["org"], name="organization_requests_once")]

    def __str__(self) -> str:
        return f"{self.requests} requests of {self.org_id}"


class IdempotentRequest(OrgOwned):
    """The answer to a POST that named itself with an `Idempotency-Key`, for when it is sent again.

    The row commits together with what the request did, so there is none of a request in progress.
    """

    key = models.CharField(max_length=255)
    request_line = models.TextField(help_text="Method and path with its query: POST /api/v1/…")
    fingerprint = models.CharField(max_length=64, help_text="Keyed SHA-256 of the body as canonical JSON, in hex.")
    status_code = models.SmallIntegerField()
    headers = models.JSONField(help_text="Those worth repeating: Content-Type, Location, Retry-After.")
    body = models.TextField(blank=True, help_text="As it was sent: jsonb would reorder its keys.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["org", "key"], name="idempotent_request_once"),
            models.CheckConstraint(condition=Q(key__regex=r"^[ -~]+$"), name="idempotent_request_key_printable"),
            models.CheckConstraint(
                condition=Q(fingerprint__regex=r"^[0-9a-f]{64}$"), name="idempotent_request_fingerprint_sha256"
            ),
            models.CheckConstraint(
                condition=Q(status_code__gte=200, status_code__lt=500), name="idempotent_request_status_final"
            ),
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotent_request_age")]

    def __str__(self) -> str:
        return f"{self.request_line} ({self.key})"
