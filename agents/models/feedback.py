"""What people think of what agents made."""

from django.db import models
from django.db.models import F, Q

from oppspot.organizations.scoping import OrgOwned


class Verdict(models.TextChoices):
    USEFUL = "useful", "Useful"
    WRONG = "wrong", "Wrong"
    KNOWN = "already_known", "Already known"


class Judged(models.TextChoices):
    """What a verdict may be on."""

    OPPORTUNITY = "opportunity", "Opportunity"
    SCORECARD = "scorecard", "Scorecard"
    INTRO_PATH = "intro_path", "Introduction path"
    REPORT = "report", "Report"
    DRAFT = "draft", "Draft"


class Feedback(OrgOwned):
    """A person's verdict on a result: a label for later evaluation."""

    subject_type = models.CharField(max_length=20, choices=Judged)
    subject_id = models.UUIDField()
    verdict = models.CharField(max_length=15, choices=Verdict)
    note = models.TextField(blank=True, default="")
    given_by = models.TextField()
    given_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "agent_feedback"
        verbose_name_plural = "feedback"
        constraints = [
            models.UniqueConstraint(fields=["org", "subject_type", "subject_id", "given_by"], name="feedback_once"),
            models.CheckConstraint(condition=Q(verdict__in=Verdict.values), name="feedback_verdict_known"),
            models.CheckConstraint(condition=Q(subject_type__in=Judged.values), name="feedback_subject_known"),
        ]
        indexes = [models.Index("org", F("id").desc(), name="feedback_latest")]

    def __str__(self) -> str:
        return f"{self.verdict}: {self.subject_type} {self.subject_id}"
