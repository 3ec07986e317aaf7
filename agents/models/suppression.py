"""Whom the organisation does not contact."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from oppspot.organizations.scoping import OrgOwned


class SuppressionKind(models.TextChoices):
    EMAIL = "email", "E-mail address"
    DOMAIN = "domain", "Domain"
    COMPANY = "company", "Company"


class SuppressionReason(models.TextChoices):
    """A closed list: a free text would sooner or later hold the address that is not to be stored."""

    OPTED_OUT = "opted_out", "Asked not to be contacted"
    COMPLAINT = "complaint", "Complained"
    CUSTOMER = "customer", "Is a customer"
    COMPETITOR = "competitor", "Is a competitor"
    BOUNCED = "bounced", "The address does not work"
    OTHER = "other", "Other"


class Suppression(OrgOwned):
    """Somebody not to be contacted. Addresses and domains are kept as keyed hashes only: see `agents.suppression`."""

    kind = models.CharField(max_length=10, choices=SuppressionKind)
    value = models.CharField(max_length=64, help_text="A company's number; a keyed SHA-256 of anything else.")
    key_ids = ArrayField(
        models.CharField(max_length=16), default=list,
        help_text="Which keys its hash may have been made under, all of them needed; of a company's number none.",
    )  # fmt: skip
    reason = models.CharField(max_length=12, choices=SuppressionReason, default=SuppressionReason.OPTED_OUT)
    created_by = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "suppressions"
        constraints = [
            models.UniqueConstraint(fields=["org", "kind", "value"], name="suppression_once"),
            models.CheckConstraint(condition=Q(kind__in=SuppressionKind.values), name="suppression_kind_known"),
            models.CheckConstraint(condition=Q(reason__in=SuppressionReason.values), name="suppression_reason_known"),
            models.CheckConstraint(
                condition=Q(kind="company", value__regex="^[A-Z0-9]{8}$")
                | Q(kind__in=["email", "domain"], value__regex="^[0-9a-f]{64}$"),
                name="suppression_holds_no_address",
            ),
            models.CheckConstraint(
                condition=Q(kind="company") | Q(key_ids__len__gt=0), name="suppression_names_its_key"
            ),
        ]
        indexes = [models.Index("org", F("id").desc(), name="suppression_latest")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.value[:8]}"
