"""What happened to companies, as sources saw it: for everyone, or told by an organisation and its own."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from businesses.models.register import Business
from oppspot.organizations.scoping import OrgOwned

MAX_URL = 2_000  # characters


class EventKind(models.TextChoices):
    """What kinds of change are known. The column is open: a source may name a new one."""

    INCORPORATED = "incorporated", "Incorporated"
    NAME_CHANGED = "name_changed", "Name changed"
    ADDRESS_CHANGED = "address_changed", "Address changed"
    STATUS_CHANGED = "status_changed", "Status changed"
    SIC_CHANGED = "sic_changed", "SIC codes changed"
    ACCOUNTS_CATEGORY_CHANGED = "accounts_category_changed", "Accounts category changed"
    ACCOUNTS_OVERDUE = "accounts_overdue", "Accounts overdue"
    BRANCH_REGISTERED = "branch_registered", "Branch of a foreign company registered"
    CHARGE_REGISTERED = "charge_registered", "Charge registered"
    CHARGE_SATISFIED = "charge_satisfied", "Charge satisfied"
    OFFICER_APPOINTED = "officer_appointed", "Officer appointed"
    OFFICER_RESIGNED = "officer_resigned", "Officer resigned"
    CONTROL_NOTIFIED = "control_notified", "Person with significant control notified"
    CONTROL_CEASED = "control_ceased", "Person with significant control ceased"
    INSOLVENCY = "insolvency", "Insolvency case"
    FILING = "filing", "Filing"
    JOB_POSTED = "job_posted", "Job posted"
    NEWS = "news", "News"
    WEB_CHANGED = "web_changed", "Website changed"


class EventFacts(models.Model):
    """The columns of an event, whoever may see it."""

    kind = models.TextField()
    occurred_on = models.DateField(null=True, help_text="When it happened; null when the source does not say.")
    observed_at = models.DateTimeField(db_default=Now(), help_text="When it was seen.")
    source = models.TextField()
    source_url = models.TextField(blank=True, db_default="", default="")
    payload = models.JSONField(default=dict, db_default={}, help_text="Facts of the event, e.g. before and after.")

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.kind} on {self.occurred_on or 'an unknown day'}"


class BusinessEvent(EventFacts):
    """Something that happened to a company, as observed in a source. Global, like the company."""

    business = models.ForeignKey(Business, on_delete=models.CASCADE, related_name="events")
    fingerprint = models.UUIDField(unique=True, help_text="Equal for one event, however often it is seen.")

    class Meta:
        db_table = "business_events"
        indexes = [
            models.Index("business", F("id").desc(), name="business_event_timeline"),
            models.Index("kind", F("id").desc(), name="business_event_kind"),
        ]


class OrgEvent(OrgOwned, EventFacts):
    """Something an organisation's own systems know about a company; nobody else sees it."""

    business = models.ForeignKey(Business, on_delete=models.PROTECT, related_name="+")
    fingerprint = models.UUIDField(help_text="Equal for one event of the organisation, however often it is told.")
    created_by = models.TextField(blank=True, default="", help_text="The user or API key that told it.")

    class Meta:
        db_table = "org_events"
        verbose_name = "organisation's event"
        constraints = [
            models.UniqueConstraint(fields=["org", "fingerprint"], name="org_event_once"),
            models.UniqueConstraint(fields=["org", "id"], name="org_event_of_org"),
            models.CheckConstraint(condition=~Q(kind=""), name="org_event_has_kind"),
        ]
        indexes = [models.Index("org", "business", F("id").desc(), name="org_event_timeline")]
