"""The language model of a dry run: it is asked nothing, and what it would be asked is noted with what that may cost."""

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from django.conf import settings

from agents.llm.contract import LLM, Answer, LLMFailed, M, UnknownPrice
from agents.llm.prices import price_of
from agents.llm.question import FORMATS, Question
from agents.llm.store import stored_value
from oppspot.jobs.context import StepError

if TYPE_CHECKING:
    from agents.dry_context import DryContext

NO_CALL = UUID(int=0)  # the ledger has no row of what was not asked


class NotAsked(LLMFailed):
    """A dry run asks no language model."""


@dataclass(frozen=True)
class Noted:
    """A question that would be asked. `cost_at_most`: US dollars that its request would reserve; None: the price of
    the model is not known. A stored answer is used, and costs nothing."""

    step: str
    prompt: str
    prompt_sha256: str
    model: str
    cost_at_most: Decimal | None
    is_stored: bool = False


class NotingLLM(LLM):
    """Gives the answers that are stored; there is no other, as if the language model had failed."""

    def __init__(self, ctx: "DryContext[Any, Any]") -> None:
        super().__init__(ctx)
        self._dry = ctx

    def _answer(self, question: Question[M]) -> Answer[M]:
        if self._dry.is_in_transaction:
            raise StepError("A language model is asked only in steps with transactional=False.")
        model: str = settings.LLM_MODEL
        stored = stored_value(self._dry.org, question, model)
        cost = Decimal(0) if stored else _cost_at_most(question, model)
        self._dry.questions.append(
            Noted(self._dry.step_name, question.prompt, question.sha256, model, cost, is_stored=stored is not None)
        )
        if stored is None:
            raise NotAsked
        return Answer(stored[0], NO_CALL, is_cached=True)


def _cost_at_most(question: Question[Any], model: str) -> Decimal | None:
    """Of the way to ask for the answer's form that costs most: which one the server knows is seen when it is asked."""
    try:
        price = price_of(model)
    except UnknownPrice:
        return None
    return max(cast(Decimal, question.cost_at_most(question.messages(form), form, price)) for form in FORMATS)
