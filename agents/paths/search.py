"""Introduction paths in the register: from companies and people that one knows to a company that one wants to know.

A hop leads from one company to another that shares an officer (the same row: two rows of one name are not known to be
one person) or, while neither is dissolved, a registered address. A path has at most three hops; no company and no
officer or address comes twice in it, and none of the known companies and people stands in its middle. A path from a
known person begins with that person's own office, which is its first hop.

The strength of a path is the product of its hops', each 0 to 1:

    by an officer   role * recency * overlap * rarity
    by an address   0.35 * rarity
    by a person     role * recency * overlap, the days in office counting as overlap

with role the lower of the weights of both offices (`rules.toml`); recency the lower of both, 1 in office and 0.6 after
it, halved every three years; overlap 0.5 + 0.5 * (years in both offices, at most three) / 3, where an unknown day of
appointment counts as no overlap; rarity 1 / log2(companies of the officer, or at the address), past ones counted. So
nothing that brings people nearer lowers it, and each hop more never raises it. The weights are set by hand, not
fitted: the strength orders paths, it is no probability.

Left out, and counted: officers and addresses of very many companies (formation agents), nominees by role, and those
that `rules.toml` lists.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled

from agents.paths.rules import Rules, load_rules
from agents.paths.statement import FIND
from oppspot.core.errors import OppspotError

MAX_HOPS = 3
MAX_PATHS = 50
FEW_SOURCES = 1_000  # known companies that are gone through sooner than all of an agent's
TIMEOUT_MS = 20_000  # of the statement; a lower one of the connection holds


class TooManyTies(OppspotError):
    """The search for paths took too long."""

    code = "too_many_ties"
    status = 422


@dataclass(frozen=True, slots=True)
class Link:
    """What a hop goes by: `kind` officer or address, and its id; `ties` are the appointments, of the earlier company
    first. None for an address; one where a known person begins."""

    kind: str
    id: str
    strength: float
    ties: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundPath:
    """A path, from where one is to the target. `links[n]` leads to the company `companies[n + 1]`; where it begins with
    a person, that is `person`, and `links[n]` leads to `companies[n]`."""

    companies: tuple[UUID, ...]
    links: tuple[Link, ...]
    strength: float
    person: int | None = None

    @property
    def hops(self) -> int:
        return len(self.links)

    @property
    def key(self) -> str:
        """Tells it from every other path, whatever the strength."""
        parts = [f"person:{self.person}"] if self.person else [f"company:{self.companies[0]}"]
        after = self.companies if self.person else self.companies[1:]
        for link, company in zip(self.links, after, strict=True):
            parts += [f"{link.kind}:{link.id}", f"company:{company}"]
        return "|".join(parts)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An officer or an address that was not followed, and why: listed, nominee, too many companies."""

    kind: str
    id: str
    reason: str


@dataclass(slots=True)
class Paths:
    """The strongest paths, best first, and what was left out on the way."""

    found: list[FoundPath] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def find_paths(
    *,
    target: UUID,
    sources: Collection[UUID] = (),
    people: Collection[int] = (),
    day: date,
    max_hops: int = MAX_HOPS,
    limit: int = 5,
    rules: Rules | None = None,
) -> Paths:
    """The `limit` strongest paths to `target` from the companies `sources` and the officers `people`, as of `day`.

    One statement over the register alone: it reads nothing of any organisation. A target that is itself a source has
    none. Raises `ValueError` for limits out of range, `TooManyTies` when it takes longer than `TIMEOUT_MS`.
    """
    if not (1 <= max_hops <= MAX_HOPS and 1 <= limit <= MAX_PATHS):
        raise ValueError(f"1 to {MAX_HOPS} hops, 1 to {MAX_PATHS} paths")
    if target in sources or not (sources or people):
        return Paths()
    values = _values(rules or load_rules()) | {
        "target": target,
        "sources": f"{{{','.join(pk.hex for pk in set(sources))}}}",  # a list of thousands is written ten times slower
        "are_few": len(sources) <= FEW_SOURCES,
        "people": list(people),
        "day": day,
        "max_hops": max_hops,
        "limit": limit,
    }
    rows = sorted(_run(values), key=lambda row: row[0] or 0)
    left_out = [_left_out(row) for row in rows if row[0] is None]
    found = [_path(row) for row in rows if row[0] is not None]
    return Paths(found, sorted(left_out, key=lambda one: (one.kind, one.id)))


def _left_out(row: tuple[Any, ...]) -> LeftOut:
    kind, pk = row[2][0].split(":", 1)
    return LeftOut(kind, pk, row[6])


def _values(rules: Rules) -> dict[str, Any]:
    limits = rules.limits
    return {
        "roles": json.dumps({name: weight for name, weight in rules.roles.items() if name != "other"}),
        "other_role": rules.roles.get("other", 0.0),
        "names": rules.left_out_names,
        "addresses": rules.left_out_addresses,
        "officer_companies": limits.officer_companies,
        "address_companies": limits.address_companies,
        "half_life": limits.tie_half_life_years,
        "resigned": limits.resigned,
        "known_years": limits.known_overlap_years,
        "least_overlap": limits.least_overlap,
        "address": limits.address,
    }


def _run(values: dict[str, Any]) -> list[tuple[Any, ...]]:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout'), current_setting('jit')")
            timeout, jit = cursor.fetchone()
            # Compiling takes longer than running: the planner cannot know how few rows a hop has.
            cursor.execute(
                "SELECT set_config('jit', 'off', true), set_config('statement_timeout', least(%s, nullif("
                "extract(epoch FROM %s::interval) * 1000, 0)::bigint)::text, true)",
                [TIMEOUT_MS, timeout if timeout != "0" else "0s"],
            )
            cursor.execute(FIND, values)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            cursor.execute(
                "SELECT set_config('jit', %s, true), set_config('statement_timeout', %s, true)", [jit, timeout]
            )
            return rows
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TooManyTies("There are too many ties to follow that far; ask for fewer hops.") from error
        raise


def _path(row: tuple[Any, ...]) -> FoundPath:
    """A row runs from the target outwards; a path the other way."""
    _, companies, connectors, ties, strengths, strength, _ = row
    companies, ties = list(companies), list(ties)
    person = int(connectors[-1].split(":")[1]) if companies[-1] is None else None
    if person is not None:
        companies.pop()
    links = []
    for place, (connector, worth) in enumerate(zip(connectors, strengths, strict=True)):
        kind, pk = connector.split(":", 1)
        count = 0 if kind == "address" else 1 if person is not None and place == len(connectors) - 1 else 2
        mine, ties = ties[:count], ties[count:]
        links.append(Link(kind, pk, worth, tuple(reversed(mine))))
    return FoundPath(tuple(reversed(companies)), tuple(reversed(links)), strength, person)
