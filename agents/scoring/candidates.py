"""From a million companies to a shortlist that is scored in full: by SQL and by vector, without loading the others."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Exists, OuterRef, Q

from agents.scoring.criteria import Criterion, criteria_of, with_fit
from agents.scoring.facts import load_facts
from agents.scoring.meaning import Meaning
from agents.scoring.profile import Filters, Icp, Weights
from agents.scoring.scores import Score, score_company
from businesses.filters import filter_businesses
from businesses.models import Business, Status, WatchlistEntry
from businesses.querysets import BusinessQuerySet
from oppspot.organizations.models import Organization

SHORTLIST = 1_000  # of those that move, of those that fit, and of those that are alike: each
EXACT_ROWS = 20_000  # up to so many, each is compared; beyond, the index is asked
CHUNK = 500  # companies whose facts are in memory together
# Each company's fit is computed once; both orders are taken from it.
BEST = """
    WITH fitting (id, fit) AS MATERIALIZED ({fitting})
    (SELECT id FROM fitting ORDER BY fit DESC, id LIMIT %s)
    UNION
    (SELECT f.id FROM fitting f JOIN business_scores s ON s.business_id = f.id
     CROSS JOIN (SELECT %s::float8 AS fit, %s::float8 AS intent) weight
     WHERE s.org_id = %s AND s.score > 0
     ORDER BY weight.fit * f.fit + weight.intent * s.score DESC, f.id LIMIT %s)
"""
NEVER = (Status.DISSOLVED,)
NOT_UNASKED = (Status.INSOLVENT, Status.STRIKE_OFF_PROPOSED)
# How a shell says that it is one: by the kind of its last accounts, or by codes of dormant and of non-trading companies
# (those of four digits are of the classification of 2003) and no others.
DORMANT_ACCOUNTS = "DORMANT"
DORMANT_CODES = ["99999", "74990", "9999", "7499"]
# Hosts of many companies' pages: to share one means nothing.
SHARED_HOSTS = frozenset(
    {"facebook.com", "m.facebook.com", "instagram.com", "linkedin.com", "uk.linkedin.com", "twitter.com", "x.com",
     "youtube.com", "tiktok.com", "linktr.ee", "sites.google.com", "etsy.com", "ebay.co.uk", "amazon.co.uk"}
)  # fmt: skip


def eligible(filters: Filters) -> BusinessQuerySet:
    """Companies that pass the hard filters. Dissolved ones never do; those in trouble only if their status is named,
    and shells only if dormant ones are asked for."""
    found = filter_businesses(filters.values()).exclude(status__in=NEVER)
    if not filters.dormant:
        found = found.exclude(accounts_category=DORMANT_ACCOUNTS)
        found = found.filter(Q(sic_codes=[]) | ~Q(sic_codes__contained_by=DORMANT_CODES))
    return found if filters.status else found.exclude(status__in=NOT_UNASKED)


def on_watchlist(candidates: BusinessQuerySet, org: Organization, watchlist: UUID) -> BusinessQuerySet:
    entries = WatchlistEntry.objects.for_org(org).filter(watchlist=watchlist, business=OuterRef("pk"))
    return candidates.filter(Exists(entries))


def shortlist(
    org: Organization,
    candidates: BusinessQuerySet,
    criteria: Sequence[Criterion],
    meaning: Meaning,
    weights: Weights,
    *,
    watchlist: UUID | None = None,
    size: int = SHORTLIST,
) -> list[UUID]:
    """Ids worth scoring, `size` at most of each way to be found, in the order of the ids. One statement, and up
    to three more for what is compared by meaning.

    Who has signals is ranked by fit and score of signals together; who has none, by fit. To these come the nearest in
    meaning.
    """
    plain = candidates
    narrowed = on_watchlist(candidates, org, watchlist) if watchlist else candidates
    found = _best(org, with_fit(narrowed, [one for one in criteria if one.sql is not None]), weights, size)
    if meaning.targets:
        if watchlist:
            plain = plain.filter(pk__in=list(narrowed.order_by("pk").values_list("pk", flat=True)[:EXACT_ROWS]))
        is_few = not plain.order_by().values("pk")[EXACT_ROWS : EXACT_ROWS + 1].exists()
        found.update(meaning.nearest(plain, limit=size, exact=is_few))
    return sorted(found)


def _best(org: Organization, fitting: Any, weights: Weights, size: int) -> set[UUID]:
    try:
        statement, values = fitting.order_by().values_list("pk", "sql_fit").query.sql_with_params()
    except EmptyResultSet:  # no company can pass
        return set()
    with connection.cursor() as cursor:
        cursor.execute(BEST.format(fitting=statement), (*values, size, weights.fit, weights.intent, org.pk, size))
        return {row[0] for row in cursor.fetchall()}


def score_businesses(
    org: Organization, ids: Collection[UUID], *, icp: Icp, meaning: Meaning, weights: Weights, day: date
) -> list[Score]:
    """Scores of `ids`, the best first; in chunks of a number of statements that does not grow."""
    criteria = [*criteria_of(icp, day), *meaning.criteria()]
    ordered = sorted(ids)
    scores: list[Score] = []
    for start in range(0, len(ordered), CHUNK):
        chunk = ordered[start : start + CHUNK]
        loaded = load_facts(org, chunk, day=day, similarities=meaning.similarities(chunk))
        scores.extend(score_company(facts, criteria, weights, day) for facts in loaded)
    return sorted(scores, key=best_first)


def best_first(score: Score) -> tuple[float, float, UUID]:
    return (-score.score, -score.confidence, score.business_id)


def diverse(scores: Sequence[Score], count: int, *, spread: float = 0.15) -> list[Score]:
    """The best `count`, no two of one website, and not all alike: maximal marginal relevance.

    Each next one is that of the highest (1 - spread) * score/100 - spread * its greatest likeness to one chosen before
    (Carbonell & Goldstein, SIGIR 1998). Likeness is the cosine of vectors; 0 without one.
    """
    pool = _one_of_each_website(scores)[: 4 * count]
    units = _units([one.business_id for one in pool])
    chosen: list[Score] = []
    likeness = {one.business_id: 0.0 for one in pool}
    while pool and len(chosen) < count:
        best = max(
            pool,
            key=lambda one: ((1 - spread) * one.score / 100 - spread * likeness[one.business_id], -one.business_id.int),
        )
        pool.remove(best)
        chosen.append(best)
        for other in pool:
            alike = _alike(units.get(best.business_id), units.get(other.business_id))
            likeness[other.business_id] = max(likeness[other.business_id], alike)
    return sorted(chosen, key=lambda one: (-one.score, one.business_id))


def _one_of_each_website(scores: Sequence[Score]) -> list[Score]:
    """The first of each group that shares one: before the pool is cut, so that no group fills it."""
    ids = [one.business_id for one in scores]
    domains = dict(Business.objects.filter(pk__in=ids).exclude(domain__in=SHARED_HOSTS).values_list("pk", "domain"))
    first: dict[str | UUID, Score] = {}
    for one in scores:
        first.setdefault(domains.get(one.business_id) or one.business_id, one)
    return list(first.values())


def _units(ids: Collection[UUID]) -> dict[UUID, tuple[str, Any]]:
    """The model and the vector, of length 1, of those that have one."""
    found: dict[UUID, tuple[str, Any]] = {}
    rows = Business.objects.filter(pk__in=ids, embedding__isnull=False)
    for pk, vector, model in rows.values_list("pk", "embedding", "embedding_model"):
        wide = np.asarray(vector, dtype=np.float64)
        found[pk] = (model, wide / np.linalg.norm(wide))
    return found


def _alike(one: tuple[str, Any] | None, other: tuple[str, Any] | None) -> float:
    """The cosine of two unit vectors of one model; 0 where they cannot be compared."""
    if one is None or other is None or one[0] != other[0]:
        return 0.0
    return float(np.dot(one[1], other[1]))
