"""Paths in words, each hop with the facts of the register that it rests on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agents.base import Evidence
from agents.paths.search import FoundPath, LeftOut, Link
from businesses.models import Appointment, Business, Officer
from businesses.sources.companies_house import COMPANY_URL

_COMPANY = ("pk", "name", "company_number", "address_line1", "town", "postcode", "source", "register_snapshot_on",
            "register_checked_on", "updated_at")  # fmt: skip
# What the register's roles are called where it is not their own name.
_ROLES = {"llp-member": "LLP member", "llp-designated-member": "designated LLP member"}


@dataclass(frozen=True, slots=True)
class Told:
    """A path in one line, and its links as JSON."""

    summary: str
    links: list[dict[str, Any]]
    evidence: int


class Facts:
    """What is stored of everything that paths touch: three statements, however many paths."""

    def __init__(self, paths: Sequence[FoundPath]) -> None:
        companies = {company for path in paths for company in path.companies}
        ties = {tie for path in paths for link in path.links for tie in link.ties}
        self.companies: dict[UUID, dict[str, Any]] = {
            row["pk"]: row for row in Business.objects.filter(pk__in=companies).values(*_COMPANY)
        }
        self.ties = Appointment.objects.select_related("officer").in_bulk(list(ties))

    def tell(self, path: FoundPath) -> Told:
        """Raises `KeyError` when something was deleted since the path was found."""
        links: list[dict[str, Any]] = []
        count = 0
        for place, link in enumerate(path.links):
            at = place - 1 if path.person else place
            before = self.companies[path.companies[at]] if at >= 0 else None
            after = self.companies[path.companies[at + 1]]
            evidence = list(self._evidence(link, before, after, count))
            count += len(evidence)
            links.append(
                {
                    "kind": link.kind,
                    "strength": round(link.strength, 4),
                    "via": self._via(link, after),
                    "from": _named(before) if before else None,
                    "to": _named(after),
                    "evidence": [one.as_json() for one in evidence],
                }
            )
        return Told(self._summary(path), links, count)

    def _summary(self, path: FoundPath) -> str:
        parts = [] if path.person else [self.companies[path.companies[0]]["name"]]
        after = path.companies if path.person else path.companies[1:]
        for link, company in zip(path.links, after, strict=True):
            name = self.companies[company]["name"]
            via = self._via(link, self.companies[company])["name"]
            parts.append(f"{via}, {name}" if not parts else f"by {via} to {name}")
        return " ".join(parts)

    def _via(self, link: Link, company: dict[str, Any]) -> dict[str, str]:
        if link.kind == "address":
            return {"id": link.id, "name": _address(company)}
        return {"id": link.id, "name": self.ties[link.ties[0]].officer.name}

    def _evidence(self, link: Link, before: dict[str, Any] | None, after: dict[str, Any], count: int) -> list[Evidence]:
        if link.kind == "address":
            both = [company for company in (before, after) if company]
            return [_of_address(company, f"f{count + n}") for n, company in enumerate(both, start=1)]
        companies = [after] if before is None else [before, after]
        return [
            _of_tie(self.ties[tie], company, f"f{count + n}")
            for n, (tie, company) in enumerate(zip(link.ties, companies, strict=True), start=1)
        ]


def _named(company: dict[str, Any]) -> dict[str, Any]:
    return {"id": str(company["pk"]), "name": company["name"], "company_number": company["company_number"]}


def _address(company: dict[str, Any]) -> str:
    return ", ".join(part for part in (company["address_line1"], company["town"], company["postcode"]) if part)


def _of_address(company: dict[str, Any], name: str) -> Evidence:
    number, known = company["company_number"], company["register_checked_on"] or company["register_snapshot_on"]
    return Evidence(
        name,
        f"{company['name']} has its registered office at {_address(company)}.",
        company["source"],
        f"{COMPANY_URL}{number}" if number and company["source"].startswith("companies_house") else "",
        known.isoformat() if known else "",
        company["updated_at"].date().isoformat(),
        data={"company_number": number, "address": _address(company)},
    )


def _of_tie(tie: Appointment, company: dict[str, Any], name: str) -> Evidence:
    since = f" from {tie.appointed_on.isoformat()}" if tie.appointed_on else ""
    until = f" until {tie.resigned_on.isoformat()}" if tie.resigned_on else ""
    was = "was" if tie.resigned_on else "is"
    known = tie.resigned_on or tie.appointed_on
    role = _ROLES.get(tie.role, tie.role.replace("-", " "))
    return Evidence(
        name,
        f"{tie.officer.name} {was} {role} of {company['name']}{since}{until}.",
        tie.source,
        tie.source_url,
        known.isoformat() if known else "",
        tie.updated_at.date().isoformat(),
        data={"appointment": tie.external_id, "officer": tie.officer.external_id},
    )


def tell_left_out(left_out: Sequence[LeftOut]) -> list[dict[str, str]]:
    """Names for officers that were left out; addresses, which many share, are told by their key."""
    officers = Officer.objects.in_bulk([int(one.id) for one in left_out if one.kind == "officer"])
    told = []
    for one in left_out:
        officer = officers.get(int(one.id)) if one.kind == "officer" else None
        told.append({"kind": one.kind, "id": one.id, "name": officer.name if officer else "", "reason": one.reason})
    return told
