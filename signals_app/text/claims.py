"""Who does what in a text: whether a company is the one that a verb speaks of, and whether it happened."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from signals_app.text.names import mentions
from signals_app.text.sentences import Sentence, sentences

MAX_BETWEEN = 160  # characters between a subject and its verb
_BESIDES = re.compile(r",[^,]{1,120},|\([^()]{1,80}\)|\s[\u2013\u2014-]\s[^\u2013\u2014]{1,100}\s[\u2013\u2014-]\s")
# What may stand between the subject and its verb.
_LINK = re.compile(
    r"(?:\s|,?\s(?:which|who|that)\s(?:has|have)\s|\b(?:ltd|limited|plc|llp|inc|group|holdings|uk|has|"
    r"have|today|also|just|"
    r"successfully|recently|now|finally|officially|quietly|proudly|announce[sd]?|announcing|"
    r"confirm(?:s|ed)|sa(?:ys|id)|"
    r"reveal(?:s|ed)|that|it|they|we|the|company|firm|business|startup|start-up|this|week|month|morning|year|on|monday|"
    r"tuesday|wednesday|thursday|friday|is|are|was|pleased|delighted|proud|thrilled|excited|to|share|already|been|"
    r"will|be|set|due|have|and|team)\b[.:]?|['\u2019](?:ve|s)\b(?=\s(?:just|now|recently|been|announced))|:)*\Z",
    re.IGNORECASE,
)
# Before a name these make another the subject: "a founder of Acme", "a customer at Acme".
_OBJECT = re.compile(r"\b(?:of|in|at|by|from|with|to|for|behind|against|than|like|ex|former|via|and|or|as|between|over|"
                     r"after|before)[\s-]+"
                     r"(?:the\s)?$", re.IGNORECASE)  # fmt: skip
_PRONOUN = re.compile(
    r"(?:(?:^|[.;:]\s|,\s|\bthat\s|\band\s)(?:the\s(?:[\w-]+\s){0,3}(?:company|startup|start-up|firm|"
    r"business|group|scaleup|scale-up|"
    r"spinout|fintech|maker|retailer|manufacturer|provider|platform|agency|consultancy|brand|chain)|it|"
    r"it['\u2019]s)\s*)",
    re.IGNORECASE,
)
_FIRST_PERSON = re.compile(r"\b(?:we|we['\u2019]ve|our (?:company|team|business))\s*", re.IGNORECASE)
_HEDGE = re.compile(
    r"\b(?:in talks|plans?|planning|planned|hop(?:es?|ing)|aim(?:s|ing)?|look(?:s|ing) (?:to|at)|"
    r"seek(?:s|ing)?|sought|set to|"
    r"due to|expect(?:s|ed)|could|may|might|would|should|considers?|considering|reportedly|rumou?r(?:s|"
    r"ed)?|mull(?:s|ing)|"
    r"eye(?:s|ing)|weigh(?:s|ing)|explor(?:es?|ing)|wants? to|wanted to|targeting|prepar(?:es?|ing)|about to|poised|"
    r"discussions?|speculation|allegedly|alleged|if|whether|unconfirmed|sources? sa(?:y|id)|tipped|believed to|"
    r"understood to|thought to|said to be|ready to|will|can|potential(?:ly)?|possible|possibly|"
    r"proposed|how to|why|intends?)\b",
    re.IGNORECASE,
)
# What a company says that it will do is decided; these of the hedges are no doubt then.
_DECIDED = re.compile(r"^(?:will|set to|due to|expects?|can)$", re.IGNORECASE)
# "The developer has raised": whom the title was about, unless it is one of these.
_THE = re.compile(r"(?:^|[.;:]\s|,\s|\bwhich\s)the((?:\s[a-z][\w-]*){1,4})", re.IGNORECASE)
_OTHERS = re.compile(
    r"\b(?:customers?|clients?|rivals?|competitors?|investors?|funds?|council|banks?|government|"
    r"partners?|suppliers?|judges?|"
    r"court|union|police|regulator|watchdog|former|other|sellers?|buyers?|owners?|landlord|market|"
    r"industry|sector|report|"
    r"study|survey|round|deal|money|investment)\b",
    re.IGNORECASE,
)
_DENIAL = re.compile(
    r"\b(?:not|never|no|without|den(?:y|ies|ied)|fail(?:s|ed)? to|fail(?:s|ed)|did ?n['\u2019]t|"
    r"has ?n['\u2019]t|have ?n['\u2019]t|no longer|"
    r"cancel(?:s|led)|scrap(?:s|ped)|abandon(?:s|ed)|pull(?:s|ed) out|refus(?:es|ed)|withdr(?:aws|ew)|reject(?:s|ed)|"
    r"neither|instead of|rather than|shelv(?:es|ed)|unable|despite reports)\b",
    re.IGNORECASE,
)
_PAST = re.compile(
    r"\b(?:last year|(?:two|three|four|five|six|several|many|\d{1,2}) years ago|a (?:year|decade) ago|previously|"
    r"had (?:previously |already |earlier )?(?:raised|secured|opened|appointed|hired|launched|joined|left)|"
    r"decades? ago|years earlier|back in|once)\b",
    re.IGNORECASE,
)
_YEAR = re.compile(r"\b(?:in|since|during|of|from|back in|january|february|march|april|may|june|july|august|september|"
                   r"october|"
                   r"november|december|spring|summer|autumn|winter|early|late|q[1-4]) ((?:19|"
                   r"20)\d\d)\b", re.IGNORECASE)  # fmt: skip
_REPUBLISHED = re.compile(
    r"\b(?:first|originally) (?:published|appeared|posted)\b|\bfrom (?:the|our) archives?\b|"
    r"\bthrowback\b|\bon this day\b"
    r"|\b(?:years?|decades?) (?:ago )?today\b|\blooking back\b|\barchive:",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence in which the company is the subject of `verb`. `start` and `end` are the verb's, in the sentence."""

    sentence: Sentence
    piece: int
    verb: str
    start: int
    end: int

    @property
    def rest(self) -> str:
        return self.sentence.text[self.end :]


def claims(
    pieces: Sequence[str],
    names: tuple[str, ...],
    verbs: re.Pattern[str],
    *,
    on: date,
    first_person: bool = False,
    decided: bool = False,
) -> Iterator[Claim]:
    """Sentences of `pieces` (a title first) in which the company does one of `verbs`, and did so of late.

    Left out are plans, rumours, denials, what somebody else does, and what happened in an earlier year than `on`.
    With `decided`, what the company says it will do counts.
    """
    if any(_REPUBLISHED.search(piece) for piece in pieces):
        return
    named = False
    for index, piece in enumerate(pieces):
        for sentence in sentences(piece):
            found = mentions(sentence.text, names)
            subjects = [match.end() for match in found if not _is_object(sentence.text, match)]
            if first_person:
                subjects += [match.end() for match in _FIRST_PERSON.finditer(sentence.text)]
            elif named and not found:
                subjects += [match.end() for match in _PRONOUN.finditer(sentence.text)]
                subjects += _the_company(sentence.text)
            named = named or bool(found)
            if subjects:
                for verb in verbs.finditer(sentence.text):
                    is_its = _speaks(sentence.text, subjects, verb.start())
                    if is_its and happened(sentence.text, verb.start(), verb.end(), on, decided=decided):
                        yield Claim(sentence, index, verb.group(), verb.start(), verb.end())


def _the_company(sentence: str) -> list[int]:
    """Where "the developer", "the dairy group" end, which may stand for the company."""
    ends = []
    for match in _THE.finditer(sentence):
        if not _OTHERS.search(match[1]):
            ends += [match.start(1) + word.end() for word in re.finditer(r"\s\S+", match[1])]
    return ends


def happened(sentence: str, start: int, end: int, on: date, *, decided: bool = False) -> bool:
    """Whether what the verb at `start` says has happened, of late: not a plan, a rumour, a denial, or years ago."""
    before = sentence[:start]
    clause = before[max(before.rfind(";"), before.rfind(" but ")) + 1 :]
    hedges = [hedge.group() for hedge in _HEDGE.finditer(clause)]
    if (
        any(not (decided and _DECIDED.match(hedge)) for hedge in hedges)
        or _DENIAL.search(clause)
        or re.match(r"\s(?:no|not)\b", sentence[end:])
    ):
        return False
    return not is_past(sentence, on)


def is_past(sentence: str, on: date) -> bool:
    """Whether a sentence speaks of an earlier year."""
    if _PAST.search(sentence):
        return True
    years = [int(match[1]) for match in _YEAR.finditer(sentence) if not _is_founding(sentence, match.start())]
    return any(year < on.year - (on.month < 4) for year in years)  # noqa: PLR2004  news of December in March is news


def _is_founding(sentence: str, start: int) -> bool:
    """ "Founded in 2015" dates the company, not the news."""
    return bool(
        re.search(
            r"(?:found|launch|establish|start|incorporat|set up|creat|spun out|formed)\w*\s?$",
            sentence[max(0, start - 16) : start],
            re.IGNORECASE,
        )
    )


def _is_object(sentence: str, name: re.Match[str]) -> bool:
    return bool(_OBJECT.search(sentence[max(0, name.start() - 16) : name.start()]))


def _speaks(sentence: str, subjects: Sequence[int], verb: int) -> bool:
    """Whether only words that link a subject to its verb stand between one of `subjects` and the verb."""
    for end in subjects:
        if 0 <= verb - end <= MAX_BETWEEN and _LINK.match(_BESIDES.sub(" ", sentence[end:verb])):
            return True
    return False
