"""What a text claims that can be looked up: numbers, amounts, dates, links, addresses and names.

It does not see names in small letters, numbers hinted at ("half", "the third"), what a number counts, negation, or
relative time ("last year"): that a text is free of unsupported claims does not make it true. How much of each kind goes
unseen, `manage.py evaluate_agents research_gpt` measures.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from urllib.parse import urlsplit

from agents.number_words import WORD_NUMBER, value_of
from agents.ordinary_words import ORDINARY, TITLES
from agents.visible import normal

MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
          "december")  # fmt: skip
_MONTH = rf"(?P<month>{'|'.join(f'{name[:3]}(?:{name[3:]}|t)?' if name != 'may' else name for name in MONTHS)})\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>[12]\d{3})"
_DATES = [
    re.compile(rf"(?<![\w.-]){pattern}(?![\w]|[.,-]\d)", re.IGNORECASE)
    for pattern in (
        rf"{_YEAR}-(?P<month>\d\d)-(?P<day>\d\d)(?:T[\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?",
        r"(?P<day>\d{1,2})(?P<by>[./-])(?P<month>\d{1,2})(?P=by)" + _YEAR,
        rf"{_DAY}(?: of)?[ -]{_MONTH},?[ -]{_YEAR}",
        rf"{_MONTH} {_DAY},? {_YEAR}",
        rf"{_MONTH},? (?:of )?{_YEAR}",
        rf"{_YEAR}-(?P<month>0[1-9]|1[0-2])",
        rf"{_DAY}(?: of)? {_MONTH}",
        rf"{_MONTH} {_DAY}",
    )
]
_URL = re.compile(r"(?<![\w.+-])[a-z][a-z0-9+.-]{1,20}:(?=[^\s:])[^\s<>\"'`|]+|//[^\s<>\"'`|]+", re.IGNORECASE)
_EMAIL = re.compile(r"(?<![^\s@<>()\[\]\"',;:|])[^\s@<>()\[\]\"',;:|]+@[^\s@<>()\[\]\"',;:|]*[^\s@<>()\[\]\"',;:|.]")
_DOMAIN = re.compile(r"(?<![\w.-])(?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W\d_]{2,}(?:/[^\s<>\"'`|]*)?", re.IGNORECASE)
_PHONE = re.compile(r"(?<![\w.,])(?:\+|00|0)\d[\d ()-]{6,18}\d(?!\w|[.,]\d)")
_CURRENCIES = {
    "£": "GBP", "gbp": "GBP", "pound": "GBP", "pounds": "GBP", "sterling": "GBP", "pounds sterling": "GBP",
    "$": "USD", "us$": "USD", "usd": "USD", "dollar": "USD", "dollars": "USD", "us dollars": "USD",
    "€": "EUR", "eur": "EUR", "euro": "EUR", "euros": "EUR", "¥": "JPY", "jpy": "JPY", "yen": "JPY",
}  # fmt: skip
_MULTIPLIERS = {
    "hundred": 10**2, "k": 10**3, "thousand": 10**3, "m": 10**6, "mn": 10**6, "mln": 10**6, "million": 10**6,
    "b": 10**9, "bn": 10**9, "billion": 10**9, "tn": 10**12, "trillion": 10**12,
}  # fmt: skip
_UNIT = r"(?:\s?(?P<percent>%|per ?cent\b)|\s?(?P<after>pounds sterling|us dollars|pounds?|sterling|dollars?|euros?|yen|gbp|usd|eur|jpy|£|€)(?!\w))?"  # noqa: E501
_NUMBER = re.compile(
    r"(?<![\w.])(?P<sign>-)?(?P<before>us\$|[£$€¥]|(?:gbp|usd|eur|jpy)\s?)?(?P<sign2>-)?"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"(?:(?P<short>k|mn|mln|m|bn|b|tn)|\s(?P<long>hundred|thousand|million|billion|trillion)|st|nd|rd|th)?"
    + _UNIT + r"(?!\w|[.,]\d)",
    re.IGNORECASE,
)  # fmt: skip
_WORDED = re.compile(WORD_NUMBER.pattern + _UNIT, re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+(?:['.&-][^\W_]+)*")
# Between quotation marks; single ones only where they are no apostrophes.
_QUOTED = re.compile(r"\"([^\"\n]+)\"|(?<![\w'])'((?:[^'\n]|(?<=\w)'(?=\w))+)'(?!\w)")
_STRAIGHT = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u00ab": '"',
                           "\u00bb": '"'})  # fmt: skip
_POSSESSIVE = re.compile(r"'s?$", re.IGNORECASE)
_SAME = {"limited": "ltd", "company": "co", "incorporated": "inc", "corporation": "corp", "&": "and"}
_EDGES = ".,;:!?()[]{}<>\"'`*_~\u2026\u201c\u201d|"
_PLAIN = str.maketrans({"\u2018": "'", "\u2019": "'", "\u2212": "-", "\u2010": "-", "\u2011": "-", "\u2013": "-",
                        "\u2014": " - "})  # quotation marks, the minus sign, dashes  # fmt: skip
MAX_DIGITS = 20  # of what counts something; more would be rounded
_GONE = " | "  # in place of what was read; no name runs across it


@dataclass(frozen=True)
class Claim:
    """`kind` and `value` are what is compared; `shown` is how the text puts it."""

    kind: str  # url, email, date, month, day, phone, number, code, name
    value: object
    shown: str


def claims_of(text: str) -> tuple[list[Claim], str]:
    """What can be looked up in `text`, names apart, and the rest of the text, in which the names are."""
    rest = normal(text).translate(_PLAIN)
    found: list[Claim] = []
    steps: list[tuple[re.Pattern[str], Callable[[re.Match[str]], Claim | None]]] = [
        (_EMAIL, lambda match: Claim("email", match[0].casefold(), match[0])),
        (_URL, _url),
        (_DOMAIN, _url),
        *((pattern, _date) for pattern in _DATES),
        (_PHONE, lambda match: Claim("phone", re.sub(r"\D", "", match[0]), match[0])),
        (_NUMBER, _number),
        (_WORDED, _worded),
    ]
    for pattern, read in steps:
        rest = pattern.sub(lambda match, read=read: _taken(match, read, found), rest)  # type: ignore[misc]
    codes = [token for token in rest.split() if any(char.isnumeric() for char in token)]
    found += [Claim("code", code_of(token), token.strip(_EDGES)) for token in codes]
    return found, rest


def _taken(match: re.Match[str], read: Callable[[re.Match[str]], Claim | None], found: list[Claim]) -> str:
    claim = read(match)
    if claim is None:
        return match[0]
    found.append(claim)
    return _GONE


def _url(match: re.Match[str]) -> Claim:
    shown = match[0].rstrip(_EDGES)
    return Claim("url", url_of(shown), shown)


def url_of(text: str) -> str:
    """A link or a domain in a form to compare: host in small letters and without `www.`, no slash at the end."""
    try:
        parts = urlsplit(text if "//" in text else f"//{text}")
    except ValueError:
        return text.casefold()
    if parts.scheme not in {"", "http", "https"} or not parts.netloc:
        return text.casefold()
    query = f"?{parts.query}" if parts.query else ""
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    return parts.netloc.casefold().removeprefix("www.") + parts.path.rstrip("/") + query + fragment


def _date(match: re.Match[str]) -> Claim | None:
    given = match.groupdict()
    month = _month(given["month"])
    day, year = int(given.get("day") or 0), int(given.get("year") or 0)
    if "by" in given and month > len(MONTHS) >= day:
        day, month = month, day
    try:
        moment = date(year or 2000, month, day or 1)
    except ValueError:
        return None
    shown = match[0].strip(_EDGES)
    if not year:
        return Claim("day", (month, day), shown)
    return Claim("date", moment, shown) if day else Claim("month", (year, month), shown)


def _month(text: str) -> int:
    if text.isdigit():
        return int(text)
    return next(place for place, name in enumerate(MONTHS, 1) if name.startswith(text[:3].casefold()))


def _number(match: re.Match[str]) -> Claim | None:
    digits = match["digits"].replace(",", "")
    has_leading_zero = len(digits) > 1 and digits.startswith("0") and not digits.startswith("0.")
    is_code = has_leading_zero or len(digits) > MAX_DIGITS
    if is_code:
        return Claim("code", code_of(match[0]), match[0].strip())
    value = Decimal(digits) * _MULTIPLIERS.get((match["short"] or match["long"] or "").casefold(), 1)
    if match["sign"] or match["sign2"]:
        value = -value
    return Claim("number", (_unit(match), value), match[0].strip())


def _worded(match: re.Match[str]) -> Claim | None:
    value = value_of(match["words"])
    return None if value is None else Claim("number", (_unit(match), Decimal(value)), match[0].strip())


def _unit(match: re.Match[str]) -> str:
    given = match.groupdict()
    if given["percent"]:
        return "%"
    return _CURRENCIES.get((given.get("before") or given["after"] or "").strip().casefold(), "")


def code_of(token: str) -> str:
    return token.strip(_EDGES).casefold()


def quotes_of(text: str) -> list[str]:
    """What `text` puts in quotation marks, `straight`, without the stop that stands before the closing one."""
    found = (match[1] or match[2] for match in _QUOTED.finditer(straight(text)))
    return [quote for one in found if (quote := one.strip().rstrip(".,;:!?").rstrip())]


def straight(text: str) -> str:
    """`normal`, with quotation marks of one form."""
    return normal(text).translate(_STRAIGHT)


def words_of(text: str) -> list[str]:
    """The words in a form to compare: small letters, no possessives, `Limited` and `Ltd` the same."""
    return [same(word) for word in _WORD.findall(normal(text).translate(_PLAIN).replace("&", " "))]


def same(word: str) -> str:
    word = _POSSESSIVE.sub("", word).replace(".", "").casefold()
    return _SAME.get(word, word)


def names_of(rest: str) -> Iterator[list[str]]:
    """Runs of words with capitals, or in a script that has none, which nothing but spaces parts."""
    run: list[str] = []
    end = 0
    rest = normal(rest).replace("&", " ")
    for match in _WORD.finditer(rest):
        gap = rest[end : match.start()]
        end = match.end()
        word = match[0]
        if run and (gap.strip() or not _is_named(word)):
            yield run
            run = []
        if _is_named(word):
            run.append(word)
            if _POSSESSIVE.search(word):
                yield run
                run = []
    if run:
        yield run


def _is_named(word: str) -> bool:
    return any(char.isupper() or char.istitle() or (char.isalpha() and not char.islower()) for char in word)


def parts_of(run: list[str]) -> Iterator[list[str]]:
    """A run without ordinary words at its ends, and parted where a title stands between names."""
    while run and same(run[0]) in ORDINARY:
        run = run[1:]
    while run and same(run[-1]) in ORDINARY:
        run = run[:-1]
    part: list[str] = []
    for word in run:
        if same(word) in TITLES:
            if part:
                yield part
            yield [word]
            part = []
        else:
            part.append(word)
    if part:
        yield part
