"""What is stored of a company, loaded by a number of statements that does not grow."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db.models import Count, F, Max
from django.db.models.functions import Greatest

from agents.models import SectionName
from agents.scoring.facts import REGISTER_PAGE
from businesses.models import Appointment, Business, BusinessEvent, OrgEvent, SourceState
from oppspot.organizations.models import Organization
from signals_app.models import BuyingSignal, SignalStatus
from signals_app.scoring import Scored, explain, trust_in_sources

MAX_EVENTS, MAX_OFFICERS, MAX_OWN = 200, 50, 20
NEWEST = F("occurred_on").desc(nulls_last=True)
PROFILE, EVENTS, OWN, SIGNALS, OFFICERS, FAILING = "profile", "events", "own", "signals", "officers", "failing"
# What a section is made of: when any of it changes, the section is stale, whatever its time to live.
RESTS_ON: dict[SectionName, tuple[str, ...]] = {
    SectionName.SNAPSHOT: (PROFILE, OFFICERS, EVENTS, FAILING),
    SectionName.BUYING_SIGNALS: (EVENTS, OWN, SIGNALS, FAILING),
    SectionName.DECISION_MAKERS: (OFFICERS, EVENTS, FAILING),
    SectionName.REVENUE_SIGNALS: (PROFILE, EVENTS, SIGNALS, FAILING),
    SectionName.APPROACH: (PROFILE, EVENTS, OWN, SIGNALS, OFFICERS, FAILING),
    SectionName.SOURCES: (PROFILE, EVENTS, OWN, SIGNALS, OFFICERS, FAILING),
}


@dataclass(frozen=True)
class Peer:
    """A company that is like the one researched, by vector."""

    id: str
    name: str
    company_number: str
    similarity: float
    model: str


@dataclass(frozen=True, kw_only=True)
class Dossier:
    """A company as sections are made of it. Events, offices and the organisation's own facts come newest first, and
    last those of which no source says the day."""

    business: Business
    day: date
    scored: Scored
    events: Sequence[BusinessEvent]
    own: Sequence[OrgEvent]
    offices: Sequence[Appointment]  # current ones
    offices_total: int
    in_review: int  # signals that wait for a person
    trust: Mapping[str, float]
    states: Sequence[SourceState]
    problems: Mapping[str, str] = field(default_factory=dict)  # by source: why it failed
    not_configured: Sequence[str] = ()
    peers: Sequence[Peer] = ()

    @property
    def profile_on(self) -> date | None:
        """When the profile was read."""
        days = [day for day in (self.business.register_checked_on, self.business.register_snapshot_on) if day]
        return max(days) if days else None

    @property
    def profile_source(self) -> dict[str, Any]:
        """Source, URL and days of facts of the profile, as evidence has them."""
        number = self.business.company_number
        return {
            "source": self.business.source or "register",
            "url": f"{REGISTER_PAGE}{number}" if number and self.profile_on else "",
            "on": self.profile_on,
            "seen": self.profile_on or self.business.updated_at.date(),
        }

    @property
    def sources(self) -> dict[str, list[date]]:
        """All sources that there are facts of, with the days of these."""
        found: dict[str, list[date]] = defaultdict(list)
        found[self.business.source or "register"] += [self.profile_on] if self.profile_on else []
        for event in (*self.events, *self.own):
            found[event.source] += [event.occurred_on] if event.occurred_on else []
        for office in self.offices:
            found[office.source] += [office.updated_at.date()]
        for state in self.states:
            found[state.source] += [state.succeeded_at.date()] if state.succeeded_at else []
        return found

    def of_kind(self, *kinds: str) -> list[BusinessEvent]:
        return [event for event in self.events if event.kind in kinds]


def load_dossier(
    org: Organization,
    business: Business,
    *,
    day: date,
    refreshed: Mapping[str, str],
    not_configured: Sequence[str] = (),
    peers: Sequence[Mapping[str, Any]] = (),
) -> Dossier:
    """The dossier as of `day`: nine statements. `refreshed`: sources that failed just now, and why."""
    states = list(SourceState.objects.filter(business=business).order_by("source", "pk"))
    failing = {state.source: state.error or "failed" for state in states if state.failures}
    offices = Appointment.objects.filter(business=business, resigned_on=None).select_related("officer")
    events = BusinessEvent.objects.filter(business=business).order_by(NEWEST, "-pk")
    own = OrgEvent.objects.for_org(org).filter(business=business).order_by(NEWEST, "-pk")
    in_review = BuyingSignal.objects.for_org(org).filter(business=business, status=SignalStatus.ACTIVE)
    since = F("appointed_on").desc(nulls_last=True)
    return Dossier(
        business=business, day=day, scored=explain(org, business.pk, day=day), events=list(events[:MAX_EVENTS]),
        own=list(own[:MAX_OWN]), offices=list(offices.order_by(since, "pk")[:MAX_OFFICERS]),
        offices_total=offices.count(), in_review=in_review.filter(needs_review=True).count(),
        trust=trust_in_sources(org), states=states, problems=failing | dict(refreshed), not_configured=not_configured,
        peers=[Peer(**one) for one in peers],
    )  # fmt: skip


def basis_of(org: Organization, business: Business) -> dict[str, Any]:
    """How the facts stand, in a few numbers: five statements."""
    events = BusinessEvent.objects.filter(business=business).aggregate(count=Count("pk"), last=Max("pk"))
    own = OrgEvent.objects.for_org(org).filter(business=business).aggregate(count=Count("pk"), last=Max("observed_at"))
    active = BuyingSignal.objects.for_org(org).filter(business=business, status=SignalStatus.ACTIVE)
    signals = active.order_by("pk").values_list("pk", "needs_review", "weight", "confidence_score")
    officers = Appointment.objects.filter(business=business).aggregate(
        count=Count("pk"), last=Greatest(Max("updated_at"), Max("officer__updated_at"))
    )
    failing = SourceState.objects.filter(business=business, failures__gt=0).order_by("source")
    return {
        PROFILE: business.updated_at.isoformat(),
        EVENTS: [events["count"], events["last"]],  # one that was committed late may have the lower number
        OWN: [own["count"], own["last"].isoformat() if own["last"] else ""],
        SIGNALS: [[str(pk), *rest] for pk, *rest in signals],
        OFFICERS: [officers["count"], officers["last"].isoformat() if officers["last"] else ""],
        FAILING: list(failing.values_list("source", flat=True)),
    }


def basis_for(name: str, basis: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a basis that a section rests on."""
    return {what: basis[what] for what in RESTS_ON[SectionName(name)]}
