"""Slots of templates: each has a type, and a value that does not fit it is unknown rather than written.

Names and titles come from registers and news: what looks like a template, a link, an address or a claim that may not be
made is no value. Values are put in once and are never read as templates themselves.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from agents.visible import visible
from agents.writing.phrases import banned_in, placeholders_in

APOSTROPHES = "'\u2019.-"  # and what else stands in names
MAX_WORDS = 6  # of a person's name
MAX_COMPANY, MAX_NAME, MAX_PHRASE = 80, 60, 80  # characters as users see them
_UNFIT = re.compile(r"[{}\[\]<>|\\`$%^~=#*_]|://|@|www\.|\.{2,}|--", re.IGNORECASE)
_HOST = re.compile(r"(?<!\w)[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}(?!\w)", re.IGNORECASE)
_FIGURES = re.compile(r"[£€¥]|\d[\d,.]{2,}")  # what is no name of anything
_SYMBOLS = {"GBP": "£", "USD": "US$", "EUR": "€"}
_MILLION, _THOUSAND = Decimal(10**6), Decimal(1000)
MAX_AMOUNT = Decimal(10**12)


@dataclass(frozen=True)
class Value:
    """What a slot says, and the evidence that says so."""

    text: str
    evidence: str  # its id; none for words that claim nothing


def length_of(text: str) -> int:
    """Characters as users see them: an accent, an emoji with its skin tone, or a flag is one with what it is put on.

    An approximation of Unicode's grapheme clusters (UAX #29) that never counts fewer for Latin, Arabic, Hebrew and CJK.
    """
    count = 0
    is_joined = is_flag = False
    for char in unicodedata.normalize("NFC", text):
        is_regional = "\U0001f1e6" <= char <= "\U0001f1ff"
        extends = unicodedata.category(char) in {"Mn", "Me", "Cf"} or "\U0001f3fb" <= char <= "\U0001f3ff"
        if not (extends or is_joined or (is_regional and is_flag)):
            count += 1
        is_flag = is_regional and not is_flag
        is_joined = char == "\u200d"
    return count


def clean(value: Any, limit: int) -> str:
    """`value` on one line without what nobody sees; empty when it cannot be written as it is."""
    if not isinstance(value, str):
        return ""
    text = " ".join(visible(value).split())
    if not any(map(str.isalnum, text)) or length_of(text) > limit or len(text) > 4 * limit:
        return ""
    is_unfit = _UNFIT.search(text) or _HOST.search(text) or banned_in(text) or placeholders_in(text)
    return "" if is_unfit else text


def company_name(value: Any) -> str:
    return clean(value, MAX_COMPANY).strip(".,;:")


def person_name(value: Any) -> str:
    """`"SMITH, Jane Anne"` → `"Jane Anne Smith"`; letters only, as nobody is called `Jane (2)`."""
    text = clean(value, MAX_NAME)
    if text.count(",") == 1:
        surname, first = (part.strip() for part in text.split(","))
        text = f"{first} {_cased(surname)}"
    elif text.isupper():
        text = _cased(text)
    words = text.split()
    fits = 1 <= len(words) <= MAX_WORDS and all(_is_name_word(word) for word in words)
    return text if fits else ""


def first_name(name: str) -> str:
    """Of a name in full; empty when it is an initial."""
    first = name.split(" ", maxsplit=1)[0] if " " in name else ""
    return first if len(first) > 1 and "." not in first else ""


def phrase(value: Any) -> str:
    """A title, a trade, a place, a product."""
    text = clean(value, MAX_PHRASE).strip(".,;:!?")
    return "" if _FIGURES.search(text) else text


def day(value: Any) -> str:
    """`2025-03-03` → `3 March 2025`."""
    moment = value if isinstance(value, date) else _date(value)
    return f"{moment.day} {moment:%B %Y}" if moment else ""


def month(value: Any) -> str:
    moment = value if isinstance(value, date) else _date(value)
    return f"{moment:%B %Y}" if moment else ""


def amount(value: Any, currency: Any) -> str:
    """`2500000, "GBP"` → `£2.5 million`; only what can be said exactly."""
    symbol = _SYMBOLS.get(currency) if isinstance(currency, str) else None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return ""
    if isinstance(value, bool) or not symbol or not number.is_finite() or not 0 < number < MAX_AMOUNT:
        return ""
    millions = number / _MILLION
    if number >= _MILLION and millions == round(millions, 2):
        return f"{symbol}{millions.normalize():f} million"
    return f"{symbol}{number:,.0f}" if number == number.to_integral_value() and number >= _THOUSAND else ""


def number(value: Any, *, least: int = 2, most: int = 100_000) -> str:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most else ""


def filled(template: str, values: Mapping[str, Value]) -> tuple[str, list[str]]:
    """The template with its values, each put in once, and the evidence they rest on. Raises `KeyError`."""
    used: list[str] = []

    def put(match: re.Match[str]) -> str:
        value = values[match[1]]
        if value.evidence:
            used.append(value.evidence)
        return value.text

    return SLOT.sub(put, template), list(dict.fromkeys(used))


SLOT = re.compile(r"\{([a-z_]+)\}")


def _date(value: Any) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _is_name_word(word: str) -> bool:
    letters = word.strip(APOSTROPHES)
    return bool(letters) and all(unicodedata.category(char)[0] in "LM" or char in APOSTROPHES for char in word)


def _cased(text: str) -> str:
    """Capitals as names are written: `O'NEILL-JONES` → `O'Neill-Jones`."""
    return re.sub(r"[^\W\d_]+", lambda match: match[0].capitalize(), text) if text.isupper() else text
