"""Texts to people at companies, which wait for a person of the organisation. Nothing here sends anything."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from agents.models.agents import Agent, AgentExecution, Mode
from agents.models.opportunities import Opportunity
from businesses.models import Business
from oppspot.organizations.scoping import OrgOwned


class DraftChannel(models.TextChoices):
    EMAIL = "email", "E-mail"
    LINKEDIN = "linkedin", "LinkedIn message"
    CALL = "call", "Notes for a call"


class DraftStatus(models.TextChoices):
    DRAFT = "draft", "Draft"
    APPROVED = "approved", "Approved"
    EXPORTED = "exported", "Exported"
    REJECTED = "rejected", "Rejected"


OPEN = (DraftStatus.DRAFT, DraftStatus.APPROVED)


class Draft(OrgOwned):
    """A text to somebody at a company, as it reads now. Approval is of exactly the content that was approved."""

    agent = models.ForeignKey(Agent, null=True, on_delete=models.SET_NULL, related_name="+")
    execution = models.ForeignKey(AgentExecution, null=True, on_delete=models.SET_NULL, related_name="+",
                                  help_text="That wrote it last.")  # fmt: skip
    business = models.ForeignKey(Business, on_delete=models.PROTECT, related_name="+")
    opportunity = models.ForeignKey(Opportunity, null=True, on_delete=models.SET_NULL, related_name="+")
    channel = models.CharField(max_length=10, choices=DraftChannel)
    form = models.CharField(max_length=10, help_text="email, note, inmail or call: which limits of length hold.")
    tone = models.CharField(max_length=10)
    recipient_key = models.CharField(max_length=64, blank=True, default="", help_text="Equal for the same recipient.")
    recipient_name = models.CharField(max_length=200, blank=True, default="")
    recipient_role = models.CharField(max_length=200, blank=True, default="")
    subject = models.TextField(blank=True, default="")
    body = models.TextField()
    claims = models.JSONField(default=list, help_text="[{text, evidence: [id]}]: what each sentence rests on.")
    citations = models.JSONField(default=list, encoder=DjangoJSONEncoder, help_text="The evidence, by id.")
    warnings = models.JSONField(default=list, help_text="[{code, detail}]: what to look at before approving.")
    reason = models.CharField(max_length=80, help_text="The signal's type and rule, or `profile`.")
    mode = models.CharField(max_length=15, choices=Mode)
    template = models.CharField(max_length=120)
    facts_sha256 = models.CharField(max_length=64, help_text="Of the evidence and the settings it was written from.")
    content_sha256 = models.CharField(max_length=64)
    version = models.IntegerField(default=1)
    status = models.CharField(max_length=10, choices=DraftStatus, default=DraftStatus.DRAFT)
    edited_by = models.TextField(blank=True, default="", help_text="Who changed it last; none: an agent.")
    approved_sha256 = models.CharField(max_length=64, blank=True, default="")
    approved_by = models.TextField(blank=True, default="")
    approved_at = models.DateTimeField(null=True)
    exported_by = models.TextField(blank=True, default="")
    exported_at = models.DateTimeField(null=True)
    rejected_by = models.TextField(blank=True, default="")
    rejected_at = models.DateTimeField(null=True)
    rejection = models.TextField(blank=True, default="", help_text="Why it was rejected.")
    created_at = models.DateTimeField(db_default=Now())
    written_at = models.DateTimeField(db_default=Now(), help_text="When its content changed last.")

    class Meta:
        db_table = "drafts"
        constraints = [
            models.UniqueConstraint(fields=["org", "id"], name="draft_of_org"),
            models.UniqueConstraint(
                fields=["org", "agent", "business", "channel", "recipient_key"], condition=Q(status__in=OPEN),
                name="draft_open_once",
            ),
            models.CheckConstraint(condition=Q(channel__in=DraftChannel.values), name="draft_channel_known"),
            models.CheckConstraint(condition=Q(status__in=DraftStatus.values), name="draft_status_known"),
            models.CheckConstraint(condition=Q(mode__in=Mode.values), name="draft_mode_known"),
            models.CheckConstraint(condition=~Q(body=""), name="draft_says_something"),
            models.CheckConstraint(condition=Q(content_sha256__regex="^[0-9a-f]{64}$"), name="draft_content_hashed"),
            models.CheckConstraint(
                condition=~Q(status__in=["approved", "exported"])
                | (Q(approved_sha256=F("content_sha256"), approved_at__isnull=False) & ~Q(approved_by="")),
                name="draft_approved_as_it_is",
            ),
            models.CheckConstraint(
                condition=~Q(status="exported") | (Q(exported_at__isnull=False) & ~Q(exported_by="")),
                name="draft_exported_by_somebody",
            ),
            models.CheckConstraint(
                condition=~Q(status="rejected") | (Q(rejected_at__isnull=False) & ~Q(rejected_by="")),
                name="draft_rejected_by_somebody",
            ),
        ]  # fmt: skip
        indexes = [
            models.Index("org", F("id").desc(), name="draft_latest"),
            models.Index("org", "business", name="draft_business"),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()}: {(self.subject or self.body)[:80]}"


class DraftVersion(OrgOwned):
    """A draft's content as it was written or edited; the history of what was to be said."""

    draft = models.ForeignKey(Draft, on_delete=models.CASCADE, related_name="+")
    number = models.IntegerField()
    subject = models.TextField(blank=True, default="")
    body = models.TextField()
    claims = models.JSONField(default=list)
    citations = models.JSONField(default=list, encoder=DjangoJSONEncoder)
    content_sha256 = models.CharField(max_length=64)
    mode = models.CharField(max_length=15, blank=True, default="", help_text="None of what a person wrote.")
    made_by = models.TextField(help_text="Who edited it, or `execution:…`.")
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "draft_versions"
        constraints = [models.UniqueConstraint(fields=["org", "draft", "number"], name="draft_version_once")]

    def __str__(self) -> str:
        return f"Version {self.number} of {self.draft_id}"
