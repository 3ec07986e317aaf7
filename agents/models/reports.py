"""Reports on companies: sections, each with its own time to live, and the reports that they are put together to."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from agents.models.agents import AgentExecution, Mode
from businesses.models import Business
from oppspot.organizations.scoping import OrgOwned


class Depth(models.TextChoices):
    QUICK = "quick", "Quick"
    DETAILED = "detailed", "Detailed"


class SectionName(models.TextChoices):
    """The sections of a report, in its order."""

    SNAPSHOT = "snapshot", "Snapshot"
    BUYING_SIGNALS = "buying_signals", "Buying signals"
    DECISION_MAKERS = "decision_makers", "Decision makers"
    REVENUE_SIGNALS = "revenue_signals", "Revenue signals"
    APPROACH = "recommended_approach", "Recommended approach"
    SOURCES = "sources", "Sources"


class SectionStatus(models.TextChoices):
    OK = "ok", "Complete"
    PARTIAL = "partial", "Partial: a source failed"
    FAILED = "failed", "Failed: a source failed, and nothing is known without it"


class ReportStatus(models.TextChoices):
    COMPLETE = "complete", "Complete"
    PARTIAL = "partial", "Partial"


class ResearchSection(OrgOwned):
    """What is known of one side of a company, as of a time. Its facts never change: a newer version supersedes it, and
    reports keep showing the one that they were made of. Prose is added once, when a language model has written it, and
    asked for again by each report that uses the section until then."""

    business = models.ForeignKey(Business, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=30, choices=SectionName)
    depth = models.CharField(max_length=10, choices=Depth)
    content = models.JSONField(
        default=list, encoder=DjangoJSONEncoder, help_text="[{key, text, cites, kind, part, quote, value}]."
    )
    prose = models.JSONField(default=list, help_text="[{text, cites}]: a language model's, checked against the facts.")
    evidence = models.JSONField(
        default=list, encoder=DjangoJSONEncoder, help_text="[{id, text, source, url, on, …}]: what the lines cite."
    )
    status = models.CharField(max_length=10, choices=SectionStatus, default=SectionStatus.OK)
    problem = models.TextField(blank=True, default="", help_text="Which sources failed, and why.")
    mode = models.CharField(max_length=15, choices=Mode, default=Mode.DETERMINISTIC)
    fallback_reason = models.TextField(blank=True, default="", help_text="Why there is no prose, though it was asked.")
    dropped_sentences = models.IntegerField(default=0, help_text="Of the model's, as no stored fact supports them.")
    basis = models.JSONField(default=dict, help_text="How the facts stood: when they differ, the section is stale.")
    generated_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True, help_text="When a newer version was made.")

    class Meta:
        db_table = "research_sections"
        constraints = [
            models.UniqueConstraint(fields=["org", "id"], name="research_section_of_org"),
            models.UniqueConstraint(
                fields=["org", "business", "name", "depth"],
                condition=Q(superseded_at=None),
                name="research_section_once",
            ),
            models.CheckConstraint(condition=Q(name__in=SectionName.values), name="research_section_known"),
            models.CheckConstraint(condition=Q(depth__in=Depth.values), name="research_section_depth_known"),
            models.CheckConstraint(condition=Q(status__in=SectionStatus.values), name="research_section_status_known"),
            models.CheckConstraint(condition=Q(mode__in=Mode.values), name="research_section_mode_known"),
            models.CheckConstraint(
                condition=Q(status="ok", problem="") | (~Q(status="ok") & ~Q(problem="")),
                name="research_section_problem_told",
            ),
            models.CheckConstraint(condition=Q(mode="llm") | Q(prose=[]), name="research_section_prose_by_llm"),
            models.CheckConstraint(condition=Q(dropped_sentences__gte=0), name="research_section_dropped_counted"),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("generated_at")), name="research_section_lives_for_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_name_display()} of {self.business_id}"


class ResearchReport(OrgOwned):
    """The sections of one execution together."""

    business = models.ForeignKey(Business, on_delete=models.PROTECT, related_name="+")
    execution = models.ForeignKey(AgentExecution, null=True, on_delete=models.SET_NULL, related_name="+")
    depth = models.CharField(max_length=10, choices=Depth)
    status = models.CharField(max_length=10, choices=ReportStatus)
    is_reuse = models.BooleanField(help_text="Nothing had to be made: it does not count towards the quota.")
    score = models.FloatField(null=True, help_text="Of the signals then, 0 to 100; null without any.")
    evidence_count = models.IntegerField(default=0, help_text="Facts that its lines cite.")
    problems = models.JSONField(default=list, help_text="[{section, problem}]: which sources failed.")
    previous = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")
    changes = models.JSONField(
        default=dict, help_text="{section: {new: [line], changed: [{before, after}], gone: [line]}} since `previous`."
    )
    requested_by = models.TextField(blank=True, default="", editable=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "research_reports"
        constraints = [
            models.UniqueConstraint(fields=["org", "id"], name="research_report_of_org"),
            models.UniqueConstraint(
                fields=["org", "execution", "business"],
                condition=Q(execution__isnull=False),
                name="research_report_once",
            ),
            models.CheckConstraint(condition=Q(depth__in=Depth.values), name="research_report_depth_known"),
            models.CheckConstraint(condition=Q(status__in=ReportStatus.values), name="research_report_status_known"),
            models.CheckConstraint(
                condition=Q(score=None) | Q(score__gte=0, score__lte=100), name="research_report_score_percent"
            ),
            models.CheckConstraint(condition=Q(evidence_count__gte=0), name="research_report_evidence_counted"),
        ]
        indexes = [
            models.Index("org", F("id").desc(), name="research_report_latest"),
            models.Index("org", "business", F("id").desc(), name="research_report_business"),
        ]

    def __str__(self) -> str:
        return f"{self.status} report on {self.business_id}"


class ReportSection(OrgOwned):
    """A section of a report: made for it, or still fresh and used again."""

    report = models.ForeignKey(ResearchReport, on_delete=models.CASCADE, related_name="+")
    section = models.ForeignKey(ResearchSection, on_delete=models.PROTECT, related_name="+")
    place = models.SmallIntegerField(help_text="From 0.")
    is_reused = models.BooleanField()

    class Meta:
        db_table = "research_report_sections"
        constraints = [
            models.UniqueConstraint(fields=["org", "report", "place"], name="report_section_once"),
            models.CheckConstraint(condition=Q(place__gte=0), name="report_section_place_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.section_id} in {self.report_id}"


class ResearchMonth(OrgOwned):
    """Reports that were paid for out of a month's quota: one row, so that concurrent runs cannot pass it."""

    month = models.DateField(help_text="Its first day (UTC).")
    used = models.IntegerField(default=0, db_default=0)

    class Meta:
        db_table = "research_months"
        constraints = [
            models.UniqueConstraint(fields=["org", "month"], name="research_month_once"),
            models.CheckConstraint(condition=Q(used__gte=0), name="research_month_counted"),
        ]

    def __str__(self) -> str:
        return f"{self.used} in {self.month:%Y-%m}"
