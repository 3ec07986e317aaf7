"""Registers for tests of paths, and all their paths by trying every way: nothing of the searched code is used."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any
from uuid import UUID

from agents.paths.rules import Rules
from businesses.models import Appointment, Business, Officer, Status

DAY = date(2026, 11, 1)
ROLES = (*("director",) * 5, "secretary", "corporate-secretary", "nominee-director", "unheard-of")


@dataclass
class Graph:
    """Offices as (id, officer, company, role, from, until) and addresses by company; a dissolved company has none."""

    offices: list[tuple[int, int, UUID, str, date | None, date | None]] = field(default_factory=list)
    addresses: dict[UUID, str] = field(default_factory=dict)
    dissolved: set[UUID] = field(default_factory=set)
    listed_officers: set[int] = field(default_factory=set)
    listed_addresses: set[str] = field(default_factory=set)
    companies: list[UUID] = field(default_factory=list)
    officers: list[int] = field(default_factory=list)


def random_graph(random: Random, *, listed_name: str, listed_address: str, prefix: str, postcode: str) -> Graph:
    """A small register, stored, dense enough for paths of three hops to be many."""
    graph = Graph(listed_addresses={listed_address})
    count = random.randint(4, 12)
    lines = [listed_address, *(f"{number} High Street" for number in range(3))]
    rows = [
        Business(
            name=f"{prefix} {number}", name_normalised=f"{prefix} {number}",
            status=Status.DISSOLVED if random.random() < 0.15 else Status.ACTIVE,
            address_line1=random.choice([*lines, ""]), postcode=postcode,
        )
        for number in range(count)
    ]  # fmt: skip
    Business.objects.bulk_create(rows)
    for row in rows:
        graph.companies.append(row.pk)
        if row.status == Status.DISSOLVED:
            graph.dissolved.add(row.pk)
        if row.address_line1:
            graph.addresses[row.pk] = row.address_line1
    people = [
        Officer(external_id=f"{prefix}-{number}", name="X", name_normalised=listed_name if number == 0 else "x")
        for number in range(random.randint(4, 10))
    ]
    Officer.objects.bulk_create(people)
    graph.officers = [person.pk for person in people]
    graph.listed_officers = {people[0].pk}
    offices = [_office(random, graph, f"{prefix}-{number}") for number in range(random.randint(10, 34))]
    Appointment.objects.bulk_create(offices)
    graph.offices = [
        (one.pk, one.officer_id, one.business_id, one.role, one.appointed_on, one.resigned_on) for one in offices
    ]
    return graph


def _office(random: Random, graph: Graph, external_id: str) -> Appointment:
    since = DAY - timedelta(days=random.randint(0, 4000)) if random.random() < 0.9 else None
    until = DAY - timedelta(days=random.randint(-50, 3000)) if random.random() < 0.4 else None
    return Appointment(
        external_id=external_id, officer_id=random.choice(graph.officers), business_id=random.choice(graph.companies),
        role=random.choice(ROLES), appointed_on=since, resigned_on=until, source="test",
    )  # fmt: skip


class Oracle:
    """Every path of a graph, found by walking it from the target."""

    def __init__(self, graph: Graph, rules: Rules) -> None:
        self.graph, self.rules, self.limits = graph, rules, rules.limits

    def paths(self, target: UUID, sources: Sequence[UUID], people: Sequence[int], hops: int) -> list[tuple[Any, ...]]:
        """`(strength, key)` of each, the best first, as the search orders them."""
        self.sources, self.people = set(sources), set(people)
        if target in self.sources:
            return []
        found = list(self._from([target], [], 1.0, hops))
        found.sort(key=lambda one: (-round(one[0], 9), len(one[2]), one[1], one[2]))
        return [(strength, self._key(companies, links)) for strength, companies, links in found]

    def _from(self, seen: list[UUID], used: list[str], strength: float, hops: int) -> Iterator[tuple[Any, ...]]:
        here = seen[-1]
        for company, connector, worth in self._steps(here):
            if connector in used:
                continue
            if company is None:
                yield strength * worth, seen, [*used, connector]
            elif company in seen:
                continue
            elif company in self.sources:
                yield strength * worth, [*seen, company], [*used, connector]
            elif hops > 1:
                yield from self._from([*seen, company], [*used, connector], strength * worth, hops - 1)

    def _steps(self, here: UUID) -> Iterator[tuple[UUID | None, str, float]]:
        best: dict[tuple[UUID | None, str], float] = {}
        for one in self.graph.offices:
            if one[2] != here or self._role(one) == 0:
                continue
            connector = f"officer:{one[1]}"
            if one[1] in self.people:
                self._better(best, (None, connector), self._role(one) * self._tie(one) * self._known(self._years(one)))
            elif self._companies(one[1]) <= self.limits.officer_companies and one[1] not in self.graph.listed_officers:
                for other in self.graph.offices:
                    if other[1] == one[1] and other[2] != here and self._role(other):
                        self._better(best, (other[2], connector), self._together(one, other))
        yield from ((company, connector, worth) for (company, connector), worth in best.items())
        yield from self._neighbours(here)

    def _neighbours(self, here: UUID) -> Iterator[tuple[UUID | None, str, float]]:
        line = self.graph.addresses.get(here)
        if line is None or here in self.graph.dissolved or line in self.graph.listed_addresses:
            return
        there = [company for company, other in self.graph.addresses.items() if other == line]
        if len(there) <= self.limits.address_companies:
            for company in there:
                if company != here and company not in self.graph.dissolved:
                    yield company, f"address:{line}", self.limits.address / math.log2(max(2, len(there)))

    @staticmethod
    def _better(best: dict[Any, float], key: Any, worth: float) -> None:
        best[key] = max(worth, best.get(key, 0.0))

    def _companies(self, officer: int) -> int:
        return len({one[2] for one in self.graph.offices if one[1] == officer})

    def _role(self, one: Any) -> float:
        return self.rules.roles.get(one[3], self.rules.roles["other"])

    def _tie(self, one: Any) -> float:
        if one[5] is None or one[5] > DAY:
            return 1.0
        years = (DAY - one[5]).days / 365.25
        return self.limits.resigned * math.pow(0.5, years / self.limits.tie_half_life_years)

    def _known(self, years: float) -> float:
        least = self.limits.least_overlap
        return least + (1 - least) * min(1.0, years / self.limits.known_overlap_years)

    def _years(self, one: Any) -> float:
        return max(0, (min(one[5] or DAY, DAY) - one[4]).days) / 365.25 if one[4] else 0.0

    def _together(self, one: Any, other: Any) -> float:
        days = 0
        if one[4] and other[4]:
            days = max(0, (min(one[5] or DAY, other[5] or DAY, DAY) - max(one[4], other[4])).days)
        worth = min(self._role(one), self._role(other)) * min(self._tie(one), self._tie(other))
        return worth * self._known(days / 365.25) / math.log2(max(2, self._companies(one[1])))

    @staticmethod
    def _key(companies: list[UUID], links: list[str]) -> str:
        """As `FoundPath.key`, but with the address in words."""
        parts = [f"company:{company}" for company in companies]
        if len(parts) == len(links):
            parts.append("person:" + links[-1].split(":")[1])
        mixed = [parts[0]]
        for link, part in zip(links, parts[1:], strict=True):
            mixed += [link, part]
        return "|".join(reversed(mixed))
