"""The text that stands for a company."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings.template import MAX_DESCRIPTION, MAX_NAME, NAMELESS, company_parts


def parts(**fields: Any) -> tuple[str, ...]:
    nothing = {"name": "Acme Ltd", "description": "", "sic_titles": "", "categories": [], "town": "", "domain": ""}
    return company_parts(**(nothing | fields))


def test_without_a_description_everything_is_one_text() -> None:
    assert parts(sic_titles="Plumbing; Joinery", categories=["Trades", "Homes"], town="LEEDS", domain="acme.com") == (
        "Acme Ltd. Plumbing; Joinery. Trades, Homes. Leeds. acme.com",
    )


def test_description_and_labels_are_two_texts() -> None:
    assert parts(description="We fix pipes.", sic_titles="Plumbing", categories=["Trades"], town="LEEDS") == (
        "Acme Ltd. We fix pipes. Leeds",
        "Plumbing. Trades",
    )


def test_description_without_labels_is_one_text() -> None:
    assert parts(description="We fix pipes.") == ("Acme Ltd. We fix pipes",)


def test_a_name_alone_is_enough() -> None:
    assert parts() == ("Acme Ltd",)
    assert parts(name="\u200b") == (NAMELESS,)


def test_characters_that_show_nothing_are_removed() -> None:
    hidden = "Ac\u200bme \u202eLtd\u2066\ufeff\U000e0041\x00\x07"
    assert parts(name=hidden, description="one\r\n\ttwo\u2028three\u00a0four") == ("Acme Ltd. one two three four",)


def test_letters_that_combine_are_kept_and_equal_spellings_agree() -> None:
    assert parts(name="Cafe\u0301 \U0001f600") == parts(name="Café \U0001f600") == ("Café \U0001f600",)


def test_long_fields_are_cut_between_words() -> None:
    (text,) = parts(description="word " * 4_000)
    assert len(text) <= MAX_DESCRIPTION + len("Acme Ltd. ")
    assert text.endswith("word")


def test_a_long_word_is_cut_too() -> None:
    assert parts(name="x" * 10_000) == ("x" * MAX_NAME,)


@pytest.mark.parametrize("field", ["name", "description", "sic_titles", "town", "domain"])
@given(text=st.text(max_size=200))
def test_any_text_makes_parts_that_can_be_sent(field: str, text: str) -> None:
    for part in parts(**{field: text}):
        assert part.strip() == part != ""
        assert part.encode()
        assert not set(part) & (set(string.whitespace) - {" "})
