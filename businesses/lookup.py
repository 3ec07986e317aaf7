"""Finding companies by what names them: an id, a number, a domain or a name. What a name means is decided here alone.

Nothing is guessed: of several companies of one name or domain the one is meant that everything known fits, then the
only active one, and otherwise none.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

from businesses.models import Business, Status
from businesses.normalise import domain_of, normalise_company_number, normalise_name
from businesses.sources.pull import CompanyKey

BATCH = 10_000  # values looked up by one statement
MIN_JOINED = 4  # letters of a name that may be the beginning of another when both are written together
# Words that many names share: alone they make no two names alike.
GENERIC = frozenset(
    {"the", "and", "of", "uk", "group", "holdings", "services", "solutions", "company", "international", "ltd",
     "limited", "plc", "llp"}
)  # fmt: skip
_COLUMNS = {"id": "id", "number": "company_number", "domain": "domain", "name": "name_normalised"}


@dataclass(frozen=True)
class Company:
    """What is looked at to tell companies apart. `former`: names as the register lists them, [{name, changed_on}]."""

    id: UUID
    number: str | None
    name: str
    town: str
    status: str
    domain: str = ""
    normalised: str = ""
    former: Any = field(default=(), compare=False)

    def __str__(self) -> str:
        about = ", ".join(filter(None, (self.number, self.town, Status(self.status).label.lower())))
        return f"{self.name} ({about})"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Normalised: the present one, then former ones."""
        return (self.normalised, *map(normalise_name, _former(self.former)))


def companies_by(by: str, values: Iterable[str]) -> dict[str, list[Company]]:
    """The companies that go by each of `values`, which are normalised; active ones first. Few statements for many."""
    column = _COLUMNS[by]
    found: dict[str, list[Company]] = {}
    for keys in batches(values):
        rows = Business.objects.filter(**{f"{column}__in": keys})
        if by == "domain":
            rows = rows.exclude(domain="")  # the condition of its index: a long list does not imply it to the planner
        facts = rows.values_list(
            column, "id", "company_number", "name", "town", "status", "domain", "name_normalised", "previous_names"
        )
        for value, *of_company in facts:
            found.setdefault(str(value), []).append(Company(*of_company))
    for companies in found.values():
        companies.sort(key=lambda company: (company.status != Status.ACTIVE, company.number or "", str(company.id)))
    return found


def resolve(keys: Iterable[CompanyKey]) -> dict[CompanyKey, UUID]:
    """The companies that `keys` name without doubt."""
    by: dict[str, dict[str, list[CompanyKey]]] = {}
    for key in set(keys):
        if value := normalised(key.by, key.value):
            by.setdefault(key.by, {}).setdefault(value, []).append(key)
    found: dict[CompanyKey, UUID] = {}
    for kind, values in by.items():
        for value, companies in companies_by(kind, values).items():
            if len(left := meant(companies)) == 1:
                found.update(dict.fromkeys(values[value], left[0].id))
    return found


def meant(companies: Sequence[Company], *, name: str = "", town: str = "") -> list[Company]:
    """Those of `companies`, all of one domain or name, that can be meant: one, or several that nothing tells apart.

    By `name` and `town`, where any fits; then by being the only active one, unless none of them is in that town.
    """
    left = [company for company in companies if agree(name, company)] or list(companies)
    place = town.strip().casefold()
    if place and len(left) > 1:
        there = [company for company in left if company.town.casefold() == place]
        if not there:
            return left
        left = there
    if len(left) > 1:
        active = [company for company in left if company.status == Status.ACTIVE]
        left = active if len(active) == 1 else left
    return left


def agree(name: str, company: Company) -> bool:
    """Whether `name` could be the company's: one of its names has a telling word in common with it."""
    given = normalise_name(name)
    return not given or any(_alike(given, known) for known in company.names)


def normalised(by: str, value: str) -> str:
    """`value` as it is looked up; empty when it is none of its kind."""
    try:
        match by:
            case "id":
                return str(UUID(value))
            case "number":
                return normalise_company_number(value)
            case "domain":
                return domain_of(value)
            case _:
                return normalise_name(value)
    except ValueError:
        return ""


def batches(values: Iterable[Any]) -> Iterator[list[Any]]:
    ordered = sorted(values)
    for first in range(0, len(ordered), BATCH):
        yield ordered[first : first + BATCH]


def _former(names: Any) -> Iterator[str]:
    for item in names if isinstance(names, list) else []:
        if isinstance(item, Mapping) and isinstance(item.get("name"), str):
            yield item["name"]


def _alike(one: str, other: str) -> bool:
    if one == other or _telling(one) & _telling(other):
        return True
    short, long = sorted((one.replace(" ", ""), other.replace(" ", "")), key=len)
    return len(short) >= MIN_JOINED and long.startswith(short)


def _telling(name: str) -> set[str]:
    words = set(name.split())
    return words - GENERIC or words
