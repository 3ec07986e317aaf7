"""Which companies a headline may name. Pure: whether the register knows them is asked elsewhere."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from businesses.normalise import normalise_name

MAX_WORDS_OF_NAME = 7
MAX_WORDS = 60  # of a headline
MIN_LETTERS = 5  # of a name of one word
COMMON_WORDS = Path(__file__).with_name("common_words.txt")
_BREAKS = re.compile(r"[,:;|?!()\[\]{}\"\u201c\u201d\u2013\u2014\u2026]+|\s[-/\u2022\u00b7]\s|\.\s")
_POSSESSIVE = re.compile(r"'s?$", re.I)


class Mention(NamedTuple):
    """A name as it may stand in a headline: words `first` up to `last` of it, that one not included."""

    name: str  # normalised
    first: int
    last: int


@cache
def common_words() -> frozenset[str]:
    """Words, places and months that headlines are full of, although companies are called so, too."""
    lines = COMMON_WORDS.read_text().splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def mentions_of(title: str) -> Iterator[Mention]:
    """Runs of whole words that begin with a capital or a digit and could be a name.

    A name of one word needs five letters, must not be a common word, and its capital must say something: not that of
    the first word, nor one in a headline whose words all have capitals.
    """
    title = title.replace("\u2019", "'")
    capitals = [word[0].isupper() for word in title.split() if word[0].isalpha() and len(word) > 3]  # noqa: PLR2004  of "for", "the" nobody knows
    is_all_capitals = len(capitals) > 1 and all(capitals)
    place = 0
    for segment in _BREAKS.split(title):
        words = segment.split()[: MAX_WORDS - place]
        for first, word in enumerate(words):
            if not (word[0].isupper() or word[0].isdigit()):
                continue
            for last in range(first + 1, min(first + MAX_WORDS_OF_NAME, len(words)) + 1):
                says_something = not is_all_capitals and place + first > 0
                for name in _spellings(words[first:last]):
                    if _could_be(name, says_something):
                        yield Mention(name, place + first, place + last)
        place += len(words)


def _spellings(words: list[str]) -> set[str]:
    """As it stands, and without the possessive."""
    text = " ".join(words).rstrip(".")
    return {normalise_name(text), normalise_name(_POSSESSIVE.sub("", text))}


def _could_be(name: str, says_something: bool) -> bool:
    words = name.split()
    if not words or all(word in common_words() or word.isdigit() for word in words):
        return False
    return len(words) > 1 or (says_something and sum(map(str.isalpha, name)) >= MIN_LETTERS)


def chosen(mentions: Iterable[Mention], known: Mapping[str, str | None]) -> tuple[list[str], int]:
    """The companies that are named, by `known` names, and how many names could be more than one's (None).

    The longest name wins where several share words: "Boring Holdings" is not "Boring".
    """
    taken: set[int] = set()
    found: dict[str, None] = {}
    ambiguous = 0
    for mention in sorted(set(mentions), key=lambda one: (one.first - one.last, one.first)):
        place = set(range(mention.first, mention.last))
        if mention.name not in known or taken & place:
            continue
        taken |= place
        company = known[mention.name]
        if company is None:
            ambiguous += 1
        else:
            found[company] = None
    return list(found), ambiguous
