"""Names of products in texts, and whether they are used there or only wished for."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from pydantic import Field

from signals_app.detectors.rules import RuleFile, Strict, load_rules
from signals_app.text.sentences import MAX_TEXT, Sentence, sentences


class Technology(Strict):
    name: str
    aliases: tuple[str, ...] = ()
    case: bool = False
    business: bool = True
    needs_context: bool = False
    context: tuple[str, ...] = ()
    not_: tuple[str, ...] = Field(default=(), alias="not")


class TechnologyFile(RuleFile):
    context: tuple[str, ...]
    technology: tuple[Technology, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A product that a sentence names; `start` and `end` in the sentence."""

    name: str
    sentence: Sentence
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Vocabulary:
    pattern: re.Pattern[str]
    exact: re.Pattern[str]
    by_name: dict[str, Technology]  # name or alias: in lower case where the case does not matter
    context: frozenset[str]


_TOKEN = re.compile(r"[\w+#./&-]+")
_LIST = re.compile(r"\s*(?:,|/|\bto\b|\bon\b|\band\b|\bor\b|&|\+|,\s*(?:and|or)\b|\()\s*\Z", re.IGNORECASE)
_BETWEEN = 6  # characters that may separate two names of one list
# An ambiguous name with a word that makes it a language or a tool.
_TELLING = re.compile(
    r"\s(?:developer|engineer|programm\w+|microservices?|payments|back-?end|codebase|services|lang|code|"
    r"language|skills|spreadsheets?|"
    r"database|DBA|ERP|Fusion|Financials|SQL|Cloud|HCM|EBS|Intacct|Payroll|50\b|200\b|Line 50|Studio|Shiny|admin\w*|"
    r"consultant|data warehouse|package|scripts?|\(?(?:or similar|programming))",
    re.IGNORECASE,
)
_WRITTEN_IN = re.compile(r"\b(?:written|coding|code|programming|developed|built|developing|building|experienced?|"
                         r"proficient|"
                         r"proficiency|fluent|fluency|expertise|skilled|services|microservices) (?:in|with|"
                         r"using|of) $", re.IGNORECASE)  # fmt: skip
HEADING_WORDS = 5
SHORT = 2  # letters: names that short need more than a word of the trade in the sentence
_WISH = re.compile(
    r"\b(?:nice[- ]to[- ]haves?|desirable|desired|bonus(?: points)?|advantage(?:ous)?|is a plus|"
    r"a plus\b|beneficial|not required|not necessary|"
    r"not essential|not needed|isn['\u2019]t required|no (?:prior |"
    r"previous )?(?:[\w.+#/]+ ){0,3}(?:experience|knowledge)|optional|"
    r"ideally|would be (?:great|good|nice|helpful|useful)|preferred|preferable|preferably|welcome[d]?|instead of|"
    r"(?:don['\u2019]t|do not|doesn['\u2019]t|does not) (?:use|need|require)|no need (?:for|to)|"
    r"no longer use|without|rather than|"
    r"competitors?|alternative to|never used)\b",
    re.IGNORECASE,
)
# Before a name: it is what is left.
_LEFT = re.compile(
    r"\b(?:(?:mov|migrat|switch|transition)\w+ (?:[\w-]+ ){0,4}(?:away |off )?(?:from|off)|away from|"
    r"replac(?:e[sd]?|ing|ement (?:of|for))|"
    r"former(?:ly)?|legacy|retir(?:e[sd]?|ing)|decommission\w*|sunset\w*|instead of|ditch\w*|dropp\w+)"
    r"(?: (?:our|the|its|their|old|existing|legacy|ageing|an?)){0,3} $",
    re.IGNORECASE,
)
_WISH_HEADING = re.compile(
    r"\b(?:nice[- ]to[- ]haves?|desirable|bonus|preferred|optional|plus(?:es)?|advantageous|"
    r"extra credit|would be nice)\b",
    re.IGNORECASE,
)
_HEADING = re.compile(r"^[^.!?]{1,60}:?$")
_ITEM = re.compile(r"^\s*[-\u2013•*·▪]")


@cache
def vocabulary() -> Vocabulary:
    """Raises `InvalidRules` where the list is not valid."""
    file = load_rules("technologies", TechnologyFile)
    by_name: dict[str, Technology] = {}
    for technology in file.technology:
        for alias in (technology.name, *technology.aliases):
            by_name[alias if technology.case and alias == technology.name else alias.lower()] = technology
    exact = [technology.name for technology in file.technology if technology.case]
    loose = [name for name, technology in by_name.items() if name not in exact or not technology.case]
    return Vocabulary(
        pattern=_alternatives(loose, re.IGNORECASE),
        exact=_alternatives(exact, 0),
        by_name=by_name,
        context=frozenset(file.context),
    )


def named_in(text: str) -> list[str]:
    """Products that the text names, each once, in the order of the text."""
    return list(dict.fromkeys(named.name for named in names_in(text)))


def is_business(name: str) -> bool:
    """Whether `name` is a product of the list that companies buy: no language, library or typeface."""
    technology = vocabulary().by_name.get(name) or vocabulary().by_name.get(name.lower())
    return technology is not None and technology.business


def names_in(text: str) -> Iterator[Named]:
    """Each place at which a product is named."""
    for sentence in sentences(text[:MAX_TEXT]):
        yield from names_of(sentence)


def names_of(sentence: Sentence) -> list[Named]:
    """The products of one sentence. An ambiguous word is one only beside another product, or words of the trade."""
    known = vocabulary()
    spans: dict[int, tuple[int, Technology, bool]] = {}
    for pattern, exact in ((known.pattern, False), (known.exact, True)):
        for match in pattern.finditer(sentence.text):
            technology = known.by_name[match.group() if exact else match.group().lower()]
            if match.start() not in spans or spans[match.start()][0] < match.end():
                spans[match.start()] = (match.end(), technology, exact and technology.needs_context)
    kept: list[tuple[int, int, Technology, bool]] = []
    for start, (end, technology, unsure) in sorted(spans.items()):
        if (not kept or start >= kept[-1][1]) and not any(word in sentence.text for word in technology.not_):
            kept.append((start, end, technology, unsure))
    words = {token.lower().strip(".,") for token in _TOKEN.findall(sentence.text)} & _trade(known, kept)
    return [
        Named("Apache Spark" if technology.name == "Spark" else technology.name, sentence, start, end)
        for index, (start, end, technology, unsure) in enumerate(kept)
        if not unsure or _is_meant(sentence.text, kept, index, words)
    ]


def uses_in(text: str) -> Iterator[Named]:
    """Products that the text says are used, or are required; not those wished for, ruled out or left behind."""
    wished = False
    for sentence in sentences(text[:MAX_TEXT]):
        line = sentence.text
        named = names_of(sentence)
        if _is_heading(line, named):
            wished = bool(_WISH_HEADING.search(line))
        if not wished:
            yield from (one for one in named if not _WISH.search(_clause(line, one)) and not _is_left(line, one))


def _is_heading(line: str, named: list[Named]) -> bool:
    if not _HEADING.match(line) or _ITEM.match(line):
        return False
    return line.endswith(":") or (not named and line[:1].isupper() and len(line.split()) <= HEADING_WORDS)


def _is_left(line: str, named: Named) -> bool:
    return bool(_LEFT.search(line[max(0, named.start - 60) : named.start]))


def _clause(line: str, named: Named) -> str:
    """The part of a sentence around a name: another clause may wish for another product."""
    start = max(line.rfind(mark, 0, named.start) for mark in (";", " but ", " \u2013 ", ". ")) + 1
    ends = [end for mark in (";", " but ", " \u2013 ") if (end := line.find(mark, named.end)) >= 0]
    return line[start : min(ends, default=len(line))]


def _is_meant(text: str, kept: list[tuple[int, int, Technology, bool]], index: int, words: set[str]) -> bool:
    start, end, technology, _ = kept[index]
    for other in (index - 1, index + 1):
        if 0 <= other < len(kept):
            between = text[kept[other][1] : start] if other < index else text[end : kept[other][0]]
            if len(between) <= _BETWEEN and _LIST.match(between):
                return True
    if _TELLING.match(text, end) or _WRITTEN_IN.search(text[max(0, start - 40) : start]):
        return True
    if re.match(r"\s(?:at|in (?:a|an|the|your|this))\b", text[end:][:12]) or (
        start == 0 and end < len(text) and text[end] == " "
    ):
        return False  # "Excel at what you do", "Go further with us"
    return len(technology.name) > SHORT and bool(words - {technology.name.lower()})


def _trade(known: Vocabulary, kept: list[tuple[int, int, Technology, bool]]) -> frozenset[str]:
    return known.context.union(*(technology.context for _, _, technology, _ in kept))


def _alternatives(names: list[str], flags: int) -> re.Pattern[str]:
    forms = "|".join(re.escape(name).replace(r"\ ", r"\s") for name in sorted(names, key=len, reverse=True))
    return re.compile(
        rf"(?<![\w@#$-])(?<!\w[.&])(?:{forms})(?![\w#@]|[&+](?=\w)|\s?&\s?D\b|\+\+|-(?!based|certified|"
        rf"powered|native|hosted|first|driven|to-)\w|\s(?:Tower|House|Arena|Stadium|Park|Court|Street|"
        rf"Road)\b|\.\w)",
        flags,
    )
