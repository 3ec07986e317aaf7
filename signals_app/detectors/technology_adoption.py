"""Technologies that a company uses: required in its job adverts, found on its website, chosen in the news."""

import re
from collections.abc import Iterator
from datetime import date
from uuid import UUID

from businesses.payloads import JobPosted, News, WebChanged
from signals_app.detectors.base import Detection, Detector, Fact, History
from signals_app.detectors.reading import made, read, texts
from signals_app.detectors.rules import Percent, Rule, RuleFile, RuleTable, Strict, load_rules
from signals_app.models import SignalType
from signals_app.text.claims import claims
from signals_app.text.names import pattern_of, short_names
from signals_app.text.sentences import Sentence
from signals_app.text.technologies import is_business, names_of, uses_in


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
    r"\b(?:(?<=to )(?:roll out|adopt|deploy|implement|migrate|move|switch|use|install)|signs with|"
    r"signed with|now runs?|adopts|adopted|selects|selected|chooses|chose|chosen|implements|implemented|deploys|"
    r"deployed|migrates|migrated|migrating|"
    r"moves|moved|switches|switched|rolls out|rolled out|rolling out|goes live (?:with|on)|"
    r"went live (?:with|on)|gone live (?:with|on)|"
    r"live on|standardi[sz]es on|standardi[sz]ed on|uses|using|runs|invests in|invested in|picks|"
    r"turns to|signs up (?:to|for)|"
    r"upgrades to|upgraded to|transitions|transitioned|completes|completed|"
    r"embraces|replaces|replaced|opts for|taps)\b",
    re.IGNORECASE,
)
SELLS = re.compile(
    r"\b(?:partner(?:s|ship|ed)?|integration|reseller|certified|marketplace|app ?store|connector|"
    r"plug-?in|customers?|clients?)\b",
    re.IGNORECASE,
)
RULES = {
    "job_posted": FILE.rules.technology_in_postings,
    "web_changed": FILE.rules.technology_on_website,
    "news": FILE.rules.technology_chosen,
}
Use = tuple[Fact, str, str]  # the fact, the product, the quote


class TechnologyAdoption(Detector):
    name = "technology_adoption"
    label = "Technology adoption"

    def detect(self, history: History) -> Iterator[Detection]:
        names = short_names(history.company.name, history.company.domain)
        uses = [*_in_postings(history), *_on_website(history), *_in_news(history, names)]
        bought = [use for use in uses if is_business(use[1]) and not _is_own(use[1], names)]
        yield from map(_made, _groups(sorted(bought, key=lambda use: (use[0].on, use[0].id, use[1]))))


def _groups(uses: list[Use]) -> list[list[Use]]:
    """Reports of one adoption: texts that name a product in common. A product known for longer is none that is new."""
    first: dict[str, date] = {}
    latest: dict[str, list[Use]] = {}
    by_fact: dict[UUID, list[Use]] = {}
    groups: list[list[Use]] = []
    for use in uses:
        fact, product, _ = use
        known = first.setdefault(product, fact.on)
        if (fact.on - known).days > LIMITS.period_days:
            continue
        group = latest.get(product) or by_fact.get(fact.fingerprint)
        if group is None:
            group = []
            groups.append(group)
        group.append(use)
        latest.setdefault(product, group)
        by_fact.setdefault(fact.fingerprint, group)
    return groups


def _made(group: list[Use]) -> Detection:
    once = {fact.fingerprint: (fact, quote) for fact, _, quote in reversed(group)}
    evidence = sorted(once.values(), key=lambda item: (item[0].on, item[0].id))
    rule = max((RULES[fact.kind] for fact, _ in evidence), key=lambda rule: rule.weight)
    repeated = sum(fact.kind == "job_posted" for fact, _ in evidence) > 1
    return made(
        SignalType.TECHNOLOGY_ADOPTION, rule, FILE.version, evidence,
        data={"technology": list(dict.fromkeys(product for _, product, _ in group))[: LIMITS.shown]},
        confidence=min(98, rule.confidence + (LIMITS.repeated_confidence if repeated else 0)),
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
        for claim in claims(
            texts(fact), names, CHOOSES, on=fact.on, first_person=fact.kind == "web_changed", decided=True
        ):
            if SELLS.search(claim.sentence.text):
                continue
            for named in names_of(Sentence(0, claim.sentence.text)):
                is_object = named.start > claim.start or claim.sentence.text[named.end :].startswith(
                    (", which", " which")
                )
                if is_object and not _is_left(claim.sentence.text, claim.verb, named.start):
                    yield fact, named.name, claim.sentence.text


def _is_left(sentence: str, verb: str, start: int) -> bool:
    """ "Migrates from X to Y", "replaces X with Y": X is what is left."""
    before = sentence[max(0, start - 30) : start]
    if re.search(r"\b(?:from|off|away from)\s(?:(?:its|the|their|our|old|legacy)\s){0,2}$", before):
        return True
    return verb.lower().startswith("replac") and not re.search(r"\b(?:with|by)\s(?:(?:the|new)\s){0,2}$", before)


def _is_own(product: str, names: tuple[str, ...]) -> bool:
    """A company that sells a product names it in every text."""
    pattern = pattern_of(names)
    return bool(pattern and pattern.fullmatch(product)) or bool(set(short_names(product)) & set(names))
