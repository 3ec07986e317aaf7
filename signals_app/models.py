"""What events mean to an organisation: signals, scores of companies, competitors, and how far sources are trusted."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now

from businesses.models import Business, BusinessEvent, OrgEvent
from oppspot.organizations.scoping import OrgOwned


class SignalType(models.TextChoices):
    FUNDING_ROUND = "funding_round", "Funding round"
    EXECUTIVE_CHANGE = "executive_change", "Executive change"
    JOB_POSTING = "job_posting", "Job posting"
    TECHNOLOGY_ADOPTION = "technology_adoption", "Technology adoption"
    EXPANSION = "expansion", "Expansion"
    WEBSITE_ACTIVITY = "website_activity", "Website activity"
    COMPETITOR_MENTION = "competitor_mention", "Competitor mention"
    COMPANIES_HOUSE_FILING = "companies_house_filing", "Companies House filing"


class Strength(models.TextChoices):
    WEAK = "weak", "Weak"
    MODERATE = "moderate", "Moderate"
    STRONG = "strong", "Strong"
    VERY_STRONG = "very_strong", "Very strong"


# The lowest weight (0 to 100) of each strength, and the weight of a signal for which only the strength is known.
STRENGTH_FLOORS = {Strength.VERY_STRONG: 80, Strength.STRONG: 55, Strength.MODERATE: 30, Strength.WEAK: 0}
TYPICAL_WEIGHTS = {Strength.VERY_STRONG: 90, Strength.STRONG: 65, Strength.MODERATE: 40, Strength.WEAK: 20}


def strength_of(weight: int) -> Strength:
    """The strength that a weight from 0 to 100 amounts to."""
    return next(strength for strength, floor in STRENGTH_FLOORS.items() if weight >= floor)


class SignalStatus(models.TextChoices):
    ACTIVE = "active", "Active"
    EXPIRED = "expired", "Expired"
    ACTED_UPON = "acted_upon", "Acted upon"
    FALSE_POSITIVE = "false_positive", "False positive"


class BuyingSignal(OrgOwned):
    """A sign that a company may soon buy, or (negative) that it will not; with its evidence.

    A signal stands for one happening, however many sources report it: `event_fingerprints` are those of all reports.
    """

    business = models.ForeignKey(Business, on_delete=models.PROTECT, related_name="+")
    signal_type = models.CharField(max_length=30, choices=SignalType)
    rule = models.CharField(max_length=60, help_text="Which rule of the type: share_allotment, new_director, …")
    rule_version = models.CharField(max_length=30)
    signal_strength = models.CharField(max_length=12, choices=Strength)
    weight = models.SmallIntegerField(help_text="The strength as a number, 0 to 100.")
    confidence_score = models.SmallIntegerField(help_text="How sure it is that it happened and means this, 0 to 100.")
    is_negative = models.BooleanField(default=False)
    needs_review = models.BooleanField(default=False, help_text="Too unsure to be told to anybody unseen.")
    signal_data = models.JSONField(default=dict)
    evidence = models.JSONField(default=list, help_text="[{fact, source, url, on, quote}]: what it rests on.")
    source = models.TextField(help_text="Of the first report.")
    source_url = models.TextField(blank=True, default="")
    event = models.ForeignKey(BusinessEvent, null=True, on_delete=models.SET_NULL, related_name="+")
    org_event = models.ForeignKey(OrgEvent, null=True, on_delete=models.SET_NULL, related_name="+")
    event_fingerprints = ArrayField(models.UUIDField(), default=list)
    occurred_on = models.DateField()
    half_life_days = models.SmallIntegerField()
    detected_by = models.TextField(help_text="The detector, or the user or key that told it.")
    detected_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    fingerprint = models.UUIDField(help_text="Equal for one happening and rule, however often it is detected.")

    status = models.CharField(max_length=15, choices=SignalStatus, default=SignalStatus.ACTIVE)
    outcome = models.TextField(blank=True, default="", help_text="What came of acting upon it.")
    handled_by = models.TextField(blank=True, default="", help_text="Who acted upon it, or found it false.")
    handled_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "buying_signals"
        constraints = [
            models.UniqueConstraint(fields=["org", "fingerprint"], name="signal_once"),
            models.UniqueConstraint(fields=["org", "id"], name="signal_of_org"),
            models.CheckConstraint(condition=Q(signal_type__in=SignalType.values), name="signal_type_known"),
            models.CheckConstraint(condition=Q(signal_strength__in=Strength.values), name="signal_strength_known"),
            models.CheckConstraint(condition=Q(status__in=SignalStatus.values), name="signal_status_known"),
            models.CheckConstraint(
                condition=Q(confidence_score__gte=0, confidence_score__lte=100), name="signal_confidence_percent"
            ),
            models.CheckConstraint(condition=Q(weight__gte=0, weight__lte=100), name="signal_weight_percent"),
            models.CheckConstraint(condition=Q(half_life_days__gt=0), name="signal_decays"),
            models.CheckConstraint(
                condition=Q(status__in=["active", "expired"]) | Q(handled_at__isnull=False), name="signal_handled_when"
            ),
        ]
        indexes = [
            models.Index("org", F("id").desc(), name="signal_latest"),
            models.Index("org", "business", F("occurred_on").desc(), name="signal_timeline"),
            models.Index("expires_at", condition=Q(status="active"), name="signal_expiry"),
            models.Index("org", F("id").desc(), condition=Q(needs_review=True, status="active"), name="signal_review"),
        ]

    def __str__(self) -> str:
        return f"{self.get_signal_type_display()} ({self.rule}) of {self.business_id}"


class BusinessScore(OrgOwned):
    """How much a company moves, from the organisation's active signals, as of a day. See `signals_app.scoring`."""

    business = models.ForeignKey(Business, on_delete=models.PROTECT, related_name="+")
    score = models.FloatField(help_text="0 to 100.")
    signals = models.IntegerField(help_text="Active ones.")
    latest_on = models.DateField(help_text="Of the newest signal.")
    as_of = models.DateField(help_text="The day that ages were counted to.")

    class Meta:
        db_table = "business_scores"
        constraints = [
            models.UniqueConstraint(fields=["org", "business"], name="business_score_once"),
            models.CheckConstraint(condition=Q(score__gte=0, score__lte=100), name="business_score_percent"),
        ]
        indexes = [models.Index("org", F("score").desc(), "business", name="business_score_rank")]

    def __str__(self) -> str:
        return f"{self.score:.0f} of {self.business_id}"


class Competitor(OrgOwned):
    """A rival of the organisation: being named beside one is a signal."""

    name = models.CharField(max_length=200)
    aliases = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "competitors"
        constraints = [
            models.UniqueConstraint("org", Lower("name"), name="competitor_once"),
            models.CheckConstraint(condition=~Q(name=""), name="competitor_has_name"),
        ]

    def __str__(self) -> str:
        return self.name


class SourceReliability(OrgOwned):
    """What people found of the signals of a source: it weighs those to come. See `signals_app.scoring`."""

    source = models.TextField()
    confirmed = models.IntegerField(default=0, help_text="Signals that were acted upon.")
    refuted = models.IntegerField(default=0, help_text="Signals that were false.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "source_reliability"
        verbose_name_plural = "source reliability"
        constraints = [
            models.UniqueConstraint(fields=["org", "source"], name="source_reliability_once"),
            models.CheckConstraint(condition=Q(confirmed__gte=0, refuted__gte=0), name="source_reliability_counted"),
        ]

    def __str__(self) -> str:
        return f"{self.source}: {self.confirmed} right, {self.refuted} wrong"


class DetectionPass(OrgOwned):
    """A detection over what happened to the companies an organisation watches; the last says where to go on."""

    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)
    businesses = models.IntegerField(default=0)
    facts = models.IntegerField(default=0)
    new = models.IntegerField(default=0)
    renewed = models.IntegerField(default=0)
    cleared = models.IntegerField(default=0)
    unreadable = models.JSONField(default=list, help_text="The first events that could not be read, with the reason.")

    class Meta:
        db_table = "detection_passes"
        verbose_name_plural = "detection passes"
        indexes = [models.Index("org", F("id").desc(), name="detection_pass_latest")]

    def __str__(self) -> str:
        return f"{self.new} new signals of {self.businesses} companies"


# Here, where Django looks for an app's models; below, as they refer to those above.
from signals_app.alerts.models import (  # noqa: E402
    Alert,
    AlertRule,
    Attempt,
    Carried,
    Channel,
    Delivery,
    RuleChannel,
)

__all__ = [
    "STRENGTH_FLOORS",
    "TYPICAL_WEIGHTS",
    "Alert",
    "AlertRule",
    "Attempt",
    "BusinessScore",
    "BuyingSignal",
    "Carried",
    "Channel",
    "Competitor",
    "Delivery",
    "DetectionPass",
    "RuleChannel",
    "SignalStatus",
    "SignalType",
    "SourceReliability",
    "Strength",
    "strength_of",
]
