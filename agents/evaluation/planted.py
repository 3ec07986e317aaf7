"""Planted outcomes: what a back-test of scores can show where nobody has won or lost anything yet.

Companies are found over two years and won by a chance that is written here: more often in one industry and area, and
with fresh signals. What is learnt from the first eighteen months is measured on the last six. That the pattern is found
again proves the machinery (no leak from the future, the figures computed right); of real customers it says nothing.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random
from uuid import UUID

import numpy as np
import numpy.typing as npt

from agents.evaluation.base import RESAMPLES, SEED, Measure
from agents.evaluation.random_companies import DAY, random_signal
from agents.scoring.criteria import criteria_of
from agents.scoring.facts import Facts, Told
from agents.scoring.lift import learnt_from, lifts_of, suggested
from agents.scoring.outcomes import Case, values_of
from agents.scoring.profile import Icp, Weights
from agents.scoring.ranking_quality import auc, precision_at
from agents.scoring.scores import score_company

DAYS, HELD_OUT_DAYS = 730, 183
CASES = 4_000
LEAKED = 2  # signals that a company gets after it was won: nobody could have known them
TOP, SHARE, BINS = 20, 0.1, 10
LABELS = "planted outcomes of invented companies, which prove the machinery and nothing else; split by time"

Floats = npt.NDArray[np.float64]
Statistic = Callable[[Floats, npt.NDArray[np.bool_]], float]


@dataclass(frozen=True)
class Planted:
    """An invented company with all that ever became known of it, and what came of it, by the chance planted."""

    facts: Facts
    found_on: date
    chance: float
    is_won: bool

    @property
    def known(self) -> Facts:
        """Without what happened after the company was found."""
        return replace(self.facts, signals=tuple(one for one in self.facts.signals if is_known(one, self.found_on)))


def is_known(signal: Told, day: date) -> bool:
    return signal.weighed.occurred_on <= day


def planted_cases(count: int, *, strength: float = 1.0, seed: int = SEED) -> list[Planted]:
    """At a `strength` of 0 an outcome has nothing to do with the company."""
    chance = Random(seed)
    return [_planted(chance, number, strength) for number in range(count)]


def _planted(chance: Random, number: int, strength: float) -> Planted:
    found_on = DAY - timedelta(days=chance.randrange(DAYS))
    signals = [_signal(chance, found_on, chance.randint(0, 400)) for _ in range(chance.choice((0, 0, 1, 2, 3)))]
    code, area = chance.choice(("62012", "68100", "47910", "56101")), chance.choice(("EC", "M", "LS"))
    fresh = sum((found_on - one.weighed.occurred_on).days <= 60 for one in signals)
    wish = 1.4 * (code == "62012") - 1.0 * (code == "68100") + 0.8 * (area == "EC") + 0.9 * min(fresh, 2) - 0.4
    likely = 1 / (1 + math.exp(1.0 - strength * wish))
    is_won = chance.random() < likely
    if is_won:
        signals += [_signal(chance, found_on, -chance.randint(1, 90)) for _ in range(LEAKED)]
    facts = Facts(
        id=UUID(int=number), company_number=f"{number:08}", sic_codes=(code,), postcode_area=area,
        incorporated_on=date(chance.randint(1990, 2023), 1, 1), employee_count=chance.randint(1, 500),
        signals=tuple(signals),
    )  # fmt: skip
    return Planted(facts, found_on, likely, is_won)


def _signal(chance: Random, found_on: date, days_ago: int) -> Told:
    told = random_signal(chance, is_negative=False)
    return replace(told, weighed=replace(told.weighed, occurred_on=found_on - timedelta(days=days_ago)))


@dataclass(frozen=True)
class BackTest:
    """The held-out months: scores by order, what came of each case, and the chance that was told of it."""

    scores: dict[str, Floats]
    won: npt.NDArray[np.bool_]
    chances: Floats
    base: float  # the share of won in the months before


def back_test(cases: Sequence[Planted]) -> BackTest:
    """Learn from the cases found before the last months, and score those found in them."""
    split = DAY - timedelta(days=HELD_OUT_DAYS)
    before = [one for one in cases if one.found_on < split]
    after = [one for one in cases if one.found_on >= split]
    icp = suggested(Icp(), learnt_from(lifts_of([_case(one) for one in before])))
    own = _scores(before, icp)
    won_before = np.asarray([one.is_won for one in before])
    scores = {
        "score": _scores(after, icp),
        "size only": np.asarray([float(one.known.employee_count or 0) for one in after]),
        "recency only": np.asarray([_newest(one) for one in after]),
        "count of signals": np.asarray([float(len(one.known.signals)) for one in after]),
        "the planted chance itself": np.asarray([one.chance for one in after]),
    }
    chances = _chances(own, won_before, scores["score"])
    return BackTest(scores, np.asarray([one.is_won for one in after]), chances, float(won_before.mean()))


def _case(one: Planted) -> Case:
    kinds = {str(signal.signal_type) for signal in one.known.signals}
    return Case(one.facts, one.is_won, one.found_on, values_of(one.facts, one.found_on, kinds))


def _scores(cases: Sequence[Planted], icp: Icp) -> Floats:
    """Each as of the day that the company was found."""
    return np.asarray(
        [score_company(one.known, criteria_of(icp, one.found_on), Weights(), one.found_on).score for one in cases]
    )


def _newest(one: Planted) -> float:
    """Less the days since the newest signal: the freshest is the greatest."""
    days = [(one.found_on - signal.weighed.occurred_on).days for signal in one.known.signals]
    return -float(min(days, default=10_000))


def _chances(scores: Floats, won: npt.NDArray[np.bool_], asked: Floats) -> Floats:
    """The share of won, before, in the tenth of the scores that each of `asked` falls into."""
    edges = np.quantile(scores, np.linspace(0, 1, BINS + 1))[1:-1]
    tenth = np.searchsorted(edges, scores, side="right")
    shares = np.asarray([won[tenth == each].mean() if (tenth == each).any() else won.mean() for each in range(BINS)])
    return np.asarray(shares[np.searchsorted(edges, asked, side="right")], dtype=np.float64)


def measures(cases: Sequence[Planted]) -> list[Measure]:
    """Figures of the held-out months, with percentile intervals of the bootstrap over their companies (Efron 1979)."""
    test = back_test(cases)
    ranking: dict[str, Statistic] = {
        f"precision@{TOP}": lambda scores, won: precision(scores, won, TOP),
        f"lift@{SHARE:.0%}": lift,
        "AUC": area_under_curve,
    }
    random = {f"precision@{TOP}": float(test.won.mean()), f"lift@{SHARE:.0%}": 1.0, "AUC": 0.5}
    made = []
    for name, figure in ranking.items():
        others = {other: figure(scores, test.won) for other, scores in test.scores.items() if other != "score"}
        made.append(_measure(name, figure, test.scores["score"], test.won, {"random order": random[name], **others}))
    same = np.full(len(test.won), test.base)
    baseline = "the same chance for all"
    made.append(_measure("Brier score", brier, test.chances, test.won, {baseline: brier(same, test.won)}))
    made.append(
        _measure("ECE", calibration_error, test.chances, test.won, {baseline: calibration_error(same, test.won)})
    )
    return made


def _measure(
    name: str, figure: Statistic, scores: Floats, won: npt.NDArray[np.bool_], baselines: dict[str, float]
) -> Measure:
    rng = np.random.default_rng(SEED)
    drawn = []
    for _ in range(RESAMPLES):
        rows = rng.integers(0, len(won), len(won))
        drawn.append(figure(scores[rows], won[rows]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Measure(name, figure(scores, won), (float(low), float(high)), len(won), LABELS, dict(baselines))


def _by_level(scores: Floats, won: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    levels, place = np.unique(scores, return_inverse=True)
    positive = np.bincount(place[won], minlength=len(levels)).astype(np.int64)
    negative = np.bincount(place[~won], minlength=len(levels)).astype(np.int64)
    return positive[None], negative[None]


def area_under_curve(scores: Floats, won: npt.NDArray[np.bool_]) -> float:
    return float(auc(*_by_level(scores, won))[0])


def precision(scores: Floats, won: npt.NDArray[np.bool_], k: int) -> float:
    return float(precision_at(k, *_by_level(scores, won))[0])


def lift(scores: Floats, won: npt.NDArray[np.bool_]) -> float:
    """How much more often the best tenth was won than all were."""
    return precision(scores, won, math.ceil(SHARE * len(won))) / float(won.mean())


def brier(chances: Floats, won: npt.NDArray[np.bool_]) -> float:
    """The mean squared error of chances (Brier 1950): lower is better."""
    return float(np.mean((chances - won) ** 2))


def calibration_error(chances: Floats, won: npt.NDArray[np.bool_]) -> float:
    """Expected calibration error: the mean distance of the chances told in a tenth from the share that was won."""
    place = np.minimum((chances * BINS).astype(int), BINS - 1)
    gaps = [abs(float(chances[place == each].sum() - won[place == each].sum())) for each in range(BINS)]
    return math.fsum(gaps) / len(won)
