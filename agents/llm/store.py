"""Answers that are kept, so that the same question is not paid for twice."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from pydantic import ValidationError

from agents.budgets import this_month
from agents.llm.contract import M
from agents.llm.question import Question
from agents.models import AgentExecution, LLMCall, LLMCallState, LLMResponse
from oppspot.organizations.models import Organization

KEPT_FOR = timedelta(days=30)


def stored_value(org: Organization, question: Question[M], model: str) -> tuple[M, str] | None:
    """The answer to the question that is kept, as a value and as text."""
    if not question.is_kept:
        return None
    kept = LLMResponse.objects.for_org(org).filter(key=question.key(model), expires_at__gt=timezone.now())
    text: str | None = kept.values_list("text", flat=True).first()
    try:
        return None if text is None else (question.schema.model_validate_json(text), text)
    except ValidationError:  # a validator has changed since
        return None


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
