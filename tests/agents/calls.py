"""Rows that executions leave, for tests: calls of the ledger, and steps."""

from datetime import date
from decimal import Decimal
from typing import Any

from django.utils import timezone

from agents.models import AgentExecution, ExecutionStep, LLMCall, LLMCallState
from oppspot.organizations.models import Organization

NOVEMBER = date(2025, 11, 1)


def make_call(org: Organization, execution: AgentExecution | None = None, *, cost: str = "0", **values: Any) -> LLMCall:
    """A settled call, unless `values` say otherwise."""
    state = values.setdefault("state", LLMCallState.SETTLED)
    terms = {
        "model": "gpt-4.1-mini",
        "prompt": "research",
        "prompt_version": "1",
        "month": NOVEMBER,
        "prompt_sha256": "0" * 64,
        "ended_at": None if state == LLMCallState.RESERVED else timezone.now(),
    }
    made: LLMCall = LLMCall.objects.for_org(org).create(
        org=org, execution=execution, cost=Decimal(cost), **(terms | values)
    )
    return made


def make_step(execution: AgentExecution, **values: Any) -> ExecutionStep:
    terms = {"name": "look", "attempt": 1, "started_at": timezone.now()}
    made: ExecutionStep = ExecutionStep.objects.for_org(execution.org).create(
        org=execution.org, execution=execution, **(terms | values)
    )
    return made
