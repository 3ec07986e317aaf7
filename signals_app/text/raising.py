"""Whether a text says that a company has raised money: how much, and in what kind of round."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from signals_app.text.claims import Claim, claims, happened, is_past
from signals_app.text.funding import stage_of
from signals_app.text.money import Found, Money, amounts_in
from signals_app.text.names import mentions
from signals_app.text.sentences import sentences

SMALLEST = 10_000  # less is no round
OTHER = 50  # characters after an amount that say what it is
MAX_OBJECT = 120  # characters from a verb to the amount that is its object


@dataclass(frozen=True, slots=True)
class Raise:
    """`quote` is a sentence of the text; `money` and `stage` are None where it names none."""

    quote: str
    money: Money | None
    stage: str | None
    is_headline: bool


_VERBS = re.compile(
    r"\b(?:raises|raised|secures|secured|lands|landed|closes|closed|completes|completed|bags|bagged|nets|netted|scoops|"
    r"scooped|attracts|attracted|receives|received|wins|won|gets|got|snags|snaps up|picks up|picked up|"
    r"agrees|agreed|signs|signed|banks|gains|gained|"
    r"announces|announced|obtains|obtained|draws|pulls in|clinches|awarded|granted|collects|hauls in|"
    r"(?<=after )raising|(?<=having )raised|(?<=has )raised|backed (?:with|by)|lands)\b",
    re.IGNORECASE,
)
_SURE = re.compile(r"rais|backed", re.IGNORECASE)
_FUNDING = re.compile(
    r"\b(?:funding|investment|financing|seed|pre-seed|series [a-k]\b|equity|venture|backing|fundraise|fundraising|"
    r"(?:funding |growth |investment |angel |bridge |seed )round|capital (?:raise|injection)|"
    r"growth capital|loan|facility|"
    r"grant|debt|crowdfund\w*|raise|angels?|syndicate|investors?|ventures|vcs?|backers|growth partners)\b|\bround\b",
    re.IGNORECASE,
)
# What may stand between "raises" and the amount.
_OBJECT = re.compile(
    r"(?:\s|\b(?:a|an|its|the|over|more|than|nearly|almost|up|to|another|further|additional|around|about|approximately|"
    r"total|of|in|new|first|second|third|latest|fresh|record|whopping|worth|round|rounds|funding|"
    r"investment|financing|equity|"
    r"pre-?seed|seed|series|[a-k]|growth|bridge|oversubscribed|capital|just|some|cool|and|debt|venture|"
    r"initial|from|led|by|"
    r"maiden|extra|with|grant|loan|facility|successful|institutional|significant|major|strategic|minority|crowdfunding|"
    r"multi-million|multimillion|backing|raise|closing|extension|close|combined|inaugural|six-figure|"
    r"seven-figure|eight-figure)\b"
    r"|[-\u2013,'\u2019()+])*\Z",
    re.IGNORECASE,
)
_NOT_FUNDING = re.compile(
    r"\b(?:charit\w+|hospices?|fundraisers?|ambulance|hospital|lifeboat|scouts|rescue|appeal|marathon|"
    r"donat\w+|comic relief|children in need|"
    r"macmillan|good cause\w*|"
    r"sponsored (?:walk|run|ride)|food ?banks?|cancer|foundation's|in memory)\b",
    re.IGNORECASE,
)
# After an amount that was "secured" or "won": it is not money for the company's growth.
_OTHER_OBJECT = re.compile(
    r"\b(?:contracts?|deals?|orders?|acquisition|sale|lease|tender|framework|turnover|revenues?|sales|planning|project|"
    r"settlement|damages|refund|refinanc\w+|prize|bid|award for|profits?|savings?|fine|penalty|"
    r"takeover|merger|premises|"
    r"factory|site|partnership|agreement|jackpot|lawsuit|office|headquarters|facility in|warehouse)\b",
    re.IGNORECASE,
)
# What the rest of the text says of an amount that was "secured".
_AROUND = re.compile(
    r"\b(?:the|an?|this) (?:\w+ )?(?:investment|round|funding|fundraise|equity stake|"
    r"minority stake)\b",
    re.IGNORECASE,
)
# "Nets £3m from Maven": a name that gives, where no sale or order is named.
_GIVER = re.compile(r"^\sfrom\s(?:the\s)?[A-Z]")
_VAGUE = re.compile(
    r"^\s(?:an?\s|the\s)?(?:(?:six|seven|eight|nine)-figure|undisclosed|"
    r"multi-?million(?:-\w+)?) (?:sum|amount|investment|round|funding)"
)
_FUND = re.compile(r"^[\s-]*(?!from|by|via|with|led)(?:\w+[ -]){0,3}funds?\b(?!ing)", re.IGNORECASE)
_INTO = (
    r"(?:invests|invested|invest|puts?|pours?|poured|ploughs|pumps|injects|injected|investment|funding|round|boost|"
    r"injection|backing|grant|loan|facility|stake|"
    r"series [a-k]|seed|raised|raise|led|package|cheque)"
)
_PREPOSITION = re.compile(r"\b(?:in|for|into|to|by|behind)\s(?:the\s)?(?:[\w'\u2019-]+\s){0,6}$", re.IGNORECASE)
_INVESTING = re.compile(rf"\b{_INTO}\b", re.IGNORECASE)
_IT = re.compile(r"\b(?:the (?:company|business|firm|start-?up|group))\b", re.IGNORECASE)
_BACKS = re.compile(r"\b(?:backs|back|funds|supports)\s(?:the\s)?(?:[\w'\u2019-]+\s){0,4}$", re.IGNORECASE)
_SUCCESS = re.compile(
    r"\s(?:in|gets|bags) [£$€]\S{1,12} (?:million )?(?:crowdfunding|funding|investment|fundraising|"
    r"equity|seed)\b",
    re.IGNORECASE,
)
_POSSESSED = re.compile(r"^(?:['\u2019]s?\s|-|\s(?:customers?|clients?|rivals?|competitors?|partners?|suppliers?|"
                        r"founders?|investors?|"
                        r"spin-?outs?|subsidiary|alumn\w+|to (?:buy|acquire))\b)", re.IGNORECASE)  # fmt: skip


def raises_in(pieces: Sequence[str], names: tuple[str, ...], *, on: date, own: bool = False) -> Raise | None:
    """The round that a text of `on` (its title first) tells of; None unless the company itself raised, lately.

    `own`: the text is the company's own, in which "we" is the company.
    """
    if any(_NOT_FUNDING.search(piece) for piece in pieces):
        return None
    around = " ".join(pieces)
    told = (_as_subject(claim, around) for claim in claims(pieces, names, _VERBS, on=on, first_person=own))
    found = [one for one in told if one is not None]
    found += _as_object(pieces, names, on)
    if not found:
        return None
    best = min(found, key=lambda told: (told.money is None, not told.is_headline))
    stage = best.stage or next((told.stage for told in found if told.stage), None)
    return Raise(best.quote, best.money, stage or _stage_around(pieces, best), best.is_headline)


def _as_subject(claim: Claim, around: str) -> Raise | None:
    sentence = claim.sentence.text
    money = [found for found in amounts_in(sentence) if claim.end <= found.start <= claim.end + MAX_OBJECT]
    sure = bool(_SURE.search(claim.verb))
    first = money[0] if money else None
    if first is not None and not _OBJECT.match(sentence[claim.end : first.start]):
        first = None
    if first is not None and not _is_funding(sentence, first, sure=sure, around=around):
        return None
    if first is None and not _is_round(claim.rest) and not (sure and _VAGUE.match(claim.rest)):
        return None
    return Raise(sentence, first.money if first else None, stage_of(sentence), claim.piece == 0)


def _is_funding(sentence: str, found: Found, *, sure: bool, around: str) -> bool:
    after = sentence[found.end : found.end + MAX_OBJECT]
    if _FUND.match(after):
        return False  # an investor that closed a fund of its own
    named_after = _FUNDING.search(after)
    other = _OTHER_OBJECT.search(after[:OTHER])
    if other:
        return named_after is not None and named_after.start() < other.start()
    if found.money.amount < SMALLEST:
        return False
    if sure or named_after is not None or _GIVER.match(after):
        return True
    return bool(_AROUND.search(around) or _FUNDING.search(sentence[max(0, found.start - 60) : found.start]))


def _is_round(rest: str) -> bool:
    """Whether the object of the verb is a round without an amount: "closes Series A", "secures investment from"."""
    match = _FUNDING.search(rest[:80])
    if match is None or not _OBJECT.match(rest[: match.start()]):
        return False
    return not _OTHER_OBJECT.search(rest[: match.end() + 20])


def _as_object(pieces: Sequence[str], names: tuple[str, ...], on: date) -> Iterator[Raise]:
    """ "Beta invests £5m in Acme", "£5m boost for Acme", "funding raised by Acme"."""
    named = False
    for index, piece in enumerate(pieces):
        for sentence in sentences(piece):
            text = sentence.text
            found = mentions(text, names)
            named = named or bool(found)
            found += list(_IT.finditer(text)) if named else []
            for name in found[:8]:
                if (
                    not _is_receiver(text, name)
                    or is_past(text, on)
                    or not happened(text, name.start(), name.start(), on)
                ):
                    continue
                money = [one for one in amounts_in(text) if not _FUND.match(text[one.end :])]
                stage = stage_of(text)
                if (money or stage) and not _OTHER_OBJECT.search(text):
                    yield Raise(text, money[0].money if money else None, stage, index == 0)
                    break


def _is_receiver(text: str, name: re.Match[str]) -> bool:
    before = text[max(0, name.start() - 120) : name.start()]
    if _POSSESSED.match(text[name.end() :]):
        return False
    if _BACKS.search(before):
        return True
    if _SUCCESS.match(text, name.end()):
        return True
    preposition = _PREPOSITION.search(before)
    return preposition is not None and bool(_INVESTING.search(before[: preposition.start()]))


def _stage_around(pieces: Sequence[str], best: Raise) -> str | None:
    """The stage that the title names, where the sentence with the amount names none."""
    return stage_of(pieces[0]) if pieces and best.quote != pieces[0] else None
