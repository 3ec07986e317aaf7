"""Amounts of money in a text."""

import re
from dataclasses import dataclass
from decimal import Decimal

from signals_app.text.sentences import MAX_TEXT


@dataclass(frozen=True, slots=True)
class Money:
    """`currency` is an ISO 4217 code, "" where the text does not say."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Found:
    """An amount and where it stands in the text."""

    money: Money
    start: int
    end: int


_SYMBOLS = {
    "£": "GBP", "$": "USD", "€": "EUR", "¥": "JPY", "₹": "INR", "US$": "USD", "A$": "AUD", "AU$": "AUD", "C$": "CAD",
    "CA$": "CAD", "NZ$": "NZD", "HK$": "HKD", "S$": "SGD", "R$": "BRL", "Rs": "INR", "Rs.": "INR", "₪": "ILS",
}  # fmt: skip
_CODES = [
    "GBP",
    "USD",
    "EUR",
    "CHF",
    "SEK",
    "NOK",
    "DKK",
    "AUD",
    "CAD",
    "NZD",
    "SGD",
    "HKD",
    "JPY",
    "INR",
    "ILS",
    "PLN",
    "CZK",
    "AED",
    "ZAR",
    "CNY",
]
_WORDS = {
    "pounds": "GBP", "pound": "GBP", "pounds sterling": "GBP", "sterling": "GBP", "quid": "GBP", "euros": "EUR",
    "euro": "EUR", "dollars": "USD", "us dollars": "USD", "u.s. dollars": "USD", "american dollars": "USD",
    "australian dollars": "AUD", "canadian dollars": "CAD", "singapore dollars": "SGD", "swiss francs": "CHF",
    "rupees": "INR", "yen": "JPY", "swedish kronor": "SEK", "kronor": "SEK",
}  # fmt: skip
_POWERS = {
    "k": 3, "thousand": 3, "m": 6, "mn": 6, "mm": 6, "mln": 6, "mio": 6, "mil": 6, "million": 6, "millions": 6,
    "b": 9, "bn": 9, "billion": 9, "billions": 9, "tn": 12, "trillion": 12, "lakh": 5, "crore": 7, "crores": 7,
}  # fmt: skip
_COUNTS = {
    "half a": "0.5", "a quarter of a": "0.25", "a": "1", "one": "1", "two": "2", "three": "3", "four": "4",
    "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10", "fifteen": "15", "twenty": "20",
    "one and a half": "1.5",
}  # fmt: skip


def _any(words: list[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_NUMBER = r"\d{1,3}(?:[,.\u00a0\u202f ]\d{3}){1,4}(?:[.,]\d{1,2})?(?!\d)|\d{1,15}(?:[.,]\d{1,4})?(?![\d])"
_POWER = rf"(?:[\s\u00a0-]?(?P<power>{_any(list(_POWERS))})(?![A-Za-z]))?"
_AFTER = rf"(?:\s?(?P<after>€|(?:{_any(_CODES)})\b|£(?!\d))|\s(?i:(?P<word>{_any(list(_WORDS))}))\b)?"
_AMOUNT = re.compile(
    rf"(?:(?<![A-Za-z$£€])(?P<before>{_any(list(_SYMBOLS))}|(?:{_any(_CODES)}))\s?|(?<![\w.,]))"
    rf"(?P<number>{_NUMBER})(?i:{_POWER}){_AFTER}"
)
_SPELT = re.compile(
    rf"\b(?P<count>{_any(list(_COUNTS))})[\s-](?P<power>million|billion|thousand)[\s-](?P<word>{_any(list(_WORDS))})\b",
    re.IGNORECASE,
)
_RANGE = re.compile(r"\s?(?:-|\u2013|\u2014|to|and)\s?[£$€]?$")
# What makes a bare "5 million" an amount of money rather than of people.
_RAISED = re.compile(r"\b(?:rais(?:e[sd]?|ing)|secur(?:e[sd]?|ing)|invest(?:s|ed|ing|ment of)|worth|valued at"
                     r"|(?:funding|round|loan|grant|facility|investment) (?:of|worth))"
                     r"(?: (?:a|an|over|about|around|nearly|almost|more than|further|another|up to|in|of)){0,3} $",
                     re.IGNORECASE)  # fmt: skip
_FUNDING = re.compile(
    r"\s(?:in |of )?(?:new |fresh |equity |growth |venture |debt )?"
    r"(?:funding|investment|financing|round|seed|pre-seed|series [a-k]\b|equity|capital|loan|grant|debt|raise)",
    re.IGNORECASE,
)


def amounts(text: str) -> list[Money]:
    """The amounts in the first 8,000 characters, in the order of the text. "£1-2 million" are two."""
    return [found.money for found in amounts_in(text)]


def amounts_in(text: str) -> list[Found]:
    """As `amounts`, with where they stand."""
    text = text[:MAX_TEXT]
    found: dict[int, Found] = {}
    borrowed: tuple[int, re.Match[str]] | None = None  # a number that may take what follows the next one: "£1-2m"
    for match in _AMOUNT.finditer(text):
        if borrowed and match["power"] and _RANGE.match(text, borrowed[0], match.start("number")):
            one = _found(text, borrowed[1], power=match["power"], currency=_currency(match))
            found |= {one.start: one} if one else {}
            if one and not _currency(match):
                money = Money(_amount(match["number"], match["power"]), one.money.currency)
                found[match.start()] = Found(money, match.start(), match.end())
        if match.start() not in found and (one := _found(text, match)):
            found[one.start] = one
        borrowed = None if match["power"] else (match.end(), match)
    for match in _SPELT.finditer(text):
        amount = Decimal(_COUNTS[match["count"].lower()]) * 10 ** _POWERS[match["power"].lower()]
        money = Money(amount.quantize(Decimal(1)), _WORDS[match["word"].lower()])
        found.setdefault(match.start(), Found(money, match.start(), match.end()))
    return [found[start] for start in sorted(found)]


def _found(text: str, match: re.Match[str], *, power: str | None = None, currency: str = "") -> Found | None:
    currency = _currency(match) or currency
    power = match["power"] or power
    if not currency:
        if not power or power.lower() in {"b", "k", "mil"}:
            return None
        before = text[max(0, match.start() - 60) : match.start()]
        if not _RAISED.search(before) and not _FUNDING.match(text, match.end()):
            return None
        if re.match(r"\s(?!in |of |from |to |at |for |round|seed|series|and )[a-z]{3,}s\b", text[match.end() :][:30]):
            return None  # "worth 5 million users"
    return Found(Money(_amount(match["number"], power), currency), match.start(), match.end())


def _currency(match: re.Match[str]) -> str:
    if before := match["before"]:
        return _SYMBOLS.get(before, before)
    if after := match["after"]:
        return _SYMBOLS.get(after, after)
    return _WORDS[match["word"].lower()] if match["word"] else ""


def _amount(number: str, power: str | None) -> Decimal:
    digits = re.sub(r"[\u00a0\u202f ]", "", number)
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", digits):
        digits = digits.replace(",", "")
    elif re.fullmatch(r"\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?|\d{1,3}\.\d{3},\d+", digits):
        digits = digits.replace(".", "").replace(",", ".")
    elif re.fullmatch(r"\d{1,3}\.\d{3}", digits) and not power:
        digits = digits.replace(".", "")  # "€500.000"; with a power it is a fraction
    else:
        digits = digits.replace(",", ".")
    amount = Decimal(digits) * 10 ** _POWERS[power.lower()] if power else Decimal(digits)
    return amount.quantize(Decimal(1)) if amount == amount.to_integral_value() else amount.normalize()
