"""Reads of agents and executions that chain."""

from datetime import datetime
from typing import TypeVar

from django.db import models
from django.db.models import OuterRef, QuerySet, Subquery

from agents.models import Agent, AgentExecution, Trigger

M = TypeVar("M", bound=models.Model)


def due(agents: QuerySet[Agent], now: datetime) -> QuerySet[Agent]:
    """Whose time has come, the longest waiting first. Who is paused has no time."""
    return agents.filter(next_run_at__lte=now).order_by("next_run_at", "pk")


def with_last_slot(agents: QuerySet[Agent], executions: QuerySet[AgentExecution]) -> QuerySet[Agent]:
    """Each with `last_slot`, the status of the execution that the clock started last; None before the first."""
    started = executions.filter(org=OuterRef("org"), agent=OuterRef("pk"), trigger=Trigger.SCHEDULE)
    return agents.annotate(last_slot=Subquery(started.order_by("-pk").values("status")[:1]))


def within(rows: QuerySet[M], since: datetime | None, until: datetime | None) -> QuerySet[M]:
    """Those created from `since` on and before `until`; None: without that bound."""
    if since is not None:
        rows = rows.filter(created_at__gte=since)
    return rows if until is None else rows.filter(created_at__lt=until)


def with_last_status(agents: QuerySet[Agent], executions: QuerySet[AgentExecution]) -> QuerySet[Agent]:
    """Each with `last_status`, that of its latest execution; None before the first."""
    latest = executions.filter(org=OuterRef("org"), agent=OuterRef("pk")).order_by("-pk")
    return agents.annotate(last_status=Subquery(latest.values("status")[:1]))
