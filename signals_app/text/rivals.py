"""In what role a text names a competitor: as what is used, chosen or left, or only by the way."""

import re
from collections.abc import Collection, Iterator

from signals_app.text.names import is_written_as_name, pattern_of
from signals_app.text.sentences import sentences

_LEAVES = re.compile(
    r"(?:\b(?:migrat\w+|mov(?:e|ed|es|ing)|switch\w*|transition\w*|away|off|"
    r"chang\w+) (?:[\w-]+ ){0,5}(?:away )?(?:from|off)|away from|"
    r"\breplac(?:e|es|ed|ing|ement of|ement for)|\bditch\w*|\bdropp?\w*|\bdump\w*|\bcancel\w*|"
    r"\bleav(?:es|ing)|\bleft|\bterminat\w+|"
    r"\bsunset\w*|\bdecommission\w*|\bretir(?:e|es|ed|ing)|\bphas\w+ out|\blegacy|\bformerly (?:on|"
    r"with)|\balternatives? to|\bfrustrat\w+ with|"
    r"\bunhappy with|\bmoved on from)(?: (?:our|its|the|their|a|an|old|current|existing|legacy)){0,3} $",
    re.IGNORECASE,
)
_CHOOSES = re.compile(
    r"(?:\b(?:migrat\w+|mov(?:e|ed|es|ing)|switch\w*|transition\w*|upgrad\w+) (?:[\w-]+ ){0,6}to|"
    r"\b(?:select|choos|adopt|deploy|implement|"
    r"pick)\w*|\bchose|\broll(?:s|ed|ing)? out|\bsign(?:s|ed) (?:up )?(?:with|to|for)|\bgo(?:es|"
    r"ing)? live (?:with|on)|\bwent live (?:with|on)|"
    r"\bopt(?:s|ed) for|\bstandardi[sz]\w+ on|\breplac\w+ (?:[\w-]+ ){1,4}with|\bappoint(?:s|"
    r"ed)?)(?: (?:the|a|an|its)){0,2} $",
    re.IGNORECASE,
)
_USES = re.compile(
    r"(?:\b(?:us(?:e|es|ed|ing)|run(?:s|ning)?(?: on)?|experience (?:of|with|in|using)|"
    r"experienced (?:in|with)|knowledge of|proficien\w+ (?:in|with)|"
    r"familiar\w* with|expert\w* (?:in|with)|work(?:s|ing)? (?:in|with)|powered by|built (?:on|with)|"
    r"customers? of|via|manag\w+|maintain\w*|"
    r"administer\w*|skills in|skilled in|certified in|tools (?:such as|like|including)|"
    r"systems (?:such as|like|including)|through|our|hosted on)"
    r"(?: (?:our|its|the|their|a|an|tools|systems|such|as|like|including|software)){0,3} $)",
    re.IGNORECASE,
)
_USED = re.compile(
    r"^(?:['\u2019]s)? (?:experience|admin\w*|developer|consultant|specialist|certifi\w+|expert\w*|"
    r"skills|knowledge|instance|user|platform we|account)\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(r"\b(?:no|not|never|without|don['\u2019]t|doesn['\u2019]t) (?:[\w-]+ ){0,4}$", re.IGNORECASE)
_DAY = re.compile(r"\b(?:on|every|last|next|this|by|from|until|till|closing date:?) $", re.IGNORECASE)
_LEFT_SPAN = 80


def roles_in(
    text: str, rival: tuple[str, ...], own: tuple[str, ...], common: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Role (leaving, choosing, using or mention) and sentence, for each sentence that names the rival."""
    pattern, company = pattern_of(rival), pattern_of(own)
    if pattern is None:
        return
    for sentence in sentences(text):
        spans = [match.span() for match in company.finditer(sentence.text)] if company else []
        for match in pattern.finditer(sentence.text):
            if any(start < match.end() and match.start() < end for start, end in spans):
                continue
            if _is_name(sentence.text, match, common):
                yield _role(sentence.text, match), sentence.text
                break


def _is_name(sentence: str, match: re.Match[str], common: Collection[str]) -> bool:
    """Whether it stands there as a name: not "next", nor "Monday mornings", nor "Next, we"."""
    named = match.group()
    if not is_written_as_name(named):
        return False
    if named.lower() not in common:
        return True
    before, after = sentence[: match.start()], sentence[match.end() : match.end() + 24]
    if not before.strip(" \"'\u201c\u2018(-\u2013•*") or re.search(r"[.!?:]\s*$", before):
        return not re.match(r"[\s,]+[a-z]", after)
    return not (named.lower() == "monday" and _DAY.search(before))


def _role(sentence: str, match: re.Match[str]) -> str:
    before = sentence[max(0, match.start() - _LEFT_SPAN) : match.start()]
    if _LEAVES.search(before):
        return "leaving"
    if _NEGATED.search(before):
        return "mention"
    if _CHOOSES.search(before):
        return "choosing"
    return "using" if _USES.search(before) or _USED.match(sentence[match.end() :]) else "mention"
