"""The organisation's competitors in texts of a company: used, chosen, left, or only named."""

from collections.abc import Iterator

from businesses.payloads import WebChanged
from signals_app.detectors.base import Detection, Detector, Fact, History
from signals_app.detectors.reading import made, texts
from signals_app.detectors.rules import Rule, RuleFile, RuleTable, Strict, load_rules
from signals_app.models import SignalType
from signals_app.text.names import short_names
from signals_app.text.rivals import roles_in


class CompetitorRules(RuleTable):
    leaving_competitor: Rule
    choosing_competitor: Rule
    using_competitor: Rule
    mention: Rule


class CompetitorLimits(Strict):
    period_days: int


class CompetitorWords(Strict):
    common: frozenset[str]


class CompetitorFile(RuleFile):
    rules: CompetitorRules
    limits: CompetitorLimits
    words: CompetitorWords


FILE = load_rules("competitor_mention", CompetitorFile)
RULES = {
    "leaving": FILE.rules.leaving_competitor,
    "choosing": FILE.rules.choosing_competitor,
    "using": FILE.rules.using_competitor,
    "mention": FILE.rules.mention,
}
KINDS = ("news", "web_changed", "job_posted")
MAX_RIVALS = 100
Mention = tuple[str, str, str]  # rival, role, quote


class CompetitorMention(Detector):
    name = "competitor_mention"
    label = "Competitor mention"

    def detect(self, history: History) -> Iterator[Detection]:
        groups: list[list[tuple[Fact, list[Mention]]]] = []
        latest: dict[str, list[tuple[Fact, list[Mention]]]] = {}
        for fact in sorted(history.of(*KINDS), key=lambda fact: (fact.on, fact.id)):
            found = list(_mentions(fact, history))
            if not found:
                continue
            known = [latest[rival] for rival, _, _ in found if rival in latest]
            group = next((one for one in known if (fact.on - one[0][0].on).days <= FILE.limits.period_days), None)
            if group is None:
                group = []
                groups.append(group)
            if fact.fingerprint not in {one.fingerprint for one, _ in group[-1:]}:
                group.append((fact, found))
            latest |= {rival: group for rival, _, _ in found}
        yield from map(_detection, groups)


def _detection(group: list[tuple[Fact, list[Mention]]]) -> Detection:
    """By the strongest role in which any of the texts names a competitor."""
    role = max((role for _, found in group for _, role, _ in found), key=lambda role: RULES[role].weight)
    evidence = [(fact, max(found, key=lambda one: RULES[one[1]].weight)[2]) for fact, found in group]
    rivals = sorted({rival for _, found in group for rival, _, _ in found})
    return made(SignalType.COMPETITOR_MENTION, RULES[role], FILE.version, evidence, data={"competitors": rivals})


def _mentions(fact: Fact, history: History) -> Iterator[Mention]:
    own = short_names(history.company.name, history.company.domain)
    pieces = [*texts(fact), *_technologies(fact)]
    for rival in history.rivals[:MAX_RIVALS]:
        names = tuple(dict.fromkeys(name.strip() for name in (rival.name, *rival.names) if name.strip()))
        if {name.lower() for name in names} & set(own):
            continue  # the company is the competitor
        for piece in pieces:
            for role, quote in roles_in(piece, names, own, FILE.words.common):
                yield rival.name, role, quote
        for product in _removed(fact):
            for _, quote in roles_in(product, names, own, FILE.words.common):
                yield rival.name, "leaving", quote


def _technologies(fact: Fact) -> list[str]:
    """Products found on the website: of them only the name is told."""
    return fact.payload.technologies_added[:50] if isinstance(fact.payload, WebChanged) else []


def _removed(fact: Fact) -> list[str]:
    return fact.payload.technologies_removed[:50] if isinstance(fact.payload, WebChanged) else []
