"""Where workers shall die: written before they start, crossed off by each that does."""

import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

VARIABLE = "CRASH_PLAN"  # the environment's: the plan's folder
BEFORE, ASKED, WITHIN, AFTER = "before", "asked", "within", "after"
# Before a step's body; with a language model's answer in hand that nobody has written down; after the body, with
# nothing committed; after the step was committed.


@dataclass(frozen=True)
class Place:
    """A place in an execution: a step, and where of it."""

    step: str
    when: str


class Plan:
    """A folder with a file for all places, by run, and one for each death."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, places: dict[UUID, Place]) -> None:
        (self.folder / "died").mkdir(parents=True, exist_ok=True)
        plan = {str(run): [place.step, place.when] for run, place in places.items()}
        (self.folder / "plan.json").write_text(json.dumps(plan))

    def read(self) -> dict[str, Place]:
        found: dict[str, list[str]] = json.loads((self.folder / "plan.json").read_text())
        return {run: Place(*place) for run, place in found.items()}

    def is_over(self, run: str) -> bool:
        return (self.folder / "died" / run).exists()

    def note(self, run: str, **lost: Any) -> None:
        """`run` dies now, and with it what is known of `lost` alone."""
        (self.folder / "died" / run).write_text(json.dumps(lost))

    def deaths(self) -> dict[UUID, dict[str, Any]]:
        return {UUID(path.name): json.loads(path.read_text()) for path in (self.folder / "died").iterdir()}

    def lost_cost(self, price_in: Decimal, price_out: Decimal) -> Decimal:
        """US dollars, at prices a token, of the answers that died with their worker."""
        lost = [one for one in self.deaths().values() if one]
        return sum((one["read"] * price_in + one["written"] * price_out for one in lost), Decimal(0))
