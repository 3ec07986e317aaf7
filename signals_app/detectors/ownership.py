"""Who controls a company: a new owner, one who left, and a company that took over from one who left."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from businesses.payloads import Control, Filing
from signals_app.detectors.base import Detection, Detector, Fact, History
from signals_app.detectors.reading import filings, form, is_new, made, read, value
from signals_app.detectors.rules import Rule, RuleFile, RuleTable, Strict, load_rules
from signals_app.models import SignalType
from signals_app.text.people import person_key


class OwnershipRules(RuleTable):
    new_owner: Rule
    owner_left: Rule
    acquisition: Rule


class OwnershipLimits(Strict):
    incorporation_days: int
    acquisition_days: int
    same_days: int


class OwnershipFile(RuleFile):
    rules: OwnershipRules
    limits: OwnershipLimits


FILE = load_rules("ownership", OwnershipFile)
LIMITS = FILE.limits
TYPE = SignalType.COMPANIES_HOUSE_FILING
NOTIFIED = frozenset({"PSC01", "PSC02", "PSC03"})
NO_PERSON = ("statement", "exemption")
CORPORATE = ("corporate-entity", "legal-person")


@dataclass(slots=True)
class Owner:
    """Reports of one owner's coming or going. `key` is the name in one spelling."""

    name: str
    key: tuple[str, ...]
    is_coming: bool
    is_corporate: bool
    evidence: list[tuple[Fact, str]] = field(default_factory=list)

    @property
    def on(self) -> date:
        return self.evidence[0][0].on


class Ownership(Detector):
    name = "ownership"
    label = "Ownership"

    def detect(self, history: History) -> Iterator[Detection]:
        owners = _merged(sorted(_reports(history), key=lambda one: (one.on, one.evidence[0][0].id)))
        came = [owner for owner in owners if owner.is_coming]
        left = [owner for owner in owners if not owner.is_coming]
        taken: set[int] = set()
        for buyer in (owner for owner in came if owner.is_corporate):
            sellers = [
                owner
                for owner in left
                if id(owner) not in taken
                and abs((owner.on - buyer.on).days) <= LIMITS.acquisition_days
                and owner.key != buyer.key
            ]
            if sellers:
                taken |= {id(buyer), *map(id, sellers)}
                evidence = [item for owner in (buyer, *sellers) for item in owner.evidence]
                yield made(TYPE, FILE.rules.acquisition, FILE.version, evidence,
                           data={"buyer": buyer.name, "sellers": [owner.name for owner in sellers]})  # fmt: skip
        for owner in owners:
            if id(owner) not in taken:
                rule = FILE.rules.new_owner if owner.is_coming else FILE.rules.owner_left
                data = {"name": owner.name, "is_corporate": owner.is_corporate}
                yield made(TYPE, rule, FILE.version, owner.evidence, data=data)


def _reports(history: History) -> Iterator[Owner]:
    for fact, filing in filings(history):
        owner = _of_filing(fact, filing)
        if owner and not (owner.is_coming and _is_founder(history, fact, filing)):
            yield owner
    for kind, is_coming in (("control_notified", True), ("control_ceased", False)):
        for fact, control in read(history, kind, Control):
            if any(word in control.psc_kind for word in NO_PERSON):
                continue
            if not (is_coming and is_new(history, fact, LIMITS.incorporation_days)):
                is_corporate = control.is_corporate or control.psc_kind.startswith(CORPORATE)
                yield Owner(control.name, person_key(control.name), is_coming, is_corporate,
                            [(fact, control.name or control.psc_kind)])  # fmt: skip


def _of_filing(fact: Fact, filing: Filing) -> Owner | None:
    kind = form(filing)
    if kind not in NOTIFIED and kind != "PSC07":
        return None
    if any(word in filing.description for word in NO_PERSON):
        return None
    name = value(filing, "psc_name")
    return Owner(
        name, person_key(name), kind in NOTIFIED, kind in {"PSC02", "PSC03"}, [(fact, filing.description or kind)]
    )


def _is_founder(history: History, fact: Fact, filing: Filing) -> bool:
    return is_new(history, fact, LIMITS.incorporation_days) or "NEWINC" in {one.upper() for one in filing.associated}


def _merged(reports: list[Owner]) -> list[Owner]:
    """One owner for all reports of that name; a report without a name joins the latest."""
    owners: list[Owner] = []
    latest: dict[tuple[bool, tuple[str, ...]], Owner] = {}
    for report in reports:
        key = (report.is_coming, report.key)
        known = latest.get(key) or (latest.get((report.is_coming, ("", ""))) if not any(report.key) else None)
        if known is None or (report.on - known.on).days > LIMITS.same_days:
            owners.append(report)
            latest[key] = latest[report.is_coming, ("", "")] = report
        elif report.evidence[0][0].fingerprint not in {fact.fingerprint for fact, _ in known.evidence}:
            known.evidence += report.evidence
            known.is_corporate = known.is_corporate or report.is_corporate
    return owners
