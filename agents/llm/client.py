"""One request to a server of OpenAI's chat completions, through the `openai` client, trusting nothing it says.

What became of a request matters for its bill: `Refused` and `NotSent` cost nothing, of `NoAnswer` nobody knows.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any

import httpx2
import openai
from django.conf import settings

from agents.visible import visible
from oppspot.core.http.answers import media_type, retry_after
from oppspot.core.http.bounds import BoundedStream, within
from oppspot.core.http.outside import check_may_ask
from oppspot.jobs.redaction import redacted

CONNECT_TIMEOUT_S = 5.0
OVERHEAD_BYTES, BYTES_PER_TOKEN = 200_000, 64  # more than an answer of so many tokens ever has
MAX_SAID = 300
MAX_TOKENS = 2**31 - 1

Message = dict[str, str]


class CallFailed(Exception):
    """No answer. `status` is that of HTTP, if there was one."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class NotSent(CallFailed):
    """The server could not be reached: it has seen nothing of the request."""


class NoAnswer(CallFailed):
    """The request was sent, and no answer came that tells what it costs."""


class Refused(CallFailed):
    """The server answered with an error, and charges nothing."""

    def __init__(self, message: str, *, status: int, code: str, wait: float | None) -> None:
        super().__init__(message, status=status)
        self.code = code
        self.wait = wait  # seconds, when the server named them


@dataclass(frozen=True)
class Reply:
    """An answer, whatever it is worth. `tokens_in` is None when it does not tell what it cost."""

    text: str
    finish_reason: str
    refusal: str
    tokens_in: int | None
    cached_in: int
    tokens_out: int
    request_id: str
    status: int


def send(
    messages: Sequence[Message], *, model: str, temperature: float, max_tokens: int, response_format: Mapping[str, Any]
) -> Reply:
    """Ask, within LLM_TIMEOUT_S, all bytes included. Raises `CallFailed`."""
    check_may_ask("the language model")
    seconds = settings.LLM_TIMEOUT_S
    client = _client(settings.LLM_API_KEY, settings.LLM_BASE_URL)
    request: dict[str, Any] = {
        "messages": list(messages), "model": model, "temperature": temperature, "max_tokens": max_tokens,
        "timeout": httpx2.Timeout(seconds, connect=min(seconds, CONNECT_TIMEOUT_S)),
    }  # fmt: skip
    if response_format:
        request["response_format"] = dict(response_format)
    # Waiting on another thread is the only deadline that covers name look-up, headers and body alike.
    try:
        return within(seconds, lambda: _post(client, request), name="llm-request")
    except TimeoutError:
        raise NoAnswer(f"The language model did not answer within {seconds:g} s.") from None


def _post(client: openai.OpenAI, request: dict[str, Any]) -> Reply:
    try:
        raw = client.chat.completions.with_raw_response.create(**request)
        return _reply(raw.status_code, raw.headers, raw.content)
    except openai.APIStatusError as error:
        raise _refused(error) from error
    except openai.APITimeoutError as error:
        if isinstance(error.__cause__, httpx2.ConnectTimeout):
            raise NotSent("The language model cannot be reached: no connection in time.") from error
        raise NoAnswer("The language model did not answer in time.") from error
    except openai.APIConnectionError as error:
        if isinstance(error.__cause__, CallFailed):  # raised while the body was read
            raise error.__cause__ from None
        reason = redacted(str(error.__cause__ or error))[:MAX_SAID]
        kind = NotSent if isinstance(error.__cause__, httpx2.ConnectError) else NoAnswer
        raise kind(f"The connection to the language model failed: {reason}") from error
    except (httpx2.HTTPError, openai.OpenAIError) as error:
        raise NoAnswer(f"The connection to the language model failed: {type(error).__name__}") from error


_making = Lock()


def _client(api_key: str, base_url: str) -> openai.OpenAI:
    """One for all threads of a process, so that connections are used again."""
    with _making:  # else threads that come at once make one each
        return _make_client(api_key, base_url)


@cache
def _make_client(api_key: str, base_url: str) -> openai.OpenAI:
    limits = httpx2.Limits(max_connections=100, max_keepalive_connections=50)
    return openai.OpenAI(
        api_key=api_key,
        base_url=base_url,
        max_retries=0,  # each request has its own row in the ledger, so that retries are ours
        default_headers={"Accept-Encoding": "identity"},  # a small body stays small
        http_client=openai.DefaultHttpxClient(event_hooks={"response": [_bound]}, limits=limits),
    )


def _bound(response: httpx2.Response) -> None:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise NoAnswer("The language model's answer is compressed although it was asked for as it is.")
    seconds = response.request.extensions["timeout"]["read"]
    asked = json.loads(response.request.content)["max_tokens"]
    size = OVERHEAD_BYTES + BYTES_PER_TOKEN * asked
    response.stream = BoundedStream(
        response.stream,
        max_bytes=size,
        deadline=time.monotonic() + seconds,
        too_large=NoAnswer(f"The language model's answer is larger than {size:,} bytes."),
    )


def _refused(error: openai.APIStatusError) -> Refused:
    body = error.body if isinstance(error.body, dict) else {}
    code = str(error.code or error.type or "")
    said = redacted(visible(str(body.get("message") or error.message)))[:MAX_SAID]
    return Refused(
        f"The language model's server says {error.status_code}: {said}",
        status=error.status_code,
        code=code,
        wait=retry_after(error.response.headers),
    )


def _reply(status: int, headers: Mapping[str, str], content: bytes) -> Reply:
    if media_type(headers) != "application/json":
        raise NoAnswer(f"The server answered with {media_type(headers) or 'no type'} instead of JSON.", status=status)
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise NoAnswer("The server's answer cannot be read as JSON.", status=status)
    choice = _first(body.get("choices"))
    said = choice.get("message")
    message = said if isinstance(said, dict) else {}
    usage = body.get("usage")
    tokens_in, tokens_out = _tokens(usage, "prompt_tokens"), _tokens(usage, "completion_tokens")
    is_told = tokens_in is not None and tokens_out is not None
    details = usage.get("prompt_tokens_details") if isinstance(usage, dict) else None
    return Reply(
        text=_storable(message.get("content")),
        finish_reason=str(choice.get("finish_reason") or ""),
        refusal=_storable(message.get("refusal"))[:MAX_SAID],
        tokens_in=tokens_in if is_told else None,
        cached_in=min(_tokens(details, "cached_tokens") or 0, tokens_in or 0),
        tokens_out=(tokens_out or 0) if is_told else 0,
        request_id=_storable(headers.get("x-request-id") or body.get("id"))[:200],
        status=status,
    )


def _first(choices: object) -> dict[str, Any]:
    """The first choice; empty for what is none, which is then no answer, but one that is paid for."""
    found = choices[0] if isinstance(choices, list) and choices else None
    return found if isinstance(found, dict) else {}


def _tokens(usage: object, name: str) -> int | None:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if type(value) is int and 0 <= value <= MAX_TOKENS else None


def _storable(text: object) -> str:
    """Text without what Postgres does not store; empty for what is no text."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}") \
        if isinstance(text, str) else ""  # fmt: skip
