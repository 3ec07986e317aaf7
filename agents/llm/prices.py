"""What language models cost. A model without a price is not asked: no budget could hold."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from agents.llm.contract import UnknownPrice

PRICES = Path(__file__).with_name("prices.toml")
SMALLEST = Decimal("0.00000001")  # dollar that the ledger's columns hold
MILLION = 1_000_000
HINT = 'Set LLM_PRICES to {{"{model}": {{"in": …, "out": …}}}}, in US dollars per million tokens.'


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens."""

    read: Decimal
    written: Decimal
    cached: Decimal  # read from the provider's cache

    def of(self, tokens_in: int, tokens_out: int, cached_in: int = 0) -> Decimal:
        """US dollars, rounded up to what can be stored."""
        cost = (tokens_in - cached_in) * self.read + cached_in * self.cached + tokens_out * self.written
        return (cost / MILLION).quantize(SMALLEST, ROUND_CEILING)


def price_of(model: str, *, on: date | None = None) -> Price:
    """The price on a day, today's by default; LLM_PRICES goes before the list. Raises `UnknownPrice`."""
    if model in settings.LLM_PRICES:
        return read_price(settings.LLM_PRICES[model])
    day = on or timezone.now().date()
    for begins, price in reversed(_listed().get(model, [])):
        if begins <= day:
            return price
    raise UnknownPrice(f"The price of the language model {model!r} is not known.", hint=HINT.format(model=model))


def read_price(values: Any) -> Price:
    """A price from `{"in": 0.4, "out": 1.6, "cached_in": 0.1}`. Raises `UnknownPrice`, saying what is wrong."""
    if not isinstance(values, Mapping) or not {"in", "out"} <= values.keys() <= {"in", "out", "cached_in"}:
        raise UnknownPrice('A price is {"in": …, "out": …}, and "cached_in" if that differs.')
    try:
        numbers = {name: Decimal(str(value)) for name, value in values.items()}
    except InvalidOperation:
        numbers = {"in": Decimal("NaN")}
    if not all(number.is_finite() and number >= 0 for number in numbers.values()):
        raise UnknownPrice("A price is made of numbers, in US dollars per million tokens.")
    return Price(numbers["in"], numbers["out"], numbers.get("cached_in", numbers["in"]))


@cache
def _listed() -> dict[str, list[tuple[date, Price]]]:
    """Of each model, its prices by the day from which they hold."""
    listed = tomllib.loads(PRICES.read_text(), parse_float=Decimal)
    return {
        model: sorted(
            ((row["from"], read_price({name: row[name] for name in row if name != "from"})) for row in rows),
            key=lambda dated: dated[0],
        )
        for model, rows in listed.items()
    }
