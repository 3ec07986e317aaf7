"""The indexes of a model, and that Postgres uses them."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError
from pytest_django import Settings

from businesses.models import Business
from embeddings import indexes
from embeddings.indexes import (
    activate_model,
    ensure_index,
    ensure_indexes,
    ensure_pending_index,
    hnsw_index,
    pending_index,
)
from embeddings.models import EmbeddingModel
from embeddings.providers import get_provider
from embeddings.providers.base import ModelSpec
from embeddings.providers.deterministic import DIMENSIONS, DeterministicProvider
from embeddings.services import generate_embeddings
from embeddings.template import TEMPLATE
from tests.factories import make_business

pytestmark = pytest.mark.django_db(transaction=True)
MODEL = "hashed-words"


@pytest.fixture(autouse=True)
def clean(settings: Settings) -> Iterator[None]:
    """Indexes are not rows: a test finds those of tests before it, jobs' among them."""
    drop_all()
    settings.EMBEDDING_PROVIDER, settings.EMBEDDING_MODEL = "deterministic", ""
    settings.EMBEDDING_HNSW_M, settings.EMBEDDING_HNSW_EF_CONSTRUCTION = 16, 64
    yield
    drop_all()


def drop_all() -> None:
    for name in present():
        indexes._drop(name)


def present() -> dict[str, bool]:
    return indexes._family("business_hnsw") | indexes._family("business_pending")


def plan_of(statement: str) -> str:
    """The plan if the table were large: one of few rows is read faster than any index."""
    with transaction.atomic(), connection.cursor() as cursor:
        for way in ("seqscan", "bitmapscan", "sort"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute(f"EXPLAIN (COSTS OFF) {statement}")
        return "\n".join(line for (line,) in cursor.fetchall())


def _sql(queryset: object) -> str:
    """The statement as it is sent, literals in place."""
    statement, params = queryset.values("pk").query.sql_with_params()  # type: ignore[attr-defined]
    with connection.cursor() as cursor:
        return str(cursor.mogrify(statement, params))


def register(count: int) -> None:
    Business.objects.bulk_create(Business(name=f"Company {number}", name_normalised="x") for number in range(count))


def test_a_model_gets_its_two_indexes_once() -> None:
    provider = get_provider()
    built = ensure_indexes(provider)
    assert built == [pending_index(MODEL).name, hnsw_index(provider).name]
    assert present() == dict.fromkeys(built, True)
    assert ensure_indexes(provider) == []


def test_activation_lists_the_model() -> None:
    model = activate_model(get_provider())
    assert (model.name, model.provider, model.dimensions) == (MODEL, "deterministic", DIMENSIONS)
    assert (model.hnsw_m, model.hnsw_ef_construction) == (16, 64)
    assert present()[model.index_name]
    activate_model(get_provider())
    assert EmbeddingModel.objects.count() == 1


def test_the_nearest_companies_come_from_the_hnsw_index() -> None:
    register(300)
    provider = get_provider()
    generate_embeddings(provider=provider)
    activate_model(provider)
    vector = "[" + ",".join(map(str, provider.embed_query("Company 7"))) + "]"
    plan = plan_of(
        f"SELECT id FROM businesses WHERE embedding_model = '{MODEL}'"
        f" ORDER BY embedding::halfvec({DIMENSIONS}) <=> '{vector}'::halfvec({DIMENSIONS}) LIMIT 10"
    )
    assert f"Index Scan using {hnsw_index(provider).name}" in plan


def test_pending_companies_come_from_their_index_in_the_order_of_the_walk() -> None:
    register(300)
    ensure_indexes(get_provider())
    pending = Business.objects.needing_embedding(MODEL, TEMPLATE)
    name = pending_index(MODEL).name
    after = "00000000-0000-0000-0000-000000000000"
    for queryset in (pending.order_by("pk"), pending.filter(pk__gt=after).order_by("pk")[:100]):
        plan = plan_of(_sql(queryset))
        assert f"using {name}" in plan
        assert "Filter" not in plan, "the index answers the predicate by itself"
        assert "Sort" not in plan


def test_the_planner_chooses_the_pending_index_by_itself() -> None:
    register(3_000)
    provider = get_provider()
    generate_embeddings(provider=provider)
    ensure_pending_index(provider)
    make_business("New Ltd")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE businesses")
        cursor.execute("EXPLAIN " + _sql(Business.objects.needing_embedding(MODEL, TEMPLATE).order_by("pk")[:100]))
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert pending_index(MODEL).name in plan


def test_other_parameters_replace_the_index(settings: Settings) -> None:
    provider = get_provider()
    ensure_indexes(provider)
    old = hnsw_index(provider).name
    settings.EMBEDDING_HNSW_M = 24
    assert ensure_indexes(provider) == [hnsw_index(provider).name]
    assert old not in present()
    assert activate_model(provider).hnsw_m == 24


def test_another_template_replaces_the_pending_index(monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_indexes(get_provider())
    monkeypatch.setattr(indexes, "TEMPLATE", "v2")
    assert ensure_indexes(get_provider()) == [pending_index(MODEL).name]
    assert len(present()) == 2


def test_what_a_killed_build_left_is_built_again() -> None:
    provider = get_provider()
    ensure_indexes(provider)
    name = hnsw_index(provider).name
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", [name])
    assert present()[name] is False
    assert ensure_indexes(provider) == [name]
    assert present()[name] is True


def test_two_processes_do_not_build_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "POLL_S", 0.02)
    register(500)
    provider = get_provider()
    generate_embeddings(provider=provider)
    barrier = threading.Barrier(4)

    def build() -> list[str]:
        try:
            barrier.wait()
            return ensure_indexes(provider)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        built = [name for future in [pool.submit(build) for _ in range(4)] for name in future.result(30)]
    assert sorted(built) == sorted(present())
    assert all(present().values())


def test_writers_are_not_kept_waiting() -> None:
    """The build waits for the transactions that are open, not the other way round."""
    register(10)
    opened, done = threading.Event(), threading.Event()

    def write() -> None:
        try:
            with transaction.atomic():
                Business.objects.update(town="Leeds")
                opened.set()
                done.wait(10)
        finally:
            connection.close()

    def build() -> bool:
        try:
            return ensure_index(pending_index(MODEL))
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        writer = pool.submit(write)
        assert opened.wait(10)
        builder = pool.submit(build)
        time.sleep(0.3)
        assert not builder.done()
        Business.objects.create(name="Meanwhile Ltd")
        done.set()
        writer.result(10)
        assert builder.result(10) is True


def test_not_inside_a_transaction() -> None:
    with transaction.atomic(), pytest.raises(TransactionManagementError):
        ensure_indexes(get_provider())


@pytest.mark.parametrize("model", ["m", "A.Model/with:all-sorts_of'\"%s {} marks", "x" * 200, "é" * 50])
def test_any_model_name_makes_a_valid_index(model: str) -> None:
    provider = DeterministicProvider(model, ModelSpec(DIMENSIONS, 10, 0.5))
    for name in ensure_indexes(provider):
        assert len(name.encode()) <= 63
        assert present()[name]
    business = make_business()
    assert business in Business.objects.needing_embedding(model, TEMPLATE)
    generate_embeddings(provider=provider)
    assert business not in Business.objects.needing_embedding(model, TEMPLATE)


def test_similar_names_have_indexes_of_their_own() -> None:
    names = {pending_index(model).name for model in ("a-b", "a_b", "a.b", "x" * 100, "x" * 101)}
    assert len(names) == 5


def test_large_vectors_are_indexed_too() -> None:
    provider = DeterministicProvider("large", ModelSpec(3072, 10, 0.5))
    business = make_business()
    vector = np.ones(3072, dtype=np.float32)
    Business.objects.filter(pk=business.pk).update(embedding=vector, embedding_model="large")
    ensure_indexes(provider)
    assert present()[hnsw_index(provider).name]
