"""Labelled profiles, and how well an order of companies agrees with them. What a label means: labels/README.md."""

import hashlib
import math
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

FILE = Path(__file__).parent / "labels" / "profiles.toml"
FITS, PARTLY = 2, 1


class LabelledProfile(BaseModel):
    """A profile with the grades of companies, both by the companies' names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    icp: dict[str, Any]
    filters: dict[str, Any] = {}
    fits: tuple[str, ...]
    partly: tuple[str, ...]

    @model_validator(mode="after")
    def _once(self) -> "LabelledProfile":
        names = [*self.fits, *self.partly, *self.examples]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"{min(twice)} stands twice in {self.name}")
        if not self.fits:
            raise ValueError(f"nothing fits {self.name}")
        return self

    @property
    def examples(self) -> tuple[str, ...]:
        return (*self.icp.get("examples", ()), *self.icp.get("counter_examples", ()))

    @property
    def grades(self) -> dict[str, int]:
        """Of the companies whose grade is not 0."""
        return dict.fromkeys(self.fits, FITS) | dict.fromkeys(self.partly, PARTLY)

    @property
    def asks(self) -> str:
        """How, for figures of those that ask alike."""
        if self.examples:
            return "by examples"
        if self.filters:
            return "with filters"
        return "with wishes" if self.icp.keys() - {"text"} else "in words only"

    @property
    def is_held_out(self) -> bool:
        """By a hash of the name: no figure of this half was looked at while anything was changed."""
        return hashlib.sha256(self.name.encode()).digest()[0] % 2 == 1

    def icp_by_id(self, ids: Mapping[str, Any]) -> dict[str, Any]:
        """The profile with its examples as ids."""
        kept = ("examples", "counter_examples")
        return {name: [str(ids[one]) for one in value] if name in kept else value for name, value in self.icp.items()}


@cache
def labelled_profiles() -> tuple[LabelledProfile, ...]:
    """Raises `pydantic.ValidationError` for a file that is not as its README says."""
    rows = tomllib.loads(FILE.read_text(encoding="utf-8"))["profile"]
    return tuple(LabelledProfile.model_validate(row) for row in rows)


def ndcg(order: Sequence[str], grades: Mapping[str, int], k: int) -> float:
    """Normalised discounted cumulative gain of the first `k`, with gains of 2^grade - 1 (Burges et al., ICML 2005)."""
    best = sorted(grades.values(), reverse=True)
    return _gain([grades.get(name, 0) for name in order[:k]]) / _gain(best[:k])


def _gain(grades: Sequence[float]) -> float:
    return math.fsum((2**grade - 1) / math.log2(place + 2) for place, grade in enumerate(grades))


def recall(order: Sequence[str], grades: Mapping[str, int], k: int) -> float:
    """The share of the companies of any grade that are among the first `k`."""
    return len(set(order[:k]) & grades.keys()) / len(grades)


def expected_ndcg(count: int, grades: Mapping[str, int], k: int) -> float:
    """The mean of `ndcg` over all orders of `count` companies, the graded ones among them."""
    mean = math.fsum(2**grade - 1 for grade in grades.values()) / count
    discounts = math.fsum(1 / math.log2(place + 2) for place in range(min(k, count)))
    return mean * discounts / _gain(sorted(grades.values(), reverse=True)[:k])


def expected_recall(count: int, k: int) -> float:
    return min(k, count) / count
