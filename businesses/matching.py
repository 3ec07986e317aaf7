"""Matching rows of somebody's list with the register: which company each row means, or why none.

The rules, in this order:

1. A row with a company number means the company of that number, and no other. If it also has a name, and neither the
   company's name nor a former one shares a word with it, the row is refused: a mistyped number is likelier than a name
   that has nothing in common. Without the name the number counts alone.
2. Otherwise a domain means the one company that has it; of several the one whose name and town fit, then the only
   active one. A domain that the register does not know leaves it to the name.
3. Otherwise the name, in its normalised form, must be that of one company; of several the one in the town, or, when no
   town is given, the only active one. Several that remain are told and none is chosen.

Nothing is guessed: a row that could mean two companies matches none. The register is read by a few statements however
many rows there are.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from businesses.models import Business, Status, WatchlistEntry
from businesses.normalise import domain_of, normalise_company_number, normalise_name

BATCH = 10_000  # values looked up by one statement
MAX_CANDIDATES = 5
SHOWN = 60  # characters of a text of the row in a message
MIN_JOINED = 4  # letters of a name that may be the beginning of another when both are written together
# Words that many names share: alone they make no two names alike.
GENERIC = frozenset(
    {"the", "and", "of", "uk", "group", "holdings", "services", "solutions", "company", "international", "ltd",
     "limited", "plc", "llp"}
)  # fmt: skip


class Outcome(StrEnum):
    MATCHED = "matched"
    ALREADY = "already"  # on the list before, or by an earlier row
    UNMATCHED = "unmatched"


class Reason(StrEnum):
    """Why a row matched no company."""

    UNREADABLE = "unreadable"
    EMPTY = "empty"
    INVALID_NUMBER = "invalid_number"
    UNKNOWN_NUMBER = "unknown_number"
    DISAGREEMENT = "disagreement"
    INVALID_DOMAIN = "invalid_domain"
    UNKNOWN_DOMAIN = "unknown_domain"
    UNKNOWN_NAME = "unknown_name"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a list, as found. `line` is where it stands, from 1; `problem` says why it could not be read."""

    line: int
    number: str = ""
    domain: str = ""
    name: str = ""
    town: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Company:
    """What matching needs to know of a company."""

    id: UUID
    number: str | None
    name: str
    town: str
    status: str
    domain: str = ""
    names: tuple[str, ...] = ()  # normalised: the present one, then former ones

    def __str__(self) -> str:
        about = ", ".join(filter(None, (self.number, self.town, Status(self.status).label.lower())))
        return f"{self.name} ({about})"


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of a row. `by` says what matched; `note` what a person may want to look at."""

    row: Row
    outcome: Outcome
    by: str = ""  # number, domain or name
    company: Company | None = None
    reason: Reason | None = None
    note: str = ""
    candidates: tuple[Company, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Every row, in the order given."""

    placed: list[Placed] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """`{rows, matched, already, unmatched}`"""
        found = Counter(one.outcome.value for one in self.placed)
        return {"rows": len(self.placed), **{outcome.value: found[outcome.value] for outcome in Outcome}}

    def having(self, outcome: Outcome) -> list[Placed]:
        return [one for one in self.placed if one.outcome is outcome]


def match(rows: Sequence[Row], *, entries: QuerySet[WatchlistEntry]) -> Report:
    """The company of every row; those that `entries` hold, or that an earlier row meant, are there already."""
    register = _Register(rows)
    placed = [_place(row, register) for row in rows]
    found = {one.company.id for one in placed if one.company}
    listed: set[UUID] = set()
    for keys in _batches(found):
        listed.update(entries.filter(business__in=keys).values_list("business_id", flat=True))
    first: dict[UUID, int] = {}
    for place, one in enumerate(placed):
        if one.company is None:
            continue
        if one.company.id in listed:
            placed[place] = replace(one, outcome=Outcome.ALREADY, note=one.note or "It is on the list already.")
        elif (line := first.setdefault(one.company.id, one.row.line)) != one.row.line:
            placed[place] = replace(one, outcome=Outcome.ALREADY, note=f"The same company as line {line}.")
    return Report(placed)


class _Register:
    """The companies that any of the rows could mean, by what they could be meant by."""

    def __init__(self, rows: Sequence[Row]) -> None:
        whole = [row for row in rows if not row.problem]
        numbers = {_number_of(row.number) for row in whole if row.number} - {""}
        domains = {domain_of(row.domain) for row in whole if row.domain and not row.number} - {""}
        names = {normalise_name(row.name) for row in whole if row.name} - {""}
        self.by_number = {key: found[0] for key, found in _load("company_number", numbers).items()}
        # The condition is the partial index's: Postgres does not derive it from a long list.
        self.by_domain = _load("domain", domains, ~Q(domain=""))
        self.by_name = _load("name_normalised", names)


def _load(column: str, values: Collection[str], condition: Q | None = None) -> dict[str, list[Company]]:
    found: dict[str, list[Company]] = {}
    for keys in _batches(values):
        rows = Business.objects.filter(condition or Q(), **{f"{column}__in": keys}).values_list(
            column, "id", "company_number", "name", "town", "status", "domain", "name_normalised", "previous_names"
        )
        for value, *facts, present, former in rows:
            pk, number, name, town, status, domain = facts
            names = (present, *map(normalise_name, _former(former)))
            found.setdefault(str(value), []).append(Company(pk, number, name, town, status, domain, names))
    for companies in found.values():
        companies.sort(key=lambda company: (company.status != Status.ACTIVE, company.number or "", str(company.id)))
    return found


def _former(names: Any) -> Iterator[str]:
    for item in names if isinstance(names, list) else []:
        if isinstance(item, dict) and isinstance(item.get("name"), str):
            yield item["name"]


def _batches(values: Iterable[Any]) -> Iterator[list[Any]]:
    ordered = sorted(values)
    for first in range(0, len(ordered), BATCH):
        yield ordered[first : first + BATCH]


def _place(row: Row, register: _Register) -> Placed:
    if row.problem:
        return _refused(row, Reason.UNREADABLE, row.problem)
    if row.number:
        return _by_number(row, register)
    domain = domain_of(row.domain)
    if found := register.by_domain.get(domain, []):
        return _only(row, "domain", found, f"Several companies have the domain {domain}.")
    if name := normalise_name(row.name):
        return _by_name(row, register.by_name.get(name, []))
    return _by_nothing(row, domain)


def _by_nothing(row: Row, domain: str) -> Placed:
    if not row.domain:
        return _refused(row, Reason.EMPTY, "No number, domain or name.")
    if not domain:
        return _refused(row, Reason.INVALID_DOMAIN, f"{shown(row.domain)} is not a domain.")
    return _refused(row, Reason.UNKNOWN_DOMAIN, f"No company has the domain {shown(domain)}.")


def _by_name(row: Row, found: Sequence[Company]) -> Placed:
    if found:
        return _only(row, "name", found, f"{len(found):,} companies have this name.")
    also = f", and none has the domain {shown(row.domain)}" if row.domain else ""
    return _refused(row, Reason.UNKNOWN_NAME, f"No company is named {shown(row.name)}{also}.")


def _by_number(row: Row, register: _Register) -> Placed:
    number = _number_of(row.number)
    others = tuple(register.by_name.get(normalise_name(row.name), ())[:MAX_CANDIDATES])
    if not number:
        reason = f"{shown(row.number)} is not a company number (8 letters or digits)."
        return _refused(row, Reason.INVALID_NUMBER, reason, others)
    company = register.by_number.get(number)
    if company is None:
        return _refused(row, Reason.UNKNOWN_NUMBER, f"No company has the number {number}.", others)
    if row.name and not agree(row.name, company):
        text = f"{number} is {company.name}, not {shown(row.name)}: correct the number, or leave out the name."
        return _refused(row, Reason.DISAGREEMENT, text, (company, *others)[:MAX_CANDIDATES])
    return _found(row, "number", company)


def _only(row: Row, by: str, found: Sequence[Company], several: str) -> Placed:
    left = list(found)
    if by == "domain" and row.name:
        left = [company for company in left if agree(row.name, company)] or left
    town = row.town.strip().casefold()
    if town and len(left) > 1:
        left = [company for company in left if company.town.casefold() == town] or left
    if len(left) > 1:
        active = [company for company in left if company.status == Status.ACTIVE]
        elsewhere = town and all(company.town.casefold() != town for company in left)
        left = active if len(active) == 1 and not elsewhere else left
    if len(left) == 1:
        return _found(row, by, left[0])
    return _refused(row, Reason.AMBIGUOUS, several, tuple(left[:MAX_CANDIDATES]))


def _found(row: Row, by: str, company: Company) -> Placed:
    notes = []
    if by != "name" and row.name and normalise_name(row.name) != company.names[0]:
        notes.append(f"The register calls it {company.name}.")
    if by == "name" and row.town and company.town and row.town.strip().casefold() != company.town.casefold():
        notes.append(f"The register has it in {company.town}.")
    if company.status == Status.DISSOLVED:
        notes.append("It is dissolved.")
    return Placed(row, Outcome.MATCHED, by=by, company=company, note=" ".join(notes))


def _refused(row: Row, reason: Reason, note: str, candidates: tuple[Company, ...] = ()) -> Placed:
    return Placed(row, Outcome.UNMATCHED, reason=reason, note=note, candidates=candidates)


def agree(name: str, company: Company) -> bool:
    """Whether `name` could be the company's: one of its names has a telling word in common with it."""
    given = normalise_name(name)
    return not given or any(_alike(given, known) for known in company.names)


def _alike(one: str, other: str) -> bool:
    if one == other or _telling(one) & _telling(other):
        return True
    short, long = sorted((one.replace(" ", ""), other.replace(" ", "")), key=len)
    return len(short) >= MIN_JOINED and long.startswith(short)


def _telling(name: str) -> set[str]:
    words = set(name.split())
    return words - GENERIC or words


def _number_of(text: str) -> str:
    try:
        return normalise_company_number(text)
    except ValueError:
        return ""


def shown(text: str) -> str:
    """A text of the row in a message: in quotes, on one line, and not longer than `SHOWN`."""
    line = " ".join(text.split())
    return f"“{line if len(line) <= SHOWN else line[:SHOWN] + '…'}”"
