"""What a score is made of: a company's facts, loaded for many at once by a number of statements that does not grow."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from uuid import UUID

from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber, Upper

from businesses.models import Business, BusinessEvent, EventKind
from oppspot.organizations.models import Organization
from signals_app.models import BuyingSignal
from signals_app.scoring import Weighed, counting, trust_in_sources, weighed_from

RECENT_DAYS = 180  # events that are older no longer say that something is happening
# What a purchase does not follow.
AGAINST = (EventKind.INSOLVENCY, EventKind.STATUS_CHANGED)
COLUMNS = (
    "id", "company_number", "name", "description", "domain", "sic_codes", "company_type", "status", "town",
    "postcode_area", "incorporated_on", "founded_year", "accounts_category", "accounts_last_made_up_on",
    "employee_count", "source", "register_snapshot_on", "register_checked_on",
)  # fmt: skip
REGISTER_PAGE = "https://find-and-update.company-information.service.gov.uk/company/"


@dataclass(frozen=True, slots=True)
class Event:
    """The newest thing that happened to a company."""

    pk: int
    kind: str
    on: date
    source: str
    source_url: str


@dataclass(frozen=True, slots=True)
class Told:
    """A signal as evidence: what the formula of signals needs, and where it is from."""

    pk: UUID
    signal_type: str
    rule: str
    source: str
    source_url: str
    quote: str
    weighed: Weighed


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A company as it is scored. Empty and None are unknown."""

    id: UUID
    name: str = ""
    company_number: str | None = None
    description: str = ""
    domain: str = ""
    sic_codes: tuple[str, ...] = ()
    company_type: str = ""
    status: str = "unknown"
    town: str = ""
    town_upper: str = ""
    postcode_area: str | None = None
    incorporated_on: date | None = None
    founded_year: int | None = None
    accounts_category: str = ""
    accounts_last_made_up_on: date | None = None
    employee_count: int | None = None
    source: str = ""
    register_snapshot_on: date | None = None
    register_checked_on: date | None = None
    similarities: Mapping[str, float] = field(default_factory=dict)  # cosine by target: text, examples
    signals: tuple[Told, ...] = ()
    event: Event | None = None

    @property
    def seen_on(self) -> str:
        """When the register was read, as an ISO date; "" for a company from elsewhere."""
        days = [day for day in (self.register_snapshot_on, self.register_checked_on) if day]
        return max(days).isoformat() if days else ""

    @property
    def url(self) -> str:
        """The page that the facts can be looked up on."""
        return f"{REGISTER_PAGE}{self.company_number}" if self.seen_on and self.company_number else ""


def load_facts(
    org: Organization, ids: Collection[UUID], *, day: date, similarities: Mapping[UUID, Mapping[str, float]]
) -> list[Facts]:
    """The facts of `ids`, in the order of the ids' values: four statements."""
    signals, events = _signals(org, ids), _events(ids, day)
    return [
        replace(
            facts,
            similarities=similarities.get(facts.id, {}),
            signals=tuple(signals.get(facts.id, ())),
            event=events.get(facts.id),
        )
        for facts in register_facts(ids)
    ]


def register_facts(ids: Collection[UUID]) -> list[Facts]:
    """What the register says of `ids` alone, in the order of the ids' values: one statement."""
    rows = Business.objects.filter(pk__in=list(ids)).annotate(town_upper=Upper("town")).order_by("pk")
    return [Facts(**{**row, "sic_codes": tuple(row["sic_codes"])}) for row in rows.values(*COLUMNS, "town_upper")]


def _signals(org: Organization, ids: Collection[UUID]) -> dict[UUID, list[Told]]:
    """The signals that count, by company: the same that its score of signals is made of."""
    trust = trust_in_sources(org)
    found: dict[UUID, list[Told]] = defaultdict(list)
    for signal in counting(org).filter(business_id__in=list(ids)).order_by("pk"):
        found[signal.business_id].append(_told(signal, trust))
    return found


def _told(signal: BuyingSignal, trust: dict[str, float]) -> Told:
    quotes = [str(each.get("quote") or "") for each in signal.evidence if isinstance(each, dict)]
    return Told(
        signal.pk, signal.signal_type, signal.rule, signal.source, signal.source_url,
        next(filter(None, quotes), "")[:300], weighed_from(signal, trust),
    )  # fmt: skip


def _events(ids: Collection[UUID], day: date) -> dict[UUID, Event]:
    """The newest event of each company, of those that do not speak against a purchase."""
    recent = BusinessEvent.objects.filter(
        business_id__in=list(ids), occurred_on__lte=day, occurred_on__gt=day - timedelta(days=RECENT_DAYS)
    ).filter(~Q(kind__in=AGAINST))
    place = Window(RowNumber(), partition_by=["business_id"], order_by=[F("occurred_on").desc(), F("pk").desc()])
    newest = recent.annotate(place=place).filter(place=1)
    return {
        business: Event(pk, kind, on, source, url)
        for business, pk, kind, on, source, url in newest.values_list(
            "business_id", "pk", "kind", "occurred_on", "source", "source_url"
        )
        if on is not None
    }
