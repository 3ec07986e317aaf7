"""Ideal customer profiles that won and lost opportunities suggest."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from agents.models.agents import Agent
from oppspot.organizations.scoping import OrgOwned


class SuggestionStatus(models.TextChoices):
    PROPOSED = "proposed", "Proposed"
    ACCEPTED = "accepted", "Accepted"
    REJECTED = "rejected", "Rejected"
    REPLACED = "replaced", "Replaced by a newer one"


class IcpSuggestion(OrgOwned):
    """A profile for an agent, learnt from outcomes, until a person accepts or rejects it."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="+")
    status = models.CharField(max_length=10, choices=SuggestionStatus, default=SuggestionStatus.PROPOSED)
    icp = models.JSONField(help_text="The profile as it would be: the agent's own with what was learnt.")
    current_icp = models.JSONField(help_text="The agent's profile when it was proposed.")
    learnt = models.JSONField(default=dict, help_text="The fields that were learnt, with their values.")
    lifts = models.JSONField(
        default=list, help_text="[{attribute, value, won, lost, rate, low, high, base, lift}], over all outcomes."
    )
    figures = models.JSONField(default=dict, help_text="{train, hold_out, suggested, current}, on the held-out.")
    won = models.IntegerField(help_text="Companies won that it was learnt from and measured on.")
    lost = models.IntegerField(help_text="Companies lost.")
    digest = models.CharField(max_length=64, help_text="Of the outcomes and the agent's profile.")
    proposed_by = models.TextField(blank=True, default="")
    proposed_at = models.DateTimeField(db_default=Now())
    handled_by = models.TextField(blank=True, default="", editable=False)
    handled_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        db_table = "icp_suggestions"
        verbose_name = "suggested profile"
        constraints = [
            models.UniqueConstraint(fields=["org", "id"], name="icp_suggestion_of_org"),
            models.UniqueConstraint(
                fields=["org", "agent"], condition=Q(status="proposed"), name="icp_suggestion_open_once"
            ),
            models.CheckConstraint(condition=Q(status__in=SuggestionStatus.values), name="icp_suggestion_status_known"),
            models.CheckConstraint(
                condition=Q(status="proposed", handled_at=None) | (~Q(status="proposed") & ~Q(handled_at=None)),
                name="icp_suggestion_handled",
            ),
            models.CheckConstraint(condition=Q(won__gte=0, lost__gte=0), name="icp_suggestion_counts"),
        ]
        indexes = [models.Index("org", F("id").desc(), name="icp_suggestion_latest")]

    def __str__(self) -> str:
        return f"Profile from {self.won} won, {self.lost} lost"
