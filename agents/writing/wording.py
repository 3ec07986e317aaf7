"""Whether a sentence in other words says what the template's sentence says, and nothing else.

`agents.grounding` sees numbers, dates, names and links, but no claim in plain small words. So the words themselves are
bound: besides the values of the slots, word for word, only those that templates for the same reason have, and those of
`wording.toml`, which say nothing of a company. Left unseen: the same words in an order that turns their meaning.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from agents.base import Evidence
from agents.claims import same, words_of
from agents.grounding import sentences_of, unsupported
from agents.writing.lints import Claim, Written
from agents.writing.parts import FRAME, PROFILE, get_templates
from agents.writing.slots import SLOT, Value, length_of

FILE = Path(__file__).with_name("wording.toml")
MAX_LENGTH = 240  # of a sentence, as users see it
NAME_OF_COMPANY = "company"  # the slot that may be left out: the reader knows where they work
_VALUE = "it"  # stands for a value where only the other words are looked at
_PLAIN = re.compile(r"[A-Za-z ,.;:?!'\u2019()&\u2013\u2014-]+")  # what is written besides values: no figure, no link
_WORDS = re.compile(r"[a-z']+")
_BEFORE = re.compile(r"([A-Za-z']+)[^\w{}]+\{(?:amount|count|date|month|year)\}")
_ENDINGS = {"?": "?", ".": ".", "!": "."}


@dataclass(frozen=True)
class _Wording:
    """What `wording.toml` says."""

    entries: Mapping[str, frozenset[str]]  # by place
    before_figures: frozenset[str]

    @cached_property
    def phrases(self) -> Mapping[str, re.Pattern[str]]:
        """Finds the entries of several words."""
        found = {place: sorted(each for each in entries if " " in each) for place, entries in self.entries.items()}
        return {place: re.compile(rf"(?<!\w)(?:{'|'.join(found[place]) or '(?!)'})(?!\w)") for place in found}


@cache
def _wording() -> _Wording:
    data = tomllib.loads(FILE.read_text(encoding="utf-8"))
    groups, places = data["groups"], data["places"]
    entries = {place: frozenset(entry for name in places[place] for entry in groups[name]) for place in places}
    return _Wording(entries, frozenset(data["before_figures"]["words"]))


def common_words(places: Sequence[str]) -> Mapping[str, list[str]]:
    """The words that may be used at each of these places whatever is told there, to tell a language model."""
    return {place: sorted(_wording().entries[place]) for place in places}


def may_be_rewritten(place: str) -> bool:
    """Not who is addressed, what is offered, who signs, or a caller's list of facts."""
    return place in _wording().entries


@dataclass(frozen=True)
class Original:
    """A sentence of a template that may be put into other words."""

    claim: Claim
    said: Mapping[str, Value]  # the values in it, by slot
    words: frozenset[str]  # that templates for the same reason to write have at this place
    before_figures: frozenset[str]

    @cached_property
    def values(self) -> list[str]:
        """Longest first, each once."""
        return sorted({value.text for value in self.said.values()}, key=lambda text: (-len(text), text))

    @property
    def kept(self) -> list[str]:
        """What must stand in each other wording."""
        company = self.said.get(NAME_OF_COMPANY)
        return [text for text in self.values if company is None or text != company.text]

    @cached_property
    def _allowed(self) -> set[str]:
        common = {entry for entry in _wording().entries[self.claim.place] if " " not in entry}
        return {same(word) for word in self.words | common}

    def strange_in(self, bare: str) -> set[str]:
        """The words of a text without its values that may not stand there."""
        phrases = _wording().phrases[self.claim.place]
        return set(words_of(phrases.sub(" ", bare.lower()))) - self._allowed

    def bare(self, text: str) -> str:
        """`text` with a small word in place of each value."""
        return self._values.sub(_VALUE, text) if self.values else text

    def count(self, text: str) -> dict[str, int]:
        return {value: len(_whole(value).findall(text)) for value in self.values}

    @cached_property
    def _values(self) -> re.Pattern[str]:
        return re.compile("|".join(rf"{_whole(value).pattern}(?:['\u2019]s?(?!\w))?" for value in self.values))


def originals_of(written: Written) -> dict[str, Original]:
    """The sentences that may be put into other words, by their places, in the order of the text."""
    return {claim.place: _original(written, claim) for claim in written.claims if may_be_rewritten(claim.place)}


def _original(written: Written, claim: Claim) -> Original:
    said = {
        name: Value(text, each.id)
        for each in written.evidence
        if each.id in claim.evidence
        for name, text in each.data.get("values", {}).items()
        if _whole(text).search(claim.text)
    }
    variants = _variants(written, claim.place)
    plain = Original(claim, said, frozenset(), frozenset())
    texts = [plain.bare(claim.text), *(SLOT.sub(" ", text) for text in variants)]
    words = {word for text in texts for word in _WORDS.findall(text.lower())}
    before = {word.lower() for text in variants for word in _BEFORE.findall(text)}
    before |= {word for value in plain.kept for word in _words_before(value, claim.text)}
    return Original(claim, said, frozenset(words), frozenset(before) | _wording().before_figures)


def _variants(written: Written, place: str) -> list[str]:
    """All texts that templates have for the place and the reason to write, whatever their tone, slots open."""
    kind, _, rule = written.reason.partition(".")
    names = [kind, FRAME] if rule else [PROFILE, FRAME]
    parts = [
        part for name in names if (found := get_templates(name)) for part in found.fitting(place, written.form, rule)
    ]
    return [text for part in parts for variants in part.variants.values() for text in variants]


def wrong_with(original: Original, text: str, cites: Sequence[str]) -> str:
    """Why `text`, resting on the evidence `cites`, may not stand in the original's place; empty if it may.

    The reason repeats nothing of the text: a stranger may have had it written.
    """
    return next(_faults(original, text, set(cites)), "")


def _faults(original: Original, text: str, cites: set[str]) -> Iterator[str]:
    bare, counts = original.bare(text), original.count(text)
    needed = {value.evidence for value in original.said.values() if counts[value.text]}
    if not needed <= cites <= set(original.claim.evidence):
        yield "It does not cite what it rests on."
    if not _keeps(original, counts):
        yield "It does not keep the facts as they are written, each once."
    if length_of(text) > MAX_LENGTH or not _PLAIN.fullmatch(bare):
        yield "It is too long, or holds figures, links or signs that are in no fact."
    if not _is_like(bare, original.bare(original.claim.text)):
        yield "It is not one sentence of the same kind."
    if original.strange_in(bare):
        yield "It uses words that could say more than the facts."
    if any(word not in original.before_figures for value in original.kept for word in _words_before(value, text)):
        yield "It puts a figure or a date in another light."
    cited = [Evidence(value.evidence, value.text, "") for value in original.said.values() if value.evidence in cites]
    if unsupported(f"{text} |", cited):
        yield "What it cites does not say so."


def _keeps(original: Original, counts: Mapping[str, int]) -> bool:
    before = original.count(original.claim.text)
    must = set(original.kept)
    return all(counts[value] == before[value] if value in must else counts[value] <= before[value] for value in before)


def _is_like(bare: str, other: str) -> bool:
    """Whether it is one sentence, which states or asks as the other does."""
    is_ended_alike = _ENDINGS.get(bare[-1:], "") == _ENDINGS.get(other[-1:], "")
    return len(sentences_of(bare)) == 1 and is_ended_alike and bare.count("?") == other.count("?")


def _words_before(value: str, text: str) -> list[str]:
    """The words directly before a value with figures, wherever it stands."""
    if not any(map(str.isdigit, value)):
        return []
    return [match[1].lower() for match in re.finditer(rf"([^\W\d_][\w'\u2019]*)[^\w]*{_whole(value).pattern}", text)]


def _whole(value: str) -> re.Pattern[str]:
    """Finds a value as it is written, not as a part of another word."""
    return re.compile(rf"(?<!\w){re.escape(value)}(?!\w)")
