"""all-MiniLM-L6-v2 on this machine: no key, no network, no price."""

from collections.abc import Sequence
from typing import Any, Self

from django.conf import settings

from embeddings.providers.base import EmbeddingProvider, MissingModelFiles, ModelSpec
from embeddings.providers.minilm import DIMENSIONS, MAX_TOKENS, MODEL_NAME, MiniLM, MiniLMUnavailable, model_folder

OR_OPENAI = "Or set EMBEDDING_PROVIDER=openai and OPENAI_API_KEY."
# Measured on 4,956 labelled companies with natural queries: relevant pairs lie at .18 to .58, irrelevant ones at
# -.01 to .33, and F1 is best near .42. The threshold cuts off noise and leaves the order to do the rest.
DEFAULT_THRESHOLD = 0.25


class LocalProvider(EmbeddingProvider):
    """The model is loaded on first use, once a process."""

    name = "local"
    models = {MODEL_NAME: ModelSpec(DIMENSIONS, max_input_tokens=MAX_TOKENS, default_threshold=DEFAULT_THRESHOLD)}
    query_cache = "process"
    max_batch_inputs = 256  # about three seconds of work: what cancelling waits for
    max_batch_tokens = 256 * MAX_TOKENS
    settings_used = ("DATA_DIR", "EMBEDDING_LOCAL_THREADS")

    def __init__(self, model: str, spec: ModelSpec) -> None:
        super().__init__(model, spec)
        self._minilm = MiniLM(settings.DATA_DIR / "models", settings.EMBEDDING_LOCAL_THREADS or None)

    @classmethod
    def from_settings(cls, model: str) -> Self:
        try:
            model_folder()
        except MiniLMUnavailable as error:
            raise MissingModelFiles(error.message, hint=f"{error.hint} {OR_OPENAI}") from error
        return super().from_settings(model)

    def request(self, texts: Sequence[str]) -> tuple[Any, list[int]]:
        try:
            vectors, token_counts = self._minilm.encode(list(texts))
        except MiniLMUnavailable as error:
            raise MissingModelFiles(error.message, hint=error.hint) from error
        return vectors, token_counts
