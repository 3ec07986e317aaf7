"""Technologies that a company uses: required in its job adverts, found on its website, chosen in the news."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date

from businesses.payloads import JobPosted, News, WebChanged
from signals_app.detectors.base import Detection, Detector, Fact, History
from signals_app.detectors.reading import made, read, texts
from signals_app.detectors.rules import Percent, Rule, RuleFile, RuleTable, Strict, load_rules
from signals_app.models import SignalType
from signals_app.text.claims import claims, names_for
from signals_app.text.names import pattern_of, short_names
from signals_app.text.sentences import Sentence
from signals_app.text.technologies import names_of, uses_in


class TechnologyRules(RuleTable):
    technology_in_postings: Rule
    technology_on_website: Rule
    technology_chosen: Rule


class TechnologyLimits(Strict):
    period_days: int
    repeated_confidence: Percent
    shown: int


class TechnologyRuleFile(RuleFile):
    rules: TechnologyRules
    limits: TechnologyLimits


FILE = load_rules("technology_adoption", TechnologyRuleFile)
LIMITS = FILE.limits
CHOOSES = re.compile(
    r"\b(?:adopts|adopted|selects|selected|chooses|chose|chosen|implements|implemented|deploys|"
    r"deployed|migrates|migrated|migrating|"
    r"moves|moved|switches|switched|rolls out|rolled out|rolling out|goes live (?:with|on)|"
    r"went live (?:with|on)|gone live (?:with|on)|"
    r"live on|standardi[sz]es on|standardi[sz]ed on|uses|using|runs|invests in|invested in|picks|"
    r"turns to|signs up (?:to|for)|"
    r"upgrades to|upgraded to|transitions|transitioned|completes|completed|integrates|integrated|"
    r"embraces|replaces|replaced|opts for|taps)\b",
    re.IGNORECASE,
)
SELLS = re.compile(
    r"\b(?:partner(?:s|ship|ed)?|integration|reseller|certified|marketplace|app ?store|connector|"
    r"plug-?in|customers?|clients?)\b",
    re.IGNORECASE,
)
Use = tuple[Fact, str, str]  # the fact, the product, the quote


class TechnologyAdoption(Detector):
    name = "technology_adoption"
    label = "Technology adoption"

    def detect(self, history: History) -> Iterator[Detection]:
        names = names_for(history.company.name, history.company.domain)
        for rule, uses in (
            (FILE.rules.technology_in_postings, _in_postings(history)),
            (FILE.rules.technology_on_website, _on_website(history)),
            (FILE.rules.technology_chosen, _in_news(history, names)),
        ):
            yield from _detections(rule, [use for use in uses if not _is_own(use[1], names)])


def _detections(rule: Rule, uses: Iterable[Use]) -> Iterator[Detection]:
    """What is first seen within one period is one detection; what was known before is none."""
    seen: dict[str, date] = {}
    group: list[Use] = []
    for use in sorted(uses, key=lambda use: (use[0].on, use[0].id)):
        if group and (use[0].on - group[0][0].on).days > LIMITS.period_days:
            yield _made(rule, group)
            group = []
        first = seen.setdefault(use[1], use[0].on)
        if not group and first != use[0].on:
            continue
        if (use[0].on - first).days <= LIMITS.period_days:
            group.append(use)
    if group:
        yield _made(rule, group)


def _made(rule: Rule, group: list[Use]) -> Detection:
    by_id = {use[0].fingerprint: use for use in reversed(group)}
    once = sorted(by_id.values(), key=lambda use: (use[0].on, use[0].id))
    counts = Counter(product for _, product in {(use[0].fingerprint, use[1]) for use in group})
    repeated = max(counts.values()) > 1 and rule is FILE.rules.technology_in_postings
    return made(
        SignalType.TECHNOLOGY_ADOPTION, rule, FILE.version, [(fact, quote) for fact, _, quote in once],
        data={"technologies": list(dict.fromkeys(use[1] for use in group))[: LIMITS.shown]},
        confidence=rule.confidence + (LIMITS.repeated_confidence if repeated else 0),
    )  # fmt: skip


def _in_postings(history: History) -> Iterator[Use]:
    for fact, _ in read(history, "job_posted", JobPosted):
        for text in texts(fact):
            for named in uses_in(text):
                yield fact, named.name, named.sentence.text


def _on_website(history: History) -> Iterator[Use]:
    for fact, change in read(history, "web_changed", WebChanged):
        removed = {product.lower() for product in change.technologies_removed}
        for product in change.technologies_added[: LIMITS.shown]:
            if product.strip() and product.lower() not in removed:
                yield fact, product[:100], product


def _in_news(history: History, names: tuple[str, ...]) -> Iterator[Use]:
    facts = [fact for fact, _ in read(history, "news", News)] + [
        fact for fact, _ in read(history, "web_changed", WebChanged)
    ]
    for fact in facts:
        for claim in claims(texts(fact), names, CHOOSES, on=fact.on, first_person=fact.kind == "web_changed"):
            if SELLS.search(claim.sentence.text):
                continue
            for named in names_of(Sentence(0, claim.sentence.text)):
                if named.start > claim.start and not _is_left(claim.sentence.text, claim.verb, named.start):
                    yield fact, named.name, claim.sentence.text


def _is_left(sentence: str, verb: str, start: int) -> bool:
    """ "Migrates from X to Y", "replaces X with Y": X is what is left."""
    before = sentence[max(0, start - 30) : start]
    if re.search(r"\b(?:from|off|away from)\s(?:\w+\s){0,2}$", before):
        return True
    return verb.lower().startswith("replac") and not re.search(r"\b(?:with|by)\s(?:\w+\s){0,2}$", before)


def _is_own(product: str, names: tuple[str, ...]) -> bool:
    """A company that sells a product names it in every text."""
    pattern = pattern_of(names)
    return bool(pattern and pattern.fullmatch(product)) or bool(set(short_names(product)) & set(names))
