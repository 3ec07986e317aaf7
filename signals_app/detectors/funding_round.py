"""Money raised: share allotments with their gates, and news in which the company itself is who raises."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from businesses.payloads import Control, Filing, OfficerChange
from signals_app.detectors.base import Detection, Detector, Fact, History
from signals_app.detectors.reading import (
    filings,
    form,
    grouped,
    is_new,
    is_of_constitution,
    made,
    near,
    quotes,
    read,
    texts,
)
from signals_app.detectors.rules import Percent, Rule, RuleFile, RuleTable, Strict, load_rules
from signals_app.models import SignalType
from signals_app.text.money import Money
from signals_app.text.names import short_names
from signals_app.text.raising import Raise, raises_in


class FundingRules(RuleTable):
    share_allotment: Rule
    equity_round: Rule
    debt_round: Rule
    grant_award: Rule
    cap_table_change: Rule


class FundingLimits(Strict):
    backed_confidence: Percent
    doubtful_confidence: Percent
    backing_days: int
    incorporation_days: int
    smallest_increase_percent: int
    allotment_days: int
    news_days: int
    filing_days: int
    filing_lead_days: int
    news_confidence: Percent
    staged_confidence: Percent
    vague_confidence: Percent
    review_below: Percent


class FundingFile(RuleFile):
    rules: FundingRules
    limits: FundingLimits


FILE = load_rules("funding_round", FundingFile)
LIMITS = FILE.limits
INVESTOR = re.compile(
    r"\b(?:ventures?|venture capital|capital|investments?|investors?|equity|fund|funds|partners|angels?|vct|eis|seis|"
    r"nominees)\b",
    re.IGNORECASE,
)
CAP_TABLE = frozenset({"SH02", "SH08", "SH10"})
ARTICLES = frozenset({"RESOLUTIONS", "MA", "RES10", "RES11", "RES01", "SH02", "SH08", "SH10"})
OPEN_STORIES = 8  # stories that a report is compared with


@dataclass(slots=True)
class Story:
    """Reports of one round in the news."""

    reports: list[tuple[Fact, Raise]]

    def tells(self, fact: Fact, told: Raise) -> bool:
        """Whether `told` may be of this round: near in time, and nothing in it contradicts."""
        if (fact.on - self.reports[0][0].on).days > LIMITS.news_days:
            return False
        return all(_agree(told, known) for _, known in self.reports)


class FundingRound(Detector):
    name = "funding_round"
    label = "Funding round"

    def detect(self, history: History) -> Iterator[Detection]:
        allotments = grouped([report for report in filings(history) if _is_allotment(report[1])], LIMITS.allotment_days)
        taken: set[int] = set()
        for story in _stories(history):
            yield _told(history, story, allotments, taken)
        doubtful = _doubtful(history, allotments)
        backing = _backing_days(history)
        for index, group in enumerate(allotments):
            if index not in taken:
                yield _filed(history, group, doubtful=doubtful[index], backing=backing)
        yield from _cap_table(history, [group[0][0].on for group in allotments])


def _told(history: History, story: Story, allotments: list[list[tuple[Fact, Filing]]], taken: set[int]) -> Detection:
    """A detection of a round in the news, with the allotment that was filed for it."""
    best = max((told for _, told in story.reports), key=lambda told: (told.money is not None, told.stage is not None))
    stage = next((told.stage for _, told in story.reports if told.stage), None)
    rule = {"debt": FILE.rules.debt_round, "grant": FILE.rules.grant_award}.get(stage or "", FILE.rules.equity_round)
    confidence = rule.confidence
    if rule is FILE.rules.equity_round:
        confidence = LIMITS.staged_confidence if best.money and stage else LIMITS.news_confidence
    if not best.money and not best.is_headline:
        confidence = min(confidence, LIMITS.vague_confidence)
    evidence = [(fact, told.quote) for fact, told in story.reports]
    first = story.reports[0][0].on
    if rule is FILE.rules.equity_round:
        for index, group in enumerate(allotments):
            lag = (group[0][0].on - first).days
            if index in taken or is_new(history, group[0][0], LIMITS.incorporation_days):
                continue
            if -LIMITS.filing_lead_days <= lag <= LIMITS.filing_days:
                taken.add(index)
                evidence += list(quotes(group))
                break
    data: dict[str, Any] = {"stage": stage}
    if best.money:
        data |= {"amount": _number(best.money.amount), "currency": best.money.currency}
    return made(SignalType.FUNDING_ROUND, rule, FILE.version, evidence, data=data, confidence=confidence,
                needs_review=confidence < LIMITS.review_below)  # fmt: skip


def _filed(history: History, group: list[tuple[Fact, Filing]], *, doubtful: bool, backing: list[date]) -> Detection:
    """A detection of allotments alone: how sure it is that they were a round, the gates say."""
    filing = group[0][1]
    rule, kind = FILE.rules.share_allotment, SignalType.COMPANIES_HOUSE_FILING
    confidence = rule.confidence
    if doubtful:
        confidence = LIMITS.doubtful_confidence
    elif any(ARTICLES & {kind.upper() for kind in one.associated} for _, one in group) or any(
        near(one.on, backing, LIMITS.backing_days) for one, _ in group
    ):
        confidence = LIMITS.backed_confidence
        rule, kind = FILE.rules.equity_round, SignalType.FUNDING_ROUND
    after = {currency: _number(figure) for currency, figure in sorted(_capital(group[-1][1]).items())}
    return made(
        kind, rule, FILE.version, quotes(group), confidence=confidence,
        data={"stage": None, "capital_after": after, "transaction_id": filing.transaction_id},
        needs_review=confidence < LIMITS.review_below,
    )  # fmt: skip


def _doubtful(history: History, groups: list[list[tuple[Fact, Filing]]]) -> list[bool]:
    """Of each group: whether it is of the incorporation, or added next to nothing to the capital known before."""
    known: dict[str, Decimal] = {}
    found = []
    for group in groups:
        after = _capital(group[-1][1])
        compared = [currency for currency in after if currency in known]
        grew = any(
            after[currency] - known[currency] >= known[currency] * LIMITS.smallest_increase_percent / 100
            and after[currency] > known[currency]
            for currency in compared
        )
        at_start = is_new(history, group[0][0], LIMITS.incorporation_days) or any(
            "NEWINC" in {kind.upper() for kind in filing.associated} for _, filing in group
        )
        found.append(at_start or (bool(compared) and not grew and len(compared) == len(after)))
        known |= after
    return found


def _backing_days(history: History) -> list[date]:
    """When articles were changed or an investor came in."""
    days = [fact.on for fact, filing in filings(history) if _is_backing(filing)]
    days += [
        fact.on for fact, control in read(history, "control_notified", Control)
        if (control.is_corporate or "corporate" in control.psc_kind or INVESTOR.search(control.name))
        and not is_new(history, fact, LIMITS.incorporation_days)
    ]  # fmt: skip
    days += [
        fact.on for fact, officer in read(history, "officer_appointed", OfficerChange)
        if INVESTOR.search(officer.occupation) or (officer.is_corporate and INVESTOR.search(officer.name))
    ]  # fmt: skip
    return sorted(days)


def _is_backing(filing: Filing) -> bool:
    kind = form(filing)
    if kind == "RESOLUTIONS":
        return is_of_constitution(filing)
    return kind in ARTICLES or kind == "PSC02" or (kind in {"AP01", "AP02"} and bool(INVESTOR.search(_officer(filing))))


def _officer(filing: Filing) -> str:
    name = filing.description_values.get("officer_name")
    return name[:200] if isinstance(name, str) else ""


def _is_allotment(filing: Filing) -> bool:
    if filing.description:
        return filing.description.startswith("capital-allotment")
    return form(filing) == "SH01"


def _capital(filing: Filing) -> dict[str, Decimal]:
    """Total nominal capital after the allotment, by currency. Entries that are no figures are left out."""
    entries = filing.description_values.get("capital")
    found: dict[str, Decimal] = {}
    for entry in entries[:20] if isinstance(entries, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("figure"), str | int | float):
            figure = _figure(str(entry["figure"]))
            if figure is not None:
                currency = str(entry.get("currency") or "GBP")[:3].upper()
                found[currency] = found.get(currency, Decimal(0)) + figure
    return found


def _figure(text: str) -> Decimal | None:
    try:
        figure = Decimal(text.replace(",", "").strip()[:30])
    except InvalidOperation:
        return None
    return figure if figure.is_finite() and 0 <= figure < Decimal(10) ** 18 else None


def _stories(history: History) -> list[Story]:
    names = short_names(history.company.name, history.company.domain)
    stories: list[Story] = []
    for fact in sorted(history.of("news", "web_changed"), key=lambda fact: (fact.on, fact.id)):
        told = raises_in(texts(fact), names, on=fact.on, own=fact.kind == "web_changed")
        if told is None:
            continue
        story = next((one for one in stories[-OPEN_STORIES:] if one.tells(fact, told)), None)
        if story is None:
            stories.append(Story([(fact, told)]))
        elif fact.fingerprint not in {known.fingerprint for known, _ in story.reports[-OPEN_STORIES:]}:
            story.reports.append((fact, told))
    return stories


def _agree(one: Raise, other: Raise) -> bool:
    if one.stage and other.stage and one.stage != other.stage:
        return False
    return one.money is None or other.money is None or _equal(one.money, other.money)


def _equal(one: Money, other: Money) -> bool:
    """Roughly: outlets round, and convert between currencies."""
    if one.currency != other.currency and one.currency and other.currency:
        return max(one.amount, other.amount) <= 2 * min(one.amount, other.amount)
    return abs(one.amount - other.amount) * 10 <= max(one.amount, other.amount)


def _cap_table(history: History, allotted: list[date]) -> Iterator[Detection]:
    """Sub-divisions and new classes, unless they came with an allotment, whose sign they are then."""
    changes = [report for report in filings(history) if form(report[1]) in CAP_TABLE]
    for group in grouped(changes, LIMITS.allotment_days):
        if not near(group[0][0].on, allotted, LIMITS.backing_days):
            yield made(SignalType.FUNDING_ROUND, FILE.rules.cap_table_change, FILE.version, quotes(group))


def _number(amount: Decimal) -> int | float:
    return int(amount) if amount == amount.to_integral_value() else float(amount)
