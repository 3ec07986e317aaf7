"""A draft's sentences in other words: what says the same is kept, what says anything else is not."""

import re
import tomllib
from dataclasses import replace
from random import Random

import pytest

from agents.writing.compose import Settings, compose
from agents.writing.facts import Facts, SignalFact
from agents.writing.lints import Written, check_draft
from agents.writing.parts import PLACES, Form
from agents.writing.rewriting import Part, Rewritten, checked
from agents.writing.samples import TODAY, sample_case
from agents.writing.wording import FILE, Original, common_words, originals_of, wrong_with
from tests.agents.rewriting_cases import calm_part, evil_part
from tests.agents.test_writing import FACTS

RAISED = SignalFact("funding_round", "equity_round", TODAY, {"amount": 2_500_000, "currency": "GBP"},
                    "Evil Corp raised £9,999,999", "news_feeds", confidence=90, weight=60)  # fmt: skip
FORMS: tuple[Form, ...] = ("email", "inmail", "note", "call")
SUBJECT, REASON = "What comes next for Acme Ltd", "I saw that Acme Ltd raised £2.5 million in June 2026."


def raised(form: Form = "email") -> Written:
    facts: Facts = replace(FACTS, signals=(RAISED,))
    return compose(facts, Settings(form, "plain", "clean anvils", "Sam Field", seed="2"))


def original(place: str) -> Original:
    return originals_of(raised())[place]


def part(place: str, text: str, *evidence: str) -> Part:
    return Part(place=place, text=text, evidence=list(evidence))


def rewritten(*parts: Part, form: Form = "email") -> Rewritten:
    return checked(raised(form), parts, today=TODAY)


def test_the_text_that_the_others_are_held_against() -> None:
    assert (original("subject").claim.text, original("reason").claim.text) == (SUBJECT, REASON)
    assert original("reason").kept == ["£2.5 million", "June 2026"]
    assert set(originals_of(raised())) == {"subject", "reason", "context", "question"}
    assert set(originals_of(raised("note"))) == {"reason", "question"}
    assert set(originals_of(raised("call"))) == {"ask", "ask_more"}


def test_other_words_take_the_place_of_the_templates() -> None:
    found = rewritten(
        part("reason", "Congratulations on the £2.5 million that Acme Ltd raised in June 2026.", "s1", "f1"),
        part("question", "Could we find a time for a quick chat?"),
        part("subject", "A quick question for Acme Ltd", "f1"),
    )
    assert found.dropped == ()
    assert found.written
    assert found.written.subject == "A quick question for Acme Ltd"
    assert found.written.body.startswith("Hello,\n\nCongratulations on the £2.5 million")
    assert found.written.body.endswith("Could we find a time for a quick chat?\n\nRegards\nSam Field")
    assert "clean anvils" in found.written.body
    assert {claim.text: claim.evidence for claim in found.written.claims}[found.written.subject] == ("f1",)
    assert [one for one in check_draft(found.written, today=TODAY) if one.is_hard] == []


@pytest.mark.parametrize("text", [
    "I noticed that Acme Ltd raised £2.5 million in June 2026 and wanted to get in touch.",
    "Congratulations to you and your team on the £2.5 million that Acme Ltd raised in June 2026!",
    "The news that Acme Ltd raised £2.5 million in June 2026 caught my attention.",
    "I was delighted to read about the £2.5 million, raised by Acme Ltd in June 2026.",
])  # fmt: skip
def test_what_says_the_same_may_be_said(text: str) -> None:
    assert wrong_with(original("reason"), text, ["s1", "f1"]) == ""


@pytest.mark.parametrize(("text", "evidence", "reason"), [
    (REASON, ["s1"], "cite"),
    (REASON, ["s1", "f1", "o1"], "cite"),
    ("I saw that your team raised £2.5 million in June 2026.", [], "cite"),
    ("I saw that Acme Ltd raised £2.6 million in June 2026.", ["s1", "f1"], "keep"),
    ("I saw that Acme Ltd raised £2.5 million.", ["s1", "f1"], "keep"),
    ("I saw that Acme Ltd raised £2.5 million in June 2026 and June 2026.", ["s1", "f1"], "keep"),
    (f"{REASON[:-1]}, 30 days since.", ["s1", "f1"], "figures"),
    (f"{REASON[:-1]} (www.evil.example/).", ["s1", "f1"], "figures"),
    (f"{REASON} {REASON}", ["s1", "f1"], "keep"),
    (f"{REASON} Well done.", ["s1", "f1"], "one sentence"),
    (f"{REASON[:-1]}?", ["s1", "f1"], "one sentence"),
    ("I saw that Acme Ltd lost £2.5 million in June 2026.", ["s1", "f1"], "words"),
    ("I saw that Acme Ltd never raised £2.5 million in June 2026.", ["s1", "f1"], "words"),
    ("I saw that acme raised £2.5 million in June 2026 and owes it all.", ["s1"], "words"),
    ("I saw that Acme Ltd raised about £2.5 million in June 2026.", ["s1", "f1"], "light"),
    ("I saw that Acme Ltd raised £2.5 million by June 2026.", ["s1", "f1"], "light"),
    ("I Saw THE NEWS That Acme Ltd raised £2.5 million in June 2026.", ["s1", "f1"], "does not say so"),
    ("", [], "cite"),
])  # fmt: skip
def test_what_says_anything_else_may_not(text: str, evidence: list[str], reason: str) -> None:
    evidence = evidence or ["s1", "f1", "f9"]
    assert reason in wrong_with(original("reason"), text, evidence)


def test_a_sentence_that_is_dropped_leaves_the_templates() -> None:
    found = rewritten(
        part("reason", "I saw that Acme Ltd lost £2.5 million in June 2026.", "s1", "f1"),
        part("question", "Could we find a time for a quick chat?"),
        part("question", "Would a short call be useful?"),
        part("ask", "What are your plans?"),
    )
    assert found.written
    assert REASON in found.written.body
    assert "quick chat?" in found.written.body
    assert [one.place for one in found.dropped] == ["question", "ask", "reason"]
    assert not any("lost" in one.reason for one in found.dropped)
    nothing = rewritten(part("reason", "Evil Corp pays.", "f999"))
    assert (nothing.written, nothing.failure) == (None, "No sentence of the answer may be said.")
    assert rewritten().written is None


def test_a_sentence_is_dropped_that_makes_the_text_too_long() -> None:
    case = replace(FACTS, name="Acme " * 12 + "Ltd", signals=(RAISED,))
    written = compose(case, Settings("note", "plain", f"anvils for {'smiths and ' * 3}all", "Sam Field"))
    reason = originals_of(written)["reason"].claim
    more = reason.text[:-1] + ", and thought that it was a great moment to get in touch and to share an idea."
    found = checked(written, [part("reason", more, *reason.evidence)], today=TODAY)
    assert [one.reason for one in found.dropped] == ["The text would break a rule by it: too_long."]


def figures(written: Written) -> set[str]:
    return set(re.findall(r"\d+(?:[.,]\d+)*", written.text))


@pytest.mark.parametrize("seed", range(300))
def test_no_villain_gets_anything_said(seed: int) -> None:
    """Of as many cases as the samples make; by what the text says, not by why it was dropped."""
    case, dice = sample_case(seed), Random(seed)
    composed = compose(case.facts, case.settings)
    originals = originals_of(composed)
    evil = [evil_part(one, dice) for one in originals.values()]
    calm = [calm_part(one, dice) for one in originals.values()]
    mixed = [one if dice.random() < 0.5 else two for (one, _), two in zip(evil, calm, strict=True)]
    for parts in ([one for one, _ in evil], mixed):
        written = checked(composed, parts, today=TODAY).written or composed
        assert [one for one in check_draft(written, today=TODAY) if one.is_hard] == []
        for _, mark in evil:
            assert not mark or not re.search(mark, written.text) or re.search(mark, composed.text), mark
        assert figures(written) <= figures(composed)
        for kept in (value for one in originals.values() for value in one.kept):
            assert kept in written.text
    assert checked(composed, [one for one, _ in evil], today=TODAY).written is None
    whys = [one.reason for one in checked(composed, calm, today=TODAY).dropped]
    assert [one for one in whys if "too_long" not in one and "hard_to_read" not in one] == []


@pytest.mark.parametrize("seed", range(60))
def test_the_templates_own_sentences_may_be_said(seed: int) -> None:
    case = sample_case(seed)
    for one in originals_of(compose(case.facts, case.settings)).values():
        assert wrong_with(one, one.claim.text, one.claim.evidence) == ""


def test_the_words_are_for_places_that_there_are_and_say_nothing_of_a_company() -> None:
    places = list(tomllib.loads(FILE.read_text())["places"])
    assert set(places) < set(PLACES)
    assert {place for form in FORMS for place in originals_of(raised(form))} == set(places)
    words = {entry for listed in common_words(places).values() for entry in listed}
    denied = {"not", "no", "never", "without", "nobody", "nothing", "none", "than", "nearly", "almost", "only", "will"}
    claims = {
        "buy",
        "sell",
        "lost",
        "lose",
        "owe",
        "raise",
        "close",
        "fail",
        "need",
        "pay",
        "win",
        "grow",
        "hire",
        "met",
    }
    assert words & (denied | claims) == set()
