"""Leaving a language model alone for a while when it fails again and again. One row for all workers."""

from datetime import timedelta

import structlog
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from agents.models import LLMBreaker
from oppspot.core.errors import RetryableError

FAILURES = 5  # in a row
OPEN_S = 30.0

logger = structlog.get_logger(__name__)


class BreakerOpen(RetryableError):
    """The language model failed again and again, and is left alone for a while."""


class BreakerShut(BreakerOpen):
    """The language model refuses this installation until somebody has put that right."""


def breaker_key(base_url: str, model: str) -> str:
    return f"{base_url.rstrip('/')} {model}"


def admit(key: str) -> None:
    """Let a request pass, or raise `BreakerOpen` with the seconds to wait, or `BreakerShut`.

    When the time is over one caller passes, to probe; the others wait for what comes of it.
    """
    row = LLMBreaker.objects.filter(key=key).first()
    if row is None or (row.open_until is None and not row.needs_operator):
        return
    if row.needs_operator:
        raise BreakerShut(
            f"The language model is not asked any more: {row.reason}",
            hint="Put it right, and close its breaker in the admin.",
        )
    until = timezone.now() + timedelta(seconds=OPEN_S)
    if LLMBreaker.objects.filter(key=key, open_until__lte=Now(), needs_operator=False).update(open_until=until):
        return
    left = (row.open_until - timezone.now()).total_seconds() if row.open_until else OPEN_S
    raise BreakerOpen(f"The language model is left alone for a while: {row.reason}", retry_after=max(1.0, left))


def note_success(key: str) -> None:
    LLMBreaker.objects.filter(key=key, failures__gt=0, needs_operator=False).update(
        failures=0, open_until=None, reason="", updated_at=Now()
    )


def note_failure(key: str, reason: str) -> None:
    """Count a failure; the fifth in a row opens the breaker."""
    _ensure(key)
    rows = LLMBreaker.objects.filter(key=key)
    rows.update(failures=F("failures") + 1, reason=reason, updated_at=Now())
    until = timezone.now() + timedelta(seconds=OPEN_S)
    if rows.filter(failures__gte=FAILURES, needs_operator=False).update(open_until=until):
        logger.warning("llm_breaker_open", key=key, reason=reason)


def shut(key: str, reason: str) -> None:
    """Ask no more until an operator closes the breaker: the key is refused, or the account is empty."""
    _ensure(key)
    LLMBreaker.objects.filter(key=key).update(needs_operator=True, reason=reason, updated_at=Now())
    logger.error("llm_breaker_shut", key=key, reason=reason)


def close_breaker(*, key: str, by: str) -> bool:
    """Let requests pass again. Whether there was such a breaker."""
    closed = LLMBreaker.objects.filter(key=key).update(
        failures=0, open_until=None, reason="", needs_operator=False, updated_at=Now()
    )
    logger.info("llm_breaker_closed", key=key, by=by)
    return bool(closed)


def _ensure(key: str) -> None:
    LLMBreaker.objects.bulk_create([LLMBreaker(key=key)], ignore_conflicts=True)
