"""What came of opportunities, as cases to learn from: won or lost, with the attributes that the company had."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from uuid import UUID

from agents.models import Opportunity, OpportunityStatus
from agents.scoring.criteria import band_of
from agents.scoring.facts import RECENT_DAYS, Facts, register_facts
from businesses.sic import CODE_LENGTH, MIN_PREFIX, codes_with_prefix
from oppspot.organizations.models import Organization
from signals_app.models import BuyingSignal, SignalStatus

# First full years of each band; the last is open.
AGES = (0, 2, 5, 10, 20)
ATTRIBUTES = ("industry", "postcode_area", "age", "size", "company_type", "signal")
NO_SIGNAL = "none"
HOLD_OUT = 0.3  # of the companies
MAX_OUTCOMES = 20_000  # the latest
CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class Case:
    """A company that was won or lost. An attribute that is not known has no values."""

    facts: Facts
    is_won: bool
    found_on: date  # ages and signals are counted to this day: what came later was not known
    values: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_held_out(self) -> bool:
        """By a hash of the company's id: it stays on its side however many outcomes are added."""
        digest = hashlib.sha256(f"hold-out:{self.facts.id}".encode()).digest()
        return int.from_bytes(digest[:8]) < HOLD_OUT * 2**64


def load_cases(org: Organization) -> list[Case]:
    """One case of each company, in the order of the ids: the last outcome counts. What the register says is today's;
    how old a company was and what signals it had, as of the day that it was first found."""
    rows = Opportunity.objects.for_org(org).filter(status__in=(OpportunityStatus.WON, OpportunityStatus.LOST))
    latest = rows.order_by("-handled_at", "-pk").values_list("business_id", "status", "first_seen_at")[:MAX_OUTCOMES]
    told: dict[UUID, tuple[bool, date]] = {}
    for business, status, found_at in latest:
        told.setdefault(business, (status == OpportunityStatus.WON, found_at.date()))
    ids = sorted(told)
    cases = []
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        signals = _signals(org, {pk: told[pk][1] for pk in chunk})
        for facts in register_facts(chunk):
            is_won, found_on = told[facts.id]
            cases.append(Case(facts, is_won, found_on, values_of(facts, found_on, signals.get(facts.id, set()))))
    return cases


def _signals(org: Organization, days: dict[UUID, date]) -> dict[UUID, set[str]]:
    """Types of the signals that were known, and recent, when each company was found."""
    rows = BuyingSignal.objects.for_org(org).filter(
        business_id__in=list(days), is_negative=False, needs_review=False,
        occurred_on__gt=min(days.values()) - timedelta(days=RECENT_DAYS),
    )  # fmt: skip
    found: dict[UUID, set[str]] = {}
    told = rows.exclude(status=SignalStatus.FALSE_POSITIVE).order_by()
    for business, kind, on, detected_at in told.values_list("business_id", "signal_type", "occurred_on", "detected_at"):
        day = days[business]
        if detected_at.date() <= day and day - timedelta(days=RECENT_DAYS) < on <= day:
            found.setdefault(business, set()).add(kind)
    return found


def values_of(facts: Facts, day: date, signals: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The company's values of each of `ATTRIBUTES`; several industries and signals, one of the others."""
    age, size = age_on(facts, day), band_of(facts)
    return {
        "industry": tuple(sorted({code[:MIN_PREFIX] for code in facts.sic_codes if _is_of_today(code)})),
        "postcode_area": (facts.postcode_area,) if facts.postcode_area else (),
        "age": () if age is None else (band_label(age),),
        "size": () if size is None else (size.value,),
        "company_type": (facts.company_type,) if facts.company_type else (),
        "signal": tuple(sorted(signals)) or (NO_SIGNAL,),
    }


def _is_of_today(code: str) -> bool:
    """Divisions of the versions before 2007 have other meanings."""
    return len(code) == CODE_LENGTH and bool(codes_with_prefix(code))


def age_on(facts: Facts, day: date) -> int | None:
    """Full years; by the year alone where no more is known. None: unknown, or not yet there."""
    began = facts.incorporated_on
    if began is not None:
        age = day.year - began.year - ((day.month, day.day) < (began.month, began.day))
        return age if age >= 0 else None
    if facts.founded_year is not None and facts.founded_year <= day.year:
        return day.year - facts.founded_year
    return None


def bands() -> list[tuple[int, int | None]]:
    """First and last full years of each band, both included."""
    return [(low, high - 1) for low, high in pairwise(AGES)] + [(AGES[-1], None)]


def band_label(age: int) -> str:
    low, high = next(band for band in reversed(bands()) if band[0] <= age)
    return f"{low}+" if high is None else f"{low}-{high}"


def digest_of_cases(cases: Sequence[Case]) -> str:
    """SHA-256, in hex, of who was won and lost: equal while nothing was added or changed."""
    lines = "".join(f"{case.facts.id}:{case.is_won:d}\n" for case in cases)
    return hashlib.sha256(lines.encode()).hexdigest()
