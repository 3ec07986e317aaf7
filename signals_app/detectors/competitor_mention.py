"""The organisation's competitors in texts of a company: used, chosen, left, or only named."""

from collections.abc import Iterator

from signals_app.detectors.base import Detection, Detector, Fact, History
from signals_app.detectors.reading import made, texts
from signals_app.detectors.rules import Rule, RuleFile, RuleTable, Strict, load_rules
from signals_app.models import SignalType
from signals_app.text.claims import names_for
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
        told: list[tuple[str, Fact, list[Mention]]] = []
        for fact in sorted(history.of(*KINDS), key=lambda fact: (fact.on, fact.id)):
            found = list(_mentions(fact, history))
            if found:
                # A text is one sign, by the strongest role in which it names anybody.
                role = max((role for _, role, _ in found), key=lambda role: RULES[role].weight)
                told.append((role, fact, found))
        for role, rule in RULES.items():
            yield from _detections(rule, [(fact, found) for one, fact, found in told if one == role], role)


def _detections(rule: Rule, told: list[tuple[Fact, list[Mention]]], role: str) -> Iterator[Detection]:
    groups: list[list[tuple[Fact, list[Mention]]]] = []
    for fact, found in told:
        if not groups or (fact.on - groups[-1][0][0].on).days > FILE.limits.period_days:
            groups.append([])
        if fact.fingerprint not in {known.fingerprint for known, _ in groups[-1][-1:]}:
            groups[-1].append((fact, found))
    for group in groups:
        evidence = [(fact, next(quote for _, one, quote in found if one == role)) for fact, found in group]
        rivals = sorted({rival for _, found in group for rival, _, _ in found})
        yield made(SignalType.COMPETITOR_MENTION, rule, FILE.version, evidence, data={"competitors": rivals})


def _mentions(fact: Fact, history: History) -> Iterator[Mention]:
    own = names_for(history.company.name, history.company.domain)
    pieces = [*texts(fact), *_technologies(fact)]
    for rival in history.rivals[:MAX_RIVALS]:
        names = tuple(dict.fromkeys(name.strip() for name in (rival.name, *rival.names) if name.strip()))
        if {name.lower() for name in names} & set(own):
            continue  # the company is the competitor
        for piece in pieces:
            for role, quote in roles_in(piece, names, own, FILE.words.common):
                yield rival.name, role, quote


def _technologies(fact: Fact) -> Iterator[str]:
    """Products found on the website: "Uses HubSpot" is not its text, the product's name is."""
    added = getattr(fact.payload, "technologies_added", None)
    yield from (one for one in added[:50] if isinstance(one, str)) if isinstance(added, list) else ()
