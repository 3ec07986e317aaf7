"""The embedding of a query, kept: people repeat searches, and each costs time or money."""

import hashlib

import numpy as np
import numpy.typing as npt
from django.core.cache import caches

from embeddings.providers import EmbeddingProvider

TIMEOUT_S = 7 * 24 * 3600
KEY_VERSION = "1"


def embed_query_cached(provider: EmbeddingProvider, query: str) -> npt.NDArray[np.float32]:
    """The unit vector of `query`, shape (dimensions,).

    The key names provider, model, dimensions and the text's digest; the value depends on nothing else, so it may
    be shared by organisations. The provider says which cache is worth asking.
    """
    cache = caches[provider.query_cache]
    text = " ".join(query.split())
    digest = hashlib.sha256(text.encode()).hexdigest()
    key = f"query-embedding:{KEY_VERSION}:{provider.name}:{provider.model}:{provider.dimensions}:{digest}"
    stored = cache.get(key)
    if isinstance(stored, bytes) and len(stored) == 4 * provider.dimensions:
        return np.frombuffer(stored, dtype=np.float32)
    vector = provider.embed_query(text)
    cache.set(key, vector.astype(np.float32).tobytes(), TIMEOUT_S)
    return vector
