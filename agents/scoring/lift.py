"""Which attributes won companies have more often than lost ones, and the profile that they suggest.

A lift is the share of won among the cases of a value, over their share among all cases of which the attribute is known.
What is learnt comes from the train split alone: values whose 95 % Wilson interval lies wholly above that share are
asked for, industries whose interval lies wholly below it are not wanted. Many values are looked at, so some pass by
chance: whether the profile holds is measured on the companies that were held out.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from agents.scoring.criteria import Criterion, criteria_of, fit_of
from agents.scoring.outcomes import ATTRIBUTES, Case, band_label, bands
from agents.scoring.profile import Icp
from agents.scoring.ranking_quality import Quality, quality_of
from oppspot.core.errors import InvalidInput
from signals_app.evaluation import wilson

MIN_OUTCOMES = 20  # won, and lost
MIN_CASES = 5  # of a value, before anything is learnt from it
MAX_VALUES = 20  # learnt of one attribute
# Fields of a profile that are learnt; its words, examples, towns and employees are left alone.
LEARNT = ("sic", "not_sic", "postcode_areas", "min_age", "max_age", "sizes", "company_types")


@dataclass(frozen=True, slots=True)
class Lift:
    """`rate`: the share of won among the cases of the value, with its Wilson interval; `base`: among all known."""

    attribute: str
    value: str
    won: int
    lost: int
    rate: float
    low: float
    high: float
    base: float
    lift: float | None  # None where none was won of those known

    @property
    def cases(self) -> int:
        return self.won + self.lost

    @property
    def verdict(self) -> int:
        """1: won more often than others; -1: less often; 0: not shown."""
        if self.cases < MIN_CASES:
            return 0
        return int(self.low > self.base) - int(self.high < self.base)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def check_enough(cases: Sequence[Case]) -> tuple[int, int]:
    """How many were won and lost. Raises `InvalidInput` where that is too few to learn from."""
    won = sum(case.is_won for case in cases)
    lost = len(cases) - won
    if min(won, lost) < MIN_OUTCOMES:
        raise InvalidInput(
            f"not enough outcomes: need >= {MIN_OUTCOMES} of each; there are {won} companies won and {lost} lost. "
            "Mark more opportunities as won or lost."
        )
    return won, lost


def lifts_of(cases: Sequence[Case]) -> list[Lift]:
    """Every value of every attribute, by attribute, the most frequent first."""
    found = []
    for attribute in ATTRIBUTES:
        known = [case for case in cases if case.values[attribute]]
        won = Counter(value for case in known if case.is_won for value in case.values[attribute])
        every = Counter(value for case in known for value in case.values[attribute])
        base = sum(case.is_won for case in known) / len(known) if known else 0.0
        for value, count in sorted(every.items(), key=lambda one: (-one[1], one[0])):
            rate, (low, high) = won[value] / count, wilson(won[value], count)
            lift = rate / base if base else None
            found.append(Lift(attribute, value, won[value], count - won[value], rate, low, high, base, lift))
    return found


def learnt_from(lifts: Iterable[Lift]) -> dict[str, Any]:
    """The fields of a profile that `lifts` of the train split speak for; only those."""
    best: dict[str, list[str]] = {attribute: [] for attribute in ATTRIBUTES}
    worst: list[str] = []
    told: dict[str, Lift] = {}
    for one in sorted(lifts, key=lambda one: (-one.low, one.value)):
        if one.attribute == "age":
            told[one.value] = one
        if one.verdict > 0:
            best[one.attribute].append(one.value)
        elif one.verdict < 0 and one.attribute == "industry":
            worst.append(one.value)
    learnt = {
        "sic": sorted(best["industry"][:MAX_VALUES]),
        "not_sic": sorted(worst[-MAX_VALUES:]),
        "postcode_areas": sorted(best["postcode_area"][:MAX_VALUES]),
        "sizes": sorted(best["size"]),
        "company_types": sorted(best["company_type"][:MAX_VALUES]),
    }
    return {name: values for name, values in learnt.items() if values} | _ages(set(best["age"]), told)


def _ages(best: set[str], told: dict[str, Lift]) -> dict[str, Any]:
    """The range of neighbouring bands that are won more often: of several, the one with the most won."""
    runs: list[list[tuple[int, int | None]]] = [[]]
    for band in bands():
        if band_label(band[0]) in best:
            runs[-1].append(band)
        elif runs[-1]:
            runs.append([])
    run = max(runs, key=lambda one: sum(told[band_label(band[0])].won for band in one))
    return {"min_age": run[0][0], "max_age": run[-1][1]} if run else {}


def suggested(current: Icp, learnt: dict[str, Any]) -> Icp:
    """`current` with what was learnt in place of its own; nothing is asked for and unwanted at once."""
    values = current.model_dump(mode="json") | learnt
    for kept, other in (("sic", "not_sic"), ("not_sic", "sic")):
        if kept in learnt and other not in learnt:
            values[other] = [
                code for code in values[other] if not any(_overlap(code, prefix) for prefix in learnt[kept])
            ]
    return Icp.model_validate(values)


def _overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


@dataclass(frozen=True, slots=True)
class Measured:
    """How well a profile's fit tells the held-out apart. The comparison by meaning is left out: its examples may be
    among them. `unknown`: cases of which nothing that is asked for is known; they are left out, too."""

    quality: Quality | None
    unknown: int
    note: str

    def as_json(self) -> dict[str, Any]:
        quality = None if self.quality is None else self.quality.as_json()
        return {"quality": quality, "unknown": self.unknown, "note": self.note}


def measure(icp: Icp, cases: Sequence[Case]) -> Measured:
    """The fit of each case as of the day that it was found, against what came of it."""
    by_day: dict[Any, list[Criterion]] = {}
    fits = []
    for case in cases:
        criteria = by_day.setdefault(case.found_on, criteria_of(icp, case.found_on))
        fits.append(fit_of(case.facts, criteria))
    known = [(fit, case.is_won) for fit, case in zip(fits, cases, strict=True) if fit is not None]
    if not known:
        return Measured(None, len(cases), "not measured: the profile asks for nothing that is known of the held-out")
    quality = quality_of([fit for fit, _ in known], [is_won for _, is_won in known])
    won = sum(is_won for _, is_won in known)
    if quality is None:
        few = f"not measured: too few were held out, {won} won and {len(known) - won} lost"
        return Measured(None, len(cases) - len(known), few)
    return Measured(quality, len(cases) - len(known), _said(quality))


def _said(quality: Quality) -> str:
    if quality.auc.low > 0.5:  # noqa: PLR2004  the AUC of a random order
        return "tells won from lost better than chance"
    return "not shown to tell won from lost better than chance"


@dataclass(frozen=True, slots=True)
class Split:
    won: int
    lost: int


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What the outcomes suggest: the profile, what of it was learnt, and how it and the current one do on the
    held-out."""

    icp: Icp
    learnt: dict[str, Any]
    lifts: list[Lift]  # over all cases: a description, nothing is learnt from it
    train: Split
    hold_out: Split
    suggested: Measured
    current: Measured


def suggest(current: Icp, cases: Sequence[Case]) -> Suggestion:
    """Raises `InvalidInput` where there are too few outcomes."""
    check_enough(cases)
    held_out = [case for case in cases if case.is_held_out]
    train = [case for case in cases if not case.is_held_out]
    learnt = learnt_from(lifts_of(train))
    icp = suggested(current, learnt)
    return Suggestion(
        icp,
        learnt,
        lifts_of(cases),
        _split(train),
        _split(held_out),
        measure(icp, held_out),
        measure(current, held_out),
    )


def _split(cases: Sequence[Case]) -> Split:
    won = sum(case.is_won for case in cases)
    return Split(won, len(cases) - won)
