"""OpenAI's embeddings, or those of any server that speaks its protocol (OPENAI_BASE_URL)."""

import random
import time
from collections.abc import Sequence
from decimal import Decimal
from functools import cached_property
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import stamina
import structlog
from django.conf import settings

from embeddings.providers.base import (
    Embedded,
    EmbeddingProvider,
    InputRejected,
    InvalidAnswer,
    MissingKey,
    ModelSpec,
    UnknownModel,
    Vectors,
    presentable,
)
from oppspot.core.errors import RetryableError
from oppspot.core.http import check_may_ask

if TYPE_CHECKING:
    from embeddings.providers.openai_client import OpenAIClient

log = structlog.get_logger(__name__)

TRIES = 5
INVALID_TRIES = 2  # an answer that makes no sense twice will make none the third time
MAX_BACKOFF_S = 5.0
MIN_TRY_S = 0.1
MAX_WAIT_S = 30.0  # a longer Retry-After is for the caller to reschedule, not for a worker to sleep through
QUERY_TIMEOUT_S = 10.0  # somebody waits for a search

# Prices and limits: platform.openai.com/docs/models. Thresholds are an assumption, not calibrated here: reported
# cosines of relevant pairs lie near .3 to .6 and of irrelevant ones near .05 to .25.
_MODELS = {
    "text-embedding-3-small": ModelSpec(1536, 8191, 0.3, Decimal("0.02")),
    "text-embedding-3-large": ModelSpec(3072, 8191, 0.3, Decimal("0.13")),
}

# Of models that only the settings describe: what is too long is shortened when the server says so.
OTHER_INPUT_TOKENS, OTHER_THRESHOLD = 8191, 0.3


class OpenAIProvider(EmbeddingProvider):
    """Retries what may pass within EMBEDDING_TIMEOUT_S; splits and shortens what is too long."""

    name = "openai"
    models = _MODELS
    max_batch_inputs = 2048
    max_batch_tokens = 300_000
    settings_used = (
        "OPENAI_API_KEY", "OPENAI_BASE_URL", "EMBEDDING_TIMEOUT_S", "EMBEDDING_DIMENSIONS",
        "EMBEDDING_PRICE_PER_MILLION",
    )  # fmt: skip

    def __init__(self, model: str, spec: ModelSpec, *, api_key: str, base_url: str, timeout_s: float) -> None:
        super().__init__(model, spec)
        self._api_key, self._base_url, self.timeout_s = api_key, base_url, timeout_s

    @classmethod
    def from_settings(cls, model: str) -> Self:
        if not settings.OPENAI_API_KEY:
            raise MissingKey(
                "The embedding provider 'openai' has no key.",
                hint="Set OPENAI_API_KEY, or EMBEDDING_PROVIDER=local to use the model that comes with oppSpot.",
            )
        model = model or next(iter(cls.models))
        return cls(
            model,
            cls.spec_of(model),
            api_key=settings.OPENAI_API_KEY,
            base_url=settings.OPENAI_BASE_URL,
            timeout_s=settings.EMBEDDING_TIMEOUT_S,
        )

    @classmethod
    def spec_of(cls, model: str) -> ModelSpec:
        """A model that is not OpenAI's own is known by the settings that describe it."""
        if model not in cls.models and settings.EMBEDDING_DIMENSIONS:
            return ModelSpec(
                settings.EMBEDDING_DIMENSIONS,
                OTHER_INPUT_TOKENS,
                OTHER_THRESHOLD,
                Decimal(str(settings.EMBEDDING_PRICE_PER_MILLION)),
            )
        try:
            return super().spec_of(model)
        except UnknownModel as error:
            hint = f"{error.hint} For another server's, also set EMBEDDING_DIMENSIONS and EMBEDDING_PRICE_PER_MILLION."
            raise UnknownModel(error.message, hint=hint) from error

    @cached_property
    def _client(self) -> "OpenAIClient":
        from embeddings.providers.openai_client import OpenAIClient  # a second to import

        max_numbers = self.max_batch_inputs * self.dimensions
        return OpenAIClient(api_key=self._api_key, base_url=self._base_url, max_numbers=max_numbers)

    def close(self) -> None:
        """Close the connections it keeps open."""
        self._client.close()

    def embed_batch(self, texts: Sequence[str]) -> Embedded:
        return self._embed(texts, self.timeout_s)

    def embed_query(self, text: str) -> Vectors:
        vector: Vectors = self._embed([presentable(text)], min(self.timeout_s, QUERY_TIMEOUT_S)).vectors[0]
        return vector

    def request(self, texts: Sequence[str]) -> tuple[Any, list[int]]:
        return self._request(texts, self.timeout_s)

    def _request(self, texts: Sequence[str], seconds: float) -> tuple[Any, list[int]]:
        check_may_ask(f"the provider of embeddings {self.name}")
        rows, tokens = self._client.embed(texts, model=self.model, seconds=seconds)
        estimates = [self.estimate_tokens(text) for text in texts]
        if tokens is None:
            log.warning("embedding_usage_missing", model=self.model, texts=len(texts), estimate=sum(estimates))
            return rows, estimates
        return rows, shared_out(tokens, estimates)

    def _embed(self, texts: Sequence[str], seconds: float) -> Embedded:
        from embeddings.providers.openai_client import TooLong

        try:
            return self._with_retries(texts, seconds)
        except TooLong as error:
            if len(texts) > 1:
                middle = len(texts) // 2
                parts = [self._embed(half, seconds) for half in (texts[:middle], texts[middle:])]
                counts = [count for part in parts for count in part.token_counts]
                return Embedded(np.concatenate([part.vectors for part in parts]), counts)
            shorter = self._shortened(texts[0])
            if not shorter:
                raise InputRejected(error.message) from error
            log.info("embedding_text_shortened", model=self.model, characters=len(texts[0]), to=len(shorter))
            return self._embed([shorter], seconds)

    def _shortened(self, text: str) -> str:
        """What fits when most tokens have four characters; from there on, three quarters."""
        return text[: min(4 * self.max_input_tokens, len(text) * 3 // 4)].strip()

    def _with_retries(self, texts: Sequence[str], seconds: float) -> Embedded:
        deadline = time.monotonic() + seconds
        failures = invalid = 0

        def wait_after(error: Exception) -> bool | float:
            nonlocal failures, invalid
            failures += 1
            invalid += isinstance(error, InvalidAnswer)
            if not isinstance(error, RetryableError) or invalid >= INVALID_TRIES:
                return False
            # Full jitter: clients that failed together do not come back together.
            wait = error.retry_after or random.uniform(0, min(MAX_BACKOFF_S, 2.0**failures / 2))  # noqa: S311  no secret
            return wait if wait <= min(MAX_WAIT_S, deadline - time.monotonic()) else False

        for attempt in stamina.retry_context(wait_after, attempts=TRIES, timeout=seconds):
            with attempt:
                # Half of the time at most, so that a try that hangs leaves time for another.
                left = max(MIN_TRY_S, min(deadline - time.monotonic(), seconds / 2))
                rows, counts = self._request(texts, left)
                return self.checked(rows, counts, count=len(texts))
        raise AssertionError("unreachable: the last failure is raised")


def shared_out(total: int, weights: Sequence[int]) -> list[int]:
    """Integers in proportion to `weights` that add up to `total` exactly."""
    whole = sum(weights)
    marks = [total * reached // whole for reached in accumulate(weights, initial=0)]
    return [end - start for start, end in pairwise(marks)]
