"""What every provider does alike, and how one is found."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from pytest_django import Settings

from embeddings.providers import EmbeddingProvider, get_provider
from embeddings.providers.base import InvalidAnswer, MissingKey, ModelSpec, UnknownModel, UnknownProvider
from embeddings.providers.deterministic import DeterministicProvider
from embeddings.providers.registry import provider_class, provider_names
from tests.embeddings.stub_openai import StubOpenAI

TEXTS = ["Plumbing and heating in Leeds", "Software for hospitals", "Heating, plumbing, Leeds", "Bakery"]
POISON = ["", " ", "\x00", "\ud800", "\u200b", "😀" * 50, "x" * 50_000, "\u202eevil", "a\nb", "1"]


@pytest.fixture(params=provider_names())
def provider(request: pytest.FixtureRequest, settings: Settings) -> Iterator[EmbeddingProvider]:
    """Each provider there is, as the settings give it; a new one needs no more than its stub here."""
    settings.EMBEDDING_PROVIDER, settings.EMBEDDING_MODEL = request.param, ""
    if request.param != "openai":
        yield get_provider()
        return
    with StubOpenAI() as stub:
        key = f"sk-test-{uuid4()}"  # another stub may get the same port, and providers are kept by their settings
        settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = key, stub.url
        found = get_provider()
        yield found
        found.close()  # type: ignore[attr-defined]


def test_declares_itself(provider: EmbeddingProvider) -> None:
    assert provider.name in provider_names()
    assert provider.model in type(provider).models
    assert 0 < provider.dimensions <= 4000
    assert provider.max_batch_inputs > 0
    assert provider.max_batch_tokens >= provider.max_input_tokens > 0
    assert isinstance(provider.price_per_million_tokens, Decimal)
    assert 0 < provider.default_threshold < 1


def test_vectors_are_unit_length_and_counted(provider: EmbeddingProvider) -> None:
    embedded = provider.embed_documents(TEXTS)
    assert embedded.vectors.shape == (len(TEXTS), provider.dimensions)
    assert embedded.vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(embedded.vectors, axis=1), 1, atol=1e-5)
    assert len(embedded.token_counts) == len(TEXTS)
    assert all(type(count) is int and count > 0 for count in embedded.token_counts)


def test_a_text_has_the_same_vector_alone_and_in_company(provider: EmbeddingProvider) -> None:
    together = provider.embed_documents(TEXTS).vectors
    for text, vector in zip(TEXTS, together, strict=True):
        alone = provider.embed_documents([text]).vectors[0]
        assert float(alone @ vector) > 0.9999
        assert float(provider.embed_query(text) @ vector) > 0.9999


def test_order_is_kept_over_more_texts_than_a_batch_takes(provider: EmbeddingProvider) -> None:
    texts = [f"{text} {number}" for number in range(-(-provider.max_batch_inputs // 3)) for text in TEXTS][
        : provider.max_batch_inputs + 3
    ]
    vectors = provider.embed_documents(texts).vectors
    for place in (0, len(texts) // 2, len(texts) - 1):
        assert float(provider.embed_query(texts[place]) @ vectors[place]) > 0.9999


def test_nothing_gives_nothing(provider: EmbeddingProvider) -> None:
    embedded = provider.embed_documents([])
    assert embedded.vectors.shape == (0, provider.dimensions)
    assert embedded.token_counts == []


@pytest.mark.parametrize("text", POISON, ids=lambda text: ascii(text[:9]))
def test_takes_any_text(provider: EmbeddingProvider, text: str) -> None:
    vector = provider.embed_documents([text, "Bakery"]).vectors[0]
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_costs_are_exact(provider: EmbeddingProvider) -> None:
    assert provider.cost_of(1_000_000) == provider.price_per_million_tokens
    assert provider.cost_of(1) * 1_000_000 == provider.price_per_million_tokens


def test_batches_keep_to_both_limits(provider: EmbeddingProvider) -> None:
    texts = ["x" * 3 * size for size in (1, 5, 100, provider.max_input_tokens * 2, 1)] * 1500
    batches = list(provider.batches(texts))
    assert [text for batch in batches for text in batch] == texts
    for batch in batches:
        assert len(batch) <= provider.max_batch_inputs
        sizes = [min(provider.estimate_tokens(text), provider.max_input_tokens) for text in batch]
        assert sum(sizes) <= provider.max_batch_tokens


def test_similar_texts_are_nearer() -> None:
    vectors = DeterministicProvider.from_settings("").embed_documents(TEXTS).vectors
    assert vectors[0] @ vectors[2] > 0.7
    assert vectors[0] @ vectors[1] < 0.3


class Answers(EmbeddingProvider):
    """Gives the answer it was made with."""

    name = "answers"
    models = {"m": ModelSpec(2, 10, 0.5)}
    max_batch_inputs, max_batch_tokens = 10, 100
    rows: Any = ()
    counts: Any = (1, 1)

    def request(self, texts: Any) -> tuple[Any, Any]:
        return self.rows, self.counts


@pytest.mark.parametrize(
    ("rows", "counts"),
    [
        ([[1.0, 0.0]], [1, 1]),
        ([[1.0, 0.0]] * 3, [1, 1]),
        ([], [1, 1]),
        (None, [1, 1]),
        ([[1.0, 0.0], [1.0]], [1, 1]),
        ([[1.0, 0.0, 0.0]] * 2, [1, 1]),
        ([[1.0, 0.0], [0.0, 0.0]], [1, 1]),
        ([[1.0, 0.0], [1e-7, 0.0]], [1, 1]),
        ([[1.0, 0.0], [float("nan"), 0.0]], [1, 1]),
        ([[1.0, 0.0], [float("inf"), 0.0]], [1, 1]),
        ([[1.0, 0.0], ["x", "y"]], [1, 1]),
        ([[1.0, 0.0], [{}, 1]], [1, 1]),
        ([[1.0, 0.0]] * 2, [1]),
        ([[1.0, 0.0]] * 2, [1, -1]),
        ([[1.0, 0.0]] * 2, [1, 1.5]),
    ],
    ids=str,
)
def test_an_answer_that_is_not_what_was_asked_for_is_never_used(rows: Any, counts: Any) -> None:
    provider = Answers.from_settings("m")
    provider.rows, provider.counts = rows, counts
    with pytest.raises(InvalidAnswer):
        provider.embed_documents(["a", "b"])


def test_large_and_small_numbers_still_have_a_direction() -> None:
    provider = Answers.from_settings("m")
    provider.rows = [[3e38, 3e38], [1e-5, 0.0]]
    assert np.allclose(provider.embed_documents(["a", "b"]).vectors, [[0.5**0.5, 0.5**0.5], [1, 0]])


def test_the_registry_finds_the_modules_that_are_providers() -> None:
    assert {"deterministic", "local", "openai"} <= set(provider_names())
    for name in provider_names():
        assert provider_class(name).name == name


def test_settings_choose(settings: Settings) -> None:
    settings.EMBEDDING_PROVIDER, settings.EMBEDDING_MODEL = "openai", ""
    settings.OPENAI_API_KEY = "sk-test"
    assert get_provider().model == "text-embedding-3-small"
    settings.EMBEDDING_MODEL = "text-embedding-3-large"
    assert get_provider().model == "text-embedding-3-large"
    assert get_provider().dimensions == 3072
    assert get_provider("text-embedding-3-small").dimensions == 1536


def test_one_instance_until_the_settings_change(settings: Settings) -> None:
    settings.EMBEDDING_PROVIDER, settings.EMBEDDING_MODEL, settings.OPENAI_API_KEY = "openai", "", "sk-one"
    first = get_provider()
    assert get_provider() is get_provider("text-embedding-3-small") is first
    settings.OPENAI_API_KEY = "sk-two"
    assert get_provider() is not first


@pytest.mark.parametrize("name", ["nonsense", "", "base", "registry", "openai_client", "../local", "os"])
def test_an_unknown_provider_is_named_with_those_there_are(settings: Settings, name: str) -> None:
    settings.EMBEDDING_PROVIDER = name
    with pytest.raises(UnknownProvider) as caught:
        get_provider()
    assert repr(name) in caught.value.message
    assert "deterministic, local, openai" in caught.value.hint


def test_an_unknown_model_is_named_with_those_there_are(settings: Settings) -> None:
    settings.EMBEDDING_PROVIDER, settings.EMBEDDING_MODEL = "local", "bert"
    with pytest.raises(UnknownModel, match="'bert'") as caught:
        get_provider()
    assert "all-MiniLM-L6-v2" in caught.value.hint


def test_openai_needs_a_key(settings: Settings) -> None:
    settings.EMBEDDING_PROVIDER, settings.EMBEDDING_MODEL, settings.OPENAI_API_KEY = "openai", "", ""
    with pytest.raises(MissingKey) as caught:
        get_provider()
    assert "OPENAI_API_KEY" in caught.value.hint
