"""Vectors of hashed words: no model, no meaning, the same everywhere. For tests; only used when it is named."""

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np

from embeddings.providers.base import EmbeddingProvider, ModelSpec

DIMENSIONS = 256
_WORD = re.compile(r"\w+")


@lru_cache(maxsize=65_536)
def _bucket(word: str) -> int:
    return int.from_bytes(blake2b(word.encode(), digest_size=4).digest(), "big") % DIMENSIONS


class DeterministicProvider(EmbeddingProvider):
    """Texts are as similar as the words they share (feature hashing of a bag of words, without signs)."""

    name = "deterministic"
    models = {"hashed-words": ModelSpec(DIMENSIONS, max_input_tokens=100_000, default_threshold=0.25)}
    query_cache = "process"
    max_batch_inputs = 1024
    max_batch_tokens = 1_000_000

    def request(self, texts: Sequence[str]) -> tuple[Any, list[int]]:
        vectors = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        counts = []
        for row, text in zip(vectors, texts, strict=True):
            words = _WORD.findall(text.lower()) or [text]
            np.add.at(row, [_bucket(word) for word in words], 1.0)
            counts.append(len(words))
        return vectors, counts
