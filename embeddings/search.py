"""What search means: by vector, by words, or both; filtered, ranked, explained. The only place that decides it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
from django.db import connection, models, transaction
from django.db.models import FloatField, Q, Value
from django.db.models.expressions import ExpressionWrapper
from django.db.models.functions import Cast
from pgvector import Vector
from pgvector.django import CosineDistance, HalfVectorField

from businesses.filters import filter_businesses
from businesses.models import Business
from businesses.querysets import BusinessQuerySet
from embeddings.lexical import LexicalQuery
from embeddings.providers import EmbeddingProvider, get_provider
from embeddings.query_cache import embed_query_cached
from oppspot.core.errors import InvalidInput, OppspotError

FloatArray = npt.NDArray[np.float32]

MAX_LIMIT = 100
MAX_QUERY = 1_000  # characters
MAX_EXAMPLES = 50
POOL = 100  # candidates of each arm: enough to fuse, and what the facets are counted over
EF_SEARCH = 200  # candidates the HNSW scan keeps; measured in benchmarks/search.py
MAX_SCAN_TUPLES = 40_000  # where an iterative scan gives up
# Filters that leave fewer rows than this are answered by comparing each: exact, and faster than the graph.
EXACT_MAX_ROWS = 10_000
RRF_K = 60  # reciprocal rank fusion: Cormack, Clarke & Büttcher, SIGIR 2009
NEGATIVE_WEIGHT = 0.5  # of the mean of the counter-examples, as in Rocchio's relevance feedback

MODES = ("hybrid", "semantic", "lexical")
FACETS = ("town", "sic_division", "category", "status")
FACET_VALUES = 10

LOADED_FIELDS = (
    "id", "company_number", "name", "description", "website", "categories", "sic_codes", "sic_titles", "town", "status",
)  # fmt: skip


class NotEmbedded(OppspotError):
    """An example has no vector of the active model yet."""

    code = "not_embedded"
    status = 409


@dataclass(slots=True)
class Hit:
    """A company found. Ranks count from 1; `similarity` is the cosine, null without a vector to compare."""

    business: Business
    similarity: float | None = None
    semantic_rank: int | None = None
    lexical_rank: int | None = None
    matched: dict[str, list[str]] = field(default_factory=dict)  # word stem → fields it was found in

    @property
    def score(self) -> float:
        """Reciprocal rank fusion over the arms that found the company."""
        ranks = [rank for rank in (self.semantic_rank, self.lexical_rank) if rank is not None]
        return sum(1 / (RRF_K + rank) for rank in ranks)


@dataclass(slots=True)
class SearchResult:
    """Hits, best first, and what was searched. Facets are counted over the best `POOL` matches."""

    query: str
    mode: str
    model: str
    threshold: float
    hits: list[Hit]
    facets: dict[str, list[tuple[str, int]]]


def search(
    query: str = "",
    *,
    examples: Collection[UUID] = (),
    negatives: Collection[UUID] = (),
    filters: Mapping[str, Any] | None = None,
    mode: str = "hybrid",
    limit: int = 10,
    threshold: float | None = None,
    explain: bool = False,
    provider: EmbeddingProvider | None = None,
) -> SearchResult:
    """Companies for a `query` in words, or like `examples` and unlike `negatives` (by vector, never themselves).

    `threshold` is a cosine from 0 (none) to 1; None takes the model's calibrated one for the vector arm and
    leaves companies found by their words. A threshold that is given holds for every hit. `limit` hits come back
    when that many companies pass. Raises `InvalidInput` with messages by field, `NotEmbedded`, `NotConfigured`.
    """
    _check(query, len(examples), len(negatives), mode=mode, limit=limit, threshold=threshold)
    provider = provider or get_provider()
    candidates = filter_businesses(filters or {})
    floor = provider.default_threshold if threshold is None else threshold
    if examples:
        mode = "semantic"
        vector: FloatArray | None = _vector_of_examples(examples, negatives, provider)
        candidates = candidates.exclude(pk__in=[*examples, *negatives])
    else:
        vector = None if mode == "lexical" else embed_query_cached(provider, query)

    semantic: list[Hit] = []
    lexical: list[Hit] = []
    words = LexicalQuery(query)
    if vector is not None:
        semantic = _semantic_hits(candidates, vector, provider, limit=limit, filtered=bool(filters), floor=floor)
    if mode != "semantic":
        lexical = _lexical_hits(candidates, words, vector, provider)
        if threshold is not None and vector is not None:
            lexical = [hit for hit in lexical if (hit.similarity or 0) >= floor]
    pool = _fuse(semantic, lexical)
    hits = pool[:limit]
    if explain and query:
        _explain(hits, words)
    return SearchResult(query, mode, provider.model, floor, hits, _facets(pool[: max(POOL, limit)]))


def _check(query: str, examples: int, negatives: int, *, mode: str, limit: int, threshold: float | None) -> None:
    problems: dict[str, str] = {}
    if bool(query.strip()) == bool(examples):
        problems["query"] = "Give a query in words, or examples; not both."
    if len(query) > MAX_QUERY:
        problems["query"] = f"Must have at most {MAX_QUERY} characters."
    if examples + negatives > MAX_EXAMPLES:
        problems["examples"] = f"At most {MAX_EXAMPLES} examples and counter-examples together."
    if mode not in MODES:
        problems["mode"] = f"Must be one of {', '.join(MODES)}."
    if not 1 <= limit <= MAX_LIMIT:
        problems["limit"] = f"Must be from 1 to {MAX_LIMIT}."
    if threshold is not None and not 0 <= threshold <= 1:
        problems["threshold"] = "Must be from 0 (none) to 1."
    if problems:
        name, message = next(iter(problems.items()))
        raise InvalidInput(f"{name}: {message}", fields={key: [text] for key, text in problems.items()})


def _vector_of_examples(
    examples: Collection[UUID], negatives: Collection[UUID], provider: EmbeddingProvider
) -> FloatArray:
    """Mean of the examples less half the mean of the counter-examples, of unit length."""
    found: dict[UUID, Any] = dict(
        Business.objects.with_embedding_of(provider.model)
        .filter(pk__in=[*examples, *negatives])
        .values_list("pk", "embedding")
    )
    if missing := [key for key in (*examples, *negatives) if key not in found]:
        known = set(Business.objects.filter(pk__in=missing).values_list("pk", flat=True))
        if unknown := [key for key in missing if key not in known]:
            message = f"There is no company {unknown[0]}."
            raise InvalidInput(f"examples: {message}", fields={"examples": [message]})
        raise NotEmbedded(
            f"Company {missing[0]} has no vector of {provider.model} yet.", hint="manage.py embed_businesses makes it."
        )
    vector = np.mean([found[key] for key in examples], axis=0, dtype=np.float32)
    if negatives:
        vector = vector - NEGATIVE_WEIGHT * np.mean([found[key] for key in negatives], axis=0, dtype=np.float32)
    norm = float(np.linalg.norm(vector))
    if norm < 1e-6:  # noqa: PLR2004  nothing is left to look for
        message = "The examples and counter-examples cancel each other out."
        raise InvalidInput(f"examples: {message}", fields={"examples": [message]})
    return np.asarray(vector / norm, dtype=np.float32)


def nearest(
    candidates: BusinessQuerySet, vector: FloatArray, provider: EmbeddingProvider, *, exact: bool = False
) -> models.QuerySet[Business]:
    """`candidates` with a vector of the provider's model, nearest first by the index (or exactly), with `similarity`.

    The order is that of the half-precision index expression; `similarity` is of the full-precision vector.
    """
    literal = Value(Vector(vector).to_text())
    rows = candidates.with_embedding_of(provider.model)
    similarity = ExpressionWrapper(1.0 - CosineDistance("embedding", literal), output_field=FloatField())
    if exact:
        order = CosineDistance("embedding", literal)
    else:
        half = HalfVectorField(dimensions=provider.dimensions)
        order = CosineDistance(Cast("embedding", half), Cast(literal, half))
    return rows.annotate(similarity=similarity).order_by(order)


def _semantic_hits(
    candidates: BusinessQuerySet,
    vector: FloatArray,
    provider: EmbeddingProvider,
    *,
    limit: int,
    filtered: bool,
    floor: float,
) -> list[Hit]:
    """The nearest companies by exact similarity, at least `floor`; found by the index or, among few, by comparison."""
    pool = max(POOL, limit)
    exact = filtered and _at_most(candidates.with_embedding_of(provider.model), EXACT_MAX_ROWS)
    rows = _run_nearest(candidates, vector, provider, pool, exact=exact)
    if filtered and not exact and len(rows) < limit:  # the scan gave up before it had seen enough that pass
        rows = _run_nearest(candidates, vector, provider, pool, exact=True)
    rows.sort(key=lambda row: (-row.similarity, row.pk))  # type: ignore[attr-defined]
    near = [row for row in rows if floor == 0 or row.similarity >= floor]  # type: ignore[attr-defined]
    return [
        Hit(row, similarity=row.similarity, semantic_rank=rank)  # type: ignore[attr-defined]
        for rank, row in enumerate(near, start=1)
    ]


def _run_nearest(
    candidates: BusinessQuerySet, vector: FloatArray, provider: EmbeddingProvider, pool: int, *, exact: bool
) -> list[Business]:
    rows = nearest(candidates, vector, provider, exact=exact).only(*LOADED_FIELDS)[:pool]
    with transaction.atomic(), connection.cursor() as cursor:
        if not exact:
            cursor.execute(
                "SELECT set_config('hnsw.ef_search', %s, true), set_config('hnsw.iterative_scan', %s, true), "
                "set_config('hnsw.max_scan_tuples', %s, true)",
                [str(max(EF_SEARCH, 2 * pool)), "relaxed_order", str(MAX_SCAN_TUPLES)],
            )
        return list(rows)


def _at_most(rows: models.QuerySet[Business], maximum: int) -> bool:
    """Whether `rows` has at most `maximum` rows, without counting further than that."""
    return len(rows.order_by().values_list(Value(1))[: maximum + 1]) <= maximum


def _lexical_hits(
    candidates: BusinessQuerySet, words: LexicalQuery, vector: FloatArray | None, provider: EmbeddingProvider
) -> list[Hit]:
    """The companies whose words match best, with their similarity where a vector can be compared."""
    rows: models.QuerySet[Business] = words.ranked(candidates)
    if vector is not None:
        comparable = models.Case(
            models.When(
                Q(embedding_model=provider.model),
                then=1.0 - CosineDistance("embedding", Value(Vector(vector).to_text())),
            ),
            output_field=FloatField(),
        )
        rows = rows.annotate(similarity=comparable)
    else:
        rows = rows.annotate(similarity=Value(None, output_field=FloatField()))
    return [
        Hit(row, similarity=row.similarity, lexical_rank=rank)
        for rank, row in enumerate(rows.only(*LOADED_FIELDS)[:POOL], start=1)
    ]


def _fuse(semantic: Sequence[Hit], lexical: Sequence[Hit]) -> list[Hit]:
    """One list by reciprocal rank fusion; ties go to the more similar, then to the smaller id."""
    merged = {hit.business.pk: hit for hit in semantic}
    for hit in lexical:
        known = merged.setdefault(hit.business.pk, hit)
        known.lexical_rank = hit.lexical_rank
    return sorted(merged.values(), key=lambda hit: (-hit.score, -(hit.similarity or 0), hit.business.pk))


def _explain(hits: Sequence[Hit], words: LexicalQuery) -> None:
    matched = words.matches([hit.business.pk for hit in hits])
    for hit in hits:
        hit.matched = matched.get(hit.business.pk, {})


def _facets(pool: Sequence[Hit]) -> dict[str, list[tuple[str, int]]]:
    counts: dict[str, dict[str, int]] = {name: {} for name in FACETS}
    for hit in pool:
        business = hit.business
        values = {
            "town": [business.town.title()] if business.town else [],
            "sic_division": sorted({code[:2] for code in business.sic_codes}),
            "category": business.categories,
            "status": [business.status],
        }
        for name, found in values.items():
            for value in found:
                counts[name][value] = counts[name].get(value, 0) + 1
    return {
        name: sorted(values.items(), key=lambda item: (-item[1], item[0]))[:FACET_VALUES]
        for name, values in counts.items()
    }
