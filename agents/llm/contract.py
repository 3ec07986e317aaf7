"""What kinds see of language models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from django.conf import settings
from pydantic import BaseModel

from agents.llm.loading import whole
from oppspot.core.errors import NotConfigured, OppspotError, PermanentError

if TYPE_CHECKING:
    from agents.context import ExecutionContext
    from agents.llm.question import Question

M = TypeVar("M", bound=BaseModel)


class LLMFailed(OppspotError):
    """The language model gave no usable answer; a kind goes on without it, and says so (`llm_fallback`)."""

    code = "llm_failed"
    status = 502


class BudgetExceeded(PermanentError):
    """The call might pass a cap on what may be spent on language models; it was not made."""

    code = "budget_exceeded"
    status = 402


class UnknownPrice(NotConfigured):
    """The price of the language model is not known, so that no budget could hold."""

    code = "unknown_price"


@dataclass(frozen=True)
class Untrusted:
    """Text that others wrote: it is fenced, and nothing in it is an instruction."""

    id: str  # by which the answer may cite it
    label: str  # what it is: "Company website"
    text: str


@dataclass(frozen=True)
class Answer(Generic[M]):
    """An answer that fits the schema."""

    value: M
    call_id: UUID  # of its row in the ledger
    is_cached: bool


class LLM:
    """The language model of one execution, its calls charged to it."""

    def __init__(self, ctx: "ExecutionContext[Any, Any]") -> None:
        self._ctx = ctx

    @property
    def is_configured(self) -> bool:
        return bool(settings.LLM_API_KEY)

    def ask(
        self,
        prompt: str,
        schema: type[M],
        *,
        facts: Mapping[str, Any] | None = None,
        untrusted: Sequence[Untrusted] = (),
        temperature: float = 0.0,
        max_tokens: int = 1_500,
    ) -> Answer[M]:
        """An answer of `schema` to the template `agents/llm/prompts/<prompt>.toml`, with `facts` for its placeholders.

        Only within steps that are not transactional: what a call costs must stay written when a step is rolled back.
        At temperature 0 the same question is answered from the store for 30 days.

        Raises `LLMFailed` when there will be no answer: refused, malformed twice, or failing at the last try of the
        execution; `RetryableError` when a later try may succeed; `BudgetExceeded` before a call that would pass a cap;
        `NotConfigured` without a key, or without a price of the model (`UnknownPrice`).
        """
        if not self.is_configured:
            raise NotConfigured("No language model is configured.", hint="Set LLM_API_KEY.")
        from agents.llm.question import Question

        question = Question(
            prompt=prompt, schema=schema, facts=dict(facts or {}), untrusted=tuple(untrusted), temperature=temperature,
            max_tokens=max_tokens,
        )  # fmt: skip
        return self._answer(question)

    def _answer(self, question: "Question[M]") -> Answer[M]:
        with whole("openai"):
            from agents.llm.asking import ask  # the openai client takes a second to import

        return ask(self._ctx, question)
