"""One request to an OpenAI-compatible embeddings endpoint, through the `openai` client, trusting nothing it says.

The client reports HTML, half answers, swapped order and undefined numbers as success, raises `JSONDecodeError` for a
cut-off body, and its timeout is per read: a body that trickles can take for ever (all tried with openai 3.54).
"""

import binascii
import time
from base64 import b64decode
from collections.abc import Sequence
from typing import Any

import httpx2
import numpy as np
import openai
import structlog
from openai.types import CreateEmbeddingResponse

from embeddings.providers.base import InputRejected, InvalidAnswer
from oppspot.core.errors import OppspotError, PermanentError, RetryableError
from oppspot.core.http.answers import retry_after
from oppspot.core.http.bounds import BoundedStream, within

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_S = 5.0
BYTES_PER_NUMBER = 24  # a float in JSON with its comma; base64 takes six
OVERHEAD_BYTES = 1_000_000
REJECTED = {400, 413, 422}  # something is wrong with the texts sent
REFUSED = {401, 403, 404}  # … with the key, or the model's name
TOO_LONG = ("max_tokens_per_request", "context_length_exceeded", "maximum context length", "too long", "too large")


class TooLong(InputRejected):
    """A text, or the texts of one request together, are longer than the embedding provider takes."""


class OpenAIClient:
    """Shared by the threads of one process."""

    def __init__(self, *, api_key: str, base_url: str, max_numbers: int) -> None:
        """`max_numbers`: of the largest answer, all vectors together; more bytes than they need are not read."""
        self.max_bytes = OVERHEAD_BYTES + max_numbers * BYTES_PER_NUMBER
        self._client = openai.OpenAI(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,  # retries, deadlines and their account are ours
            default_headers={"Accept-Encoding": "identity"},  # a small body stays small
            http_client=openai.DefaultHttpxClient(event_hooks={"response": [self._bound]}),
        )

    def close(self) -> None:
        self._client.close()

    def embed(self, texts: Sequence[str], *, model: str, seconds: float) -> tuple[list[Any], int | None]:
        """Rows in the order of `texts`, whatever order they came in, and the tokens used, if the answer says.

        Takes `seconds` at most, all bytes included. Raises `RetryableError` (with `retry_after` when it was named),
        `InvalidAnswer`, `InputRejected` (`TooLong`) or `PermanentError`.
        """
        # Waiting on another thread is the only deadline that covers name look-up, headers and body alike.
        try:
            answer = within(seconds, lambda: self._create(list(texts), model, seconds), name="openai-request")
        except TimeoutError:
            raise RetryableError(f"OpenAI did not answer within {seconds:.0f} s.") from None
        return _rows(answer, count=len(texts), model=model), _tokens(answer)

    def _create(self, texts: list[str], model: str, seconds: float) -> CreateEmbeddingResponse:
        timeout = httpx2.Timeout(seconds, connect=min(seconds, CONNECT_TIMEOUT_S))
        try:
            return self._client.embeddings.create(input=texts, model=model, encoding_format="base64", timeout=timeout)
        except openai.APIStatusError as error:
            raise _translated(error, _said(error).replace(self._client.api_key, "…")) from error
        except openai.APITimeoutError as error:
            raise RetryableError(f"OpenAI did not answer within {seconds:.0f} s.") from error
        except openai.APIConnectionError as error:
            raise RetryableError(f"OpenAI cannot be reached: {error.__cause__ or error}") from error
        except (openai.OpenAIError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise InvalidAnswer(f"OpenAI's answer cannot be read: {type(error).__name__}") from error

    def _bound(self, response: httpx2.Response) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise InvalidAnswer("OpenAI compressed an answer that was asked for as it is.")
        seconds = response.request.extensions["timeout"]["read"]
        response.stream = BoundedStream(
            response.stream,
            max_bytes=self.max_bytes,
            deadline=time.monotonic() + seconds,
            too_large=InvalidAnswer(f"OpenAI's answer is larger than {self.max_bytes:,} bytes."),
        )


def _translated(error: openai.APIStatusError, said: str) -> OppspotError:
    """What the caller should do about an HTTP error."""
    status, code = error.status_code, str(error.code or error.type or "")
    if code == "insufficient_quota":
        return PermanentError("The OpenAI account has no credit left.", hint="Add credit, or raise its budget.")
    if status in REFUSED:
        return PermanentError(
            f"OpenAI refuses the request ({status}): {said}", hint="Check OPENAI_API_KEY and the model."
        )
    if status in REJECTED:
        long = status == httpx2.codes.CONTENT_TOO_LARGE or any(sign in f"{code} {said}".lower() for sign in TOO_LONG)
        return (TooLong if long else InputRejected)(f"OpenAI rejects the input ({status}): {said}")
    wait = retry_after(error.response.headers)
    return RetryableError(f"OpenAI cannot answer right now ({status}): {said}", retry_after=wait)


def _said(error: openai.APIStatusError) -> str:
    body = error.body
    text = body.get("message") if isinstance(body, dict) else None
    return str(text or error.message)[:300]


def _rows(answer: object, *, count: int, model: str) -> list[Any]:
    data = getattr(answer, "data", None)
    if not isinstance(data, list) or len(data) != count:
        raise InvalidAnswer(f"OpenAI did not return {count} vectors.")
    said = getattr(answer, "model", None) or model
    if isinstance(said, str) and said.startswith("text-embedding-") and not said.startswith(model):
        raise PermanentError(f"OpenAI answered with the model {said} instead of {model}: their vectors do not compare.")
    rows: list[Any] = [None] * count
    for item in data:
        index = getattr(item, "index", None)
        if type(index) is not int or not 0 <= index < count or rows[index] is not None:
            raise InvalidAnswer("OpenAI returned a vector without its place, or two in one place.")
        rows[index] = _numbers(getattr(item, "embedding", None))
    return rows


def _numbers(embedding: object) -> Any:
    """Base64 of 32-bit floats; servers that do not know that encoding send a list."""
    if not isinstance(embedding, str):
        return embedding
    try:
        return np.frombuffer(b64decode(embedding, validate=True), dtype="<f4")
    except (binascii.Error, ValueError) as error:
        raise InvalidAnswer("OpenAI returned a vector that is not base64.") from error


def _tokens(answer: object) -> int | None:
    tokens = getattr(getattr(answer, "usage", None), "prompt_tokens", None)
    return tokens if type(tokens) is int and tokens > 0 else None
