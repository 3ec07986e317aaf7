"""What an organisation looks for: the ideal customer profile, the hard filters, and how the parts of a score weigh."""

import hashlib
import json
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agents.references import BusinessId
from businesses.filters import filter_businesses
from businesses.models import Status
from businesses.sic import MIN_PREFIX, codes_with_prefix
from embeddings.search import MAX_QUERY
from oppspot.core.errors import InvalidInput

FORMULA = "2"  # changes with what a score means: older scorecards are then not compared with newer ones
MAX_COMPANIES = 25  # examples, and as many counter-examples
MAX_LISTED = 50  # of codes, areas, towns
MAX_AGE = 500  # years
MAX_EMPLOYEES = 10_000_000
OLD_CODE = 4  # digits of codes of the classification before 2007, which still occur

SicPrefix = Annotated[str, Field(pattern=r"^[0-9]{2,5}$")]
Area = Annotated[str, Field(pattern=r"^[A-Za-z]{1,2}$")]
Words = Annotated[str, Field(min_length=1, max_length=100)]


class SizeBand(StrEnum):
    """By employees as in the EU's definition: up to 9, 49, 249, and more; else by the kind of accounts filed."""

    MICRO = "micro"
    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class Icp(_Section):
    """The ideal customer profile. What is left empty is not asked for."""

    text: Annotated[
        str,
        Field(title="In words", description="What an ideal customer does; compared by meaning.", max_length=MAX_QUERY),
    ] = ""
    examples: Annotated[
        list[BusinessId],
        Field(title="Examples", description="Companies that are ideal customers.", max_length=MAX_COMPANIES),
    ] = []
    counter_examples: Annotated[
        list[BusinessId],
        Field(title="Counter-examples", description="Companies that are not.", max_length=MAX_COMPANIES),
    ] = []
    sic: Annotated[
        list[SicPrefix],
        Field(title="Industries", description="SIC codes, or their first 2 to 4 digits.", max_length=MAX_LISTED),
    ] = []
    not_sic: Annotated[
        list[SicPrefix],
        Field(title="Not these industries", description="SIC codes or first digits.", max_length=MAX_LISTED),
    ] = []
    postcode_areas: Annotated[
        list[Area],
        Field(title="Postcode areas", description="Letters a postcode begins with: EC, M.", max_length=MAX_LISTED),
    ] = []
    towns: Annotated[list[Words], Field(title="Towns", description="Post towns.", max_length=MAX_LISTED)] = []
    min_age: Annotated[
        int | None, Field(title="Age from", description="Full years since it was founded.", ge=0, le=MAX_AGE)
    ] = None
    max_age: Annotated[
        int | None, Field(title="Age to", description="Full years since it was founded.", ge=0, le=MAX_AGE)
    ] = None
    sizes: Annotated[
        list[SizeBand],
        Field(title="Sizes", description="By employees, or else by the kind of accounts filed.", max_length=4),
    ] = []
    min_employees: Annotated[
        int | None, Field(title="Employees from", description="Where known.", ge=0, le=MAX_EMPLOYEES)
    ] = None
    max_employees: Annotated[
        int | None, Field(title="Employees to", description="Where known.", ge=0, le=MAX_EMPLOYEES)
    ] = None
    company_types: Annotated[
        list[Words],
        Field(title="Company types", description="As the register words them.", max_length=MAX_LISTED),
    ] = []

    @field_validator("sic", "not_sic")
    @classmethod
    def _begin_codes(cls, prefixes: list[str]) -> list[str]:
        if wrong := [prefix for prefix in prefixes if not codes_below(prefix)]:
            raise ValueError(f"{wrong[0]} begins no SIC code")
        return prefixes

    @model_validator(mode="after")
    def _ranges(self) -> Self:
        for low, high, what in (
            (self.min_age, self.max_age, "ages"),
            (self.min_employees, self.max_employees, "employees"),
        ):
            if low is not None and high is not None and low > high:
                raise ValueError(f"the range of {what} ends before it begins")
        if both := set(self.examples) & set(self.counter_examples):
            raise ValueError(f"{min(both)} is an example and a counter-example")
        if self.counter_examples and not self.examples:
            raise ValueError("counter-examples say something beside examples only")
        return self


class Filters(_Section):
    """What a company must be: no other is looked at. What is left empty does not matter."""

    sic: Annotated[
        list[SicPrefix],
        Field(title="Industries", description="SIC codes, or their first 2 to 4 digits.", max_length=MAX_LISTED),
    ] = []
    status: Annotated[
        list[Status],
        Field(
            title="Status",
            description="Empty: all but insolvent companies and those about to be struck off. Dissolved ones never.",
            max_length=len(Status),
        ),
    ] = []
    town: Annotated[list[Words], Field(title="Towns", description="Post towns.", max_length=MAX_LISTED)] = []
    postcode_area: Annotated[
        list[Area],
        Field(title="Postcode areas", description="Letters a postcode begins with: EC, M.", max_length=MAX_LISTED),
    ] = []
    category: Annotated[
        list[Words], Field(title="Categories", description="Labels of companies.", max_length=MAX_LISTED)
    ] = []
    company_type: Annotated[
        str, Field(title="Company type", description="As the register words it.", max_length=200)
    ] = ""
    incorporated_from: Annotated[
        str, Field(title="Incorporated from", description="A day: 2015-01-31.", pattern=r"^(\d{4}-\d\d-\d\d)?$")
    ] = ""
    incorporated_to: Annotated[
        str, Field(title="Incorporated to", description="A day: 2024-12-31.", pattern=r"^(\d{4}-\d\d-\d\d)?$")
    ] = ""
    dormant: Annotated[
        bool,
        Field(title="Dormant, too", description="Also shells, which say that they are dormant or not trading."),
    ] = False

    @model_validator(mode="after")
    def _valid(self) -> Self:
        try:
            filter_businesses(self.values())
        except InvalidInput as error:
            raise ValueError(error.message) from None
        return self

    def values(self) -> dict[str, Any]:
        """As `filter_businesses` takes them: all but `dormant`, which it does not know."""
        found = {name: value for name, value in self.model_dump(mode="json", exclude={"dormant"}).items() if value}
        if any("," in text for value in found.values() if isinstance(value, list) for text in value):
            raise InvalidInput("A value holds a comma.")  # they are joined by commas
        return found


class Weights(_Section):
    """How much each part of a score counts, in proportion to the others."""

    fit: Annotated[float, Field(title="Fit", description="How well it matches the profile.", ge=0, le=100)] = 40
    intent: Annotated[
        float, Field(title="Intent", description="Buying signals, faded with their age.", ge=0, le=100)
    ] = 30
    timing: Annotated[float, Field(title="Timing", description="Whether something happens just now.", ge=0, le=100)] = (
        15
    )
    data_quality: Annotated[
        float, Field(title="Data quality", description="How much is known about it.", ge=0, le=100)
    ] = 15

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.fit + self.intent + self.timing + self.data_quality <= 0:
            raise ValueError("at least one part must weigh something")
        return self


def codes_below(prefix: str) -> tuple[str, ...]:
    """The codes that a prefix stands for, itself among them if it is one of an older version."""
    found = codes_with_prefix(prefix) if len(prefix) >= MIN_PREFIX else ()
    return (*found, prefix) if len(prefix) >= OLD_CODE and prefix not in found else found


def digest_of(icp: Icp, weights: Weights, model: str = "") -> str:
    """SHA-256, in hex, of all that a score depends on besides the company: equal for equal profiles.

    The order within lists does not matter, as it does not to a score. `model` is the embedding model.
    """
    values = {
        name: sorted(value) if isinstance(value, list) else value for name, value in icp.model_dump(mode="json").items()
    }
    whole = {"formula": FORMULA, "icp": values, "weights": weights.model_dump(), "model": model}
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
