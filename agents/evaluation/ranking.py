"""How well the order of opportunities, and the scores, agree with the labelled profiles; beside simpler orders."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from agents.evaluation.base import Measure, compared
from agents.evaluation.orders import BASELINES, Asked, by_bot
from agents.evaluation.profiles import (
    LabelledProfile,
    expected_ndcg,
    expected_recall,
    labelled_profiles,
    ndcg,
    recall,
)
from agents.evaluation.random_companies import DAY
from agents.evaluation.sample import NoVectors, local_provider, sample_of
from agents.kinds.opportunity_bot import OpportunityParams
from agents.scoring.candidates import score_businesses
from agents.scoring.profile import Weights
from agents.scoring.ranking_quality import auc, precision_at
from businesses.models import Business
from embeddings.providers import EmbeddingProvider
from oppspot.core.errors import NotConfigured

LABELS = "labels of 69 profiles over 250 companies, by one of the project, made before the first run"
HALVES: dict[str, Callable[[LabelledProfile], bool]] = {
    "": lambda profile: True,
    ", looked-at half": lambda profile: not profile.is_held_out,
    ", held-out half": lambda profile: profile.is_held_out,
}
WAYS: dict[str, Callable[[LabelledProfile], bool]] = {
    f", {way}": lambda profile, way=way: profile.asks == way  # type: ignore[misc]
    for way in ("in words only", "with filters", "with wishes", "by examples")
}
SHOWN = OpportunityParams().max_opportunities
NEAR, FAR, TOP = 10, 50, 20  # of nDCG, recall and precision
RANDOM, BOT, SCORES = "random order", "opportunity_bot", "scoring_agent"


class Figures(NamedTuple):
    """Of one order for one profile; None: not taken."""

    ndcg: float | None = None
    recall: float | None = None
    auc: float | None = None
    precision: float | None = None


@dataclass(frozen=True)
class Ranked:
    """A labelled profile with the figures of each order of its companies."""

    profile: LabelledProfile
    orders: dict[str, Figures]  # of opportunities
    scores: dict[str, Figures]  # of all that pass the filters


def opportunity_measures() -> tuple[list[Measure], list[str]]:
    """The measures, and what could not be measured."""
    return _measures(
        BOT,
        lambda one: one.orders,
        {f"nDCG@{NEAR}": lambda figures: figures.ndcg, f"recall@{FAR}": lambda figures: figures.recall},
    )


def score_measures() -> tuple[list[Measure], list[str]]:
    """As `opportunity_measures`, of the scores."""
    return _measures(
        SCORES,
        lambda one: one.scores,
        {
            "AUC": lambda figures: figures.auc,
            f"nDCG@{NEAR}": lambda figures: figures.ndcg,
            f"precision@{TOP}": lambda figures: figures.precision,
        },
    )


def _measures(
    own: str, orders: Callable[[Ranked], dict[str, Figures]], figures: dict[str, Callable[[Figures], float | None]]
) -> tuple[list[Measure], list[str]]:
    try:
        ranked = ranked_profiles(local_provider())
    except (NotConfigured, NoVectors) as error:
        return [], [f"Order on labelled profiles: {error.message}"]
    made = []
    for name, figure in figures.items():
        for part, belongs in (HALVES | WAYS if name.startswith("nDCG") else HALVES).items():
            rows = [orders(one) for one in ranked if belongs(one.profile)]
            if not rows:
                continue
            taken = {order: [figure(row[order]) for row in rows] for order in rows[0]}
            known = {order: [one for one in values if one is not None] for order, values in taken.items()}
            others = {order: values for order, values in known.items() if values and order != own}
            made.append(compared(name + part, known[own], labels=LABELS, others=others))
    return made, []


@cache
def ranked_profiles(provider: EmbeddingProvider) -> tuple[Ranked, ...]:
    """All labelled profiles. Raises `NoVectors`."""
    with sample_of(provider) as sample:
        return tuple(_ranked(Asked(sample, profile)) for profile in labelled_profiles())


def _ranked(asked: Asked) -> Ranked:
    grades = asked.profile.grades
    found = {name: order(asked) for name, order in BASELINES.items()}
    orders = {name: Figures(ndcg(order, grades, NEAR), recall(order, grades, FAR)) for name, order in found.items()}
    orders[RANDOM] = Figures(expected_ndcg(asked.count, grades, NEAR), expected_recall(asked.count, FAR))
    orders[BOT] = Figures(ndcg(by_bot(asked, count=SHOWN), grades, NEAR), recall(by_bot(asked, count=FAR), grades, FAR))
    return Ranked(asked.profile, orders, _scored(asked))


def _scored(asked: Asked) -> dict[str, Figures]:
    grades, names = asked.profile.grades, asked.sample.names
    ids = list(asked.candidates.values_list("pk", flat=True))
    scored = score_businesses(asked.sample.org, ids, icp=asked.icp, meaning=asked.meaning, weights=Weights(), day=DAY)
    alike = asked.meaning.similarities(ids)
    years = dict(Business.objects.filter(pk__in=ids).values_list("pk", "founded_year"))
    values = {
        SCORES: {names[one.business_id]: one.score for one in scored},
        "vector": {names[pk]: sum(alike[pk].values()) for pk in ids},
        "recency only": {names[pk]: float(years[pk] or 0) for pk in ids},
    }
    count, graded = len(ids), len(grades)
    return {name: _figures(list(one), list(one.values()), grades) for name, one in values.items()} | {
        RANDOM: Figures(expected_ndcg(count, grades, NEAR), auc=0.5, precision=graded / count),
        "best possible": Figures(precision=min(graded, TOP) / min(TOP, count)),
    }


def _figures(names: Sequence[str], values: Sequence[float], grades: dict[str, int]) -> Figures:
    """Ties count by halves in the AUC, and by their share in a precision; in nDCG, they are in the order of names."""
    order = [name for _, name in sorted(zip(values, names, strict=True), key=lambda one: (-one[0], one[1]))]
    is_graded = np.asarray([name in grades for name in names])
    levels, place = np.unique(np.asarray(values), return_inverse=True)
    positive = np.bincount(place[is_graded], minlength=len(levels)).astype(np.int64)[None]
    negative = np.bincount(place[~is_graded], minlength=len(levels)).astype(np.int64)[None]
    return Figures(
        ndcg(order, grades, NEAR),
        auc=float(auc(positive, negative)[0]),
        precision=float(precision_at(min(TOP, len(names)), positive, negative)[0]),
    )
