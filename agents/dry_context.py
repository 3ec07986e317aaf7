"""What a kind is given to work with in a dry run."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import connection
from django.utils import timezone

from agents.base import I, P
from agents.context import ExecutionContext
from agents.models import AgentExecution
from oppspot.core.errors import PermanentError
from oppspot.jobs.rehearsal import Rehearsal

if TYPE_CHECKING:
    from agents.llm.noting import Noted, NotingLLM

T = TypeVar("T")
LOCK_SECONDS = 5.0  # to wait for what others have locked


class NoDryRun(PermanentError):
    """A dry run cannot tell what would come out."""

    code = "no_dry_run"
    status = 409


def too_long(seconds: float) -> NoDryRun:
    return NoDryRun(
        f"The work takes longer than {seconds:g} s.",
        hint="Give it less to look at, or more time (run_agent --seconds).",
    )


class DryContext(ExecutionContext[P, I]):
    """The context of an execution that is not going to stay."""

    def __init__(self, execution: AgentExecution, params: P, given: I, *, seconds: float) -> None:
        self.rehearsal = Rehearsal(execution.org)
        super().__init__(self.rehearsal, execution, params, given)
        self.questions: list[Noted] = []
        self.left_out: list[str] = []
        self.is_in_transaction = False  # of the step under way
        self._until = time.monotonic() + seconds
        self._seconds = seconds

    @property
    def is_dry(self) -> bool:
        return True

    @cached_property
    def began_at(self) -> datetime:
        return timezone.now()

    @cached_property
    def llm(self) -> "NotingLLM":
        from agents.llm.noting import NotingLLM

        return NotingLLM(self)

    def step(
        self,
        name: str,
        body: Callable[[], T],
        *,
        inputs: Mapping[str, Any] | None = None,
        transactional: bool = True,
        unasked: T | None = None,
    ) -> T:
        self._limit_time()
        self.is_in_transaction = transactional
        if unasked is None:
            return super().step(name, body, inputs=inputs, transactional=transactional)
        self.left_out.append(name)
        return super().step(name, lambda: unasked, inputs=inputs)

    def _limit_time(self) -> None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise too_long(self._seconds)
        limits = [f"{max(1, int(1000 * seconds))}ms" for seconds in (left, min(left, LOCK_SECONDS))]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true)", limits
            )
