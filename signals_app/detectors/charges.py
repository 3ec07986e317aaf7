"""Charges: borrowing, property bought on a mortgage, refinancing and repayment."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from businesses.payloads import Charge
from signals_app.detectors.base import Detection, Detector, Fact, History
from signals_app.detectors.reading import filings, form, made, read, value
from signals_app.detectors.rules import Percent, Rule, RuleFile, RuleTable, Strict, load_rules
from signals_app.models import SignalType


class ChargeRules(RuleTable):
    debt_financing: Rule
    director_loan: Rule
    property_purchase: Rule
    refinancing: Rule
    debt_repaid: Rule


class ChargeLimits(Strict):
    refinancing_days: int
    same_days: int
    counted_confidence: Percent


class ChargeWords(Strict):
    lenders: tuple[str, ...]
    property: tuple[str, ...]


class ChargeFile(RuleFile):
    rules: ChargeRules
    limits: ChargeLimits
    words: ChargeWords


FILE = load_rules("charges", ChargeFile)
LIMITS = FILE.limits
LENDER = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, FILE.words.lenders))})(?!\w)", re.IGNORECASE)
CREATED = frozenset({"MR01", "MR02", "MR03", "MR08", "395", "MG01", "MR01S"})
REPAID = frozenset({"MR04", "MR05", "403A", "MG02"})
REAL_ESTATE = "68"  # SIC division: to these companies a mortgage is the daily trade


@dataclass(slots=True)
class Charged:
    """Reports of one charge's creation or end."""

    code: str
    is_new: bool
    evidence: list[tuple[Fact, str]] = field(default_factory=list)
    persons: list[str] = field(default_factory=list)
    particulars: str = ""
    is_counted: bool = False  # only a snapshot's counts tell of it

    @property
    def on(self) -> date:
        return self.evidence[0][0].on


class Charges(Detector):
    name = "charges"
    label = "Charges"

    def detect(self, history: History) -> Iterator[Detection]:
        charges = _merged(sorted(_reports(history), key=lambda one: (one.on, one.is_counted, one.evidence[0][0].id)))
        created = [charge for charge in charges if charge.is_new]
        repaid = [charge for charge in charges if not charge.is_new]
        at = 0
        for charge in created:
            while at < len(repaid) and (charge.on - repaid[at].on).days > LIMITS.refinancing_days:
                yield _repaid(repaid[at])
                at += 1
            if at < len(repaid) and (repaid[at].on - charge.on).days <= LIMITS.refinancing_days:
                evidence = sorted(charge.evidence + repaid[at].evidence, key=lambda item: (item[0].on, item[0].id))
                yield made(SignalType.COMPANIES_HOUSE_FILING, FILE.rules.refinancing, FILE.version, evidence,
                           data={"persons_entitled": charge.persons})  # fmt: skip
                at += 1
            else:
                yield _created(charge, history)
        yield from map(_repaid, repaid[at:])


def _created(charge: Charged, history: History) -> Detection:
    rule, signal_type = FILE.rules.debt_financing, SignalType.COMPANIES_HOUSE_FILING
    lower = charge.particulars.lower()
    is_estate = any(code.startswith(REAL_ESTATE) for code in history.company.sic_codes)
    if is_estate or any(word in lower for word in FILE.words.property):
        rule, signal_type = FILE.rules.property_purchase, SignalType.EXPANSION
    elif charge.persons and not any(LENDER.search(name) for name in charge.persons):
        rule = FILE.rules.director_loan
    confidence = LIMITS.counted_confidence if charge.is_counted else None
    return made(signal_type, rule, FILE.version, charge.evidence, confidence=confidence,
                data={"charge_code": charge.code, "persons_entitled": charge.persons})  # fmt: skip


def _repaid(charge: Charged) -> Detection:
    return made(SignalType.COMPANIES_HOUSE_FILING, FILE.rules.debt_repaid, FILE.version, charge.evidence,
                data={"charge_code": charge.code})  # fmt: skip


def _reports(history: History) -> Iterator[Charged]:
    for fact, filing in filings(history):
        kind, told = form(filing), filing.description
        is_new = kind in CREATED or told.startswith("mortgage-create")
        if is_new or kind in REPAID or told.startswith("mortgage-satisfy"):
            yield Charged(value(filing, "charge_number"), is_new, [(fact, told or kind)])
    for kind, is_new in (("charge_registered", True), ("charge_satisfied", False)):
        for fact, charge in read(history, kind, Charge):
            is_counted = not charge.charge_code and charge.charge_number is None
            code = charge.charge_code or ("" if charge.charge_number is None else str(charge.charge_number))
            persons = [name[:200] for name in charge.persons_entitled[:10]]
            evidence = [(fact, charge.classification or charge.charge_code)]
            yield Charged(code, is_new, evidence, persons, charge.particulars, is_counted)


def _merged(reports: list[Charged]) -> list[Charged]:
    """One for all reports of a charge. A report without a code is of the latest: a snapshot only counts."""
    charges: list[Charged] = []
    by_code: dict[tuple[bool, str], Charged] = {}
    latest: dict[bool, Charged] = {}
    for report in reports:
        known = by_code.get((report.is_new, report.code)) if report.code else latest.get(report.is_new)
        if known is None and report.code and report.is_new in latest and not latest[report.is_new].code:
            known = latest[report.is_new]
        if known is None or (report.on - known.on).days > LIMITS.same_days:
            charges.append(report)
            known = report
        elif report.evidence[0][0].fingerprint not in {fact.fingerprint for fact, _ in known.evidence}:
            known.evidence += report.evidence
            known.code = known.code or report.code
            known.persons = known.persons or report.persons
            known.particulars = known.particulars or report.particulars
            known.is_counted = known.is_counted and report.is_counted
        latest[report.is_new] = known
        if known.code:
            by_code[report.is_new, known.code] = known
    return charges
