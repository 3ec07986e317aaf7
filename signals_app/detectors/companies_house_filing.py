"""What filings and changes of the register mean, by a table: names, constitution, accounts, re-registration."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from businesses.payloads import Changed, Filing, Overdue
from signals_app.detectors.base import Detection, Detector, Fact, History
from signals_app.detectors.reading import filings, form, grouped, is_new, is_of_constitution, made, near, quotes, read
from signals_app.detectors.rules import Rule, RuleFile, RuleTable, Strict, load_rules
from signals_app.models import SignalType
from signals_app.text.names import short_names


class FilingRules(RuleTable):
    rebrand: Rule
    new_company: Rule
    pivot: Rule
    accounting_distress: Rule
    risk_late_filing: Rule


class FilingLimits(Strict):
    rebrand_days: int
    together_days: int
    same_days: int
    founding_days: int
    allotment_days: int
    lag_days: int
    shortened: int
    shortened_days: int


class Form(Strict):
    """Filings that mean one thing; with the flags off, not around the incorporation or an allotment."""

    rule: Rule
    types: frozenset[str] = frozenset()
    starts: tuple[str, ...] = ()
    near_incorporation: bool = True
    near_allotment: bool = True


class FilingFile(RuleFile):
    rules: FilingRules
    limits: FilingLimits
    forms: tuple[Form, ...]


FILE = load_rules("companies_house_filing", FilingFile)
LIMITS = FILE.limits
TYPE = SignalType.COMPANIES_HOUSE_FILING
GONE = frozenset({"insolvent", "dissolved"})
NEW = frozenset({"NEWINC", "LLIN01", "IN01"})


class CompaniesHouseFiling(Detector):
    name = "companies_house_filing"
    label = "Companies House filing"

    def detect(self, history: History) -> Iterator[Detection]:
        filed = filings(history)
        yield from _by_table(history, filed)
        yield from _rebrands(history, filed)
        yield from _incorporation(history, filed)
        yield from _pivots(history)
        yield from _distress(filed)
        yield from _overdue(history, filed)


def _by_table(history: History, filed: Sequence[tuple[Fact, Filing]]) -> Iterator[Detection]:
    allotted = [fact.on for fact, filing in filed if form(filing) == "SH01"]
    by_form: dict[int, list[tuple[Fact, Filing]]] = {}
    for fact, filing in filed:
        index = _form_of(filing)
        if index is None or _is_gated(FILE.forms[index], history, fact, filing):
            continue
        if not FILE.forms[index].near_allotment and near(fact.on, allotted, LIMITS.allotment_days):
            continue
        by_form.setdefault(index, []).append((fact, filing))
    for index, reports in sorted(by_form.items()):
        for group in grouped(reports, LIMITS.together_days):
            yield made(TYPE, FILE.forms[index].rule, FILE.version, quotes(group), data=_told(group[0][1]))


def _form_of(filing: Filing) -> int | None:
    kind, told = form(filing), filing.description
    by_words = (index for index, one in enumerate(FILE.forms) if one.starts and told.startswith(one.starts))
    by_type = (index for index, one in enumerate(FILE.forms) if kind in one.types)
    return next(by_words, next(by_type, None))


def _is_gated(one: Form, history: History, fact: Fact, filing: Filing) -> bool:
    if not one.near_incorporation and (
        is_new(history, fact, LIMITS.founding_days) or NEW & {kind.upper() for kind in filing.associated}
    ):
        return True
    return form(filing) == "RESOLUTIONS" and not is_of_constitution(filing)


def _told(filing: Filing) -> dict[str, Any]:
    return {"type": filing.type, "transaction_id": filing.transaction_id}


def _rebrands(history: History, filed: Sequence[tuple[Fact, Filing]]) -> Iterator[Detection]:
    """A new name: by the certificate, and by the snapshot that shows it. A change of the legal form alone is none."""
    certificates = [
        (fact, filing.description or filing.type, "")
        for fact, filing in filed
        if form(filing) == "CERTNM" or filing.description.startswith("certificate-change-of-name-company")
    ]
    shown = [
        (fact, change.after[:200], change.before[:200])
        for fact, change in read(history, "name_changed", Changed)
        if isinstance(change.before, str) and isinstance(change.after, str)
    ]
    shown = [item for item in shown if short_names(item[1])[-1:] != short_names(item[2])[-1:]]
    told = sorted([*certificates, *shown], key=lambda item: (item[0].on, item[0].id))
    groups: list[list[tuple[Fact, str, str]]] = []
    for item in told:
        if is_new(history, item[0], LIMITS.rebrand_days):
            continue
        if not groups or (item[0].on - groups[-1][0][0].on).days > LIMITS.same_days:
            groups.append([])
        groups[-1].append(item)
    for group in groups:
        before = next((was for _, _, was in group if was), "")
        yield made(TYPE, FILE.rules.rebrand, FILE.version, [(fact, quote) for fact, quote, _ in group],
                   data={"before": before, "name": history.company.name})  # fmt: skip


def _incorporation(history: History, filed: Sequence[tuple[Fact, Filing]]) -> Iterator[Detection]:
    told: list[tuple[Fact, str]] = [
        (fact, filing.description or filing.type)
        for fact, filing in filed
        if form(filing) in NEW or filing.type.upper() in NEW or filing.description.startswith("incorporation-")
    ]
    told += [(fact, "") for fact, _ in read(history, "incorporated", Changed)]
    if told:
        told.sort(key=lambda item: (item[0].on, item[0].id))
        yield made(
            TYPE, FILE.rules.new_company, FILE.version, told, data={"sic_codes": list(history.company.sic_codes)}
        )


def _pivots(history: History) -> Iterator[Detection]:
    """Another trade: not a code more, nor a neighbouring code (the division is the first two digits)."""
    for fact, change in read(history, "sic_changed", Changed):
        before, after = _divisions(change.before), _divisions(change.after)
        if before and after and not before & after and not is_new(history, fact, LIMITS.rebrand_days):
            data = {"before": sorted(map(str, change.before)), "after": sorted(map(str, change.after))}
            yield made(TYPE, FILE.rules.pivot, FILE.version, [(fact, ", ".join(data["after"])[:200])], data=data)


def _divisions(codes: object) -> set[str]:
    """Without those of dormant companies and of "none supplied"."""
    found = {str(code)[:2] for code in codes if str(code)[:5].isdigit()} if isinstance(codes, list | tuple) else set()
    return found - {"99"}


def _distress(filed: Sequence[tuple[Fact, Filing]]) -> Iterator[Detection]:
    shortened = [report for report in filed if report[1].description.startswith("change-account-reference-date")
                 and report[1].description.endswith("shortened")]  # fmt: skip
    for group in grouped(shortened, LIMITS.shortened_days):
        if len(group) >= LIMITS.shortened:
            yield made(TYPE, FILE.rules.accounting_distress, FILE.version, quotes(group))


def _overdue(history: History, filed: Sequence[tuple[Fact, Filing]]) -> Iterator[Detection]:
    """Accounts that did not come: one detection for each due date. Of a company that is wound up none are expected."""
    if history.company.status in GONE:
        return
    came = [fact.on for fact, filing in filed if form(filing) == "AA"]
    by_day: dict[date, list[Fact]] = {}
    for fact, overdue in read(history, "accounts_overdue", Overdue):
        if overdue.due_on is not None:
            by_day.setdefault(overdue.due_on, []).append(fact)
    for due_on, facts in sorted(by_day.items()):
        if not any(0 <= (due_on - day).days <= LIMITS.lag_days for day in came):
            yield made(TYPE, FILE.rules.risk_late_filing, FILE.version, [(fact, "") for fact in facts],
                       data={"due_on": due_on.isoformat()})  # fmt: skip
