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
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from uuid import UUID

from django.db.models import QuerySet

from businesses.lookup import Company, agree, batches, companies_by, meant, normalised
from businesses.models import Status, WatchlistEntry
from businesses.normalise import domain_of, normalise_name

MAX_CANDIDATES = 5
SHOWN = 60  # characters of a text of the row in a message


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
    for keys in batches(found):
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
        numbers = {normalised("number", row.number) for row in whole if row.number} - {""}
        domains = {domain_of(row.domain) for row in whole if row.domain and not row.number} - {""}
        names = {normalise_name(row.name) for row in whole if row.name} - {""}
        self.by_number = {key: found[0] for key, found in companies_by("number", numbers).items()}
        self.by_domain = companies_by("domain", domains)
        self.by_name = companies_by("name", names)


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
    number = normalised("number", row.number)
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
    left = meant(found, name=row.name if by == "domain" else "", town=row.town)
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


def shown(text: str) -> str:
    """A text of the row in a message: in quotes, on one line, and not longer than `SHOWN`."""
    line = " ".join(text.split())
    return f"“{line if len(line) <= SHOWN else line[:SHOWN] + '…'}”"
