"""Search: what is found, in which order, under which filters; and what is refused."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from django.core.cache import caches
from django.db import connection
from django.test.utils import CaptureQueriesContext

from businesses.models import Business
from embeddings import search as searching
from embeddings import statements
from embeddings.providers import EmbeddingProvider
from embeddings.providers.base import ModelSpec
from embeddings.search import NotEmbedded, SearchResult, search
from oppspot.core.errors import InvalidInput
from tests.factories import make_business

pytestmark = pytest.mark.django_db

AXES = ("bank", "beer", "car", "chip")


class AxesProvider(EmbeddingProvider):
    """A text points along the axes of the words it has; `near` leans a little from the first."""

    name = "axes"
    models = {"test-model": ModelSpec(4, 100, default_threshold=0.3)}
    max_batch_inputs = 100
    max_batch_tokens = 10_000
    query_cache = "process"
    calls = 0

    def request(self, texts: Sequence[str]) -> tuple[Any, list[int]]:
        type(self).calls += 1
        return [[float(axis in text) or 0.01 for axis in AXES] for text in texts], [1] * len(texts)


@pytest.fixture
def provider() -> Iterator[EmbeddingProvider]:
    AxesProvider.calls = 0
    yield AxesProvider.from_settings("test-model")
    caches["process"].clear()


def names(result: SearchResult) -> list[str]:
    return [hit.business.name for hit in result.hits]


def test_semantic_orders_by_exact_similarity(provider: EmbeddingProvider) -> None:
    make_business("Middling", vector=[0.7, 0.7, 0, 0])
    make_business("Nearest", vector=[1, 0.05, 0, 0])
    make_business("Unlike", vector=[0, 0, 0, 1])
    make_business("No vector")
    result = search("bank", mode="semantic", threshold=0, provider=provider)
    assert names(result) == ["Nearest", "Middling", "Unlike"]
    expected = (
        np.dot([1, 0.05, 0, 0], [1, 0.01, 0.01, 0.01])
        / np.linalg.norm([1, 0.05])
        / np.linalg.norm([1, 0.01, 0.01, 0.01])
    )
    assert result.hits[0].similarity == pytest.approx(expected, abs=1e-5)
    assert [hit.semantic_rank for hit in result.hits] == [1, 2, 3]


def test_threshold_default_is_the_models_and_zero_means_none(provider: EmbeddingProvider) -> None:
    make_business("Near", vector=[1, 0, 0, 0])
    make_business("Opposite", vector=[-1, 0, 0, 0.1])
    assert names(search("bank", mode="semantic", provider=provider)) == ["Near"]
    assert names(search("bank", mode="semantic", threshold=0, provider=provider)) == ["Near", "Opposite"]
    assert names(search("bank", mode="semantic", threshold=1.0, provider=provider)) == []


def test_vectors_of_another_model_never_mix_in(provider: EmbeddingProvider) -> None:
    mine = make_business("Mine", vector=[1, 0, 0, 0])
    other = make_business("Other", vector=[1, 0, 0, 0])
    Business.objects.filter(pk=other.pk).update(embedding=[1.0, 0, 0], embedding_model="three-dimensional")
    result = search("bank", threshold=0, provider=provider)
    assert [hit.business.pk for hit in result.hits] == [mine.pk]


def test_lexical_finds_words_and_costs_no_embedding(provider: EmbeddingProvider) -> None:
    make_business("Hop House Brewing", description="Makes craft beer in Leeds.")
    make_business("Crafts Supplies", description="Beads and paper.")
    result = search("craft beers", mode="lexical", provider=provider)
    assert names(result) == ["Hop House Brewing"]
    assert result.hits[0].similarity is None
    assert AxesProvider.calls == 0


def test_hybrid_fuses_both_arms(provider: EmbeddingProvider) -> None:
    make_business("Both Beer", vector=[0.01, 1, 0.01, 0.01])
    make_business("Meaning Only", vector=[0.01, 1, 0.02, 0.01])
    make_business("Beer Words Only", vector=[0, 0, 0, 1])
    result = search("beer", provider=provider)
    assert names(result)[0] == "Both Beer"
    assert set(names(result)) == {"Both Beer", "Meaning Only", "Beer Words Only"}
    by_name = {hit.business.name: hit for hit in result.hits}
    assert by_name["Beer Words Only"].semantic_rank is None
    assert by_name["Meaning Only"].lexical_rank is None
    both = by_name["Both Beer"]
    assert both.semantic_rank is not None
    assert both.lexical_rank is not None
    assert both.score == pytest.approx(1 / (60 + both.semantic_rank) + 1 / (60 + both.lexical_rank))


def test_a_given_threshold_holds_for_words_too(provider: EmbeddingProvider) -> None:
    make_business("Beer Words Only", vector=[0, 0, 0, 1])
    make_business("Beer Near", vector=[0, 1, 0, 0])
    assert names(search("beer", threshold=0.5, provider=provider)) == ["Beer Near"]


def test_legal_forms_in_a_query_do_not_count(provider: EmbeddingProvider) -> None:
    make_business("Acme Rockets")
    assert names(search("Acme Rockets Limited", mode="lexical", provider=provider)) == ["Acme Rockets"]


@pytest.mark.parametrize("query", ['"', "'", "a & | ! (", "()", "craft:*", "the of", "%", "🍺", "beer -beer", "\\"])
def test_odd_queries_answer(provider: EmbeddingProvider, query: str) -> None:
    make_business("Beer", vector=[0, 1, 0, 0])
    search(query, provider=provider, explain=True)


@pytest.mark.parametrize("exact_rows", [0, 10_000], ids=["iterative scan", "exact pass"])
def test_filters_return_as_many_as_exist(
    provider: EmbeddingProvider, monkeypatch: pytest.MonkeyPatch, exact_rows: int
) -> None:
    monkeypatch.setattr(searching, "EXACT_MAX_ROWS", exact_rows)  # the estimate is never below one row
    for number in range(30):
        make_business(f"Leeds {number}", town="LEEDS", vector=[0, 0.1 + number / 100, 0, 1])
    for number in range(5):
        make_business(f"York {number}", town="York", vector=[0, 0, 0.5, 1])
    found = search("beer", filters={"town": "york"}, limit=5, threshold=0, provider=provider)
    assert len(found.hits) == 5
    assert {hit.business.town for hit in found.hits} == {"York"}
    assert len(search("beer", filters={"town": "leeds,york"}, limit=35, threshold=0, provider=provider).hits) == 35
    assert search("beer", filters={"town": "Hull"}, threshold=0, provider=provider).hits == []


def test_an_iterative_scan_that_gives_up_is_followed_by_an_exact_pass(
    provider: EmbeddingProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "EXACT_MAX_ROWS", 0)
    calls: list[bool] = []
    run = statements.nearest

    def given_up(*args: Any, exact: bool, **options: Any) -> list[Any]:
        calls.append(exact)
        return run(*args, exact=exact, **options) if exact else []

    monkeypatch.setattr(searching, "nearest", given_up)
    make_business("Leeds", town="LEEDS", vector=[0, 1, 0, 0])
    assert names(search("beer", filters={"town": "leeds"}, threshold=0, provider=provider)) == ["Leeds"]
    assert calls == [False, True]


def test_similar_to_examples_minus_negatives(provider: EmbeddingProvider) -> None:
    bank = make_business("Bank", vector=[1, 0, 0, 0])
    beer = make_business("Beer", vector=[0, 1, 0, 0])
    make_business("Bank and beer", vector=[1, 1, 0, 0])
    make_business("Bank and car", vector=[1, 0, 1, 0])
    make_business("Chip", vector=[0, 0, 0, 1])
    result = search(examples=[bank.pk], threshold=0, provider=provider)
    assert result.mode == "semantic"
    assert bank.name not in names(result)
    assert set(names(result)[:2]) == {"Bank and beer", "Bank and car"}
    minus = search(examples=[bank.pk], negatives=[beer.pk], threshold=0, provider=provider)
    assert names(minus)[0] == "Bank and car"
    assert not {"Bank", "Beer"} & set(names(minus))
    both = search(examples=[bank.pk, beer.pk], threshold=0, provider=provider)
    assert names(both)[0] == "Bank and beer"


def test_examples_without_a_vector_or_unknown_are_named(provider: EmbeddingProvider) -> None:
    bare = make_business("Bare")
    with pytest.raises(NotEmbedded, match=str(bare.pk)):
        search(examples=[bare.pk], provider=provider)
    with pytest.raises(InvalidInput, match="There is no company"):
        search(examples=[uuid4()], provider=provider)


def test_examples_that_cancel_out_are_refused(provider: EmbeddingProvider) -> None:
    one = make_business("One", vector=[1, 0, 0, 0])
    other = make_business("Other", vector=[-1, 0, 0, 0])
    with pytest.raises(InvalidInput, match="cancel"):
        search(examples=[one.pk, other.pk], provider=provider)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"query": ""}, "query"),
        ({"query": "  "}, "query"),
        ({"query": "x" * 1001}, "query"),
        ({"query": "x", "examples": [uuid4()]}, "query"),
        ({"examples": [uuid4() for _ in range(51)]}, "examples"),
        ({"query": "x", "mode": "magic"}, "mode"),
        ({"query": "x", "limit": 0}, "limit"),
        ({"query": "x", "limit": 101}, "limit"),
        ({"query": "x", "threshold": 1.5}, "threshold"),
        ({"query": "x", "threshold": float("nan")}, "threshold"),
        ({"query": "x", "filters": {"sic": "nonsense"}}, "sic"),
        ({"query": "x", "filters": {"unheard_of": "1"}}, "unheard_of"),
        ({"query": "x", "filters": {"incorporated_from": "yesterday"}}, "incorporated_from"),
    ],
)
def test_bad_input_names_the_field(provider: EmbeddingProvider, arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        search(**arguments, provider=provider)
    assert field in caught.value.fields


def test_explanations_name_words_and_fields(provider: EmbeddingProvider) -> None:
    make_business("Beer Works", description="Brews beer.", categories=["craft beer"], town="Leeds", vector=[0, 1, 0, 0])
    hit = search("craft beers in Leeds", mode="hybrid", explain=True, provider=provider).hits[0]
    assert hit.matched == {
        "beer": ["name", "description or categories"],
        "craft": ["description or categories"],
        "leed": ["town"],
    }
    assert (hit.semantic_rank, hit.lexical_rank) == (1, 1)


def test_facets_count_the_pool(provider: EmbeddingProvider) -> None:
    for number in range(3):
        make_business(f"L{number}", town="LEEDS", sic_codes=["11050"], categories=["beer"], vector=[0, 1, 0, 0])
    make_business("Y", town="York", sic_codes=["11050", "56302"], vector=[0, 1, 0, 0])
    facets = search("beer", limit=1, threshold=0, provider=provider).facets
    assert facets["town"] == [("Leeds", 3), ("York", 1)]
    assert facets["sic_division"] == [("11", 4), ("56", 1)]
    assert ("beer", 3) in facets["category"]


@pytest.mark.parametrize("alias", ["process", "default"])
def test_the_embedding_of_a_query_is_cached(
    provider: EmbeddingProvider, monkeypatch: pytest.MonkeyPatch, alias: str
) -> None:
    monkeypatch.setattr(AxesProvider, "query_cache", alias)
    make_business("Beer", vector=[0, 1, 0, 0])
    first = search("some  beer", provider=provider)
    second = search("some beer", provider=provider)
    assert AxesProvider.calls == 1
    assert names(first) == names(second)


def test_the_number_of_queries_does_not_depend_on_the_number_of_hits(provider: EmbeddingProvider) -> None:
    def count() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            search("beer", filters={"town": "leeds"}, limit=50, threshold=0, explain=True, provider=provider)
        return len(queries)

    make_business("Beer 0", town="Leeds", vector=[0, 1, 0, 0])
    search("beer", provider=provider)  # caches the query
    few = count()
    for number in range(1, 40):
        make_business(f"Beer {number}", town="Leeds", vector=[0, 1, number / 100, 0])
    # estimate, nearest, words, explanation
    assert count() == few == 4


def test_several_states_are_alternatives(provider: EmbeddingProvider) -> None:
    for status in ("active", "dissolved", "other"):
        make_business(f"Beer {status}", status=status, vector=[0, 1, 0, 0])
    for wanted in (["active"], ["active", "other"]):
        result = search("beer", filters={"status": wanted}, threshold=0, provider=provider)
        assert sorted(names(result)) == [f"Beer {status}" for status in wanted]
