"""What may be said, and what may not: each kind of claim, planted and true."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.base import Evidence
from agents.grounding import cited_ids, grounded_sentences, is_quoted, sentences_of, unsupported
from agents.number_words import WORD_NUMBER, value_of

FUNDING = Evidence(
    id="f1",
    text="On 3 March 2024 ACME LIMITED raised £5,200,000 from Northern Growth Fund, 12.5% of it as debt.",
    source="news_feeds",
    url="https://www.example.com/news/acme?id=7",
    on="2024-03-03",
    data={"amount": 5200000, "investors": ["Northern Growth Fund"], "filed": date(2023, 12, 1)},
)
PEOPLE = Evidence(
    id="s2",
    text="Jane Smith and John Brown are directors; 3 of 40 staff are engineers. Write to info@acme.example.",
    source="companies_house_bulk",
    data={"officer": "O'NEILL, Mary Anne", "company_number": "01234567", "ratio": 0.25, "phone": "+44 113 496 0000"},
)
BOTH = [FUNDING, PEOPLE]


@pytest.mark.parametrize(
    "text",
    [
        "Acme Ltd raised £5.2m in March 2024.",
        "ACME's round of GBP 5.2 million closed on 2024-03-03 [f1].",
        "It closed on 3rd March 2024, on 03/03/2024, on March 3, 2024, and on 3 March.",
        "Acme Limited raised 5.2 million pounds, 12.5 per cent of it as debt.",
        "In 2024 the Northern Growth Fund invested; in 2023 it filed.",
        "Jane Smith is one of three directors of forty people.",
        "Mr John Brown, Mary Anne O'Neill, and a ratio of 0.25.",
        "Company 01234567 is called on +44 (113) 496-0000 or at INFO@acme.example.",
        "See https://example.com/news/acme?id=7, or example.com.",
        "According to Companies House this is so.",
        "The company is growing.",
        "It \u201craised £5,200,000 from Northern Growth Fund,\u201d says the paper.",
        "Of 'Jane Smith' and the 'directors; 3 of 40' we know; its directors' and staff's posts we don't.",
        "",
    ],
)
def test_what_the_evidence_holds_is_supported(text: str) -> None:
    assert unsupported(text, BOTH) == []


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("It raised £5.3m.", ["£5.3m"]),
        ("It raised $5.2m.", ["$5.2m"]),
        ("It raised £5.2bn.", ["£5.2bn"]),
        ("It grew 12.5, not 12.4%.", ["12.5", "12.4%"]),
        ("It grew -12.5%.", ["-12.5%"]),
        ("They are forty-one.", ["forty-one"]),
        ("They are two hundred and six.", ["two hundred and six"]),
        ("On 4 March 2024.", ["4 March 2024"]),
        ("In April 2024.", ["April 2024"]),
        ("In 2025.", ["2025"]),
        ("On 3 April.", ["3 April"]),
        ("In Leeds.", ["Leeds"]),
        ("Last April.", ["April"]),
        ("John Smith leads.", ["John Smith"]),
        ("Talk to Microsoft.", ["Microsoft"]),
        ("Boeing buys from them.", ["Boeing"]),
        ('It says \u201cwe will buy\u201d and "raised £5,200,000 for".', ["we will buy", "raised £5,200,000 for"]),
        ("It is 'a reliable payer' and ‘isn't for sale’.", ["a reliable payer", "isn't for sale"]),  # noqa: RUF001
        ("The CEO Jane Smith.", ["CEO"]),
        ("Jane Smith of Leeds.", ["Leeds"]),
        ("They run iCloud.", ["iCloud"]),
        ("See https://example.com/news/acme?id=8.", ["https://example.com/news/acme?id=8"]),
        ("![x](https://evil.example/?q=secret)", ["https://evil.example/?q=secret"]),
        ("See evil.example/x and javascript:alert(1).", ["javascript:alert(1", "evil.example/x"]),
        ("Write to ceo@acme.example.", ["ceo@acme.example"]),
        ("Call +44 113 496 0001.", ["+44 113 496 0001"]),
        ("Company 01234568, code B2B.", ["01234568", "B2B"]),
        ("Version 3.5.1", ["3.5.1"]),
        ("They raised 5\u200b,300,000.", ["5,300,000"]),
        ("It has \uff14\uff11 staff.", ["41"]),  # full width
        ("It has \u0664\u0661 staff.", ["\u0664\u0661"]),
        ("It is \u5fae\u8f6f.", ["\u5fae\u8f6f"]),
        ("It is \u0410cme.", ["\u0410cme"]),  # a Cyrillic letter
    ],
)
def test_what_it_does_not_hold_is_named(text: str, claims: list[str]) -> None:
    assert unsupported(text, BOTH) == claims


@pytest.mark.parametrize(
    "text", ["It is ISO-9001 certified.", "Say CANARY-7731 and COVID-19.", "A 3-D “print” of B-52s."]
)
def test_a_text_supports_itself(text: str) -> None:
    assert unsupported(text, [Evidence("f1", text, "x")]) == []


def test_nothing_supports_nothing() -> None:
    assert unsupported("Acme raised £5m.", []) == ["£5m", "Acme"]


def test_a_name_is_not_put_together_from_two_pieces() -> None:
    apart = [Evidence("f1", "Jane", "x"), Evidence("f2", "Smith", "x")]
    assert unsupported("It is Jane Smith.", apart) == ["Jane Smith"]


@given(st.decimals(min_value=0, max_value=10**9, places=2))
def test_a_number_is_supported_by_itself_only(value: Decimal) -> None:
    evidence = [Evidence("f1", f"It had £{value:,.2f} in the bank.", "x")]
    assert unsupported(f"£{value}", evidence) == []
    assert unsupported(f"£{value + 1}", evidence) == [f"£{value + 1}"]
    assert unsupported(f"€{value}", evidence) == [f"€{value}"]


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_supports_itself_or_is_refused_but_never_fails(text: str, other: str) -> None:
    assert set(unsupported(text, [Evidence("f1", other, "x")])) <= set(unsupported(text, []))


@pytest.mark.parametrize(
    ("words", "value"),
    [("twelve", 12), ("twenty-one", 21), ("two hundred and six", 206), ("one million two hundred thousand", 1_200_000),
     ("five dozen", 60), ("one", None), ("hundred", 100)],
)  # fmt: skip
def test_numbers_in_words(words: str, value: int | None) -> None:
    match = WORD_NUMBER.fullmatch(words)
    assert match
    assert value_of(match["words"]) == value


def test_quotes_are_exact_but_for_their_spacing() -> None:
    text = "Acme   raised\n£5m\tfrom Northern."
    assert is_quoted("raised £5m from", text)
    assert is_quoted("  Acme raised ", text)
    assert not is_quoted("Raised £5m", text)
    assert not is_quoted("raised £5m for", text)
    assert not is_quoted("", text)
    assert not is_quoted(" \n", text)


def test_citations_are_read_once_each() -> None:
    assert cited_ids("A [f1]. B [s2, f1] [ w3 ;f4 ] [x] [F9] [2024] [link](u)") == ["f1", "s2", "w3", "f4"]


def test_sentences_keep_their_citations() -> None:
    text = (
        "Acme Ltd. grew. [f1] It hired J. Smith of e.g. Leeds [f2]! Why?\n- A point [f3]\n\nNo. 5 is open [s1]. [s2]."
    )
    assert sentences_of(text) == [
        "Acme Ltd. grew. [f1]", "It hired J. Smith of e.g. Leeds [f2]!", "Why?", "- A point [f3]",
        "No. 5 is open [s1]. [s2].",
    ]  # fmt: skip


def test_sentences_are_kept_or_dropped_with_a_reason() -> None:
    text = (
        "Acme raised £5.2m [f1]. Jane Smith is a director [f1]. Jane Smith is a director [s2]. It is great. "
        "It raised £5.2m [f1, f9].\n- [f1].\nJohn Brown and the Northern Growth Fund agree [f1][s2]."
    )
    kept, dropped = grounded_sentences(text, BOTH)
    assert kept == [
        "Acme raised £5.2m [f1].",
        "Jane Smith is a director [s2].",
        "John Brown and the Northern Growth Fund agree [f1][s2].",
    ]
    assert [(each.reason, each.claims) for each in dropped] == [
        ("The evidence that it cites does not say so.", ("Jane Smith",)),
        ("It cites no evidence.", ()),
        ("It cites evidence that there is not.", ("[f9]",)),
        ("It says nothing.", ()),
    ]
