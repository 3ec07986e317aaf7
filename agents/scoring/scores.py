"""The score of a company: fit, intent, timing and data quality, each 0 to 100, weighted, with all it is the sum of.

    score = sum of points;   points of a part = 100 * its share of the weights * how far it is met

A part of which nothing is known, and a fit that nothing was asked for, have no points and no weight: the others count
for more. What is not known lowers the confidence, never the score. Every further positive signal raises the score or
leaves it. Nothing depends on names, the order of rows, or anything but the facts, the profile and the day.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from agents.scoring.criteria import Criterion
from agents.scoring.facts import RECENT_DAYS, Facts, Told
from agents.scoring.profile import Weights
from signals_app.scoring import score_of

TIMING_HALF_LIFE = 30  # days after which what happened says half as much about just now
EVENT_SHARE = 0.6  # of a signal's timing: an event means less than what a detector made of it
YEAR_END_SHARE, YEAR_END_DAYS = 0.3, 90  # the next year's budget is made in the quarter before it begins
PARTS = ("fit", "intent", "timing", "data_quality")
KNOWN = ("company_number", "description", "domain", "sic_codes", "town", "incorporated_on", "accounts_category",
         "employee_count")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Contribution:
    """A part of the score with the fact behind it; `points` of all add up to the score."""

    part: str
    code: str
    text: str
    points: float
    met: float | None  # 0 to 1; None: unknown
    evidence: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        evidence = [self.evidence] if self.evidence else []
        return {"part": self.part, "code": self.code, "text": self.text, "points": self.points, "met": self.met,
                "evidence": evidence}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Score:
    """What came out; a part is None where nothing is known of it, or nothing was asked for."""

    business_id: UUID
    score: float
    confidence: float
    fit: float | None
    intent: float | None
    timing: float | None
    data_quality: float | None
    contributions: tuple[Contribution, ...]

    @property
    def evidence(self) -> int:
        """Pieces of evidence that speak for the company. A signal behind two parts is one, and so are all facts that
        one row of the register tells."""
        pieces = (one.evidence for one in self.contributions if one.evidence is not None and one.points > 0)
        return len({json.dumps(piece, sort_keys=True) for piece in pieces})


@dataclass(frozen=True, slots=True)
class _Piece:
    part: str
    code: str
    text: str
    weight: float  # within the part
    met: float | None
    evidence: dict[str, Any] | None


def score_company(facts: Facts, criteria: Sequence[Criterion], weights: Weights, day: date) -> Score:
    """The score as of `day`; see the module."""
    pieces = [*_fit(facts, criteria), *_intent(facts, day), _timing(facts, day), *_quality(facts)]
    asked = {part: [one for one in pieces if one.part == part] for part in PARTS}
    known = {part: [one for one in asked[part] if one.met is not None] for part in PARTS}
    counting = {part: getattr(weights, part) for part in PARTS if known[part]}
    total = math.fsum(counting.values())
    parts: dict[str, float | None] = dict.fromkeys(PARTS)
    contributions = []
    for part in PARTS:
        whole = math.fsum(one.weight for one in known[part])
        parts[part] = 100 * math.fsum(one.weight * (one.met or 0) for one in known[part]) / whole if whole else None
        share = counting.get(part, 0) / total if total else 0
        for one in asked[part]:
            points = 100 * share * one.weight * (one.met or 0) / whole if whole else 0.0
            contributions.append(Contribution(part, one.code, one.text, points, one.met, one.evidence))
    contributions.sort(key=lambda one: (-one.points, one.part, one.code, one.text, str(one.evidence)))
    # The sum of rounded products may pass 100 by the last digit.
    score = min(100.0, math.fsum(one.points for one in contributions))
    return Score(
        facts.id, score, _confidence(asked, weights), parts["fit"], parts["intent"], parts["timing"],
        parts["data_quality"], tuple(contributions),
    )  # fmt: skip


def _confidence(asked: dict[str, list[_Piece]], weights: Weights) -> float:
    """How much of what was asked is known, 0 to 100, by weight."""
    shares = []
    for part in PARTS:
        whole = math.fsum(one.weight for one in asked[part])
        if whole and getattr(weights, part):
            told = math.fsum(one.weight for one in asked[part] if one.met is not None)
            # Of the data's quality, every field is known to be there or not: what is there counts.
            if part == "data_quality":
                told = math.fsum(one.weight * (one.met or 0) for one in asked[part])
            shares.append((getattr(weights, part), told / whole))
    total = math.fsum(weight for weight, _ in shares)
    return 100 * math.fsum(weight * told for weight, told in shares) / total if total else 0.0


def _register(facts: Facts) -> dict[str, Any]:
    return {"source": facts.source or "register", "url": facts.url, "on": facts.seen_on, "quote": ""}


def _fit(facts: Facts, criteria: Sequence[Criterion]) -> list[_Piece]:
    pieces = []
    for one in criteria:
        met, text = one.met(facts)
        evidence = _register(facts) if met else None
        pieces.append(_Piece("fit", one.code, text, one.weight, met, evidence))
    return pieces


def _intent(facts: Facts, day: date) -> list[_Piece]:
    """The score of signals, shared out by what each weighs; so that it is theirs to the last digit."""
    whole = score_of((one.weighed for one in facts.signals), day) / 100
    positive = [one for one in facts.signals if not one.weighed.is_negative]
    shares = [one.weighed.share(day) for one in positive]
    total = math.fsum(shares)
    against = [
        _Piece("intent", one.signal_type, f"{_said(one)}: speaks against it", 0.0, 0.0, _told(one))
        for one in facts.signals
        if one.weighed.is_negative
    ]
    if not total:
        return [_Piece("intent", "no_signal", "no buying signal known", 1.0, 0.0, None), *against]
    return [
        _Piece("intent", one.signal_type, _said(one), share / total, whole, _told(one))
        for one, share in zip(positive, shares, strict=True)
    ] + against


def _said(one: Told) -> str:
    return f"{one.signal_type.replace('_', ' ')}: {one.rule.replace('_', ' ')} on {one.weighed.occurred_on.isoformat()}"


def _told(one: Told) -> dict[str, Any]:
    on = one.weighed.occurred_on.isoformat()
    return {"source": one.source, "url": one.source_url, "on": on, "quote": one.quote, "signal": str(one.pk)}


def _timing(facts: Facts, day: date) -> _Piece:
    """The newest of what happened, faded: a signal counts in full, another event less, a near year's end least."""
    found: list[tuple[float, str, dict[str, Any]]] = []
    for one in facts.signals:
        age = max(0, (day - one.weighed.occurred_on).days)
        if not one.weighed.is_negative and age <= RECENT_DAYS:
            found.append((math.pow(0.5, age / TIMING_HALF_LIFE), _said(one), _told(one)))
    if facts.event is not None:
        age = max(0, (day - facts.event.on).days)
        text = f"{facts.event.kind.replace('_', ' ')} on {facts.event.on.isoformat()}"
        evidence = {"source": facts.event.source, "url": facts.event.source_url, "on": facts.event.on.isoformat(),
                    "quote": "", "event": facts.event.pk}  # fmt: skip
        found.append((EVENT_SHARE * math.pow(0.5, age / TIMING_HALF_LIFE), text, evidence))
    ends = next_year_end(facts.accounts_last_made_up_on, day)
    if ends is not None and (ends - day).days <= YEAR_END_DAYS:
        found.append((YEAR_END_SHARE, f"financial year ends on {ends.isoformat()}", _register(facts)))
    if not found:
        return _Piece("timing", "nothing_new", f"nothing known to have happened in {RECENT_DAYS} days", 1.0, 0.0, None)
    met, text, evidence = max(found, key=lambda one: (one[0], one[1], sorted(map(str, one[2].values()))))
    return _Piece("timing", "newest", text, 1.0, met, evidence)


def next_year_end(last: date | None, day: date) -> date | None:
    """The first return, on `day` or later, of the day that accounts were last made up to."""
    if last is None or last >= day:
        return last
    returns = (_in_year(last, year) for year in (day.year, day.year + 1))
    return next(found for found in returns if found >= day)


def _in_year(day: date, year: int) -> date:
    """The same day of `year`; 28 February for the 29th that it does not have."""
    try:
        return day.replace(year=year)
    except ValueError:
        return day.replace(year=year, day=28)


def _quality(facts: Facts) -> list[_Piece]:
    """A field that is filled is met, one that is empty is not."""
    return [
        _Piece("data_quality", name, f"{name.replace('_', ' ')} {'known' if _is_known(facts, name) else 'unknown'}",
               1.0, float(_is_known(facts, name)), None)
        for name in KNOWN
    ]  # fmt: skip


def _is_known(facts: Facts, name: str) -> bool:
    value = getattr(facts, name)
    return value not in (None, "", ())
