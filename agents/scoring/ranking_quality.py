"""How well scores tell won from lost: AUC and precision@k, with bootstrap intervals. Pure, and the same each time.

Scores of a fit take few values, and many are equal: ties count by halves in the AUC, and by their share in a precision
that cuts through them.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

ROUNDS = 2_000
SEED = 20_261_101  # any: it makes the intervals the same each time
MIN_EACH = 5  # won, and lost: with fewer an interval says nothing
BEST = 20  # k of precision@k; half of the cases where there are fewer than twice as many

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figure:
    """`low` and `high`: the 95 % percentile interval of the stratified bootstrap (Efron 1979)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Quality:
    """`base` is the precision of a random order."""

    won: int
    lost: int
    auc: Figure
    k: int
    precision: Figure
    base: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def quality_of(scores: Sequence[float], won: Sequence[bool]) -> Quality | None:
    """None where fewer than `MIN_EACH` were won or lost."""
    is_won = np.asarray(won, dtype=bool)
    levels, place = np.unique(np.asarray(scores, dtype=np.float64), return_inverse=True)
    positive = np.bincount(place[is_won], minlength=len(levels)).astype(np.int64)
    negative = np.bincount(place[~is_won], minlength=len(levels)).astype(np.int64)
    count_won, count_lost = int(positive.sum()), int(negative.sum())
    if min(count_won, count_lost) < MIN_EACH:
        return None
    k = min(BEST, (count_won + count_lost) // 2)
    # To draw cases again is to draw their levels again: as many of each as there are, by their shares.
    rng = np.random.default_rng(SEED)
    drawn_won = rng.multinomial(count_won, positive / count_won, size=ROUNDS)
    drawn_lost = rng.multinomial(count_lost, negative / count_lost, size=ROUNDS)
    return Quality(
        won=count_won,
        lost=count_lost,
        auc=_figure(auc(positive[None], negative[None]), auc(drawn_won, drawn_lost)),
        k=k,
        precision=_figure(precision_at(k, positive[None], negative[None]), precision_at(k, drawn_won, drawn_lost)),
        base=count_won / (count_won + count_lost),
    )


def _figure(value: Floats, drawn: Floats) -> Figure:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Figure(float(value[0]), float(low), float(high))


def auc(positive: Counts, negative: Counts) -> Floats:
    """Of each row of counts by level, the lowest level first: the chance that one won scores above one lost."""
    below = np.cumsum(negative, axis=1) - negative
    pairs = (positive * (below + negative / 2)).sum(axis=1)
    return np.asarray(pairs / (positive.sum(axis=1) * negative.sum(axis=1)), dtype=np.float64)


def precision_at(k: int, positive: Counts, negative: Counts) -> Floats:
    """Of each row: the share of won ones among the `k` of the highest scores, in expectation over ties."""
    won, every = positive[:, ::-1], (positive + negative)[:, ::-1]
    before = np.cumsum(every, axis=1) - every
    taken = np.clip(k - before, 0, every)
    share = np.divide(won, every, out=np.zeros(won.shape), where=every > 0)
    return np.asarray((taken * share).sum(axis=1) / k, dtype=np.float64)
