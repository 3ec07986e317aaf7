"""Addresses as one text, and premises that a company opens."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from signals_app.text.claims import Claim, claims

POSTCODE = re.compile(r"\b([A-Z]{1,2})\d[A-Z\d]?\s?\d[A-Z]{2}\b", re.IGNORECASE)
_COUNTRY = re.compile(
    r"[\s,]*\b(?:united kingdom|england|wales|scotland|northern ireland|great britain|uk)\b[\s,]*$", re.IGNORECASE
)
# Counties as addresses name them: ceremonial, former and shortened ones. Greater London is none here: it stands for the
# town.
COUNTIES = frozenset(Path(__file__).with_name("counties.txt").read_text(encoding="utf-8").splitlines())
_OPENS = re.compile(
    r"\b(?:(?<=to )(?:open|create|double|launch|relocate|expand|move|build|add|hire|recruit|acquire)|"
    r"creates|created|creating|builds|built|crosses|grows|hires|wins|won|gets|opens|opened|opening|"
    r"launches|launched|expands|expanded|moves|moved|relocates|relocated|"
    r"establishes|established|inaugurates|"
    r"inaugurated|unveils|unveiled|signs|signed|takes|took|breaks ground|broke ground|enters|entered|"
    r"sets up|set up|completes|"
    r"completed|acquires|acquired|buys|bought|leases|leased|adds|added|doubles|doubled|secures|secured|"
    r"announces|announced|invests|invested)\b",
    re.IGNORECASE,
)
_SITE = re.compile(
    r"\b(?:offices?|factory|factories|plants?|warehouses?|headquarters|hq|branch(?:es)?|stores?|shops?|"
    r"hubs?|depots?|facilit(?:y|ies)|"
    r"showrooms?|laborator(?:y|ies)|labs?|distribution centres?|fulfilment centres?|data centres?|"
    r"sites?|premises|campus|studios?|"
    r"baker(?:y|ies)|dealerships?|care homes?|[\w-]+-bed (?:home|hotel)|practices?|surger(?:y|ies)|hangars?|extension|"
    r"production lines?|nurser(?:y|ies)|hotels?|pubs?|bars?|caf\u00e9s?|cafes?|farms?|breweries|"
    r"brewery|distiller(?:y|ies)|mills?|"
    r"terminals?|garages?|yards?|schools?|kitchens?|space|locations?|restaurants?|outlets?|clinics?|"
    r"bases?|manufacturing (?:site|plant|unit)|salons?|gyms?|"
    r"cent(?:re|er)s?|workshop|"
    r"square (?:feet|foot)|sq ft|floors?|subsidiary|operations?)\b(?! (?:furniture|suppl\w+|software|"
    r"hours?|part(?:y|ies)|equipment|products?|"
    r"app|chairs?|manager|director|audit|visit|management))",
    re.IGNORECASE,
)
_INTO = re.compile(r"^(?:\s(?:its|their|our|the|further|operations?|business|presence|footprint|services?|reach|and|"
                   r"international\w*)){0,4}\s"
                   r"(?:in)?to\s(?:the\s|new\s)?(?P<place>[A-Z][\w-]+(?:\s(?:of\s)?[A-Z][\w-]+){0,3}|new (?:region|"
                   r"market|countr|territor)\w*)")  # fmt: skip
_ENTERS = re.compile(r"^\s(?:the\s)?(?P<place>[A-Z][\w-]+(?:\s[A-Z][\w-]+){0,2})(?:\smarkets?)\b|"
                     r"^\s(?:the\s)?(?P<name>US|USA|UK|EU|Germany|France|"
                     r"Spain|Italy|Ireland|Europe|Asia|Japan|China|India|Australia|Canada|Dubai|Singapore|Middle East|"
                     r"North America)\b")  # fmt: skip
_PLACE = re.compile(
    r"\b(?:in|at|to|near|into|across)\s(?:the\s|central\s|downtown\s|"
    r"new\s)?(?P<place>[A-Z][\w'\u2019-]+(?:[\s-](?:upon|on|of|le|the)?[\s-]?[A-Z][\w'\u2019-]+){0,2})"
)
_NEEDS_NEW = frozenset({
    "signs", "signed", "takes", "took", "completes", "completed", "adds", "added", "secures", "secured",
    "announces", "announced", "acquires", "acquired", "buys", "bought", "launches", "launched", "unveils",
    "unveiled", "invests", "invested"
})  # fmt: skip
_NEW = re.compile(r"\b(?:new|first|second|third|fourth|fifth|another|additional|\d+|two|three|four|five|six|dozen|"
                  r"space|larger|bigger|lease|expansion|"
                  r"expanded|state-of-the-art|flagship|"
                  r"\d{1,3}(?:st|nd|rd|th)|overseas|international|regional|european|us|uk|"
                  r"purpose-built)\b", re.IGNORECASE)  # fmt: skip
_NOT = re.compile(r"\b(?:data cent(?:re|er)s? to|clos(?:es|ed|ing|ure|e)|shut(?:s|ting)?|home office|box office|"
                  r"back[- ]office|front[- ]office|"
                  r"post office|foreign office|office of|"
                  r"up about|applications?|registration|enquir\w+|nominations|talks|doors to (?:the )?public|"
                  r"consultation|investigation|"
                  r"office furniture|open day|app store|online store|website|web ?site|power plants?|house ?plants?|"
                  r"plant[- ]based|database|customer base|"
                  r"trading (?:higher|lower)|trial|clinical|customers?|clients?)\b", re.IGNORECASE)  # fmt: skip
_SHRINKS = re.compile(
    r"\b(?:clos(?:es|ed|ing|ure|ures)|axes?|cuts|job losses|redundanc\w+|shuts?|"
    r"shutting)\b",
    re.IGNORECASE,
)
_OBJECT = 90
_OTHER_OBJECT = re.compile(
    r"\b(?:range|team|product|line|portfolio|partnership|contract|deal|programme|campaign|service)\b", re.IGNORECASE
)
_ADDS = ("create", "creating", "add", "double", "grow", "hire", "recruit")
_POSTS = re.compile(
    r"^\s(?:(?:up to|more than|over|around|about|nearly|another|some|its|the|a further|at least)\s){0,2}"
    r"(?:(?:[2-9]\d|\d{3}|\d,\d{3})\s(?:[\w-]+\s){0,3}(?:jobs|roles|posts|positions|staff|people|"
    r"workers)|headcount|workforce)\b",
    re.IGNORECASE,
)
_ALLOWED = frozenset({"wins", "won", "gets"})
_LEAVE = re.compile(
    r"^\s(?:the\s)?(?:go-ahead|planning (?:permission|approval|consent)|approval|green light|"
    r"permission|consent) (?:for|to)\b",
    re.IGNORECASE,
)
_ABROAD = re.compile(r"^\s(?:in|into|across)\s(?:the\s)?(?P<place>[A-Z][\w-]+(?:\s[A-Z][\w-]+){0,2})$")


@dataclass(frozen=True, slots=True)
class Opening:
    """`place` is "" where none is named; `quote` is a sentence of the text."""

    place: str
    quote: str


def openings_in(pieces: Sequence[str], names: tuple[str, ...], *, on: date, own: bool = False) -> Iterator[Opening]:
    """New premises, markets and posts of the company by a text of `on`: none of others, no rumours, no closures."""
    if any(_SHRINKS.search(piece) for piece in pieces[:1]):
        return
    for claim in claims(pieces, names, _OPENS, on=on, first_person=own, decided=True):
        place = _opened(claim)
        if place is not None:
            yield Opening(place, claim.sentence.text)


def _opened(claim: Claim) -> str | None:
    """The place that is named, "" for premises or posts without one, None where nothing grows."""
    verb, rest = claim.verb.lower(), claim.rest[: 2 * _OBJECT]
    if _POSTS.match(rest) and verb.startswith(_ADDS):
        return _place_in(rest)
    if _NOT.search(rest[:_OBJECT]) or (verb in _ALLOWED and not _LEAVE.match(rest)):
        return None
    for start, pattern in (("expand", _INTO), ("launch", _ABROAD), ("enter", _ENTERS)):
        if verb.startswith(start) and (entered := pattern.match(rest)):
            return next(place for place in entered.groups() if place)
    return _place_in(rest) if not verb.startswith("enter") and _has_site(verb, rest) else None


def _has_site(verb: str, rest: str) -> bool:
    site = _SITE.search(rest[:_OBJECT])
    if site is None or _OTHER_OBJECT.search(rest[: site.start()]):
        return False
    return verb not in _NEEDS_NEW or bool(_NEW.search(rest[: site.end()]))


def _place_in(rest: str) -> str:
    place = _PLACE.search(rest)
    return place["place"] if place else ""


def moved(old: str, new: str) -> bool:
    """Whether two addresses are in different towns: by the word before county, country and postcode. False where that
    is unclear."""
    before, after = _town_word(old), _town_word(new)
    return bool(before and after and before != after and _area(old) != _area(new))


def _area(address: str) -> str:
    found = POSTCODE.search(address[:500])
    return found[1].upper() if found else address.lower()


def _town_word(address: str) -> str:
    address = address[:500]
    found = POSTCODE.search(address)
    text = address[: found.start()] if found else address
    for _ in range(2):
        text = _COUNTRY.sub("", text)
    parts = [part for part in text.split(",") if part.strip()]
    while len(parts) > 1 and " ".join(parts[-1].lower().split()) in COUNTIES:
        parts.pop()
    text = ",".join(parts)
    words = re.findall(r"[\w'\u2019-]+", text.lower())
    return words[-1] if words else ""
