"""A question to a language model from its reservation to its answer."""

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Generic

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from pydantic import ValidationError

from agents.budgets import charge_unknown, release, reserve, settle
from agents.llm import breaker
from agents.llm.client import CallFailed, NoAnswer, Refused, Reply, send
from agents.llm.contract import Answer, LLMFailed, M
from agents.llm.prices import Price, price_of
from agents.llm.question import FORMATS, Format, Messages, Question
from agents.llm.store import note_stored, store_answer, stored_value
from agents.models import LLMCall
from oppspot.core.errors import OppspotError, RetryableError
from oppspot.core.http.answers import RETRYABLE
from oppspot.jobs.context import StepError
from oppspot.jobs.redaction import redacted

if TYPE_CHECKING:
    from agents.context import ExecutionContext

EXTRA_TRIES = 2
MAX_WAIT_S = 5.0  # of all waits together: a longer one is for the job's clock, not for a worker to sleep through
FIRST_WAIT_S = 0.5
MAX_REPEATED = 8_000  # characters of an answer that are sent back to be put right
SERVER_ERROR = 500
OUTAGE_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0)
NEEDS_OPERATOR = {401, 403}
_FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*)\n\s*```\s*\Z", re.DOTALL)

# Servers and models that know fewer ways to say what form an answer shall have: an index into FORMATS.
_known_formats: dict[str, int] = {}

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Judged(Generic[M]):
    """What an answer is worth: a value, a failure, or what is wrong with it."""

    value: M | None = None
    failure: str = ""
    problems: str = ""


def ask(ctx: "ExecutionContext[Any, Any]", question: Question[M]) -> Answer[M]:
    """See `agents.llm.contract.LLM.ask`."""
    try:
        with transaction.atomic(durable=True):
            pass
    except RuntimeError as error:
        raise StepError(
            "A language model is asked only in steps with transactional=False: a reservation must outlive a rollback."
        ) from error
    return _Asking(ctx, question).answer()


class _Asking(Generic[M]):
    def __init__(self, ctx: "ExecutionContext[Any, Any]", question: Question[M]) -> None:
        self.ctx, self.question = ctx, question
        self.model: str = settings.LLM_MODEL
        self.breaker = breaker.breaker_key(settings.LLM_BASE_URL, self.model)
        self.form: Format = FORMATS[0]
        self.key = question.key(self.model) if question.is_kept else ""
        self.row = {
            "step": ctx.step_name[:100],
            "model": self.model,
            "prompt": question.prompt,
            "prompt_version": question.template.version,
            "prompt_sha256": question.sha256,
        }

    def answer(self) -> Answer[M]:
        if found := self._stored():
            return found
        price = price_of(self.model)
        problems, previous = "", ""
        for _ in range(2):  # the second time to have it put right
            call, reply = self._send(price, previous, problems)
            judged = self._judge(reply)
            self._settle(call, reply, judged, price)
            if judged.value is not None:
                return Answer(judged.value, call.pk, is_cached=False)
            if judged.failure:
                raise LLMFailed(judged.failure)
            previous, problems = reply.text, judged.problems
        raise LLMFailed(f"The language model's answer does not fit, and was not put right: {problems}")

    def _stored(self) -> Answer[M] | None:
        found = stored_value(self.ctx.org, self.question, self.model)
        if found is None:
            return None
        value, text = found
        sha = sha256(text.encode()).hexdigest()
        call = note_stored(org=self.ctx.org, execution=self.ctx.execution, response_sha256=sha, **self.row)
        return Answer(value, call.pk, is_cached=True)

    def _send(self, price: Price, previous: str, problems: str) -> tuple[LLMCall, Reply]:
        """Ask until there is an answer, each time with a reservation of its own."""
        tries, waited = 0, 0.0
        while True:
            self._admit()
            try:
                return self._request(price, previous, problems)
            except CallFailed as error:
                if self._knows_less(error):
                    continue
                if self._is_for_good(error):
                    raise LLMFailed(str(error)) from error
                breaker.note_failure(self.breaker, str(error))
                named = error.wait if isinstance(error, Refused) else None
                wait = named or FIRST_WAIT_S * 2**tries * random.random()  # noqa: S311  jitter, not a secret
                tries += 1
                if tries > EXTRA_TRIES or waited + wait > MAX_WAIT_S:
                    raise self._later(RetryableError(str(error), retry_after=named)) from error
                time.sleep(wait)
                waited += wait

    def _admit(self) -> None:
        try:
            breaker.admit(self.breaker)
        except breaker.BreakerShut as error:
            raise LLMFailed(str(error)) from error
        except breaker.BreakerOpen as error:
            raise self._later(error) from error

    def _later(self, error: RetryableError) -> OppspotError:
        """The error to raise: there is no later when this is the last try."""
        return LLMFailed(error.message) if self.ctx.is_last_attempt else error

    def _request(self, price: Price, previous: str, problems: str) -> tuple[LLMCall, Reply]:
        form = self.form = FORMATS[_known_formats.get(self.breaker, 0)]
        messages = self.question.messages(form) + _repair(previous, problems)
        amount = self.question.cost_at_most(messages, form, price)
        call = reserve(org=self.ctx.org, execution=self.ctx.execution, amount=amount, **self.row)
        began = time.monotonic()
        try:
            reply = send(
                messages, model=self.model, temperature=self.question.temperature, max_tokens=self.question.max_tokens,
                response_format=self.question.response_format(form),
            )  # fmt: skip
        except CallFailed as error:
            close = charge_unknown if isinstance(error, NoAnswer) else release
            values = {"error": redacted(str(error)), "http_status": error.status, "latency_ms": _since(began)}
            _insist(lambda: close(call=call, **values))
            raise
        call.latency_ms = _since(began)
        return call, reply

    def _knows_less(self, error: CallFailed) -> bool:
        """Whether the server refused the way in which the form was asked for; another is used from now on."""
        used = FORMATS.index(self.form)
        if not isinstance(error, Refused) or error.status not in {400, 422} or used == len(FORMATS) - 1:
            return False
        if not any(word in f"{error} {error.code}" for word in ("response_format", "json_schema", "json_object")):
            return False
        _known_formats[self.breaker] = max(used + 1, _known_formats.get(self.breaker, 0))
        logger.info("llm_format_refused", refused=FORMATS[used], instead=FORMATS[used + 1], said=str(error))
        return True

    def _is_for_good(self, error: CallFailed) -> bool:
        if not isinstance(error, Refused):
            return False
        if error.status in NEEDS_OPERATOR or error.code == "insufficient_quota":
            breaker.shut(self.breaker, str(error))
            return True
        return error.status not in RETRYABLE and (error.status or 0) < SERVER_ERROR

    def _judge(self, reply: Reply) -> _Judged[M]:
        if self.question.marks.leaked_in(reply.text + reply.refusal):
            return _Judged(failure="The answer repeats the system prompt.")
        if reply.refusal or reply.finish_reason == "content_filter":
            return _Judged(failure=f"The language model refuses to answer: {reply.refusal or reply.finish_reason}")
        if reply.finish_reason == "length":
            return _Judged(failure=f"The answer is longer than {self.question.max_tokens} tokens.")
        try:
            value = self.question.schema.model_validate_json(_unfenced(reply.text))
        except ValidationError as error:
            return _Judged(problems=_problems(error))
        if "\\u0000" in value.model_dump_json():
            return _Judged(problems="a text holds a NUL character")
        return _Judged(value=value)

    def _settle(self, call: LLMCall, reply: Reply, judged: _Judged[M], price: Price) -> None:
        values = {
            "latency_ms": call.latency_ms,
            "http_status": reply.status,
            "provider_request_id": reply.request_id,
            "response_sha256": sha256(reply.text.encode()).hexdigest(),
            "error": redacted(judged.failure or judged.problems),
        }
        _insist(lambda: self._write(call, reply, judged, price, values))
        breaker.note_success(self.breaker)

    def _write(self, call: LLMCall, reply: Reply, judged: _Judged[M], price: Price, values: dict[str, Any]) -> None:
        with transaction.atomic():
            if reply.tokens_in is None:
                said = f"The answer does not tell what it cost. {values['error']}".strip()
                charge_unknown(call=call, **{**values, "error": said})
            else:
                cost = price.of(reply.tokens_in, reply.tokens_out, reply.cached_in)
                settle(call=call, cost=cost, tokens_in=reply.tokens_in, tokens_out=reply.tokens_out, **values)
            if self.key and judged.value is not None:
                store_answer(org=self.ctx.org, key=self.key, text=_unfenced(reply.text), model=self.model)


def _insist(write: Callable[[], object]) -> None:
    """`write()`, again while the database is away: what an answer cost is known here and nowhere else."""
    for pause in OUTAGE_PAUSES_S:
        try:
            write()
        except (OperationalError, InterfaceError) as error:
            logger.warning("llm_call_not_written_yet", error=redacted(str(error)))
            connection.close()
            time.sleep(pause)
        else:
            return
    write()


def _repair(previous: str, problems: str) -> Messages:
    """What is added to have an answer put right; nothing at first."""
    if not problems:
        return []
    said = f"That answer does not fit: {problems}. Answer again with one JSON object that fits the schema."
    return [{"role": "assistant", "content": previous[:MAX_REPEATED]}, {"role": "user", "content": said}]


def _unfenced(text: str) -> str:
    """Without the fence of a code block, in which models like to put JSON."""
    match = _FENCE.match(text)
    return match[1] if match else text


def _problems(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)[:10]
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'the answer'}: {each['msg']}" for each in found)[:1_000]


def _since(began: float) -> int:
    return int(1000 * (time.monotonic() - began))
