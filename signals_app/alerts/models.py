"""Rules, the channels they tell through, alerts, and the log of what was sent. Part of the models of `signals_app`."""

from datetime import timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now
from django.utils import timezone

from businesses.models import Business, Watchlist
from oppspot.organizations.scoping import OrgOwned
from signals_app.models import BuyingSignal, SignalType, Strength

OVERLAP = timedelta(hours=24)  # for which the secret before a rotation signs along


class ChannelKind(models.TextChoices):
    EMAIL = "email", "E-mail"
    SLACK = "slack", "Slack-style incoming webhook"
    WEBHOOK = "webhook", "Signed webhook"


class Channel(OrgOwned):
    """Where messages go. A URL may be a secret in itself: it is shown to nobody, only its host is.

    The secret that signs webhooks is stored nowhere: see `signals_app.alerts.secrets`.
    """

    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=10, choices=ChannelKind)
    address = models.CharField(max_length=2_000, help_text="An e-mail address or a URL.")
    is_enabled = models.BooleanField(default=True)
    failing_since = models.DateTimeField(null=True, help_text="The first failure after the last success.")
    disabled_at = models.DateTimeField(null=True)
    disabled_reason = models.TextField(blank=True, default="")
    secret_generation = models.IntegerField(default=1)
    secret_rotated_at = models.DateTimeField(null=True)
    created_by = models.TextField(blank=True, default="", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "alert_channels"
        verbose_name = "alert channel"
        constraints = [
            models.UniqueConstraint("org", Lower("name"), name="alert_channel_name_once"),
            models.UniqueConstraint(fields=["org", "id"], name="alert_channel_of_org"),
            models.CheckConstraint(condition=~Q(name=""), name="alert_channel_has_name"),
            models.CheckConstraint(condition=Q(kind__in=ChannelKind.values), name="alert_channel_kind_known"),
            models.CheckConstraint(condition=~Q(address=""), name="alert_channel_has_address"),
            models.CheckConstraint(
                condition=Q(is_enabled=True, disabled_at=None) | Q(is_enabled=False, disabled_at__isnull=False),
                name="alert_channel_disabled_when",
            ),
            models.CheckConstraint(
                condition=Q(secret_generation=1) | Q(secret_generation__gt=1, secret_rotated_at__isnull=False),
                name="alert_channel_rotated_when",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def signing_generations(self) -> list[int]:
        """Of the secrets that sign now, the newest first."""
        rotated = self.secret_rotated_at
        is_overlap = rotated is not None and timezone.now() < rotated + OVERLAP
        return [self.secret_generation, *([self.secret_generation - 1] if is_overlap else [])]


class Frequency(models.TextChoices):
    IMMEDIATE = "immediate", "At once"
    HOURLY = "hourly", "Every hour"
    DAILY = "daily", "Every day"


class AlertRule(OrgOwned):
    """Which signals an organisation wants to be told of, when, and through which channels."""

    name = models.CharField(max_length=100)
    is_active = models.BooleanField(default=True)
    signal_types = ArrayField(
        models.CharField(max_length=30, choices=SignalType), default=list, blank=True, help_text="Empty: all."
    )
    min_strength = models.CharField(max_length=12, choices=Strength, default=Strength.WEAK)
    min_confidence = models.SmallIntegerField(default=0, help_text="0 to 100.")
    min_score = models.FloatField(default=0, help_text="Of the company, 0 to 100; one without signals has 0.")
    include_negative = models.BooleanField(default=False, help_text="Also signs that a company will not buy.")
    # With its watchlist goes the rule: without, it would be about all companies.
    watchlist = models.ForeignKey(Watchlist, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    channels = models.ManyToManyField(Channel, through="signals_app.RuleChannel", related_name="+")
    time_zone = models.CharField(max_length=60, default="Europe/London")
    quiet_from = models.TimeField(null=True, blank=True, help_text="Nothing is sent from this local time …")
    quiet_until = models.TimeField(null=True, blank=True, help_text="… until this one, of the next day if it is less.")
    frequency = models.CharField(max_length=10, choices=Frequency, default=Frequency.IMMEDIATE)
    digest_at = models.TimeField(null=True, blank=True, help_text="The local time of a daily digest.")
    next_digest_at = models.DateTimeField(null=True, editable=False)
    created_by = models.TextField(blank=True, default="", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "alert_rules"
        constraints = [
            models.UniqueConstraint("org", Lower("name"), name="alert_rule_name_once"),
            models.UniqueConstraint(fields=["org", "id"], name="alert_rule_of_org"),
            models.CheckConstraint(condition=~Q(name=""), name="alert_rule_has_name"),
            models.CheckConstraint(
                condition=Q(signal_types__contained_by=SignalType.values), name="alert_rule_types_known"
            ),
            models.CheckConstraint(condition=Q(min_strength__in=Strength.values), name="alert_rule_strength_known"),
            models.CheckConstraint(
                condition=Q(min_confidence__gte=0, min_confidence__lte=100), name="alert_rule_confidence_percent"
            ),
            models.CheckConstraint(condition=Q(min_score__gte=0, min_score__lte=100), name="alert_rule_score_percent"),
            models.CheckConstraint(
                condition=Q(quiet_from=None, quiet_until=None)
                | (Q(quiet_from__isnull=False, quiet_until__isnull=False) & ~Q(quiet_from=F("quiet_until"))),
                name="alert_rule_quiet_hours",
            ),
            models.CheckConstraint(
                condition=Q(frequency=Frequency.DAILY, digest_at__isnull=False)
                | Q(frequency__in=[Frequency.IMMEDIATE, Frequency.HOURLY], digest_at=None),
                name="alert_rule_frequency_known",
            ),
        ]
        indexes = [
            models.Index("next_digest_at", condition=Q(next_digest_at__isnull=False), name="alert_rule_due"),
            models.Index("org", condition=Q(is_active=True), name="alert_rule_active"),
        ]

    def __str__(self) -> str:
        return self.name


class RuleChannel(OrgOwned):
    """A channel of a rule."""

    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, related_name="+")
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="+")

    class Meta:
        db_table = "alert_rule_channels"
        constraints = [models.UniqueConstraint(fields=["org", "rule", "channel"], name="alert_rule_channel_once")]

    def __str__(self) -> str:
        return f"{self.rule_id} tells {self.channel_id}"


class Alert(OrgOwned):
    """A company did what a rule waits for: at most once a rule, company and day."""

    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, related_name="+")
    business = models.ForeignKey(Business, on_delete=models.PROTECT, related_name="+")
    signal = models.ForeignKey(BuyingSignal, on_delete=models.CASCADE, related_name="+")
    day = models.DateField(help_text="On which it was raised, in the rule's time zone.")
    created_at = models.DateTimeField(db_default=Now())
    told_at = models.DateTimeField(null=True, help_text="When it was put into messages; null: it waits for a digest.")

    class Meta:
        db_table = "alerts"
        constraints = [
            models.UniqueConstraint(fields=["org", "rule", "business", "day"], name="alert_once_a_day"),
            models.UniqueConstraint(fields=["org", "id"], name="alert_of_org"),
        ]
        indexes = [
            models.Index("org", F("id").desc(), name="alert_latest"),
            models.Index("rule", "id", condition=Q(told_at=None), name="alert_waiting"),
        ]

    def __str__(self) -> str:
        return f"{self.business_id} on {self.day}"


class Purpose(models.TextChoices):
    ALERT = "alert", "An alert"
    DIGEST = "digest", "A digest"
    MESSAGE = "message", "A message"
    TEST = "test", "A test"


class State(models.TextChoices):
    PENDING = "pending", "Pending"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Failed: no tries left"
    ABANDONED = "abandoned", "Abandoned: the channel is disabled"


class Delivery(OrgOwned):
    """A message to one channel. Every try, and every re-send, has the same body and message id."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="+")
    purpose = models.CharField(max_length=10, choices=Purpose)
    dedupe_key = models.CharField(max_length=200, help_text="A second message of the key is not made.")
    subject = models.CharField(max_length=250)
    body = models.TextField(help_text="As it is sent.")
    alerts_count = models.IntegerField(default=0)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    reason = models.TextField(blank=True, default="", help_text="Of a state that is no success.")
    tries = models.SmallIntegerField(default=0, help_text="Begun since it was made, or last sent again.")
    next_try_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "alert_deliveries"
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["org", "channel", "dedupe_key"], name="alert_delivery_once"),
            models.UniqueConstraint(fields=["org", "id"], name="alert_delivery_of_org"),
            models.CheckConstraint(condition=Q(purpose__in=Purpose.values), name="alert_delivery_purpose_known"),
            models.CheckConstraint(
                condition=Q(state=State.PENDING, next_try_at__isnull=False)
                | Q(state__in=[State.DELIVERED, State.FAILED, State.ABANDONED], next_try_at=None),
                name="alert_delivery_state_known",
            ),
            models.CheckConstraint(
                condition=~Q(state=State.DELIVERED) | Q(delivered_at__isnull=False),
                name="alert_delivery_delivered_when",
            ),
        ]
        indexes = [
            models.Index("org", F("id").desc(), name="alert_delivery_latest"),
            models.Index("next_try_at", condition=Q(state=State.PENDING), name="alert_delivery_due"),
        ]

    def __str__(self) -> str:
        return self.subject

    @property
    def message_id(self) -> str:
        """By which a receiver knows a message that it has had."""
        return f"msg_{self.pk.hex}"


class Carried(OrgOwned):
    """An alert that a delivery carries."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="+")
    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="+")

    class Meta:
        db_table = "alert_delivery_alerts"
        constraints = [models.UniqueConstraint(fields=["org", "delivery", "alert"], name="alert_carried_once")]

    def __str__(self) -> str:
        return f"{self.alert_id} in {self.delivery_id}"


class Result(models.TextChoices):
    DELIVERED = "delivered", "Delivered"
    REFUSED = "refused", "Refused: the other side answered so"
    UNREACHED = "unreached", "Unreached: no answer came"
    UNKNOWN = "unknown", "Unknown: it is at work, or its worker vanished"


class Attempt(OrgOwned):
    """One try of a delivery, and what came of it."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts")
    number = models.SmallIntegerField()
    result = models.CharField(max_length=10, choices=Result, default=Result.UNKNOWN)
    status_code = models.SmallIntegerField(null=True, help_text="Of the answer; null where none came, and by e-mail.")
    answer = models.TextField(blank=True, default="", help_text="The beginning of what was answered, or what failed.")
    duration_ms = models.IntegerField(default=0)
    started_at = models.DateTimeField()

    class Meta:
        db_table = "alert_delivery_attempts"
        verbose_name = "delivery attempt"
        constraints = [
            models.UniqueConstraint(fields=["org", "delivery", "number"], name="alert_attempt_once"),
            models.CheckConstraint(condition=Q(result__in=Result.values), name="alert_attempt_result_known"),
            models.CheckConstraint(condition=Q(duration_ms__gte=0), name="alert_attempt_took_time"),
        ]

    def __str__(self) -> str:
        return f"{self.number}: {self.result}"
