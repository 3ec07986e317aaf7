"""Who joins or leaves a company as what, as texts tell it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from signals_app.text.claims import claims, happened
from signals_app.text.names import mentions
from signals_app.text.people import Title, is_executive, title_of
from signals_app.text.sentences import sentences

MAX_TITLE = 90  # characters of a title and what leads to it


@dataclass(frozen=True, slots=True)
class Move:
    """`person` is "" where none is named; `quote` is a sentence of the text."""

    person: str
    title: Title
    is_joining: bool
    quote: str
    title_text: str = ""


_WORDS = re.compile(r"[A-Z][\w'\u2019-]{0,24}\.?(?: (?:(?:van|de|von|der|al|la) )?[A-Z][\w'\u2019-]{0,24}\.?){0,7}")
# Capitals that are no part of a person's name: titles, honours, and what headlines write large.
_NO_NAMES = frozenset({
    "ceo", "cto", "cfo", "coo", "cio", "ciso", "cmo", "cpo", "cro", "chro", "cdo", "cco", "md", "svp", "evp",
    "avp", "vp", "ned", "chief", "executive", "technology", "technical", "financial", "finance", "operating",
    "officer", "information", "marketing", "product", "revenue", "commercial", "people", "legal", "head", "of",
    "vice", "president", "director", "managing", "chair", "chairman", "chairwoman", "chairperson", "board",
    "sales", "it", "hr", "engineering", "operations", "new", "former", "ex", "interim", "non", "founder", "co-founder",
    "co", "global", "group", "uk", "us", "mr", "mrs", "ms", "miss", "dr", "sir", "dame", "lord",
    "lady", "prof", "professor", "the", "a", "an", "as", "and", "to", "for", "its", "our", "after", "following",
    "today", "on", "in", "at", "by", "with", "data", "security", "digital", "customer", "growth", "strategy",
    "senior", "deputy", "manager", "partner", "non-executive", "general", "counsel", "monday", "tuesday",
    "wednesday", "thursday", "friday", "joins", "appoints", "hires", "names", "has", "is", "was"
})  # fmt: skip
_HIRES = re.compile(
    r"\b(?:appoints|appointed|hires|hired|names|named|promotes|promoted|recruits|recruited|welcomes|welcomed|poaches|"
    r"poached|taps|unveils|elevates|selects|picks|announces|announced|adds|added|brings in|brought in|"
    r"strengthens (?:its |the )?(?:board|team|leadership|management)[\w ]{0,20} with|bolsters (?:its |"
    r"the )?(?:board|team|leadership|management)[\w ]{0,20} with|makes|made)\b",
    re.IGNORECASE,
)
_LOSES = re.compile(r"\b(?:loses|lost|parts (?:company|ways) with|sacks|sacked|fires|fired|ousts|ousted|dismisses|"
                    r"dismissed|"
                    r"bids farewell to|announces|announced)\b", re.IGNORECASE)  # fmt: skip
_DEPARTURE = re.compile(
    r"\b(?:departure|resignation|exit|retirement|stepping down|steps down|stepped down|to step down)\b", re.IGNORECASE
)
_JOINS = re.compile(
    r"\b(?:joins|joined|has joined|(?:is|was|has been|been|were) (?:appointed|named|promoted|hired|"
    r"recruited)|appointed|named|"
    r"promoted|takes over|took over|becomes|became|steps up|takes the helm|passed|passes|hands over|"
    r"handed|(?:had|has|have) been made|(?:had|has) been (?:appointed|named|promoted))\b",
    re.IGNORECASE,
)
_LEAVES = re.compile(
    r"\b(?:steps down|stepped down|stepping down|has left|leaves|left|resigns|resigned|quits|quit|"
    r"departs|departed|exits|exited|"
    r"retires|retired|will leave|is leaving|is stepping down|to step down|will step down|ousted|"
    r"stands down|steps back as|stepped back as|"
    r"stood down|to leave)\b",
    re.IGNORECASE,
)
_TITLE = re.compile(
    r"\b(?:as|to be|to the (?:role|position|post) of|to|in the (?:role|position) of|becomes|became|"
    r"named|appointed|promoted to)\s+(?:(?:its|their|the|our|a|an|new|first|first-ever|interim|group|"
    r"next|permanent|role of|position of)\s+){0,4}"
)
_NOT_PEOPLE = re.compile(
    r"\b(?:distributor|reseller|agency|supplier|contractor|partner\b(?!,)|administrators?\b|"
    r"liquidators?|receivers?|auditors\b|"
    r"advis[eo]rs? to|ambassador|broker|nomad|law firm|architects\b|best|winner|finalist|one of|award|among|top \d+|"
    r"most |leader in|for (?:the )?(?:theft|fraud)|employee of|apprentice of|player|coach|"
    r"manager of the (?:month|match)|striker)\b",
    re.IGNORECASE,
)
_CHARACTERS = 120
_US = re.compile(r"\b(?:us|our|we)\b", re.IGNORECASE)
_ELSEWHERE = re.compile(r"\b(?:joins|joined|of|at|for|leads|runs)\s(?!(?:the|its|as)\b)[A-Z][\w'-]+")
_FORMERLY = re.compile(
    r"\b(?:formerly (?:of|at)|former|ex-|previously (?:at|of|with)|from|customer|client|partner|"
    r"rival)\s*$",
    re.IGNORECASE,
)
_BOARD = re.compile(r"^\s(?:the|its|our|to the) board\b", re.IGNORECASE)


def moves_in(pieces: Sequence[str], names: tuple[str, ...], *, on: date, own: bool = False) -> list[Move]:
    """Executives who join or leave the company by a text of `on`, each once: no plans, nobody else's, no old news."""
    found: list[Move] = []
    for claim in claims(pieces, names, _HIRES, on=on, first_person=own):
        found += _moved(claim.sentence.text, claim.end, names, joining=not _DEPARTURE.search(claim.rest))
    for claim in claims(pieces, names, _LOSES, on=on, first_person=own):
        if not claim.verb.lower().startswith("announce") or _DEPARTURE.search(claim.rest):
            found += _moved(claim.sentence.text, claim.end, names, joining=False)
    named = own or any(mentions(piece, names) for piece in pieces)
    for piece in pieces if named else ():
        for sentence in sentences(piece):
            if _is_of(sentence.text, names, own=own, titled=bool(mentions(pieces[0], names))):
                found += _of_person(sentence.text, names, on)
    return _each_once(found)


def _moved(sentence: str, start: int, names: tuple[str, ...], *, joining: bool) -> Iterator[Move]:
    """ "… appoints Jane Smith as CTO", "… appoints new CTO"."""
    rest = sentence[start : start + 2 * _CHARACTERS]
    if _NOT_PEOPLE.search(rest[:_CHARACTERS]):
        return
    if found := _title_in(rest):
        people = _people(rest[:_CHARACTERS], names)
        yield Move(people[0] if people else "", found[0], joining, sentence, found[1])


def _of_person(sentence: str, names: tuple[str, ...], on: date) -> Iterator[Move]:
    """ "Jane Smith joins Acme as CTO", "Acme CEO John Jones steps down"."""
    for verbs, joining in ((_LEAVES, False), (_JOINS, True)):
        for verb in verbs.finditer(sentence):
            if _NOT_PEOPLE.search(sentence[verb.end() :][:_CHARACTERS]):
                continue
            if not happened(sentence, verb.start(), verb.end(), on, decided=not joining):
                continue
            before, after = (
                sentence[max(0, verb.start() - _CHARACTERS) : verb.start()],
                sentence[verb.end() :][:_CHARACTERS],
            )
            people = _people(before, names)[-1:] or _people(after, names)[:1]
            is_after = joining and "takes" not in verb.group()
            found = _title_in(after) or (None if is_after else _title_before(before))
            if found and (people or not joining):
                yield Move(people[0] if people else "", found[0], joining, sentence, found[1])
                return


def _is_of(sentence: str, names: tuple[str, ...], *, own: bool, titled: bool) -> bool:
    """Whether the sentence speaks of a post in the company: not of one that somebody left for another.

    Without the name it does after a title that has it, where nobody joins another company by name.
    """
    found = mentions(sentence, names)
    if not found:
        return (own and bool(_US.search(sentence))) or (titled and not own and not _ELSEWHERE.search(sentence))
    return any(not _FORMERLY.search(sentence[max(0, name.start() - 40) : name.start()]) for name in found[:8])


def _title_in(rest: str) -> tuple[Title, str] | None:
    """The executive's title that follows a verb, and how it is written."""
    if _BOARD.match(rest):
        return Title("board", "general"), "board"
    for lead in _TITLE.finditer(rest):
        text = _until_break(rest[lead.end() : lead.end() + MAX_TITLE])
        if title := title_of(text):
            return (title, _written(text)) if is_executive(title) else None
    text = _until_break(rest[:MAX_TITLE])
    title = title_of(text)
    return (title, _written(text)) if title is not None and is_executive(title) else None


def _title_before(text: str) -> tuple[Title, str] | None:
    title = title_of(text[-MAX_TITLE:])
    return (title, _written(text[-MAX_TITLE:])) if title is not None and is_executive(title) else None


def _written(text: str) -> str:
    return " ".join(re.findall(r"[\w&,'/-]+", text)).strip(" ,")


def _until_break(text: str) -> str:
    """A title ends with its clause; "SVP, Sales" has one comma in it."""
    cut = re.search(
        r"\b(?:to (?:lead|drive|head|help|support|oversee|accelerate|succeed|replace)|who|following|after|"
        r"from|with|where|having|at|effective|amid|for (?:the|its))\b|[;:.]\s",
        text,
    )
    return text[: cut.start()] if cut else text


def _people(text: str, names: tuple[str, ...]) -> list[str]:
    """Runs of two to four words that are written as names and are neither titles nor the company's name."""
    company = [match.span() for match in mentions(text, names)]
    people = []
    for run in _WORDS.finditer(text):
        words: list[str] = []
        for word in [*re.finditer(r"\S+", run.group()), None]:
            start = run.start() + word.start() if word else 0
            if (
                word
                and word.group().lower().strip(".,") not in _NO_NAMES
                and not any(a <= start < b for a, b in company)
            ):
                words.append(word.group())
                continue
            if 2 <= len(words) <= 4:  # noqa: PLR2004  forename and surname, perhaps more of them
                people.append(" ".join(words))
            words = []
    return people


def _each_once(moves: list[Move]) -> list[Move]:
    once: dict[tuple[str, bool], Move] = {}
    for move in sorted(moves, key=lambda move: not move.person):
        if move.person or not any(other.is_joining == move.is_joining for other in once.values()):
            once.setdefault((move.person.lower(), move.is_joining), move)
    return list(once.values())
