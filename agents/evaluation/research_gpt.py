"""Reports: what holds of companies made at random, a writer that means ill, and invented dossiers with gold facts."""

import json
import re
from collections import Counter
from random import Random
from typing import Any

from django.db import transaction

from agents.evaluation.answers import measures, report_of
from agents.evaluation.base import SEED, Evaluation, Measure, Property, proportion
from agents.evaluation.fabrications import KINDS, random_fact, tried
from agents.evaluation.gold import gold_dossiers, store
from agents.evaluation.random_dossiers import MARK, random_dossier
from agents.evaluation.research_checks import (
    is_misquoted,
    no_such_fact,
    pool_of,
    stored_texts,
    strange_words,
    wrongly_known,
)
from agents.models import ResearchSection
from agents.research.checking import check_report
from agents.research.rendering import report_as_markdown
from agents.research.writing import told_to_model
from oppspot.organizations.models import Organization

PLANTED = "fabrications of a writer that means ill, made from invented facts"
NOT_MEASURED = [
    "Dossiers of real companies: those with gold facts are invented, and some answers are worded as reports word them.",
    "Agreement of two labellers: there is one, who knew the agent's code.",
    "Questions that a report has no line for (customers, profit, software in use): it is silent on them.",
    "What a real language model writes: fabrications are planted by kind, however often each occurs.",
    "Use to a business: cannot be known offline.",
]


def evaluate(cases: int) -> Evaluation:
    """`cases` random dossiers, as many planted sentences, and all dossiers with gold facts."""
    planted, shares = _prose(cases)
    return Evaluation("research_gpt", [*_reports(cases), planted], [*_labelled(), *shares], NOT_MEASURED)


def _reports(cases: int) -> list[Property]:
    chance = Random(SEED)
    quotes = Property("every quote is stored, character for character")
    cites = Property("every line says something and cites a fact that is there, or says that something is unknown")
    claims = Property("numbers, dates, links and names of every line stand in what it cites")
    words = Property("every word and figure of a fact is stored, computed, or of the agent's own vocabulary")
    unknown = Property("unknown where no source says it, and only there")
    hidden = Property("no text that others wrote at length is given to a language model")
    plain = Property("nothing stored becomes a link or an image in Markdown, but for the addresses of evidence")
    same = Property("same input, same bytes")
    for number in range(cases):
        dossier = random_dossier(chance)
        report, case = report_of(dossier), f"case {number} of seed {SEED}"
        by_name = {one["name"]: one for one in report["sections"]}
        sections, stored, pool = list(by_name.values()), stored_texts(dossier), pool_of(dossier)
        quotes.check(not any(is_misquoted(one, stored) for one in sections), case)
        cites.check(not any(no_such_fact(one) for one in sections), case)
        claims.check(not check_report(report), case)
        words.check(not any(strange_words(one, pool) for one in sections), case)
        unknown.check(not wrongly_known(by_name, dossier), case)
        hidden.check(not any(MARK in one.text for each in sections for one in told_to_model(_row(each))), case)
        plain.check(_is_plain(report_as_markdown(report)), case)
        same.check(_bytes(report_of(dossier)) == _bytes(report), case)
    return [quotes, cites, claims, words, unknown, hidden, plain, same]


_SOURCE = re.compile(r"\[source\]\(<https?://[^<>\s]*>\)")
_MARKUP = re.compile(r"(?<!\\)(?:\]\(|!\[|@)|[<>\u202e\u200b]")  # a link, an image, an address, HTML, hidden characters


def _is_plain(text: str) -> bool:
    """Whether a Markdown text has no links but to evidence, no images, no HTML, and nothing hidden."""
    return not _MARKUP.search(_SOURCE.sub("", text))


def _row(section: dict[str, Any]) -> ResearchSection:
    return ResearchSection(name=section["name"], content=section["content"], evidence=section["evidence"])


def _bytes(report: dict[str, Any]) -> bytes:
    return json.dumps(report, sort_keys=True).encode()


def _prose(cases: int) -> tuple[Property, list[Measure]]:
    """Each kind of fabrication in turn; of those that nothing can see, the share that is caught all the same."""
    chance = Random(SEED)
    caught = Property("planted fabrications that can be looked up are dropped")
    kinds = list(KINDS)
    seen: Counter[str] = Counter()
    tries: Counter[str] = Counter()
    twins = 0
    for number in range(cases):
        name = kinds[number % len(kinds)]
        first, *others = (random_fact(chance, f"bs{place}") for place in (1, 2, 3))
        trial = tried(KINDS[name], first, others, chance)
        twins += trial.is_twin_kept
        tries[name] += 1
        seen[name] += trial.is_caught
        if KINDS[name].is_seen:
            caught.check(trial.is_caught, f"{name}: {trial.text}")
    shares = [proportion("true sentences kept", twins, cases, labels=PLANTED, baselines={})]
    shares += [
        proportion(f"caught, though it cannot be looked up: {name}", seen[name], tries[name], labels=PLANTED,
                   baselines={})
        for name in kinds
        if not KINDS[name].is_seen
    ]  # fmt: skip
    return caught, shares


def _labelled() -> list[Measure]:
    """The gold dossiers, stored, loaded as the agent loads them, and rolled back."""
    with transaction.atomic():
        org, other = (
            Organization.objects.create(name="Evaluation", slug=f"evaluation-{place}") for place in ("own", "other")
        )
        pairs = [(gold, store(gold, org, other)) for gold in gold_dossiers()]
        transaction.set_rollback(True)
    return measures(pairs)
