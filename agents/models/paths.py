"""Ways by which an organisation may be introduced to a company."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from agents.models.agents import Agent, AgentExecution, Mode
from businesses.models import Business
from oppspot.organizations.scoping import OrgOwned


class IntroPath(OrgOwned):
    """A path from a company or person that the organisation knows to a target, as an agent found it last."""

    agent = models.ForeignKey(Agent, null=True, on_delete=models.SET_NULL, related_name="+")
    execution = models.ForeignKey(AgentExecution, null=True, on_delete=models.SET_NULL, related_name="+",
                                  help_text="That found it last.")  # fmt: skip
    target = models.ForeignKey(Business, on_delete=models.PROTECT, related_name="+")
    start = models.ForeignKey(Business, null=True, on_delete=models.PROTECT, related_name="+",
                              help_text="The known company it begins with; null: it begins with a person.")  # fmt: skip
    path_key = models.TextField(help_text="Its companies and links in order: equal for one path.")
    summary = models.TextField(help_text="The path in one line.")
    hops = models.SmallIntegerField()
    strength = models.FloatField(help_text="0 to 1; orders paths, and is no probability.")
    links = models.JSONField(
        default=list, help_text="[{kind, strength, via, from, to, evidence: [{id, text, source, url, on, …}]}]."
    )
    mode = models.CharField(max_length=15, choices=Mode, default=Mode.DETERMINISTIC)
    first_seen_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField(db_default=Now())
    gone_at = models.DateTimeField(null=True, help_text="When the agent looked and it was not among the best any more.")

    class Meta:
        db_table = "intro_paths"
        verbose_name = "introduction path"
        constraints = [
            models.UniqueConstraint(fields=["org", "id"], name="intro_path_of_org"),
            models.UniqueConstraint(fields=["org", "agent", "target", "path_key"], name="intro_path_once"),
            models.CheckConstraint(condition=Q(strength__gte=0, strength__lte=1), name="intro_path_strength_share"),
            models.CheckConstraint(condition=Q(hops__gte=1, hops__lte=3), name="intro_path_hops"),
            models.CheckConstraint(condition=Q(mode__in=Mode.values), name="intro_path_mode_known"),
        ]
        indexes = [
            models.Index("org", "target", F("strength").desc(), name="intro_path_target"),
            models.Index("org", F("strength").desc(), "id", name="intro_path_rank"),
            models.Index("org", F("id").desc(), name="intro_path_latest"),
        ]

    def __str__(self) -> str:
        return self.summary
