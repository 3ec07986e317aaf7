"""What search means: by vector, by words, or both; filtered, ranked, explained. The only place that decides it."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
from django.db import DEFAULT_DB_ALIAS, models

from businesses.filters import filter_businesses
from businesses.models import Business
from businesses.querysets import BusinessQuerySet
from embeddings.lexical import LexicalQuery
from embeddings.providers import EmbeddingProvider, get_provider
from embeddings.query_cache import embed_query_cached
from embeddings.statements import LOADED_FIELDS, Row, best_worded, condition_of, nearest
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


class NotEmbedded(OppspotError):
    """An example has no vector of the active model yet."""

    code = "not_embedded"
    status = 409


@dataclass
class Hit:
    """A company found. Ranks count from 1; `similarity` is the cosine, null without a vector to compare."""

    values: dict[str, Any]  # by the names of LOADED_FIELDS
    similarity: float | None = None
    semantic_rank: int | None = None
    lexical_rank: int | None = None
    matched: dict[str, list[str]] = field(default_factory=dict)  # word stem → fields it was found in

    @property
    def pk(self) -> UUID:
        pk: UUID = self.values["id"]
        return pk

    @cached_property
    def business(self) -> Business:
        """The company, other fields loaded when asked for; made for the hits that are shown, not for all candidates."""
        return Business.from_db(DEFAULT_DB_ALIAS, LOADED_FIELDS, list(self.values.values()))

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
    candidates = filter_businesses(filters) if filters else None  # None: the whole register
    floor = provider.default_threshold if threshold is None else threshold
    if examples:
        mode = "semantic"
        vector: FloatArray | None = _vector_of_examples(examples, negatives, provider)
        given = Business.objects.all() if candidates is None else candidates
        candidates = given.exclude(pk__in=[*examples, *negatives])
    else:
        vector = None if mode == "lexical" else embed_query_cached(provider, query)

    semantic: list[Hit] = []
    lexical: list[Hit] = []
    words = LexicalQuery(query)
    if vector is not None:
        semantic = _semantic_hits(candidates, vector, provider, limit=limit, floor=floor)
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


def _semantic_hits(
    candidates: BusinessQuerySet | None,
    vector: FloatArray,
    provider: EmbeddingProvider,
    *,
    limit: int,
    floor: float,
) -> list[Hit]:
    """The nearest companies by exact similarity, at least `floor`; found by the index or, among few, by comparison."""
    pool, model = max(POOL, limit), provider.model
    if candidates is None:
        rows = nearest(vector, model, limit=pool)
    else:
        where = condition_of(candidates)
        exact = _estimated_rows(candidates.with_embedding_of(model)) <= EXACT_MAX_ROWS
        rows = nearest(vector, model, limit=pool, where=where, exact=exact)
        if not exact and len(rows) < limit:  # the scan gave up before it had seen enough that pass
            rows = nearest(vector, model, limit=pool, where=where, exact=True)
    rows.sort(key=lambda row: (-row[-1], row[0]))
    near = [row for row in rows if floor == 0 or row[-1] >= floor]
    return [Hit(_values(row), similarity=row[-1], semantic_rank=rank) for rank, row in enumerate(near, start=1)]


def _estimated_rows(rows: models.QuerySet[Business]) -> float:
    """The planner's estimate: takes a millisecond, and an error costs time but no result, as both ways are right."""
    plan = json.loads(rows.order_by().explain(format="json"))
    return float(plan[0]["Plan"]["Plan Rows"])


def _lexical_hits(
    candidates: BusinessQuerySet | None, words: LexicalQuery, vector: FloatArray | None, provider: EmbeddingProvider
) -> list[Hit]:
    """The companies whose words match best, with their similarity where a vector can be compared."""
    where = None if candidates is None else condition_of(candidates)
    rows = best_worded(words.text, vector, provider.model, limit=POOL, where=where)
    return [Hit(_values(row), similarity=row[-1], lexical_rank=rank) for rank, row in enumerate(rows, start=1)]


def _values(row: Row) -> dict[str, Any]:
    return dict(zip(LOADED_FIELDS, row[:-1], strict=True))


def _fuse(semantic: Sequence[Hit], lexical: Sequence[Hit]) -> list[Hit]:
    """One list by reciprocal rank fusion; ties go to the more similar, then to the smaller id."""
    if not lexical:
        return list(semantic)
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
    rows = [hit.values for hit in pool]
    found = {
        "town": Counter(row["town"].title() for row in rows if row["town"]),
        "sic_division": Counter(division for row in rows for division in {code[:2] for code in row["sic_codes"]}),
        "category": Counter(category for row in rows for category in row["categories"]),
        "status": Counter(row["status"] for row in rows),
    }
    return {
        name: sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:FACET_VALUES]
        for name, counts in found.items()
    }
