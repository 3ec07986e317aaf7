"""What a scout looks at: the companies it watches to which something happened, portion by portion, in order of id.

Nothing is held of a whole register: a portion says where the next begins, and each takes as many statements as the
last. What happened before the last pass began is looked at again for `OVERLAP`, so that an event whose transaction was
still open then is not missed; detecting twice what was detected before changes nothing.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import BooleanField, Exists, OuterRef, Q, Value

from businesses.filters import filter_businesses
from businesses.models import Business, BusinessEvent, OrgEvent, WatchlistEntry
from oppspot.organizations.models import Organization
from signals_app.detection import detect_signals
from signals_app.detectors.base import Detection, History
from signals_app.detectors.registry import detect_all
from signals_app.models import BusinessScore, BuyingSignal

OVERLAP = timedelta(hours=6)
KEPT = 50  # of a portion: companies that are handed on, signals that are told of
SHOWN_UNREADABLE = 20


@dataclass(frozen=True)
class Watch:
    """Which companies: those for which everything given holds; with nothing given, all on the watchlists.

    `only` are named one by one (by an input, or found by a query); `fresh` of them were not watched before.
    """

    org: Organization
    day: date
    lookback_days: int
    watchlist: UUID | None = None
    filters: Mapping[str, Any] = field(default_factory=dict)
    only: Collection[UUID] | None = None
    fresh: Collection[UUID] = ()
    since: datetime | None = None  # of the last pass, less the overlap; None: everything of the look-back counts

    @property
    def floor(self) -> date:
        return self.day - timedelta(days=self.lookback_days)


def key_of(settings: Mapping[str, Any]) -> str:
    """Changes with anything that makes earlier passes worthless."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:16]


def next_with_news(watch: Watch, *, after: UUID | None, limit: int) -> list[tuple[UUID, bool]]:
    """Ids of the next companies to which anything happened since, and whether each has only now come to be watched:
    of those, everything of the look-back is news."""
    rows = filter_businesses(watch.filters) if watch.filters else Business.objects.all()
    entries = WatchlistEntry.objects.for_org(watch.org).filter(business=OuterRef("pk"))
    if watch.watchlist is not None:
        entries = entries.filter(watchlist=watch.watchlist)
    if watch.only is not None:
        rows = rows.filter(pk__in=list(watch.only))
    if watch.watchlist is not None or not (watch.filters or watch.only is not None):
        rows = rows.filter(Exists(entries))
    if after is not None:
        rows = rows.filter(pk__gt=after)
    recent = Q(occurred_on__gte=watch.floor) | Q(occurred_on=None, observed_at__date__gte=watch.floor)
    is_fresh = _is_fresh(watch, entries)
    found = rows.annotate(is_fresh=is_fresh).filter(
        (_has_events(watch, recent & Q(observed_at__gte=watch.since)) | (Q(is_fresh=True) & _has_events(watch, recent)))
        if watch.since
        else _has_events(watch, recent)
    )
    return list(found.order_by("pk").values_list("pk", "is_fresh")[:limit])


def _has_events(watch: Watch, which: Q) -> Q:
    """An event that is no older than the look-back, or (which detectors judge) lies within it by what it says."""
    events = BusinessEvent.objects.filter(which, business=OuterRef("pk"))
    own = OrgEvent.objects.for_org(watch.org).filter(which, business=OuterRef("pk"))
    return Q(Exists(events)) | Q(Exists(own))


def _is_fresh(watch: Watch, entries: Any) -> Any:
    if watch.since is None:
        return Value(True, output_field=BooleanField())
    fresh = Q(Exists(entries.filter(added_at__gte=watch.since)))
    if watch.filters:  # a row that changed may have come to pass the filters
        fresh |= Q(updated_at__gte=watch.since)
    if watch.fresh:
        fresh |= Q(pk__in=list(watch.fresh))
    return fresh


@dataclass(frozen=True)
class Portion:
    """What a portion came to; small, as JSON, but for `ids`."""

    ids: Sequence[tuple[UUID, bool]]
    counts: dict[str, int]
    companies: list[dict[str, Any]]  # with new signals for buying, the highest score first
    signals: list[str]  # new ones, the heaviest first
    unreadable: list[dict[str, str]]


COUNTED = ("businesses", "facts", "new", "renewed", "cleared", "unreadable", "unreadable_companies", "with_news")


def scout_portion(
    watch: Watch,
    ids: Sequence[tuple[UUID, bool]],
    *,
    detected_by: str,
    signal_types: Collection[str] | None,
    min_confidence: int,
    told_in: UUID | None = None,
) -> Portion:
    """Detect what is new of some companies and keep it, in the caller's transaction; a second time changes nothing."""
    keys = [pk for pk, _ in ids]
    mine = BuyingSignal.objects.for_org(watch.org).filter(business__in=keys, detected_by=detected_by)
    before = set(mine.values_list("pk", flat=True))

    def detect(history: History) -> list[Detection]:
        return [one for one in detect_all(history) if one.on >= watch.floor]

    report = detect_signals(
        org=watch.org, business_ids=keys, detected_by=detected_by, signal_types=signal_types,
        min_confidence=min_confidence, day=watch.day, detect=detect, told_in=told_in,
    )  # fmt: skip
    new = [signal for signal in mine.order_by("-weight", "-confidence_score", "pk") if signal.pk not in before]
    unreadable = _unreadable(watch.org, [(fact, reason) for fact, reason in report.unreadable])
    counts = {name: getattr(report, name) for name in ("businesses", "facts", "new", "renewed", "cleared")} | {
        "unreadable": len(report.unreadable),
        "unreadable_companies": len({one["company"] for one in unreadable}),
        "with_news": len(ids),
    }
    return Portion(
        ids, counts, _companies(watch.org, new), [str(signal.pk) for signal in new[:KEPT]],
        unreadable[:SHOWN_UNREADABLE],
    )  # fmt: skip


def _companies(org: Organization, new: Sequence[BuyingSignal]) -> list[dict[str, Any]]:
    """Those with a new sign for buying that needs no review, with their score and how much evidence they have."""
    wanted = {signal.business_id for signal in new if not (signal.is_negative or signal.needs_review)}
    scores = BusinessScore.objects.for_org(org).filter(business__in=wanted).order_by("-score", "business")
    best = dict(scores.values_list("business", "score")[:KEPT])
    counting = BuyingSignal.objects.for_org(org).filter(business__in=best, status="active", needs_review=False)
    evidence: dict[UUID, int] = dict.fromkeys(best, 0)
    for business, items in counting.values_list("business", "evidence"):
        evidence[business] += len(items)
    return [{"business": str(pk), "score": round(score, 2), "evidence": evidence[pk]} for pk, score in best.items()]


def _unreadable(org: Organization, events: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """Events that could not be read, with their companies."""
    if not events:
        return []
    facts: dict[str, list[str]] = {"event": [], "org_event": []}
    for fact, _ in events:
        kind, _, pk = fact.partition(":")
        facts[kind].append(pk)
    names: dict[str, str] = {}
    for kind, rows in (("event", BusinessEvent.objects.all()), ("org_event", OrgEvent.objects.for_org(org))):
        if facts[kind]:
            found = rows.filter(pk__in=facts[kind]).values_list("pk", "business__name")
            names |= {f"{kind}:{pk}": name for pk, name in found}
    return [{"fact": fact, "company": names.get(fact, ""), "reason": reason[:300]} for fact, reason in events]
