"""Facts as detectors read them: by kind with typed payloads, as texts, and grouped into one happening."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

from businesses.payloads import Filing, JobPosted, News, Payload, WebChanged
from signals_app.detectors.base import Detection, Evidence, Fact, History
from signals_app.detectors.rules import Rule
from signals_app.models import SignalType

MAX_CONFIDENCE = 98  # what no number of reports exceeds
GAIN = 5  # of confidence, by each further source
FOUNDING = frozenset({"NEWINC", "LLIN01", "IN01"})
OTHER_RESOLUTIONS = ("liquidation", "change-of-name", "wind-up", "winding", "re-registration")
OTHER_RESOLUTION_TYPES = ("LRES", "RES02", "RES15", "RES20", "NM", "CERTNM", "RR0")
CORRECTIONS = ("second-filing", "replacement-filing", "removal-document", "annotation")

P = TypeVar("P", bound=Payload)
Read = tuple[Fact, P]


def read(history: History, kind: str, payload: type[P]) -> list[tuple[Fact, P]]:
    """Facts of a kind with their payloads, the oldest first, each fingerprint once. Others' payloads are left out."""
    once = {
        fact.fingerprint: (fact, fact.payload)
        for fact in sorted(history.facts, key=_order, reverse=True)
        if fact.kind == kind and isinstance(fact.payload, payload)
    }
    return sorted(once.values(), key=lambda item: _order(item[0]))


def filings(history: History) -> list[tuple[Fact, Filing]]:
    """Filings that are not corrections of earlier ones."""
    return [(fact, filing) for fact, filing in read(history, "filing", Filing) if not _corrects(filing)]


def form(filing: Filing) -> str:
    """The form's number: of a limited liability partnership's that of the company's form ("LLMR01" is "MR01")."""
    kind = filing.type.upper()
    return kind[2:] if kind.startswith("LL") and kind[2:4] in {"MR", "AP", "TM", "PS", "AD", "DS", "CS", "AA"} else kind


def is_of_constitution(filing: Filing) -> bool:
    """Whether resolutions may be of articles or shares: not of winding up, another name or another legal form.

    The register names the resolutions in a filing by type: RES02 re-registers, RES15 renames, LRES* winds up.
    """
    told = " ".join([filing.description, *(str(one)[:200] for one in filing.description_values.values())]).lower()
    if any(word in told for word in OTHER_RESOLUTIONS):
        return False
    types = [kind.upper() for kind in filing.associated]
    return not types or any(not kind.startswith(OTHER_RESOLUTION_TYPES) for kind in types)


def value(filing: Filing, key: str) -> str:
    """A value of the description, "" unless it is a text."""
    found = filing.description_values.get(key)
    return found.strip()[:500] if isinstance(found, str) else ""


def texts(fact: Fact) -> list[str]:
    """The texts of a fact, the title first. A quote is a part of one of them."""
    payload = fact.payload
    if isinstance(payload, News):
        return [text for text in (payload.title, payload.summary) if text]
    if isinstance(payload, JobPosted):
        return [text for text in (payload.title, payload.description) if text]
    if isinstance(payload, WebChanged):
        headings = [text for key, text in sorted(payload.after.items()) if isinstance(text, str) and text and key]
        return [text[:8_000] for text in (*headings, *payload.text_added) if text]
    return []


def grouped(
    reports: Iterable[tuple[Fact, P]], days: int, *, by: Callable[[tuple[Fact, P]], Any] = lambda _: None
) -> list[list[tuple[Fact, P]]]:
    """Reports of one key whose first and last lie no more than `days` apart; the oldest group first."""
    groups: list[list[tuple[Fact, P]]] = []
    latest: dict[Any, list[tuple[Fact, P]]] = {}
    for report in sorted(reports, key=lambda item: _order(item[0])):
        key = by(report)
        group = latest.get(key)
        if group is None or (report[0].on - group[0][0].on).days > days:
            group = latest[key] = []
            groups.append(group)
        group.append(report)
    return groups


def near(day: date, days: Sequence[date], within: int) -> bool:
    """Whether one of `days`, which are in order, is at most `within` days from `day`."""
    at = bisect_left(days, day)
    return any(abs((day - other).days) <= within for other in days[max(0, at - 1) : at + 1])


def since_incorporation(history: History, fact: Fact) -> int | None:
    """Days from the company's incorporation to a fact."""
    start = history.company.incorporated_on or _founded_on(history)
    return None if start is None else (fact.on - start).days


def _founded_on(history: History) -> date | None:
    """By the facts, where the company's row does not say."""
    return min((one.on for one in history.facts if _founds(one)), default=None)


def _founds(fact: Fact) -> bool:
    if isinstance(fact.payload, Filing):
        return fact.payload.type.upper() in FOUNDING
    return fact.kind == "incorporated"


def is_new(history: History, fact: Fact, days: int) -> bool:
    """Whether the company was not older than `days` then."""
    age = since_incorporation(history, fact)
    return age is not None and age <= days


def corroborated(confidence: int, facts: Iterable[Fact]) -> int:
    """More sources that report the same make it surer, up to `MAX_CONFIDENCE`."""
    sources = len({(fact.source, fact.url.split("/")[2] if fact.url.count("/") > 1 else "") for fact in facts})
    return max(confidence, min(MAX_CONFIDENCE, confidence + GAIN * (sources - 1)))


def made(
    signal_type: SignalType,
    rule: Rule,
    version: str,
    evidence: Iterable[tuple[Fact, str]],
    *,
    data: Mapping[str, Any] | None = None,
    confidence: int | None = None,
    weight: int | None = None,
    needs_review: bool = False,
    clears: tuple[str, ...] = (),
) -> Detection:
    """A detection by `rule` on the day of the first evidence, which is the main one."""
    items = tuple(Evidence(fact, quote) for fact, quote in evidence)
    facts = [item.fact for item in items]
    dated = [fact.on for fact in facts if fact.is_dated]
    return Detection(
        signal_type=signal_type,
        rule=rule.name,
        version=version,
        weight=rule.weight if weight is None else max(0, min(100, weight)),
        confidence=corroborated(rule.confidence if confidence is None else confidence, facts),
        days=rule.days,
        on=min(dated or [fact.on for fact in facts]),
        evidence=items,
        data=dict(data or {}),
        is_negative=rule.is_negative,
        needs_review=needs_review or rule.needs_review,
        clears=clears,
    )


def quotes(reports: Iterable[tuple[Fact, Filing]]) -> Iterator[tuple[Fact, str]]:
    for fact, filing in reports:
        yield fact, filing.description or filing.type


def _order(fact: Fact) -> tuple[date, str]:
    return fact.on, fact.id


def _corrects(filing: Filing) -> bool:
    return filing.type.upper().startswith(("RP0", "AAMD")) or filing.description.startswith(CORRECTIONS)
