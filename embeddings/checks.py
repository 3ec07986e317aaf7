"""System checks of the embedding settings: what would fail later, with what to do about it."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from embeddings.providers import get_provider
from embeddings.providers.base import MissingKey, MissingModelFiles, UnknownModel, UnknownProvider
from oppspot.core.errors import NotConfigured

MAX_DIMENSIONS = 4000  # of the half-precision vectors that pgvector indexes
M_RANGE, EF_RANGE = range(16, 101), range(64, 1001)  # from oppSpot's floor to pgvector's ceiling

IDS: dict[type[NotConfigured], str] = {
    UnknownProvider: "embeddings.E001",
    MissingKey: "embeddings.E002",
    UnknownModel: "embeddings.E003",
    MissingModelFiles: "embeddings.E006",
}


@register
def check_provider(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """The configured provider can be made, and its vectors indexed. Loads no model and calls nobody."""
    try:
        provider = get_provider()
    except NotConfigured as error:
        return [Error(error.message, hint=error.hint, id=IDS.get(type(error), "embeddings.E007"))]
    if provider.dimensions > MAX_DIMENSIONS:
        hint = f"Choose an EMBEDDING_MODEL with at most {MAX_DIMENSIONS:,}."
        message = f"Vectors of {provider.model} have {provider.dimensions:,} dimensions, which no index takes."
        return [Error(message, hint=hint, id="embeddings.E005")]
    return []


@register
def check_index_settings(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """The parameters of the HNSW indexes are neither below the floor nor refused by pgvector."""
    messages: list[CheckMessage] = []
    m, ef_construction = settings.EMBEDDING_HNSW_M, settings.EMBEDDING_HNSW_EF_CONSTRUCTION
    for name, value, allowed in (
        ("EMBEDDING_HNSW_M", m, M_RANGE),
        ("EMBEDDING_HNSW_EF_CONSTRUCTION", ef_construction, EF_RANGE),
    ):
        if value not in allowed:
            hint = f"Set a number from {allowed[0]} to {allowed[-1]}; a lower one finds too few of the nearest."
            messages.append(Error(f"{name}={value} is out of range.", hint=hint, id="embeddings.E004"))
    if not messages and ef_construction < 2 * m:
        hint = f"Set EMBEDDING_HNSW_EF_CONSTRUCTION to {2 * m} or more: pgvector wants twice EMBEDDING_HNSW_M."
        messages.append(Error("EMBEDDING_HNSW_EF_CONSTRUCTION is too small.", hint=hint, id="embeddings.E004"))
    return messages
