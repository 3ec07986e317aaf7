"""What an evaluation says: what held of how many cases, what was measured on labels, and what was not measured."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from signals_app.evaluation import wilson

CASES = 10_000  # generated ones of each property
SEED = 20_261_101
SHOWN = 3  # violations that are told
RESAMPLES = 1_000  # of a bootstrap


@dataclass
class Property:
    """Something that must hold of every case."""

    name: str
    cases: int = 0
    violations: int = 0
    examples: list[str] = field(default_factory=list)

    def check(self, holds: bool, case: str) -> None:
        self.cases += 1
        if not holds:
            self.violations += 1
            if len(self.examples) < SHOWN:
                self.examples.append(case)


@dataclass(frozen=True)
class Measure:
    """A figure on labelled data, with its 95 % interval, beside a baseline's on the same data."""

    name: str
    value: float | None
    interval: tuple[float, float]
    cases: int
    labels: str  # whose
    baselines: dict[str, float | None] = field(default_factory=dict)
    # By how much it is better than a baseline, with the 95 % interval of the difference over the same cases.
    ahead: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """Of one kind. `not_measured`: what a reader might think was, with the reason."""

    kind: str
    properties: list[Property]
    measures: list[Measure] = field(default_factory=list)
    not_measured: list[str] = field(default_factory=list)

    @property
    def violations(self) -> int:
        return sum(one.violations for one in self.properties)


Evaluate = Callable[[int], Evaluation]


def proportion(name: str, right: int, cases: int, *, labels: str, baselines: dict[str, float | None]) -> Measure:
    """A share with Wilson's interval."""
    return Measure(name, right / cases if cases else None, wilson(right, cases), cases, labels, baselines)


def mean(name: str, values: Iterable[float], *, labels: str, baselines: dict[str, float | None]) -> Measure:
    """A mean with the interval of a percentile bootstrap over the cases (Efron 1979), of a fixed seed."""
    known = list(values)
    if not known:
        return Measure(name, None, (0.0, 1.0), 0, labels, baselines)
    return Measure(name, sum(known) / len(known), _interval_of_mean(known), len(known), labels, baselines)


def compared(name: str, values: Sequence[float], *, labels: str, others: Mapping[str, Sequence[float]]) -> Measure:
    """A mean beside those of baselines on the same cases, in one order; with the intervals of the differences."""
    ahead = {
        baseline: _interval_of_mean([mine - its for mine, its in zip(values, theirs, strict=True)])
        for baseline, theirs in others.items()
    }
    means = {baseline: sum(theirs) / len(theirs) for baseline, theirs in others.items()}
    made = mean(name, values, labels=labels, baselines=dict(means))
    return replace(made, ahead=ahead)


def _interval_of_mean(known: Sequence[float]) -> tuple[float, float]:
    chance = Random(SEED)
    means = sorted(sum(chance.choices(known, k=len(known))) / len(known) for _ in range(RESAMPLES))
    return means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES) - 1]
