"""Invented dossiers with what is to be found in them, from `data/*.toml`, one file for each trap.

Keys of a dossier: `profile`, columns of the company; `read`, the day on which its profile was read (`unread`: none);
`officers`, `events`, `own` (the organisation's own events) and `signals`, rows of it; `elsewhere`, signals of another
organisation on it; `others`, other companies that are stored. What is to be found: `gold`, questions with the words
that answer them; `unknown`, questions that no source answers; `in_text`, those that only the page's text does; `must`,
words that some line has to hold; `never`, words that no line may hold; `must_not`, words that only a quote may hold.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from agents.research.dossier import Dossier, load_dossier
from businesses.models import Appointment, Business, BusinessEvent, Officer, OrgEvent
from businesses.normalise import normalise_name
from businesses.sources.pull import fingerprint_of
from oppspot.organizations.models import Organization
from signals_app.models import BuyingSignal, strength_of

FOLDER = Path(__file__).with_name("data")
DAY = date(2026, 11, 1)  # of the reports
READ = date(2026, 10, 20)
FAR = date(2100, 1, 1)  # until when signals count that do not say so
PLAIN = "plain"  # the file without a trap


@dataclass(frozen=True, kw_only=True)
class Gold:
    """A dossier as it was written."""

    name: str
    trap: str
    profile: Mapping[str, Any]
    description: str = ""
    read: date | None = READ
    unread: bool = False
    officers: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    own: list[dict[str, Any]] = field(default_factory=list)
    signals: list[dict[str, Any]] = field(default_factory=list)
    elsewhere: list[dict[str, Any]] = field(default_factory=list)
    others: list[dict[str, Any]] = field(default_factory=list)
    gold: list[tuple[str, str]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    in_text: list[str] = field(default_factory=list)
    must: list[str] = field(default_factory=list)
    never: list[str] = field(default_factory=list)
    must_not: list[str] = field(default_factory=list)


def gold_dossiers() -> Iterator[Gold]:
    """All of them, in the order of the files."""
    for path in sorted(FOLDER.glob("*.toml")):
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        yield from (Gold(trap=path.stem, **one) for one in data["dossiers"])


@dataclass(frozen=True)
class Stored:
    """A dossier as it is loaded, and all rows of its company, for baselines."""

    dossier: Dossier
    rows: list[dict[str, Any]]


def store(gold: Gold, org: Organization, other: Organization) -> Stored:
    """Write the rows of a dossier, and load it as the agent does. To be rolled back."""
    business = _company(gold.name, gold.profile, gold.description, None if gold.unread else gold.read)
    rows = _fill(business, gold.officers, gold.events)
    rows += [_own(org, business, place, one) for place, one in enumerate(gold.own)]
    rows += [_signal(org, business, place, one) for place, one in enumerate(gold.signals)]
    for place, one in enumerate(gold.elsewhere):
        _signal(other, business, place, one)
    for each in gold.others:
        stranger = _company(each["name"], each["profile"], "", READ)
        _fill(stranger, each.get("officers", []), each.get("events", []))
        for place, one in enumerate(each.get("signals", [])):
            _signal(org, stranger, place, one)
    business = Business.objects.defer("embedding", "search_vector").get(pk=business.pk)
    dossier = load_dossier(org, business, day=DAY, refreshed={})
    return Stored(dossier, [_values(business), *(_values(row) for row in rows)])


def _company(name: str, profile: Mapping[str, Any], description: str, read: date | None) -> Business:
    business = Business(
        name=name, description=description, source="companies_house_bulk", register_snapshot_on=read, **profile
    )
    business.save()
    return business


def _fill(business: Business, officers: list[dict[str, Any]], events: list[dict[str, Any]]) -> list[Any]:
    made: list[Any] = []
    for place, one in enumerate(officers):
        values = dict(one)
        name, key = values.pop("name"), f"gold:{business.company_number}:{place}"
        officer = Officer.objects.create(
            external_id=key, name=name, name_normalised=normalise_name(name),
            is_corporate=values.pop("is_corporate", False),
        )  # fmt: skip
        defaults = {"source": "companies_house_api", "resigned_on": None}
        office = Appointment.objects.create(external_id=key, officer=officer, business=business, **defaults | values)
        made += [officer, office]
    for place, one in enumerate(events):
        made.append(BusinessEvent.objects.create(**_event(business, place, one), business=business))
    return made


def _event(business: Business, place: int, one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kind": one["kind"], "occurred_on": one["on"], "observed_at": datetime.combine(one["on"], time(12), tzinfo=UTC),
        "source": one.get("source", "news_feeds"), "source_url": f"https://source.example/{place}",
        "payload": one["payload"], "fingerprint": fingerprint_of("gold", str(business.pk), one["kind"], str(place)),
    }  # fmt: skip


def _own(org: Organization, business: Business, place: int, one: Mapping[str, Any]) -> OrgEvent:
    values = _event(business, place, one)
    made: OrgEvent = OrgEvent.objects.for_org(org).create(org=org, business=business, **values)
    return made


def _signal(org: Organization, business: Business, place: int, one: Mapping[str, Any]) -> BuyingSignal:
    on, expires = one["on"], one.get("expires", FAR)
    made: BuyingSignal = BuyingSignal.objects.for_org(org).create(
        org=org, business=business, signal_type=one["type"], rule=one["rule"], rule_version="1", weight=one["weight"],
        signal_strength=strength_of(one["weight"]), confidence_score=one["confidence"], occurred_on=on,
        is_negative=one.get("is_negative", False), signal_data=one.get("data", {}), half_life_days=60,
        source=one["source"], source_url=f"https://source.example/signal/{place}", detected_by="gold",
        evidence=[{"fact": "", "source": one["source"], "url": "", "on": on.isoformat(), "quote": one["quote"]}],
        expires_at=datetime.combine(expires, time(), tzinfo=UTC),
        fingerprint=fingerprint_of("gold signal", str(business.pk), str(place)),
    )  # fmt: skip
    return made


# Columns that are the project's own, and no facts.
_OWN = {"id", "embedding", "search_vector", "text_hash", "name_normalised", "fingerprint", "business", "org", "officer",
        "created_at", "updated_at", "external_id", "sic_titles", "register_hash", "import_hash"}  # fmt: skip


def _values(row: Any) -> dict[str, Any]:
    """A row as a dump shows it: each column with its value."""
    names = [one.name for one in row._meta.concrete_fields if one.name not in _OWN]
    return {name: getattr(row, name) for name in names if not name.startswith("embedding")}
