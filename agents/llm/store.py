"""Answers that are kept, so that the same question is not paid for twice."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from agents.budgets import this_month
from agents.models import AgentExecution, LLMCall, LLMCallState, LLMResponse
from oppspot.organizations.models import Organization

KEPT_FOR = timedelta(days=30)


def stored_answer(org: Organization, key: str) -> LLMResponse | None:
    found: LLMResponse | None = LLMResponse.objects.for_org(org).filter(key=key, expires_at__gt=timezone.now()).first()
    return found


def store_answer(*, org: Organization, key: str, text: str, model: str) -> None:
    """Keep it, in the transaction of its settlement."""
    now = timezone.now()
    response = LLMResponse(org=org, key=key, text=text, model=model, created_at=now, expires_at=now + KEPT_FOR)
    LLMResponse.objects.for_org(org).bulk_create(
        [response], update_conflicts=True, unique_fields=["org", "key"],
        update_fields=["text", "model", "created_at", "expires_at"],
    )  # fmt: skip


def note_stored(*, org: Organization, execution: AgentExecution, **values: object) -> LLMCall:
    """The row in the ledger of an answer that was taken from the store."""
    with transaction.atomic(durable=True):
        call: LLMCall = LLMCall.objects.for_org(org).create(
            org=org, execution_id=execution.pk, month=this_month(), state=LLMCallState.SETTLED, is_cached=True,
            ended_at=Now(), **values,
        )  # fmt: skip
    return call


def delete_expired(*, now: datetime | None = None) -> int:
    """Of all organisations; how many there were."""
    return LLMResponse.all_orgs.filter(expires_at__lte=now or timezone.now()).delete()[0]
