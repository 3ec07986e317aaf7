"""The shape of a detector: what happened to one company in, what that means out. Pure: no database, no clock.

A detector `x` is a subclass of `Detector` with `name = "x"` in the module `x` of this package.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, ClassVar
from uuid import UUID

from businesses.payloads import Payload
from signals_app.models import SignalType


@dataclass(frozen=True, slots=True)
class Fact:
    """An event of the company. `on`: when it happened, or was seen where the source does not say (`is_dated` False)."""

    id: str  # "event:123", "org_event:<uuid>"
    fingerprint: UUID
    kind: str
    on: date
    is_dated: bool
    source: str
    url: str
    payload: Payload


@dataclass(frozen=True, slots=True)
class Company:
    """What is known of the company now; empty or None where it is not."""

    id: UUID
    name: str = ""
    number: str = ""
    status: str = ""
    company_type: str = ""
    sic_codes: tuple[str, ...] = ()
    town: str = ""
    postcode: str = ""
    domain: str = ""
    incorporated_on: date | None = None
    accounts_category: str = ""


@dataclass(frozen=True, slots=True)
class Rival:
    """A competitor of the organisation, under all its names."""

    name: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class History:
    """Everything a detector may know. `facts` are of the look-back period, the oldest first.

    `address_companies`: how many companies share the present address; many: an agent's. `directorships`: by officer
    id, in how many other companies that are alive the officer holds an office.
    """

    company: Company
    facts: tuple[Fact, ...]
    rivals: tuple[Rival, ...] = ()
    address_companies: int | None = None
    directorships: Mapping[str, int] = field(default_factory=dict)

    def of(self, *kinds: str) -> list[Fact]:
        return [fact for fact in self.facts if fact.kind in kinds]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A fact and what of it counts: `quote` is an exact part of its text, or the register's own words."""

    fact: Fact
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Detection:
    """What facts mean. `weight` and `confidence` are 0 to 100, lasting `days`; the first evidence is the main one.

    `rule` and the facts in evidence tell it from other detections: later reports of the same happening must lead to a
    detection that shares a fact with the earlier one.
    """

    signal_type: SignalType
    rule: str
    version: str
    weight: int
    confidence: int
    days: int
    on: date
    evidence: tuple[Evidence, ...]
    data: Mapping[str, Any] = field(default_factory=dict)
    is_negative: bool = False
    needs_review: bool = False
    clears: tuple[str, ...] = ()  # rules of negative signals that this ends: a strike-off that was withdrawn


class Detector(ABC):
    """A kind of sign."""

    name: ClassVar[str]
    label: ClassVar[str]

    @abstractmethod
    def detect(self, history: History) -> Iterator[Detection]:
        """Detections of `history`, each with at least one piece of evidence; the same for the same history."""
