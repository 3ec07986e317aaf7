"""What search means: by vector, by words, or both; filtered, ranked, explained. The only place that decides it."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
from django.db import DEFAULT_DB_ALIAS, models
from django.db.models import F, FloatField, Q, Value
from django.db.models.expressions import ExpressionWrapper
from django.db.models.functions import Cast
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
POOL = 50  # candidates of each arm: enough to fuse, and what the facets are counted over
# Filters that leave fewer rows (by estimate) are answered by comparing each: exact, and faster than the graph.
EXACT_MAX_ROWS = 10_000
RRF_K = 60  # reciprocal rank fusion: Cormack, Clarke & Büttcher, SIGIR 2009
NEGATIVE_WEIGHT = 0.5  # of the mean of the counter-examples, as in Rocchio's relevance feedback

MODES = ("hybrid", "semantic", "lexical")
FACETS = ("town", "sic_division", "category", "status")
FACET_VALUES = 10

SHOWN = {"id", "company_number", "name", "description", "website", "categories", "sic_codes", "sic_titles", "town",
         "status"}  # fmt: skip
# In the order of the model, which `Business.from_db` expects.
LOADED_FIELDS = tuple(column.attname for column in Business._meta.concrete_fields if column.attname in SHOWN)


class NotEmbedded(OppspotError):
    """An example has no vector of the active model yet."""

    code = "not_embedded"
    status = 409


@dataclass
class Hit:
    """A company found. Ranks count from 1; `similarity` is the cosine, null without a vector to compare."""

    row: tuple[Any, ...]  # values of LOADED_FIELDS
    similarity: float | None = None
    semantic_rank: int | None = None
    lexical_rank: int | None = None
    matched: dict[str, list[str]] = field(default_factory=dict)  # word stem → fields it was found in

    @property
    def pk(self) -> UUID:
        pk: UUID = self.row[LOADED_FIELDS.index("id")]
        return pk

    @cached_property
    def business(self) -> Business:
        """The company, other fields loaded when asked for; made for the hits that are shown, not for all candidates."""
        return Business.from_db(DEFAULT_DB_ALIAS, LOADED_FIELDS, self.row)

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
    candidates = filter_businesses(filters) if filters else Business.objects.all()
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


def _literal(vector: FloatArray) -> Value:
    """A vector as text, with the nine digits that tell any two 32-bit numbers apart: half of what `repr` would send."""
    return Value("[" + ",".join([f"{number:.9g}" for number in vector.tolist()]) + "]")


def nearest(
    candidates: BusinessQuerySet, vector: FloatArray, provider: EmbeddingProvider, *, exact: bool = False
) -> models.QuerySet[Business]:
    """`candidates` with a vector of the provider's model, nearest first by the index (or exactly), with `similarity`.

    The order is that of the half-precision index expression; `similarity` is of the full-precision vector.
    """
    literal = _literal(vector)
    rows = candidates.with_embedding_of(provider.model)
    rows = rows.annotate(
        similarity=ExpressionWrapper(1.0 - CosineDistance("embedding", literal), output_field=FloatField())
    )
    if exact:
        return rows.order_by(F("similarity").desc())  # not by the distance, which would be computed again
    half = HalfVectorField(dimensions=provider.dimensions)
    return rows.order_by(CosineDistance(Cast("embedding", half), Cast(literal, half)))


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
    exact = filtered and _estimated_rows(candidates.with_embedding_of(provider.model)) <= EXACT_MAX_ROWS
    rows = _run_nearest(candidates, vector, provider, pool, exact=exact)
    if filtered and not exact and len(rows) < limit:  # the scan gave up before it had seen enough that pass
        rows = _run_nearest(candidates, vector, provider, pool, exact=True)
    rows.sort(key=lambda row: (-row[-1], row[0]))
    near = [row for row in rows if floor == 0 or row[-1] >= floor]
    return [Hit(row[:-1], similarity=row[-1], semantic_rank=rank) for rank, row in enumerate(near, start=1)]


def _run_nearest(
    candidates: BusinessQuerySet, vector: FloatArray, provider: EmbeddingProvider, pool: int, *, exact: bool
) -> list[tuple[Any, ...]]:
    rows = nearest(candidates, vector, provider, exact=exact).values_list(*LOADED_FIELDS, "similarity")
    return list(rows[:pool])


def _estimated_rows(rows: models.QuerySet[Business]) -> float:
    """The planner's estimate: takes a millisecond, and an error costs time but no result, as both ways are right."""
    plan = json.loads(rows.order_by().explain(format="json"))
    return float(plan[0]["Plan"]["Plan Rows"])


def _lexical_hits(
    candidates: BusinessQuerySet, words: LexicalQuery, vector: FloatArray | None, provider: EmbeddingProvider
) -> list[Hit]:
    """The companies whose words match best, with their similarity where a vector can be compared."""
    rows: models.QuerySet[Business] = words.ranked(candidates)
    if vector is not None:
        comparable = models.Case(
            models.When(
                Q(embedding_model=provider.model),
                then=1.0 - CosineDistance("embedding", _literal(vector)),
            ),
            output_field=FloatField(),
        )
        rows = rows.annotate(similarity=comparable)
    else:
        rows = rows.annotate(similarity=Value(None, output_field=FloatField()))
    loaded = rows.values_list(*LOADED_FIELDS, "similarity")[:POOL]
    return [Hit(row[:-1], similarity=row[-1], lexical_rank=rank) for rank, row in enumerate(loaded, start=1)]


def _fuse(semantic: Sequence[Hit], lexical: Sequence[Hit]) -> list[Hit]:
    """One list by reciprocal rank fusion; ties go to the more similar, then to the smaller id."""
    merged = {hit.pk: hit for hit in semantic}
    for hit in lexical:
        known = merged.setdefault(hit.pk, hit)
        known.lexical_rank = hit.lexical_rank
    return sorted(merged.values(), key=lambda hit: (-hit.score, -(hit.similarity or 0), hit.pk))


def _explain(hits: Sequence[Hit], words: LexicalQuery) -> None:
    matched = words.matches([hit.pk for hit in hits])
    for hit in hits:
        hit.matched = matched.get(hit.pk, {})


def _facets(pool: Sequence[Hit]) -> dict[str, list[tuple[str, int]]]:
    counts: dict[str, dict[str, int]] = {name: {} for name in FACETS}
    for hit in pool:
        company = dict(zip(LOADED_FIELDS, hit.row, strict=True))
        values = {
            "town": [company["town"].title()] if company["town"] else [],
            "sic_division": sorted({code[:2] for code in company["sic_codes"]}),
            "category": company["categories"],
            "status": [company["status"]],
        }
        for name, found in values.items():
            for value in found:
                counts[name][value] = counts[name].get(value, 0) + 1
    return {
        name: sorted(values.items(), key=lambda item: (-item[1], item[0]))[:FACET_VALUES]
        for name, values in counts.items()
    }
