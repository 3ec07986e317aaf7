"""Companies that fit, and how well."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from agents.models.agents import Agent, AgentExecution
from businesses.models import Business
from oppspot.organizations.scoping import OrgOwned

_PERCENT = ("score", "confidence", "fit", "intent", "timing", "data_quality")


def _percent(prefix: str, *names: str) -> list[models.BaseConstraint]:
    return [
        models.CheckConstraint(
            condition=Q(**{name: None}) | Q(**{f"{name}__gte": 0, f"{name}__lte": 100}), name=f"{prefix}_{name}_percent"
        )
        for name in names
    ]


class OpportunityStatus(models.TextChoices):
    OPEN = "open", "Open"
    CONTACTED = "contacted", "Contacted"
    WON = "won", "Won"
    LOST = "lost", "Lost"
    DISMISSED = "dismissed", "Dismissed"


class Opportunity(OrgOwned):
    """A company that an agent found worth acting upon, once however often it is found again."""

    agent = models.ForeignKey(Agent, null=True, on_delete=models.SET_NULL, related_name="+")
    execution = models.ForeignKey(AgentExecution, null=True, on_delete=models.SET_NULL, related_name="+",
                                  help_text="That found it last.")  # fmt: skip
    business = models.ForeignKey(Business, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=10, choices=OpportunityStatus, default=OpportunityStatus.OPEN)
    score = models.FloatField(help_text="0 to 100.")
    confidence = models.FloatField(help_text="How much of what the score asks for is known, 0 to 100.")
    fit = models.FloatField(null=True)
    intent = models.FloatField(null=True)
    timing = models.FloatField(null=True)
    data_quality = models.FloatField(null=True)
    reasons = models.JSONField(default=list, help_text="[{code, text, points, evidence: [{source, url, on, quote}]}].")
    mode = models.CharField(max_length=15, default="deterministic")
    first_seen_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField(db_default=Now())
    gone_at = models.DateTimeField(null=True, help_text="When the agent looked and no longer found it.")
    times_seen = models.IntegerField(default=1)
    outcome = models.TextField(blank=True, default="", help_text="What came of it.")
    handled_by = models.TextField(blank=True, default="", editable=False)
    handled_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        db_table = "opportunities"
        verbose_name_plural = "opportunities"
        constraints = [
            models.UniqueConstraint(fields=["org", "id"], name="opportunity_of_org"),
            models.UniqueConstraint(fields=["org", "agent", "business"], name="opportunity_once"),
            models.CheckConstraint(condition=Q(status__in=OpportunityStatus.values), name="opportunity_status_known"),
            models.CheckConstraint(
                condition=Q(status="open") | Q(handled_at__isnull=False), name="opportunity_handled"
            ),
            *_percent("opportunity", *_PERCENT),
        ]
        indexes = [
            models.Index("org", F("score").desc(), "id", name="opportunity_rank"),
            models.Index("org", F("id").desc(), name="opportunity_latest"),
            models.Index("org", "business", name="opportunity_business"),
        ]

    def __str__(self) -> str:
        return f"{self.score:.0f}: {self.business_id}"


class Scorecard(OrgOwned):
    """How well a company fits and when, as an agent scored it at a time. A new one is added when anything changed."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="+")
    execution = models.ForeignKey(AgentExecution, null=True, on_delete=models.SET_NULL, related_name="+")
    business = models.ForeignKey(Business, on_delete=models.PROTECT, related_name="+")
    score = models.FloatField(help_text="0 to 100.")
    confidence = models.FloatField(help_text="0 to 100.")
    fit = models.FloatField(null=True)
    intent = models.FloatField(null=True)
    timing = models.FloatField(null=True)
    data_quality = models.FloatField(null=True)
    contributions = models.JSONField(default=list, help_text="What the score is the sum of, each with its evidence.")
    icp_hash = models.CharField(max_length=64, help_text="Of the profile and weights that it was scored with.")
    scored_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "scorecards"
        constraints = _percent("scorecard", *_PERCENT)
        indexes = [
            models.Index("org", "business", F("id").desc(), name="scorecard_business"),
            models.Index("org", "agent", F("id").desc(), name="scorecard_agent"),
        ]

    def __str__(self) -> str:
        return f"{self.score:.0f} of {self.business_id}"
