"""Where vectors come from. Adding a provider: docs/how-to/add-a-provider.md."""

from embeddings.providers.base import Embedded, EmbeddingProvider, Vectors
from embeddings.providers.registry import get_provider

__all__ = ["Embedded", "EmbeddingProvider", "Vectors", "get_provider"]
