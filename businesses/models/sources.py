"""How sources stand: what they read up to, how each pull went, what they missed, and what they may still ask for."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from businesses.models.register import Business


class Feed(models.Model):
    """A news feed that ops staff entered. Its items concern one company, or whichever company they name."""

    url = models.URLField(max_length=2_000, unique=True)
    title = models.CharField(max_length=200, blank=True, default="")
    business = models.ForeignKey(
        Business, null=True, blank=True, on_delete=models.CASCADE, related_name="feeds",
        help_text="Whose own feed it is; empty: items are matched by the company's name.",
    )  # fmt: skip
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "feeds"

    def __str__(self) -> str:
        return self.title or self.url


class SourceState(models.Model):
    """Up to where a source has read one of its targets: a company, a feed, a stream, a file.

    The checkpoint is written in one transaction with what was read up to it.
    """

    source = models.CharField(max_length=60)
    target = models.TextField(help_text="A company's id, a feed's, the name of a stream or a file.")
    business = models.ForeignKey(Business, null=True, on_delete=models.CASCADE, related_name="+")
    checkpoint = models.JSONField(default=dict, db_default={}, help_text="The source's own: a time point, an ETag, …")
    pulled_at = models.DateTimeField(null=True)
    succeeded_at = models.DateTimeField(null=True)
    failures = models.IntegerField(default=0, db_default=0, help_text="One after the other, up to now.")
    error = models.TextField(blank=True, db_default="", default="")

    class Meta:
        db_table = "source_states"
        constraints = [
            models.UniqueConstraint(fields=["source", "target"], name="source_state_once"),
            models.CheckConstraint(condition=Q(failures__gte=0), name="source_state_failures_counted"),
        ]
        indexes = [models.Index(F("source"), F("pulled_at").asc(nulls_first=True), name="source_state_stalest")]

    def __str__(self) -> str:
        return f"{self.source} of {self.target}"


class PullStatus(models.TextChoices):
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    PARTIAL = "partial", "Completed with failures"
    FAILED = "failed", "Failed"
    NOT_CONFIGURED = "not_configured", "Not configured"


class SourcePull(models.Model):
    """One pull of a source: what it read and what it could not."""

    source = models.CharField(max_length=60)
    status = models.CharField(max_length=20, choices=PullStatus, default=PullStatus.RUNNING)
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now(), help_text="When it last wrote something; old: it died.")
    finished_at = models.DateTimeField(null=True)
    requested_by = models.TextField(blank=True, db_default="", default="")
    targets = models.IntegerField(default=0, db_default=0)
    items = models.IntegerField(default=0, db_default=0, help_text="Facts read.")
    new = models.IntegerField(default=0, db_default=0, help_text="Events that were not known before.")
    failed = models.IntegerField(default=0, db_default=0)
    failures = models.JSONField(default=list, db_default=[], help_text="The first of them: [{where, reason}].")
    note = models.TextField(blank=True, db_default="", default="")

    class Meta:
        db_table = "source_pulls"
        constraints = [
            models.CheckConstraint(condition=Q(status__in=PullStatus.values), name="source_pull_status_known"),
            models.CheckConstraint(
                condition=Q(finished_at=None, status=PullStatus.RUNNING)
                | (~Q(finished_at=None) & ~Q(status=PullStatus.RUNNING)),
                name="source_pull_has_ended",
            ),
        ]
        indexes = [models.Index("source", F("id").desc(), name="source_pull_latest")]

    def __str__(self) -> str:
        return f"{self.source} {self.started_at:%Y-%m-%d %H:%M}"


class SourceGap(models.Model):
    """A stretch of a stream that can no longer be read; open until its facts were fetched in another way."""

    source = models.CharField(max_length=60)
    target = models.TextField(help_text="The stream.")
    after = models.BigIntegerField(null=True, help_text="The last time point read before the gap.")
    until = models.BigIntegerField(null=True, help_text="The first time point read after it.")
    noticed_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True)
    note = models.TextField(blank=True, db_default="", default="")

    class Meta:
        db_table = "source_gaps"
        indexes = [models.Index("source", F("id").desc(), name="source_gap_latest")]

    def __str__(self) -> str:
        return f"gap in {self.source} {self.target} after {self.after}"


class RequestBudget(models.Model):
    """Requests that an outside service still allows in its present window: one row for all processes."""

    name = models.CharField(max_length=60, primary_key=True)
    capacity = models.IntegerField(help_text="Requests of a whole window.")
    window_s = models.IntegerField(help_text="Seconds of a window.")
    remaining = models.IntegerField()
    resets_at = models.DateTimeField()

    class Meta:
        db_table = "request_budgets"
        constraints = [
            models.CheckConstraint(
                condition=Q(remaining__gte=0, capacity__gt=0, window_s__gt=0), name="request_budget_sane"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.remaining} of {self.capacity}"
