"""Drafts: what holds of those written on companies made at random, and of a list of whom not to contact."""

import json
from dataclasses import asdict
from random import Random
from types import SimpleNamespace
from typing import Any, cast

from django.db import transaction

from agents.evaluation.base import SEED, Evaluation, Measure, Property, proportion
from agents.evaluation.draft_checks import is_banned, is_grounded, is_open, is_too_long, known_words, strange_words
from agents.suppression import Wish, add_suppressions, suppressed
from agents.writing.compose import Settings, compose
from agents.writing.jobs import Job, compose_step
from agents.writing.lints import Written
from agents.writing.samples import Case, sample_case
from businesses.models import Business
from oppspot.organizations.models import Organization

GENERATED = "companies made at random, half of whose texts are hostile"
BATCH = 100  # of those listed at once
NOT_MEASURED = [
    "Blind pairwise preference over a static template: needs people.",
    "Facts that consist of words of the templates alone: the separate check does not tell them from the frame.",
    "Rewriting by a language model: held to the slots by tests of its own.",
    "Answers to messages, and use to a business: cannot be known offline.",
]


def evaluate(cases: int) -> Evaluation:
    """The first `cases` sample companies, and as many looks at the list of whom not to contact."""
    properties, measures = _drafts(cases)
    return Evaluation("writer_agent", [*properties, *_contacts(cases)], measures, NOT_MEASURED)


def _drafts(cases: int) -> tuple[list[Property], list[Measure]]:
    outside = Property("no word or figure outside of templates and fresh facts")
    unfilled, banned = Property("no placeholder"), Property("no banned claim, link or address")
    length, same = Property("within the limits of its channel"), Property("same input, same bytes")
    claims = Property("every claim cites evidence that holds it")
    grounded = reasons = fresh = claimed = kept = kept_static = 0
    for number in range(cases):
        case, name = sample_case(number), f"sample {number}"
        written = compose(case.facts, case.settings)
        known = known_words(case.facts, (case.settings.offer, case.settings.sender))
        held = is_grounded(written)
        verdicts = _verdicts(written.form, written.subject, written.body, known)
        for one, holds in zip((outside, unfilled, banned, length), verdicts, strict=True):
            one.check(holds, name)
        claims.check(all(held), name)
        same.check(_bytes(compose(case.facts, case.settings)) == _bytes(written), name)
        grounded, claimed = grounded + sum(held), claimed + len(held)
        fresh += bool(case.facts.reasons)
        reasons += written.reason != "profile"
        kept += all(verdicts)
        kept_static += all(_verdicts(written.form, *static_draft(case), known))
    return [outside, unfilled, banned, length, claims, same], [
        proportion("claims that their evidence holds", grounded, claimed, labels=GENERATED, baselines={}),
        proportion("drafts that keep all of these rules", kept, cases, labels=GENERATED,
                   baselines={"static template": kept_static / cases}),
        proportion("drafts on a fresh signal, where there is one", reasons, fresh, labels=GENERATED,
                   baselines={"static template": 0.0}),
    ]  # fmt: skip


def _verdicts(form: str, subject: str, body: str, known: frozenset[str]) -> tuple[bool, bool, bool, bool]:
    text = f"{subject}\n{body}"
    return (
        not strange_words(text, known),
        not is_open(text),
        not is_banned(text),
        not is_too_long(form, subject, body),
    )


def static_draft(case: Case) -> tuple[str, str]:
    """A template as mail merges fill it: each value as it is stored, and nothing else said. It is of words that the
    writer's templates have, so that only its values can be found fault with."""
    facts = case.facts
    subject = f"A question about {facts.name}" if case.settings.form in ("email", "inmail") else ""
    body = (
        f"Hello {facts.recipient.name},\n\nI am writing to {facts.name} as a business in {facts.town}. "
        f"What we do: {case.settings.offer}.\n\nRegards\n{case.settings.sender}"
    )
    return subject, body


def _bytes(written: Written) -> bytes:
    return json.dumps(asdict(written), sort_keys=True, default=str).encode()


def _contacts(cases: int) -> list[Property]:
    """Those who are listed, looked up in other spellings, and others who are much like them; rolled back."""
    chance = Random(SEED)
    refused = Property("whoever is on the do-not-contact list is refused, however it is written")
    allowed = Property("whoever is only like them is not")
    with transaction.atomic():
        org = Organization.objects.create(name="Evaluation", slug="evaluation-writer")
        for start in range(0, cases, BATCH):
            numbers = range(start, min(cases, start + BATCH))
            kinds = {number: chance.choice(("company", "domain", "email")) for number in numbers}
            wishes = [Wish(kind, _written(kind, number, chance)) for number, kind in kinds.items()]
            add_suppressions(org=org, wishes=wishes, by="evaluation")
            for number, kind in kinds.items():
                case = f"{kind} {number} of seed {SEED}"
                refused.check(_is_refused(org, kind, number, chance), case)
                allowed.check(not suppressed(org=org, **_alike(kind, number)), case)
        transaction.set_rollback(True)
    return [refused, allowed]


def _written(kind: str, number: int, chance: Random) -> str:
    """As somebody writes it on the list."""
    host = f"firm{number}.example"
    if kind == "company":
        return chance.choice((f"{number:08}", str(number), f" {number:08} "))
    if kind == "domain":
        return chance.choice((host, host.upper(), f"https://www.{host}/about", f"www.{host}"))
    return chance.choice((f"ann@{host}", f"Ann+news@{host.upper()}", f" ann@{host}. "))


def _is_refused(org: Organization, kind: str, number: int, chance: Random) -> bool:
    """A company or a domain by the step that writes, an address by whoever exports."""
    host = f"firm{number}.example"
    if kind == "email":
        address = chance.choice((f"ANN@{host}", f"ann+{number}@{host}", f"\uff41nn@{host}"))
        return bool(suppressed(org=org, business=_company("", ""), emails=[address]))
    domain = chance.choice((host, f"shop.{host}", f"a.b.{host}")) if kind == "domain" else "elsewhere.example"
    business = _company(f"{number:08}" if kind == "company" else "", domain)
    job = Job(business, None, "email", Settings(), sample_case(0).facts.today)
    composed = compose_step(cast("Any", SimpleNamespace(org=org)), job)
    return "do-not-contact" in composed.get("refused", "")


def _alike(kind: str, number: int) -> dict[str, Any]:
    """A number, a domain or an address that differs in one place from what is listed."""
    host = f"firm{number}.example"
    if kind == "company":
        return {"business": _company(f"9{number:07}", "")}
    if kind == "domain":
        return {"business": _company("", f"my{host}"), "emails": [f"ann@{host}.example.org"]}
    return {"business": _company("", f"other-{host}"), "emails": [f"anne@{host}", f"ann@my{host}"]}


def _company(number: str, domain: str) -> Business:
    return Business(name="Listed Ltd", company_number=number or None, domain=domain)
