"""What holds of a draft, found out apart from `agents.writing.lints` and `agents.grounding`: by simpler means."""

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from agents.evaluation.research_checks import plain, tokens
from agents.writing.facts import Facts, SignalFact
from agents.writing.lints import Written
from agents.writing.parts import FOLDER, TONES

FRESH_DAYS = 90
# Most characters of the subject and of the body, and words of the body, by form.
MOST = {"email": (65, 2_000, 150), "inmail": (65, 1_900, 10_000), "note": (0, 300, 10_000), "call": (0, 2_000, 200)}
_OPEN = re.compile(r"[{}<>|\[\]\\^~%$]|(?<![^\W_])(?:TODO|TBD|XXX|[Ll]orem|undefined|None|null|NaN|nan)(?![^\W_])")
_CLAIMS = (
    "guarantee", "risk-free", "risk free", "the best", "our best", "100%", "number one", "act now", "last chance",
    "as discussed", "following up on our", "ignore previous", "cheapest", "world-leading", "unbeatable",
    "system prompt",
)  # fmt: skip
_LINK = re.compile(r"https?:|www\.|\S@\S|[^\W_]\.(?:example|com|org|net|uk)\b", re.IGNORECASE)
_SLOT = re.compile(r"\{[a-z_]+\}")
_HEADINGS = ("Opening", "Facts", "Questions", "Offer", "your company")
_TOLD = ("person", "appointed", "title", "technology", "place", "city", "cities", "competitors", "count")


@cache
def template_words() -> frozenset[str]:
    """All words of the templates, read from their files."""
    texts: list[str] = [*_HEADINGS]
    for path in FOLDER.glob("*.toml"):
        for part in tomllib.loads(path.read_text(encoding="utf-8"))["parts"]:
            texts += [text for tone in ("any", *TONES) for text in part.get(tone, [])]
    return frozenset(word for text in texts for word in words(_SLOT.sub(" ", text)))


def words(text: str) -> list[str]:
    return tokens(unicodedata.normalize("NFC", plain(text)))


def known_words(facts: Facts, own: Iterable[str]) -> frozenset[str]:
    """All words and figures that may be said of a company on the day: nothing of what is stale. `own`: texts of the
    organisation itself."""
    is_current = facts.retrieved_on is not None and 0 <= (facts.today - facts.retrieved_on).days <= FRESH_DAYS
    texts = [facts.name, facts.recipient.name, *own, *((facts.town, facts.trade) if is_current else ())]
    texts += [str(facts.incorporated_on.year)] if facts.incorporated_on else []
    for signal in facts.signals:
        if 0 <= (facts.today - signal.on).days <= FRESH_DAYS:
            texts += _told(signal)
    return frozenset(word for text in texts for word in words(text))


def _told(signal: SignalFact) -> Iterator[str]:
    yield _in_words(signal.on)
    for name in _TOLD:
        value = signal.data.get(name)
        yield from (str(one) for one in (value if isinstance(value, list) else [value]))
    try:
        amount = Decimal(str(signal.data.get("amount")))
    except InvalidOperation:
        return
    if amount.is_finite() and 0 < amount < Decimal(10**12) and signal.data.get("currency") in ("GBP", "USD"):
        symbol = {"GBP": "£", "USD": "US$"}[str(signal.data["currency"])]
        yield f"{symbol}{amount:,.0f} or {symbol}{(amount / 10**6).normalize():f} million"


def _in_words(moment: date) -> str:
    months = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
              "November", "December")  # fmt: skip
    return f"{moment.day} {months[moment.month - 1]} {moment.year}"


def strange_words(text: str, known: frozenset[str]) -> list[str]:
    """Words and figures that are neither of the templates nor of what may be said."""
    return [word for word in words(text) if word not in template_words() and word not in known]


def is_open(text: str) -> bool:
    """Whether there is a mark of a template, or of a value that was none. `US$` is a currency."""
    return bool(_OPEN.search(text.replace("US$", "")))


def is_banned(text: str) -> bool:
    """Whether there is one of a few claims that may not be made, or a link or an address."""
    folded = " ".join(unicodedata.normalize("NFKC", plain(text)).casefold().split())
    return any(claim in folded for claim in _CLAIMS) or bool(_LINK.search(folded))


def is_too_long(form: str, subject: str, body: str) -> bool:
    """Whether it is longer than its channel takes; empty is too short."""
    most_subject, most_body, most_words = MOST[form]
    is_empty = not body.strip() or bool(most_subject and not subject.strip())
    return is_empty or _size(subject) > most_subject or _size(body) > most_body or len(body.split()) > most_words


def _size(text: str) -> int:
    """Characters, without those that are put upon another."""
    return sum(unicodedata.category(char)[0] != "M" for char in unicodedata.normalize("NFC", text))


def is_grounded(written: Written) -> list[bool]:
    """Of each claim that cites anything or says more than a template: whether its evidence holds all of that."""
    by_id = {one.id: one for one in written.evidence}
    found = []
    for claim in written.claims:
        said = [word for word in words(claim.text) if word not in template_words()]
        if said or claim.evidence:
            cited: list[Any] = [by_id.get(key) for key in claim.evidence]
            held = {word for one in cited if one for text in (one.text, one.on) for word in words(text)}
            found.append(
                bool(claim.evidence) and None not in cited and set(said) <= held and claim.text in written.text
            )
    return found
