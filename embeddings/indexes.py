"""The indexes of a model over the register: made when the model is activated, beside the work that goes on.

One partial HNSW index a model, so that models of different size share a column and never mix in a result; and a partial
index of the companies that still need a vector of it, so that finding them does not read the register.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256

from django.conf import settings
from django.db import connection
from django.db.transaction import TransactionManagementError
from psycopg import sql

from businesses.models import Business
from embeddings.models import EmbeddingModel
from embeddings.providers import EmbeddingProvider
from embeddings.template import TEMPLATE

TABLE = Business._meta.db_table
BUILD_LOCK = 0x6F70_7370_6F74_0001  # an advisory lock: one index at a time
POLL_S = 0.5
MAX_SLUG = 24  # names stay within Postgres' 63 characters


@dataclass(frozen=True)
class IndexPlan:
    """An index and the names of its kind and model: those with the same `family` serve the same purpose."""

    family: str
    variant: str
    statement: sql.Composed

    @property
    def name(self) -> str:
        return f"{self.family}_{self.variant}"

    @property
    def create(self) -> sql.Composed:
        name, table = sql.Identifier(self.name), sql.Identifier(TABLE)
        return sql.SQL("CREATE INDEX CONCURRENTLY {} ON {} ").format(name, table) + self.statement


def activate_model(provider: EmbeddingProvider) -> EmbeddingModel:
    """Make the provider's model searchable: its indexes exist afterwards, and it is listed.

    Takes as long as building the HNSW index does, which is minutes for a million companies. Not in a transaction.
    """
    ensure_indexes(provider)
    index = hnsw_index(provider)
    model, _ = EmbeddingModel.objects.update_or_create(
        name=provider.model,
        defaults={
            "provider": provider.name,
            "dimensions": provider.dimensions,
            "hnsw_m": settings.EMBEDDING_HNSW_M,
            "hnsw_ef_construction": settings.EMBEDDING_HNSW_EF_CONSTRUCTION,
            "index_name": index.name,
        },
    )
    return model


def ensure_indexes(provider: EmbeddingProvider) -> list[str]:
    """Make what is missing of the model's two indexes; returns the names of those that were built."""
    return [plan.name for plan in (pending_index(provider.model), hnsw_index(provider)) if ensure_index(plan)]


def ensure_pending_index(provider: EmbeddingProvider) -> bool:
    """Make the index of companies without a current vector, which a first run needs before there are any."""
    return ensure_index(pending_index(provider.model))


def hnsw_index(provider: EmbeddingProvider) -> IndexPlan:
    """Half precision: half the size, and up to 4,000 dimensions, for candidates that search ranks again exactly."""
    m, ef_construction = settings.EMBEDDING_HNSW_M, settings.EMBEDDING_HNSW_EF_CONSTRUCTION
    statement = sql.SQL(
        "USING hnsw ((embedding::halfvec({})) halfvec_cosine_ops) WITH (m = {}, ef_construction = {})"
        " WHERE embedding_model = {}"
    )
    numbers = (sql.Literal(number) for number in (provider.dimensions, m, ef_construction))
    return IndexPlan(
        family=f"business_hnsw_{_slug(provider.model)}",
        variant=f"{m}_{ef_construction}",
        statement=statement.format(*numbers, sql.Literal(provider.model)),
    )


def pending_index(model: str) -> IndexPlan:
    """What `BusinessQuerySet.needing_embedding` selects, in the order of the walk over it."""
    statement = sql.SQL("(id) WHERE embedding_model <> {} OR embedding_hash <> ({} || text_hash)")
    return IndexPlan(
        family=f"business_pending_{_slug(model)}",
        variant=re.sub(r"\W", "_", TEMPLATE),
        statement=statement.format(sql.Literal(model), sql.Literal(f"{TEMPLATE}:")),
    )


def ensure_index(plan: IndexPlan) -> bool:
    """Build the index unless it is there; then drop others of its family (made with other parameters).

    What a killed build left behind is invalid: it slows writing down and answers nothing, so it is dropped.
    """
    if connection.in_atomic_block:
        raise TransactionManagementError("An index cannot be built concurrently inside a transaction.")
    if _family(plan.family) == {plan.name: True}:
        return False
    with _one_builder():  # whoever waited finds the work done; and an index that is being built is invalid until then
        present = _family(plan.family)
        built = not present.get(plan.name, False)
        if built:
            if plan.name in present:
                _drop(plan.name)
            _build(plan)
        for other in present:
            if other != plan.name:
                _drop(other)
    return built


def _slug(model: str) -> str:
    """The model's name as far as an index name can hold it, and a digest that tells it from others like it."""
    slug = re.sub(r"[^a-z0-9]+", "_", model.lower()).strip("_")[:MAX_SLUG]
    return f"{slug}_{sha256(model.encode()).hexdigest()[:8]}"


def _family(family: str) -> dict[str, bool]:
    """Whether each index of the family is valid, by name."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " WHERE i.indrelid = %s::regclass AND starts_with(c.relname, %s)",
            [TABLE, f"{family}_"],
        )
        return dict(cursor.fetchall())


def _build(plan: IndexPlan) -> None:
    with connection.cursor() as cursor:
        # A row of a vector index costs a thousand times what the planner supposes, which gives small tables no workers.
        cursor.execute("SET min_parallel_table_scan_size = 0")
        try:
            cursor.execute(plan.create)
        finally:
            cursor.execute("RESET min_parallel_table_scan_size")


def _drop(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(name)))


@contextmanager
def _one_builder() -> Iterator[None]:
    """Wait until nobody else builds. By asking again: a session that waits *inside* a statement holds a snapshot, for
    whose end the concurrent build would wait in turn."""
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [BUILD_LOCK])
            if cursor.fetchone()[0]:
                break
            time.sleep(POLL_S)
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [BUILD_LOCK])
