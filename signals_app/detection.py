"""From events to an organisation's signals: each happening is one signal, however often it is detected."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from businesses.sources.pull import fingerprint_of
from oppspot.jobs.context import storable
from oppspot.jobs.services import emit_many
from oppspot.organizations.models import Organization
from signals_app.detectors.base import Detection, History
from signals_app.detectors.registry import detect_all
from signals_app.events import BuyingSignalDetected
from signals_app.histories import load_histories
from signals_app.locking import lock_signals
from signals_app.models import BuyingSignal, SignalStatus, strength_of
from signals_app.scoring import HALF_LIVES, refresh_scores

BATCH = 500  # companies of one transaction: some two seconds, for which people who judge signals wait
Detect = Callable[[History], Sequence[Detection]]

# What a later detection of the same happening may change.
_RENEWED = (
    "rule_version", "signal_strength", "weight", "confidence_score", "needs_review", "signal_data", "evidence",
    "event_fingerprints", "occurred_on", "half_life_days", "expires_at", "status",
)  # fmt: skip
# What changes, too, when later reports show that it means something else: an allotment that turns out to be a round.
_REREAD = ("signal_type", "rule", "is_negative", "source", "source_url", "event_id", "org_event_id", "fingerprint")


@dataclass
class DetectionReport:
    """What a pass did: companies with a history, facts read, and signals by what became of them."""

    businesses: int = 0
    facts: int = 0
    new: int = 0
    renewed: int = 0
    cleared: int = 0
    unreadable: list[tuple[str, str]] = field(default_factory=list)

    def add(self, other: "DetectionReport") -> None:
        for name in ("businesses", "facts", "new", "renewed", "cleared"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.unreadable += other.unreadable


def detect_signals(
    *,
    org: Organization,
    business_ids: Iterable[UUID],
    detected_by: str = "detectors",
    signal_types: Collection[str] | None = None,
    min_confidence: int = 0,
    day: date | None = None,
    detect: Detect = detect_all,
    on_batch: Callable[[int], Any] = lambda done: None,
    told_in: UUID | None = None,
) -> DetectionReport:
    """Detect what happened to the companies and keep it as signals of `org`; a second pass over the same events
    changes nothing. Each batch is a transaction. Signals that people have dealt with stay as they are. `told_in` is
    the run that detects, if one does.
    """
    report, done, ids = DetectionReport(), 0, iter(business_ids)
    day = day or timezone.now().date()
    while batch := list(islice(ids, BATCH)):
        with transaction.atomic():
            lock_signals(org)
            report.add(_Batch(org, day, detected_by, signal_types, min_confidence, told_in).work(batch, detect))
        done += len(batch)
        on_batch(done)
    return report


@dataclass
class _Batch:
    org: Organization
    day: date
    detected_by: str
    signal_types: Collection[str] | None
    min_confidence: int
    told_in: UUID | None

    def work(self, business_ids: Sequence[UUID], detect: Detect) -> DetectionReport:
        loaded = load_histories(self.org, business_ids, day=self.day)
        report = DetectionReport(unreadable=loaded.unreadable, businesses=len(loaded.histories))
        known = self._known([history.company.id for history in loaded.histories])
        new: list[BuyingSignal] = []
        renewed: list[BuyingSignal] = []
        cleared: list[BuyingSignal] = []
        told: list[BuyingSignal] = []
        for history in loaded.histories:
            report.facts += len(history.facts)
            mine = known.get(history.company.id, [])
            detections = list(detect(history))
            pairs = _paired([self._signal(history, one) for one in self._current(detections)], mine)
            for made, match in pairs:
                if match is None:
                    if self._is_wanted(made):
                        new.append(made)
                    continue
                waited = match.needs_review or match.rule != made.rule
                if _renew(match, made):
                    renewed.append(match)
                    if waited and not match.needs_review:
                        told.append(match)
            cleared += [signal for signal in mine if _is_cleared(signal, detections)]
        for signal in cleared:
            signal.status, signal.outcome = SignalStatus.EXPIRED, "withdrawn"
        self._write(new, renewed, cleared, told)
        report.new, report.renewed, report.cleared = len(new), len(renewed), len(cleared)
        return report

    def _known(self, business_ids: list[UUID]) -> dict[UUID, list[BuyingSignal]]:
        found: dict[UUID, list[BuyingSignal]] = defaultdict(list)
        for signal in BuyingSignal.objects.for_org(self.org).filter(business__in=business_ids).order_by("pk"):
            found[signal.business_id].append(signal)
        return found

    def _current(self, detections: Sequence[Detection]) -> Iterator[Detection]:
        """Detections of things that are not long past; withdrawn ones, and those that only withdraw, left out."""
        for one in detections:
            is_over = one.on + timedelta(days=one.days) <= self.day
            is_withdrawn = one.is_negative and any(
                one.rule in other.clears and other.on >= one.on for other in detections
            )
            if one.weight and not (is_over or is_withdrawn):
                yield one

    def _is_wanted(self, made: BuyingSignal) -> bool:
        is_asked = self.signal_types is None or made.signal_type in self.signal_types
        return is_asked and made.confidence_score >= self.min_confidence

    def _signal(self, history: History, one: Detection) -> BuyingSignal:
        main = one.evidence[0].fact
        kind, _, pk = main.id.partition(":")
        return BuyingSignal(
            org=self.org,
            business_id=history.company.id,
            signal_type=one.signal_type,
            rule=one.rule,
            rule_version=one.version,
            signal_strength=strength_of(one.weight),
            weight=one.weight,
            confidence_score=one.confidence,
            is_negative=one.is_negative,
            needs_review=one.needs_review,
            signal_data=storable(dict(one.data), f"What {one.rule} found"),
            evidence=[
                {"fact": each.fact.id, "source": each.fact.source, "url": each.fact.url,
                 "on": each.fact.on.isoformat(), "quote": each.quote}
                for each in one.evidence
            ],
            source=main.source,
            source_url=main.url,
            event_id=int(pk) if kind == "event" else None,
            org_event_id=UUID(pk) if kind == "org_event" else None,
            event_fingerprints=[each.fact.fingerprint for each in one.evidence],
            occurred_on=one.on,
            half_life_days=max(1, one.days // HALF_LIVES),
            detected_by=self.detected_by,
            expires_at=datetime.combine(one.on + timedelta(days=one.days), time(), tzinfo=UTC),
            fingerprint=fingerprint_of(one.signal_type, one.rule, str(history.company.id), str(main.fingerprint)),
        )  # fmt: skip

    def _write(
        self,
        new: list[BuyingSignal],
        renewed: list[BuyingSignal],
        cleared: list[BuyingSignal],
        told: list[BuyingSignal],
    ) -> None:
        now = timezone.now()
        for signal in (*renewed, *cleared):
            signal.updated_at = now
        signals = BuyingSignal.objects.for_org(self.org)
        signals.bulk_create(new, batch_size=1_000)
        columns = [name.removesuffix("_id") for name in (*_RENEWED, *_REREAD, "outcome", "updated_at")]
        signals.bulk_update(renewed, columns, batch_size=500)
        signals.bulk_update(cleared, ["status", "outcome", "updated_at"], batch_size=500)
        if touched := {signal.business_id for signal in (*new, *renewed, *cleared)}:
            refresh_scores(self.org, touched, day=self.day)  # first: alerts compare with the score
        announce([*(signal for signal in new if not signal.needs_review), *told], org=self.org, told_in=self.told_in)


def announce(signals: Sequence[BuyingSignal], *, org: Organization, told_in: UUID | None = None) -> None:
    """Emit `signals/buying_signal.detected` for each, in the caller's transaction."""
    if signals:
        emit_many(
            BuyingSignalDetected,
            [
                BuyingSignalDetected(
                    company_id=signal.business_id,
                    signal_type=signal.signal_type,
                    signal_id=signal.pk,
                    signal_data={"rule": signal.rule, "strength": signal.signal_strength,
                                 "confidence": signal.confidence_score, "is_negative": signal.is_negative,
                                 **signal.signal_data},
                )
                for signal in signals
            ],
            org=org,
            told_in=told_in,
        )  # fmt: skip


def _paired(
    made: Sequence[BuyingSignal], known: Sequence[BuyingSignal]
) -> list[tuple[BuyingSignal, BuyingSignal | None]]:
    """Each detection with the signal of the same happening that is there: of the same rule, and resting on one of the
    same reports; else one that the reports no longer lead to. Two detections alike are one.
    """
    taken: set[UUID] = set()
    pairs: list[tuple[BuyingSignal, BuyingSignal | None]] = []
    rest: list[BuyingSignal] = []
    for one in made:
        match = next((other for other in known if _is_alike(one, other)), None)
        if match is None:
            rest.append(one)
        elif match.pk not in taken:
            taken.add(match.pk)
            pairs.append((one, match))
    fresh: list[BuyingSignal] = []
    for one in rest:
        if any(_is_alike(one, other) for other in fresh):
            continue
        free = (other for other in known if other.pk not in taken and other.status == SignalStatus.ACTIVE)
        former = next((other for other in free if _shares(one, other)), None)
        if former is None:
            fresh.append(one)
        else:
            taken.add(former.pk)
        pairs.append((one, former))
    return pairs


def _is_alike(made: BuyingSignal, known: BuyingSignal) -> bool:
    is_one_rule = (made.signal_type, made.rule) == (known.signal_type, known.rule)
    return is_one_rule and (made.fingerprint == known.fingerprint or _shares(made, known))


def _shares(made: BuyingSignal, known: BuyingSignal) -> bool:
    return not set(made.event_fingerprints).isdisjoint(known.event_fingerprints)


def _renew(known: BuyingSignal, made: BuyingSignal) -> bool:
    """Take over what the new detection knows better; False if nothing differs or people have dealt with it."""
    if known.status not in {SignalStatus.ACTIVE, SignalStatus.EXPIRED}:
        return False
    if known.status == SignalStatus.EXPIRED and known.handled_at is not None and known.expires_at > timezone.now():
        return False  # closed by hand, before its time
    if known.handled_at is not None:  # a person has reviewed it
        made.needs_review = known.needs_review
    names = _RENEWED if made.rule == known.rule else (*_RENEWED, *_REREAD)
    changed = [name for name in names if getattr(known, name) != getattr(made, name)]
    for name in changed:
        setattr(known, name, getattr(made, name))
    if "status" in changed:
        known.outcome = ""
    return bool(changed)


def _is_cleared(signal: BuyingSignal, detections: Sequence[Detection]) -> bool:
    return (
        signal.status == SignalStatus.ACTIVE
        and signal.is_negative
        and any(signal.rule in one.clears and one.on >= signal.occurred_on for one in detections)
    )
