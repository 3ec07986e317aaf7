"""What the writer says: nothing that no fact holds, nothing left open, nothing banned, nothing too long."""

import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from agents.base import Evidence
from agents.grounding import unsupported
from agents.writing import parts, slots
from agents.writing.compose import Settings, compose
from agents.writing.facts import Facts, Recipient, SignalFact
from agents.writing.lints import LIMITS, Claim, Written, check_draft, check_wording, reading_ease
from agents.writing.parts import FOLDER, FORMS, SLOTS, TOLD, TONES, BadTemplates, get_templates, read_templates
from agents.writing.phrases import banned_in, is_fake_reply, placeholders_in
from agents.writing.samples import RULES, TODAY, sample_case
from agents.writing.slots import Value, filled
from signals_app.models import SignalType

FILES = sorted(FOLDER.glob("*.toml"))
SHOWN = {
    "company": "Acme Ltd", "town": "Leeds", "trade": "baking bread", "year": "1999", "full_name": "Jane Smith",
    "first_name": "Jane", "offer": "clean anvils", "sender": "Sam Field", "date": "3 March 2026", "month": "March 2026",
    "person": "Ann Lee", "appointed": "Bo Ray", "title": "Head of Sales", "amount": "£2.5 million", "count": "12",
    "technology": "Xero", "place": "York", "competitor": "Rival",
}  # fmt: skip
NEWS = SignalFact("executive_change", "new_executive", TODAY - timedelta(20),
                  {"person": "SMITH, Jane Anne", "title": "Chief Financial Officer"}, "JANE SMITH, CFO",
                  "companies_house_api", "https://register.example/1", confidence=90, weight=60)  # fmt: skip
FACTS = Facts(TODAY, "Acme Ltd", "00012345", "LEEDS", "Manufacture of bread", date(1999, 4, 1), "companies_house_bulk",
              retrieved_on=TODAY, signals=(NEWS,))  # fmt: skip


def codes(form: str, subject: str, body: str) -> set[str]:
    return {one.code for one in check_wording(form, subject, body)}


@pytest.mark.parametrize("seed", range(150))
def test_any_case_gives_a_text_that_keeps_the_rules(seed: int) -> None:
    case = sample_case(seed)
    written = compose(case.facts, case.settings)
    assert [one for one in check_draft(written, today=TODAY) if one.is_hard] == []
    assert compose(case.facts, case.settings) == written
    for word in ("evil", "{", "}", "http", "@", "guarantee", "IGNORE", "Bcc", "9,999,999", "\u202e", "\x00"):
        assert word not in written.text, word


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_variant_can_be_said(path: Path) -> None:
    values = {name: Value(SHOWN[name], name) for name in SLOTS}
    for part in read_templates(path).parts:
        for text in {text for variants in part.variants.values() for text in variants}:
            said, ids = filled(text, values)
            assert unsupported(said, [Evidence(key, SHOWN[key], "x") for key in ids]) == []
            assert not banned_in(said)
            assert not placeholders_in(said)
            assert part.place != "subject" or len(said) <= 65


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tone", TONES)
@pytest.mark.parametrize("kind", [*SignalType.values, "profile"])
def test_there_is_a_template_for_all(form: str, tone: str, kind: str) -> None:
    signal = SignalFact(kind, "any", TODAY, source="news_feeds", confidence=90, weight=50)
    facts = replace(FACTS, signals=(signal,) if kind != "profile" else ())
    written = compose(facts, Settings(form, tone, "clean anvils", "Sam Field"))  # type: ignore[arg-type]
    assert written.reason == (f"{kind}.any" if kind != "profile" else "profile")
    assert get_templates(kind)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tone", TONES)
@pytest.mark.parametrize("told", ["", *TOLD])
def test_no_text_names_a_source_that_the_evidence_is_not_from(told: str, tone: str, form: str) -> None:
    """`News from …` on the subject of a change of a website is what the company itself tells there."""
    data = {"person": "Ann Lee", "appointed": "Bo Ray", "place": "York", "count": 5, "technology": "Xero"}
    for kind, rules in RULES.items():
        for rule in (*rules, "hiring_in_new_city", "cap_table_change", "any"):
            signal = SignalFact(kind, rule, TODAY, data, source="x", confidence=90, weight=50, told=told)
            written = compose(replace(FACTS, signals=(signal,)), Settings(form, tone, seed=rule))  # type: ignore[arg-type]
            text = written.text if kind not in {"website_activity", "companies_house_filing"} else ""
            assert ("news" in text.lower()) <= (told in {"news", "website"}), text
            assert bool(re.search(r"\bregister\b", text)) <= (told == "register"), text
            assert not (told == "register" and kind == "executive_change" and "joined" in text), text


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("news", "I saw the news of investment in Acme Ltd from June 2026."),
        ("register", "I saw in the register that Acme Ltd filed an issue of new shares in June 2026."),
        ("", "I am writing because of the financing of Acme Ltd in June 2026."),
    ],
)
def test_an_investment_is_told_as_the_evidence_tells_it(told: str, said: str) -> None:
    signal = SignalFact("funding_round", "equity_round", TODAY, source="x", confidence=90, weight=50, told=told)
    assert said in compose(replace(FACTS, signals=(signal,)), Settings()).body


def test_a_draft_says_what_is_known_and_where_from() -> None:
    written = compose(FACTS, Settings("email", "formal", "clean anvils", "Sam Field"))
    assert "Jane Anne Smith was appointed Chief Financial Officer at Acme Ltd in May 2026." in written.body
    claim = next(claim for claim in written.claims if "appointed" in claim.text)
    assert claim.evidence == ("s1", "f1")
    cited = {each.id: each for each in written.evidence}
    assert (cited["s1"].url, cited["s1"].on) == ("https://register.example/1", "2026-05-26")
    to_her = replace(FACTS, recipient=Recipient("SMITH, Jane", source="companies_house_api"))
    written = compose(to_her, Settings("email", "warm"))
    assert written.body.startswith(("Hi Jane,", "Hello Jane,"))
    assert "you joined" in written.body or "your start" in written.body


def test_what_is_old_is_no_reason() -> None:
    old = replace(FACTS, signals=(replace(NEWS, on=TODAY - timedelta(91)),), retrieved_on=TODAY - timedelta(91))
    written = compose(old, Settings())
    assert written.reason == "profile"
    assert "Leeds" not in written.text
    fresh = compose(FACTS, Settings())
    assert [one.code for one in check_draft(fresh, today=TODAY + timedelta(80))] == ["stale"]


def test_settings_that_fail_a_lint_are_left_out() -> None:
    written = compose(FACTS, Settings(offer="the cheapest anvils"))
    assert "cheapest" not in written.text  # an offer may be left out
    assert "{" not in compose(FACTS, Settings(sender="{name}")).text


def test_the_fact_check_sees_what_does_not_belong() -> None:
    fact = Evidence("f1", "Acme Ltd", "register", on="")
    for body, claim, found in (
        ("Acme Ltd made £5 million.", ("f1",), {"unsupported", "uncited"}),
        ("Acme Ltd is fine.", (), {"uncited"}),
        ("Acme Ltd is fine.", ("f9",), {"uncited", "unknown_evidence"}),
    ):
        written = Written("call", "", body, (Claim(body, claim),), (fact,))
        assert {one.code for one in check_draft(written, today=TODAY)} == found
    elsewhere = Written("call", "", "Hello.", (Claim("Acme Ltd", ("f1",)),), (fact,))
    assert {one.code for one in check_draft(elsewhere, today=TODAY)} == {"claim_elsewhere"}


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("abc", 3),
        ("e\u0301", 1),
        ("\u05d1\u05b7\u05bc", 1),
        ("👩‍💼", 1),
        ("👍🏽", 1),
        ("🇬🇧🇫🇷", 2),
        ("株式会社", 4),
        ("", 0),
    ],
)
def test_lengths_are_counted_as_users_see_them(text: str, count: int) -> None:
    assert slots.length_of(text) == count


def test_lints() -> None:
    assert codes("note", "", "y" * 300) == set()
    assert codes("note", "", "y" * 301) == {"too_long"}
    assert codes("email", "Hello", "word. " * 151) == {"too_long"}
    assert codes("email", "", "Hello") == {"empty"}
    assert codes("email", "Re: your order", "Hello") == codes("email", "FW[2] : x", "Hello") == {"banned"}
    assert not is_fake_reply("Report: plans")
    for text in (
        "As discussed, hello",
        "we are the\u00a0best",
        "I noticed you\u2019re struggling",
        "100% ok",
        "Act now",
    ):
        assert codes("call", "", text) == {"banned"}, text
    for text in ("Dear {name}", "Hello [First Name]", "Hi <name>", "TODO", "%(x)s", "${x}"):
        assert "placeholder" in codes("call", "", text), text
    assert codes("call", "", "a\u200bb") == {"hidden"}
    assert set(LIMITS) == set(FORMS)


def test_reading_ease_tells_plain_from_heavy() -> None:
    plain = reading_ease("I saw that you are new at the firm. " * 5)
    heavy = reading_ease("Organisational transformation necessitates comprehensive interdisciplinary evaluation " * 5)
    assert plain is not None
    assert heavy is not None
    assert plain > 80
    assert heavy < 0
    assert reading_ease("Short.") is None


@pytest.mark.parametrize(
    ("raw", "name"),
    [("O'NEILL-JONES, Pádraig", "Pádraig O'Neill-Jones"), ("דוד כהן", "דוד כהן"), ("Jane (2) Doe", ""), ("{x} y", ""),
     ("DROP; TABLE", ""), ("Ann\u202e Lee", "Ann Lee"), (None, ""), ("a " * 9, "")],
)  # fmt: skip
def test_names_of_people(raw: str | None, name: str) -> None:
    assert slots.person_name(raw) == name


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [(2_500_000, "GBP", "£2.5 million"),
     ("1234567", "USD", "US$1,234,567"), (True, "GBP", ""), (float("nan"), "GBP", ""),
     (-5_000, "GBP", ""), (5_000, "XXX", ""), (10**13, "GBP", ""), (1_000_000, "EUR", "€1 million"), (2.5, "GBP", "")],
)  # fmt: skip
def test_amounts(value: object, currency: str, text: str) -> None:
    assert slots.amount(value, currency) == text


@pytest.mark.parametrize(
    "text",
    ['version = "1"\n[[parts]]\nplace = "reason"\nforms = ["email"]\nany = ["{unknown}"]',
     'version = "1"\n[[parts]]\nplace = "reason"\nforms = ["email"]\nany = ["{ company}"]',
     'version = "1"\n[[parts]]\nplace = "nowhere"\nforms = ["email"]\nany = ["x"]',
     'version = "1"\n[[parts]]\nplace = "reason"\nforms = ["email"]\nwarm = ["x"]',
     'version = "1"\n[[parts]]\nplace = "reason"\nforms = ["fax"]\nany = ["x"]',
     'version = "1"\n[[parts]]\nplace = "reason"\nforms = ["email"]\nany = "x"',
     'version = "1"\n[[parts]]\nplace = "reason"\nforms = ["email"]\nany = ["x"]\nelse = 1',
     'version = "1"\n[[parts]]\nplace = "reason"\nforms = ["email"]\ntold = ["gossip"]\nany = ["x"]',
     "[", 'version = "1"'],
)  # fmt: skip
def test_a_bad_template_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(BadTemplates):
        read_templates(path)
    assert parts.get_templates("no_such_type") is None
