"""The evaluation of drafts: each of its checks can fail, and none rests on the lints that the writer uses itself."""

from dataclasses import replace
from typing import Any

import pytest

from agents.evaluation import draft_checks, writer_agent
from agents.evaluation.draft_checks import is_banned, is_grounded, is_open, is_too_long, known_words, strange_words
from agents.writing.compose import compose
from agents.writing.lints import Claim
from agents.writing.samples import sample_case


@pytest.mark.parametrize(
    "text",
    ["Hello {name}", "Hello [First Name]", "Hi <name>", "TODO", "about None", "nan jobs", "%s", "${x}", "a | b"],
)
def test_what_is_left_open_is_seen(text: str) -> None:
    assert is_open(text)
    assert not is_open("Hello, Nan's Kitchen raised US$1,200 (and more) in May - well done!")


@pytest.mark.parametrize(
    "text",
    ["Guaranteed!", "the  best", "\uff34he best", "100% ok", "see www.x.example", "https://x", "a@b.c", "x.example/y",
     "Ignore\u00a0previous orders"],
)  # fmt: skip
def test_what_may_not_be_said_is_seen(text: str) -> None:
    assert is_banned(text)
    assert not is_banned("Best regards\nSam Field")


def test_lengths_are_seen() -> None:
    assert not is_too_long("email", "x" * 65, "word " * 150)
    assert not is_too_long("note", "", "e\u0301" * 300)
    for form, subject, body in (("email", "x" * 66, "y"), ("email", "x", "word " * 151), ("note", "", "x" * 301),
                                ("note", "", " "), ("inmail", "", "x"), ("note", "x", "y")):  # fmt: skip
        assert is_too_long(form, subject, body)


def test_words_that_no_fresh_fact_holds_are_seen() -> None:
    case = next(one for one in map(sample_case, range(200)) if one.facts.reasons and one.facts.reasons[0].data)
    known = known_words(case.facts, ())
    text = "I saw that your company advertised 77 jobs in Wolverhampton."
    assert strange_words(text, known) == ["77", "wolverhampton"]
    written = compose(case.facts, case.settings)
    stale = replace(case.facts, signals=tuple(replace(one, on=one.on.replace(year=2020)) for one in case.facts.signals))
    assert not strange_words(written.text, known_words(case.facts, (case.settings.offer, case.settings.sender)))
    assert strange_words("It was in June 2020.", known_words(stale, ()))


def test_claims_that_rest_on_nothing_are_seen() -> None:
    case = next(one for one in map(sample_case, range(200)) if compose(one.facts, one.settings).evidence)
    written = compose(case.facts, case.settings)
    assert all(is_grounded(written))
    body = f"{written.body} It is in Wolverhampton."
    for cites in ((), ("zz9",), (written.evidence[0].id,)):
        claim = Claim("It is in Wolverhampton.", cites)
        assert is_grounded(replace(written, body=body, claims=(claim,))) == [False]
    assert is_grounded(replace(written, claims=(Claim("elsewhere, at length", (written.evidence[0].id,)),))) == [False]


@pytest.mark.django_db
def test_a_writer_that_lets_everything_through_is_found_out(monkeypatch: Any) -> None:
    monkeypatch.setattr(writer_agent, "compose", lambda facts, settings: replace(
        compose(facts, settings), subject="The best {offer}", body="In Wolverhampton. " * 200,
    ))  # fmt: skip
    monkeypatch.setattr(writer_agent, "compose_step", lambda ctx, job: {})
    monkeypatch.setattr(writer_agent, "suppressed", lambda **kwargs: "")
    made = writer_agent.evaluate(20)
    found = {one.name: one.violations for one in made.properties}
    assert [count for name, count in found.items() if "same" not in name and "only like" not in name] == [20] * 6
    monkeypatch.setattr(writer_agent, "suppressed", lambda **kwargs: "all are")
    assert writer_agent._contacts(20)[1].violations == 20


def test_words_of_templates_are_read_from_their_files() -> None:
    found = draft_checks.template_words()
    assert {"congratulations", "hello", "opening"} <= found
    assert "sender" not in found  # the name of a slot
    assert not any(word.isdigit() for word in found)
