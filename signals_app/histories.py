"""What detectors are given: the histories of many companies, by a number of queries that does not grow with them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Q

from businesses.models import Appointment, Business, BusinessEvent, EventKind, OrgEvent, Status
from businesses.payloads import InvalidPayload, OfficerChange, Payload, payload_of
from oppspot.organizations.models import Organization
from signals_app.detectors.base import Company, Fact, History, Rival
from signals_app.models import Competitor

LOOK_BACK = timedelta(days=730)  # the longest that any signal lasts
MAX_FACTS = 2_000  # of one company, the newest

_COMPANY = (
    "pk", "name", "company_number", "status", "company_type", "sic_codes", "town", "postcode", "domain",
    "incorporated_on", "accounts_category", "address_line1",
)  # fmt: skip
_EVENT = ("pk", "business_id", "fingerprint", "kind", "occurred_on", "observed_at", "source", "source_url", "payload")


@dataclass
class Loaded:
    """Histories, and events that could not be read: `(id, reason)`."""

    histories: list[History]
    unreadable: list[tuple[str, str]]


def load_histories(org: Organization, business_ids: Sequence[UUID], *, day: date) -> Loaded:
    """Histories of those of `business_ids` that anything happened to, as `org` knows them, in order of id."""
    unreadable: list[tuple[str, str]] = []
    facts = _facts(org, business_ids, day, unreadable)
    rows = {row["pk"]: row for row in Business.objects.filter(pk__in=facts).values(*_COMPANY)}
    rivals = tuple(
        Rival(one.name, (one.name, *one.aliases)) for one in Competitor.objects.for_org(org).order_by("name", "pk")
    )
    shared = _sharing_address([row for pk, row in rows.items() if _moved(facts[pk])])
    directorships = _directorships({pk: _officers(facts[pk]) for pk in rows})
    histories = [
        History(_company(rows[pk]), tuple(facts[pk]), rivals, shared.get(pk), directorships.get(pk, {}))
        for pk in sorted(rows)
    ]
    return Loaded(histories, unreadable)


def _facts(
    org: Organization, business_ids: Sequence[UUID], day: date, unreadable: list[tuple[str, str]]
) -> dict[UUID, list[Fact]]:
    since = day - LOOK_BACK
    recent = Q(occurred_on__gte=since) | Q(occurred_on=None, observed_at__date__gte=since)
    found: dict[UUID, list[Fact]] = defaultdict(list)
    sources: tuple[tuple[str, Any], ...] = (
        ("event", BusinessEvent.objects.filter(recent, business__in=business_ids)),
        ("org_event", OrgEvent.objects.for_org(org).filter(recent, business__in=business_ids)),
    )
    for kind, events in sources:
        for row in events.values(*_EVENT).order_by().iterator(chunk_size=5_000):
            try:
                payload = payload_of(row["kind"], row["payload"])
            except InvalidPayload as error:
                unreadable.append((f"{kind}:{row['pk']}", error.message))
                continue
            on = row["occurred_on"] or _seen_on(payload) or row["observed_at"].date()
            if on < since:
                continue
            found[row["business_id"]].append(
                Fact(
                    f"{kind}:{row['pk']}", row["fingerprint"], row["kind"], on, row["occurred_on"] is not None,
                    row["source"], row["source_url"], payload,
                )
            )  # fmt: skip
    for pk, facts in found.items():
        facts.sort(key=lambda fact: (fact.on, fact.fingerprint))
        found[pk] = facts[-MAX_FACTS:]
    return found


def _seen_on(payload: Payload) -> date | None:
    """The day of the snapshot that shows a change: it is older than the day the snapshot was loaded."""
    try:
        return date.fromisoformat(str(getattr(payload, "snapshot_on", "")))
    except ValueError:
        return None


def _company(row: dict[str, Any]) -> Company:
    return Company(
        id=row["pk"], name=row["name"], number=row["company_number"] or "", status=row["status"],
        company_type=row["company_type"], sic_codes=tuple(row["sic_codes"]), town=row["town"],
        postcode=row["postcode"], domain=row["domain"], incorporated_on=row["incorporated_on"],
        accounts_category=row["accounts_category"],
    )  # fmt: skip


def _moved(facts: Iterable[Fact]) -> bool:
    return any(
        fact.kind == EventKind.ADDRESS_CHANGED or getattr(fact.payload, "type", "").startswith("AD") for fact in facts
    )


def _sharing_address(rows: Collection[dict[str, Any]]) -> dict[UUID, int]:
    """How many companies share the address of each of `rows`; those without a postcode are left out."""
    addresses = {(row["postcode"], row["address_line1"]) for row in rows if row["postcode"]}
    if not addresses:
        return {}
    same = Business.objects.filter(postcode__in={postcode for postcode, _ in addresses}).order_by()
    counted = same.values_list("postcode", "address_line1").annotate(companies=Count("pk"))
    counts = {(postcode, line): companies for postcode, line, companies in counted}
    return {row["pk"]: counts.get((row["postcode"], row["address_line1"]), 0) for row in rows if row["postcode"]}


def _officers(facts: Iterable[Fact]) -> set[str]:
    return {fact.payload.officer_id for fact in facts if isinstance(fact.payload, OfficerChange)} - {""}


def _directorships(officers: dict[UUID, set[str]]) -> dict[UUID, dict[str, int]]:
    """For each company and each of its officers: other companies, alive, in which the officer holds an office."""
    everybody = set().union(*officers.values())
    if not everybody:
        return {}
    held: dict[str, set[UUID]] = defaultdict(set)
    current = Appointment.objects.filter(officer__external_id__in=everybody, resigned_on=None)
    for officer, business in current.exclude(business__status=Status.DISSOLVED).values_list(
        "officer__external_id", "business_id"
    ):
        held[officer].add(business)
    return {
        business: {officer: len(held[officer] - {business}) for officer in names}
        for business, names in officers.items()
        if names
    }
