"""Sentences of a text, with where they are. Linear: one pass over the places that may end one."""

import re
from dataclasses import dataclass

MAX_SENTENCE = 600  # characters
MAX_TEXT = 8_000  # characters that are read of a text

# A full stop after these ends no sentence.
_ABBREVIATIONS = frozenset({
    "mr", "mrs", "ms", "dr", "prof", "sir", "ltd", "inc", "co", "corp", "plc", "st", "no", "vs", "etc", "e.g",
    "i.e", "u.s", "u.k", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
    "approx", "dept", "est", "fig", "gen", "v.p"
})  # fmt: skip
_END = re.compile(r"[.!?]+[\"'\u201d\u2019)\]]*(?=\s|$)|[\r\n]+|\s[•·▪]\s")
_LAST_WORD = re.compile(r"[\w.]{1,12}$")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A part of a text: `text` is exactly what stands from `start` on."""

    start: int
    text: str


def sentences(text: str) -> list[Sentence]:
    """Sentences and lines of the first 8,000 characters, trimmed, without empty ones; long ones in parts."""
    text = text[:MAX_TEXT]
    found = []
    start = 0
    for end in _END.finditer(text):
        if _goes_on(text, start, end):
            continue
        found.append(_trimmed(text, start, end.end()))
        start = end.end()
    found.append(_trimmed(text, start, len(text)))
    return [part for sentence in found if sentence.text for part in _cut(sentence)]


def _cut(sentence: Sentence) -> list[Sentence]:
    """A sentence without end, as pages and bad feeds have them, in parts: what reads them may compare words."""
    if len(sentence.text) <= MAX_SENTENCE:
        return [sentence]
    text = sentence.text
    cuts = range(0, len(text), MAX_SENTENCE)
    parts = [_trimmed(text, start, min(start + MAX_SENTENCE, len(text))) for start in cuts]
    return [Sentence(sentence.start + part.start, part.text) for part in parts if part.text]


def _goes_on(text: str, start: int, end: re.Match[str]) -> bool:
    if not end.group().startswith("."):
        return False
    word = _LAST_WORD.search(text, max(start, end.start() - 12), end.start())
    if word is None:
        return False
    return word.group().lower() in _ABBREVIATIONS or (len(word.group()) == 1 and word.group().isupper())


def _trimmed(text: str, start: int, end: int) -> Sentence:
    part = text[start:end]
    return Sentence(start + len(part) - len(part.lstrip()), part.strip())
