"""What an embedding provider is, and the one place where its answers are judged."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from oppspot.core.errors import NotConfigured, RetryableError, SkipItemError

Vectors = npt.NDArray[np.float32]

MIN_NORM = 1e-6  # a shorter vector has no direction to speak of
MILLION = Decimal(1_000_000)


class UnknownProvider(NotConfigured):
    """There is no such embedding provider."""


class UnknownModel(NotConfigured):
    """The embedding provider does not know this model."""


class MissingKey(NotConfigured):
    """The embedding provider needs a key."""


class MissingModelFiles(NotConfigured):
    """The files of the embedding model are not installed."""


class InvalidAnswer(RetryableError):
    """The embedding provider's answer is not what was asked for."""


class InputRejected(SkipItemError):
    """The embedding provider rejects these texts. Others may pass."""


@dataclass(frozen=True)
class ModelSpec:
    """What is known about a model beforehand. `default_threshold` is a cosine similarity, comparable within a model."""

    dimensions: int
    max_input_tokens: int
    default_threshold: float
    price_per_million_tokens: Decimal = Decimal(0)  # US dollars


@dataclass(frozen=True)
class Embedded:
    """Vectors of length 1, shape (n, dimensions), and the tokens of each text, in the order of the texts."""

    vectors: Vectors
    token_counts: list[int]


class EmbeddingProvider(ABC):
    """Turns texts into vectors. A subclass names itself like its module and implements `request`."""

    name: ClassVar[str]
    models: ClassVar[Mapping[str, ModelSpec]]  # the first is the default
    max_batch_inputs: ClassVar[int]  # texts of one call
    max_batch_tokens: ClassVar[int]
    # Of CACHES: "process" where embedding a query is about as fast as asking another server for it.
    query_cache: ClassVar[str] = "default"
    settings_used: ClassVar[tuple[str, ...]] = ()  # another value of one of them means another instance

    def __init__(self, model: str, spec: ModelSpec) -> None:
        self.model = model
        self.dimensions = spec.dimensions
        self.max_input_tokens = spec.max_input_tokens
        self.default_threshold = spec.default_threshold
        self.price_per_million_tokens = spec.price_per_million_tokens

    @classmethod
    def from_settings(cls, model: str) -> Self:
        """An instance for `model` (`""`: the default), cheap to make. Raises `NotConfigured` with a hint."""
        model = model or next(iter(cls.models))
        return cls(model, cls.spec_of(model))

    @classmethod
    def spec_of(cls, model: str) -> ModelSpec:
        if model not in cls.models:
            known = ", ".join(cls.models)
            raise UnknownModel(
                f"The embedding provider {cls.name!r} does not know the model {model!r}.",
                hint=f"Set EMBEDDING_MODEL to one of: {known}.",
            )
        return cls.models[model]

    @abstractmethod
    def request(self, texts: Sequence[str]) -> tuple[Any, list[int]]:
        """One attempt at one batch within the limits: vectors of any length as rows, and tokens by text.

        Nothing needs to be checked here. Raises `RetryableError`, `PermanentError` or `InputRejected`.
        """

    def embed_batch(self, texts: Sequence[str]) -> Embedded:
        """One batch within the limits, checked. Providers over a network add their retries around this."""
        rows, token_counts = self.request(texts)
        return self.checked(rows, token_counts, count=len(texts))

    def embed_documents(self, texts: Sequence[str]) -> Embedded:
        """Vectors of any number of texts. Raises as `request` does; then nothing of the call is kept."""
        answers = [self.embed_batch(batch) for batch in self.batches([presentable(text) for text in texts])]
        if not answers:
            return Embedded(np.empty((0, self.dimensions), dtype=np.float32), [])
        return Embedded(
            np.concatenate([answer.vectors for answer in answers]),
            [count for answer in answers for count in answer.token_counts],
        )

    def embed_query(self, text: str) -> Vectors:
        """The vector (shape (dimensions,)) of what somebody searches for."""
        vector: Vectors = self.embed_documents([text]).vectors[0]
        return vector

    def batches(self, texts: Sequence[str]) -> Iterator[list[str]]:
        """`texts` cut, in order, into calls within `max_batch_inputs` and `max_batch_tokens`."""
        batch: list[str] = []
        tokens = 0
        for text in texts:
            size = min(self.estimate_tokens(text), self.max_input_tokens)
            if batch and (len(batch) >= self.max_batch_inputs or tokens + size > self.max_batch_tokens):
                yield batch
                batch, tokens = [], 0
            batch.append(text)
            tokens += size
        if batch:
            yield batch

    def estimate_tokens(self, text: str) -> int:
        """Tokens of a text without its tokenizer, rather too many than too few: English has a token in 4 characters,
        counted here as 3, and no token of another script is shorter than a byte."""
        size = len(text.encode("utf-8", "replace"))
        return max(1, (len(text) + 2) // 3 + (size - len(text)))

    def cost_of(self, tokens: int) -> Decimal:
        """US dollars."""
        return self.price_per_million_tokens * tokens / MILLION

    def checked(self, rows: Any, token_counts: list[int], *, count: int) -> Embedded:
        """The answer as unit vectors. Raises `InvalidAnswer` unless it is `count` usable vectors with their counts."""
        try:
            vectors = np.asarray(rows, dtype=np.float32)
        except (ValueError, TypeError, OverflowError) as error:
            raise InvalidAnswer(f"{self.name} did not return vectors of one length: {error}") from error
        if vectors.shape != (count, self.dimensions):
            raise InvalidAnswer(f"{self.name} returned {vectors.shape}, expected {(count, self.dimensions)}.")
        if len(token_counts) != count or not all(isinstance(n, int) and n >= 0 for n in token_counts):
            raise InvalidAnswer(f"{self.name} did not count the tokens of {count} texts.")
        with np.errstate(over="ignore", invalid="ignore"):
            norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
        if not np.isfinite(norms).all():
            raise InvalidAnswer(f"{self.name} returned a vector with infinite or undefined numbers.")
        if (norms <= MIN_NORM).any():
            raise InvalidAnswer(f"{self.name} returned a vector without a direction.")
        return Embedded((vectors / norms).astype(np.float32), token_counts)


def presentable(text: str) -> str:
    """A text that every provider takes: lone surrogates and NULs replaced, never empty."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", " ").strip() or "-"
