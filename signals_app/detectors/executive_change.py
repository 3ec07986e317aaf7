"""Directors and executives who come and go: the register's filings and rows of officers, and news."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

from businesses.payloads import Filing, OfficerChange
from signals_app.detectors.base import Detection, Detector, Fact, History
from signals_app.detectors.reading import filings, form, is_new, made, read, texts, value
from signals_app.detectors.rules import Percent, Rule, RuleFile, RuleTable, Strict, load_rules
from signals_app.models import SignalType
from signals_app.text.appointments import moves_in
from signals_app.text.names import short_names
from signals_app.text.people import Title, person_key, title_of


class ExecutiveRules(RuleTable):
    new_executive: Rule
    executive_departure: Rule
    leadership_transition: Rule
    several_departures: Rule


class ExecutiveLimits(Strict):
    incorporation_days: int
    nominee_directorships: int
    experience_confidence: Percent
    same_days: int
    transition_days: int
    several: int
    several_days: int
    news_confidence: Percent
    middle_weight: Percent


class ExecutiveFile(RuleFile):
    rules: ExecutiveRules
    limits: ExecutiveLimits


FILE = load_rules("executive_change", ExecutiveFile)
LIMITS = FILE.limits
DIRECTORS = frozenset({"director", "llp-member", "llp-designated-member", "member", "managing-officer", "cic-manager",
                       "member-of-a-management-organ", "member-of-an-administrative-organ"})  # fmt: skip
TOP = frozenset({"c_level", "board"})


@dataclass(slots=True)
class Change:
    """Reports of one person's coming or going."""

    person: str
    key: tuple[str, str]
    is_joining: bool
    evidence: list[tuple[Fact, str]] = field(default_factory=list)
    title: Title | None = None
    title_text: str = ""
    officer_id: str = ""
    is_registered: bool = False

    @property
    def on(self) -> date:
        return min(fact.on for fact, _ in self.evidence)


class ExecutiveChange(Detector):
    name = "executive_change"
    label = "Executive change"

    def detect(self, history: History) -> Iterator[Detection]:
        changes = _merged(sorted(_reports(history), key=lambda one: (one.on, one.evidence[0][0].id, one.person)))
        changes = [change for change in changes if not _is_nominee(change, history)]
        joins = [change for change in changes if change.is_joining]
        leaves = [change for change in changes if not change.is_joining]
        transitions, joins, leaves = _transitions(joins, leaves)
        for left, came in transitions:
            yield _transition(left, came)
        crowds, leaves = _crowds(leaves)
        for crowd in crowds:
            people = [change.person for change in crowd if change.person]
            yield made(SignalType.EXECUTIVE_CHANGE, FILE.rules.several_departures, FILE.version,
                       [item for change in crowd for item in change.evidence], data={"people": people})  # fmt: skip
        for change in (*joins, *leaves):
            yield _single(change, history)


def _reports(history: History) -> Iterator[Change]:
    for fact, filing in filings(history):
        if change := _of_filing(fact, filing):
            yield from _kept(change, fact, history)
    for kind, is_joining in (("officer_appointed", True), ("officer_resigned", False)):
        for fact, officer in read(history, kind, OfficerChange):
            if change := _of_officer(fact, officer, is_joining):
                yield from _kept(change, fact, history)
    names = short_names(history.company.name, history.company.domain)
    for fact in history.of("news", "web_changed"):
        for move in moves_in(texts(fact), names, on=fact.on, own=fact.kind == "web_changed"):
            yield Change(
                move.person,
                person_key(move.person),
                move.is_joining,
                [(fact, move.quote)],
                move.title,
                title_text=move.title_text,
            )


def _kept(change: Change, fact: Fact, history: History) -> Iterator[Change]:
    if not (change.is_joining and is_new(history, fact, LIMITS.incorporation_days)):
        yield change


def _of_filing(fact: Fact, filing: Filing) -> Change | None:
    kind, told = form(filing), filing.description
    if kind not in {"AP01", "TM01"} and not told.startswith(("appoint-person-director", "termination-director")):
        return None
    if "corporate" in told or "secretary" in told or "NEWINC" in {one.upper() for one in filing.associated}:
        return None
    name = value(filing, "officer_name") or value(filing, "name")
    is_joining = kind == "AP01" or (kind != "TM01" and told.startswith("appoint"))
    return Change(name, person_key(name), is_joining, [(fact, told or filing.type)], None, is_registered=True)


def _of_officer(fact: Fact, officer: OfficerChange, is_joining: bool) -> Change | None:
    role = officer.role.lower().replace(" ", "-")
    if officer.is_corporate or (role and role not in DIRECTORS):
        return None
    # The occupation that the register names is the person's own word; only a post of a company counts as title.
    title = title_of(officer.occupation) if officer.occupation.lower() not in {"director", "company director"} else None
    quote = officer.name or officer.role
    return Change(
        officer.name,
        person_key(officer.name),
        is_joining,
        [(fact, quote)],
        title,
        officer.occupation,
        officer.officer_id,
        True,
    )


def _merged(reports: Iterable[Change]) -> list[Change]:
    """One change for all reports of one person that are near in time; a nameless one joins what it is beside."""
    changes: list[Change] = []
    latest: dict[tuple[bool, tuple[str, str]], Change] = {}
    nameless: dict[bool, Change] = {}
    for report in reports:
        keys = _keys(report.key)
        known = next((latest[report.is_joining, key] for key in keys if (report.is_joining, key) in latest), None)
        if not report.key[0]:
            known = nameless.get(report.is_joining)
        if known is None or (report.on - known.on).days > LIMITS.same_days:
            changes.append(report)
            known = report
        elif report.evidence[0][0].fingerprint not in {fact.fingerprint for fact, _ in known.evidence}:
            known.evidence += report.evidence
            known.title = known.title or report.title
            known.title_text = known.title_text or report.title_text
            known.officer_id = known.officer_id or report.officer_id
            known.is_registered = known.is_registered or report.is_registered
        for key in keys:
            latest[report.is_joining, key] = known
        nameless[report.is_joining] = known
    return changes


def _keys(key: tuple[str, str]) -> list[tuple[str, str]]:
    """By the whole forename, and by its first letter: the register writes out what news shortens."""
    surname, forename = key
    return [(surname, forename), (surname, forename[:1])] if surname else []


def _is_nominee(change: Change, history: History) -> bool:
    return (
        history.directorships.get(change.officer_id, 0) > LIMITS.nominee_directorships if change.officer_id else False
    )


def _transitions(
    joins: list[Change], leaves: list[Change]
) -> tuple[list[tuple[Change, Change]], list[Change], list[Change]]:
    """Pairs of one who left and one who came within the days of a transition, and who is left over."""
    pairs: list[tuple[Change, Change]] = []
    waiting = sorted(joins, key=lambda change: change.on)
    over: list[Change] = []
    at = 0
    came: list[Change] = []
    for left in sorted(leaves, key=lambda change: change.on):
        while at < len(waiting) and (left.on - waiting[at].on).days > LIMITS.transition_days:
            came.append(waiting[at])
            at += 1
        fits = at < len(waiting) and (waiting[at].on - left.on).days <= LIMITS.transition_days
        if fits and _may_follow(left, waiting[at]):
            pairs.append((left, waiting[at]))
            at += 1
        else:
            over.append(left)
    return pairs, came + waiting[at:], over


def _may_follow(left: Change, came: Change) -> bool:
    if left.key == came.key and left.key[0]:
        return False  # the same person in another office
    return left.title is None or came.title is None or left.title.department == came.title.department


def _crowds(leaves: list[Change]) -> tuple[list[list[Change]], list[Change]]:
    """Groups of several who left within days of each other, and the others."""
    crowds: list[list[Change]] = []
    others: list[Change] = []
    group: list[Change] = []
    for change in [*sorted(leaves, key=lambda change: change.on), None]:
        if change and (not group or (change.on - group[0].on).days <= LIMITS.several_days):
            group.append(change)
            continue
        if len(group) >= LIMITS.several:
            crowds.append(group)
        else:
            others += group
        group = [change] if change else []
    return crowds, others


def _transition(left: Change, came: Change) -> Detection:
    data = {"departed": left.person, "appointed": came.person, **_titled(came if came.title else left)}
    evidence = sorted(left.evidence + came.evidence, key=lambda item: (item[0].on, item[0].id))
    return made(SignalType.EXECUTIVE_CHANGE, FILE.rules.leadership_transition, FILE.version, _once(evidence), data=data)


def _once(evidence: list[tuple[Fact, str]]) -> list[tuple[Fact, str]]:
    """One text may tell of who leaves and who follows."""
    return list({fact.fingerprint: (fact, quote) for fact, quote in reversed(evidence)}.values())[::-1]


def _single(change: Change, history: History) -> Detection:
    rule = FILE.rules.new_executive if change.is_joining else FILE.rules.executive_departure
    confidence = rule.confidence if change.is_registered else LIMITS.news_confidence
    if change.is_joining and history.directorships.get(change.officer_id, 0) > 0 and change.officer_id:
        confidence = min(98, confidence + LIMITS.experience_confidence)
    weight = rule.weight
    if not change.is_registered and change.title and change.title.seniority not in TOP:
        weight = min(weight, LIMITS.middle_weight)
    return made(SignalType.EXECUTIVE_CHANGE, rule, FILE.version, change.evidence, confidence=confidence, weight=weight,
                data={"person": change.person, **_titled(change)})  # fmt: skip


def _titled(change: Change) -> dict[str, str | None]:
    if change.title is None:
        return {}
    return {"title": change.title_text, "seniority": change.title.seniority, "department": change.title.department}
