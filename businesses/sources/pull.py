"""The shape of a source that is asked again and again: a generator of facts, failures and checkpoints of one target.

A source only reads: what it yields is written by `businesses.pulling`, everything up to a checkpoint in one
transaction with it. A source `x` is a subclass of `PullSource` with `name = "x"` in the module `x` of this package.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet

from businesses.models import Business, SourceState
from oppspot.core.errors import NotConfigured, RetryableError


class CompanyKey(NamedTuple):
    """How a source names a company. One that the register does not have, or has twice, is not guessed."""

    by: Literal["id", "number", "domain", "name"]
    value: str


@dataclass(frozen=True, slots=True)
class Seen:
    """An event. `identity` tells it from every other of its kind, whichever source reports it: a filing has the same
    from the API and from the stream."""

    company: CompanyKey
    kind: str
    occurred_on: date | None
    identity: tuple[str, ...]
    payload: Mapping[str, Any] = field(default_factory=dict)
    url: str = ""

    @property
    def fingerprint(self) -> UUID:
        return fingerprint_of(self.kind, *self.identity)


@dataclass(frozen=True, slots=True)
class Office:
    """An appointment as it stands now. The ids are the register's."""

    company: CompanyKey
    appointment_id: str
    officer_id: str
    name: str
    role: str
    is_corporate: bool = False
    occupation: str = ""
    appointed_on: date | None = None
    resigned_on: date | None = None
    url: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """What the register says of a company today: columns of `Business` and their values."""

    company: CompanyKey
    values: Mapping[str, Any]
    on: date
    url: str = ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An item that could not be read, where it stands, and why, in words for the person who can correct it."""

    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything yielded before has been read completely; `value` is what the source needs to go on from here."""

    value: Mapping[str, Any]


Item = Seen | Office | Profile | Unreadable | Checkpoint


class BudgetSpent(RetryableError):
    """The source allows no more requests for now: it holds for every target, not for this one alone."""


class Gap(Exception):
    """What follows the checkpoint can no longer be read. `pulling` records it; the source then starts without one."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is pulled in one go: a company, a feed, a stream, a file."""

    key: str
    checkpoint: Mapping[str, Any] = field(default_factory=dict)
    business: Business | None = None
    url: str = ""
    path: Path | None = None


@dataclass(frozen=True)
class Selection:
    """Which targets. `businesses` None: those that any organisation watches. A target pulled since `not_since` is left
    out, so that a pull which goes on later does not begin anew."""

    businesses: QuerySet[Business] | None = None
    paths: tuple[Path, ...] = ()
    names: tuple[str, ...] = ()  # of streams or feeds
    limit: int | None = None
    not_since: datetime | None = None


class PullSource(ABC):
    """A source. Instances live for one pull and may keep connections; `close` frees them."""

    name: ClassVar[str]
    label: ClassVar[str]

    def missing(self) -> str:
        """What to set before it can be used; empty when nothing is missing."""
        return ""

    def require(self) -> None:
        """Raises `NotConfigured` with what to set."""
        if hint := self.missing():
            raise NotConfigured(f"{self.label} is not configured.", hint=hint)

    @abstractmethod
    def targets(self, selection: Selection) -> Iterator[Target]:
        """In the order they are to be pulled, each with the checkpoint stored last."""

    @abstractmethod
    def pull(self, target: Target) -> Iterator[Item]:
        """Items of `target` after its checkpoint. Never stops at a bad item: that is an `Unreadable`.

        Raises `RetryableError` (`BudgetSpent` when no target can be asked), `PermanentError` or `Gap`.
        """

    def close(self) -> None:  # noqa: B027  most sources hold nothing
        """Called once, at the end of a pull."""


def business_targets(
    source: str, selection: Selection, *, watched: QuerySet[Business], url: Callable[[Business], str]
) -> Iterator[Target]:
    """Companies of the selection as targets: never pulled ones first, then those pulled longest ago.

    Read in pages by key, so that a pull of hours holds no cursor open. Those without a `url` are left out.
    """
    chosen = watched if selection.businesses is None else selection.businesses
    chosen = chosen.order_by().defer("embedding", "search_vector")
    states = SourceState.objects.filter(source=source)
    if selection.not_since is not None:
        done = states.filter(pulled_at__gte=selection.not_since, business__isnull=False)
        chosen = chosen.exclude(pk__in=done.values("business_id"))
    known = states.filter(pulled_at__isnull=False, business__in=chosen).order_by("pulled_at")
    never = chosen.exclude(pk__in=known.order_by().values("business_id")).values_list("pk", flat=True)
    order = [*never.order_by("pk"), *known.values_list("business_id", flat=True)]
    sent = 0
    for first in range(0, len(order), PAGE):
        keys = order[first : first + PAGE]
        rows = Business.objects.defer("embedding", "search_vector").in_bulk(keys)
        held = dict(states.filter(business__in=keys).values_list("business_id", "checkpoint"))
        for key in keys:
            if selection.limit is not None and sent >= selection.limit:
                return
            business = rows.get(key)
            if business is not None and (address := url(business)):
                sent += 1
                yield Target(str(key), held.get(key, {}), business=business, url=address)


PAGE = 500


def with_website() -> Q:
    """Companies whose website is known."""
    return ~Q(domain="")


def fingerprint_of(kind: str, *identity: str) -> UUID:
    """Equal for equal parts, in this order; 128 bits of a SHA-256."""
    text = "\x1f".join((kind, *identity))
    return UUID(bytes=hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16])
