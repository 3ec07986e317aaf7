"""Whether what is said rests on evidence: each number, date, link, name and quote of a sentence, in what it cites."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from agents.base import Evidence
from agents.claims import (
    MONTHS,
    Claim,
    claims_of,
    code_of,
    names_of,
    parts_of,
    quotes_of,
    same,
    straight,
    url_of,
    words_of,
)
from agents.ordinary_words import HONORIFICS
from agents.visible import normal, visible

_CITATION = re.compile(r"\[\s*([a-z]{1,3}\d{1,6}(?:\s*[,;]\s*[a-z]{1,3}\d{1,6})*)\s*\]")
_ABBREVIATIONS = {
    "mr", "mrs", "ms", "dr", "prof", "st", "ltd", "inc", "co", "corp", "no", "nos", "e.g", "i.e", "approx", "vs", "cf",
    "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
}  # fmt: skip
_END = re.compile("[.!?\u2026]+[\"'\u201d\u2019)]*" r"(?P<marks>(?:\s*\[[^\]\n]{1,80}\][.]?)*)(?=\s|$)")
_INVERTED = re.compile(r"^([^\W\d_][^,\d]*), ([^,\d]+)$")  # SMITH, Jane Anne


@dataclass(frozen=True)
class Dropped:
    """A sentence that may not be said."""

    sentence: str
    reason: str
    claims: tuple[str, ...] = ()  # that nothing cited supports


def is_quoted(quote: str, text: str) -> bool:
    """Whether `quote` stands in `text` word for word; only how they are spaced and broken into lines may differ."""
    wanted = " ".join(quote.split())
    return bool(wanted) and wanted in " ".join(text.split())


def cited_ids(text: str) -> list[str]:
    """The ids of marks such as `[f1]` and `[f1, s2]`, each once, in the order of the text."""
    found = (part.strip() for match in _CITATION.finditer(text) for part in re.split("[,;]", match[1]))
    return list(dict.fromkeys(found))


def sentences_of(text: str) -> list[str]:
    """The sentences and list items of `text`; citations after a full stop belong to what stands before it."""
    found: list[str] = []
    for line in visible(text).splitlines():
        start = 0
        for match in _END.finditer(line):
            if match["marks"] or not _is_abbreviation(line, start, match):
                found.append(line[start : match.end()].strip())
                start = match.end()
        found.append(line[start:].strip())
    return [sentence for sentence in found if sentence]


def _is_abbreviation(line: str, start: int, match: re.Match[str]) -> bool:
    """Whether the stop belongs to the word before it: a shortened one, or an initial."""
    if not match[0].startswith(".") or not line[match.end() :].strip():
        return False
    words = line[start : match.start()].split()
    word = words[-1].lstrip("(\"'") if words else ""
    is_initial = len(word) == 1 and word.isupper()
    return is_initial or word.casefold() in _ABBREVIATIONS or line[match.end() :].lstrip()[:1].islower()


def grounded_sentences(text: str, evidence: Sequence[Evidence]) -> tuple[list[str], list[Dropped]]:
    """The sentences of `text` that may be said, and those that may not.

    A sentence must cite evidence, nothing but evidence that there is, and all that it claims must be in what it cites.
    """
    by_id: dict[str, list[Evidence]] = defaultdict(list)
    for each in evidence:
        by_id[each.id].append(each)
    kept: list[str] = []
    dropped: list[Dropped] = []
    for sentence in sentences_of(text):
        ids = cited_ids(sentence)
        unknown = tuple(f"[{each}]" for each in ids if each not in by_id)
        if not words_of(_CITATION.sub(" ", sentence)):
            dropped.append(Dropped(sentence, "It says nothing."))
        elif not ids:
            dropped.append(Dropped(sentence, "It cites no evidence."))
        elif unknown:
            dropped.append(Dropped(sentence, "It cites evidence that there is not.", unknown))
        elif claims := unsupported(sentence, [each for key in ids for each in by_id[key]]):
            dropped.append(Dropped(sentence, "The evidence that it cites does not say so.", tuple(claims)))
        else:
            kept.append(sentence)
    return kept, dropped


def unsupported(text: str, evidence: Sequence[Evidence]) -> list[str]:
    """What `text` claims that no piece of `evidence` holds, as the text puts it, each once.

    Numbers, amounts, percentages, dates, links, e-mail addresses, telephone numbers, names and quotes are looked up: an
    amount needs the same currency, a name the same words in the same order, and a quote stands there word for word. See
    `agents.claims` for what is not seen.
    """
    known = _Known()
    for each in evidence:
        known.add_evidence(each)
    claims, rest = claims_of(_CITATION.sub(" ", text))
    missing = [claim.shown for claim in claims if not known.holds(claim)]
    for run in names_of(rest):
        if not known.has_words([same(word) for word in run]):
            missing += [" ".join(part) for part in parts_of(run) if not known.has_name([same(word) for word in part])]
    missing += [quote for quote in quotes_of(_CITATION.sub(" ", text)) if not known.has_quote(quote)]
    return list(dict.fromkeys(missing))


@dataclass(frozen=True)
class _Read:
    """What one text of evidence holds."""

    claims: tuple[Claim, ...]
    codes: frozenset[str]
    texts: tuple[str, ...]
    straight: str


@lru_cache(maxsize=256)  # a draft or a report is held against the same few facts again and again
def _read(text: str) -> _Read:
    claims, rest = claims_of(text)
    codes = frozenset(code_of(token) for token in normal(text).split())
    # A name beside a number that is joined to it ("Say ABC-12") is read without that number, too.
    runs = (_spaced([same(word) for word in run]) for run in names_of(rest))
    return _Read(tuple(claims), codes, (_spaced(words_of(text)), *runs), straight(text))


@dataclass
class _Known:
    """What evidence holds, in the forms to compare."""

    values: dict[str, set[object]] = field(default_factory=lambda: defaultdict(set))
    texts: list[str] = field(default_factory=list)  # their words, each between spaces
    whole: list[str] = field(default_factory=list)  # `straight`

    def add_evidence(self, evidence: Evidence) -> None:
        self.add_text(evidence.text)
        self.add_text(evidence.on)
        self.texts.append(_spaced(words_of(evidence.source.replace("_", " "))))
        if evidence.url:
            self.add_url(evidence.url)
        for value in _leaves(evidence.data):
            self.add_value(value)

    def add_value(self, value: Any) -> None:
        if isinstance(value, str):
            self.add_text(value)
            if match := _INVERTED.match(value):
                self.texts.append(_spaced(words_of(f"{match[2]} {match[1]}")))
        elif isinstance(value, datetime):
            self.add_date(value.date())
        elif isinstance(value, date):
            self.add_date(value)
        elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            self.values["number"].add(("", Decimal(str(value))))

    def add_text(self, text: str) -> None:
        if not text:
            return
        read = _read(text)
        self.whole.append(read.straight)
        for claim in read.claims:
            if isinstance(claim.value, date):
                self.add_date(claim.value)
            elif claim.kind == "url":
                self.add_url(claim.shown)
            else:
                self.values[claim.kind].add(claim.value)
                if claim.kind == "month" and isinstance(claim.value, tuple):
                    self.values["number"].add(("", Decimal(claim.value[0])))
        self.values["code"] |= read.codes
        self.texts += read.texts

    def add_url(self, url: str) -> None:
        whole = url_of(url)
        self.values["url"] |= {whole, whole.partition("/")[0]}

    def add_date(self, moment: date) -> None:
        self.values["date"].add(moment)
        self.values["month"].add((moment.year, moment.month))
        self.values["day"].add((moment.month, moment.day))
        self.values["number"].add(("", Decimal(moment.year)))
        self.texts.append(_spaced([MONTHS[moment.month - 1]]))

    def holds(self, claim: Claim) -> bool:
        return claim.value in self.values[claim.kind]

    def has_quote(self, quote: str) -> bool:
        return any(is_quoted(quote, text) for text in self.whole)

    def has_words(self, words: Sequence[str]) -> bool:
        wanted = _spaced(words)
        return any(wanted in text for text in self.texts)

    def has_name(self, words: Sequence[str]) -> bool:
        return self.has_words(words) or (len(words) == 1 and words[0] in HONORIFICS)


def _spaced(words: Sequence[str]) -> str:
    return f" {' '.join(words)} "


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _leaves(item)
    else:
        yield value
