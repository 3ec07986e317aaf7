"""How a website differs from the last visit. Pure: states are what a checkpoint keeps of pages.

What changes by itself does not count: numbers, dates, counters and years are masked before sentences are compared,
and differences of text only count from `MIN_CHANGED` characters on; until then the older text is kept, so that small
changes add up.
"""

import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

from businesses.payloads import MAX_LINE
from businesses.sources.html_pages import Page, is_same_site, site_of
from businesses.sources.json_ld import Thing, each_of, text_of, types_of
from businesses.sources.plain_text import plain

State = dict[str, Any]

MIN_CHANGED = 80  # characters of sentences that came or went
MIN_WORDS = 3  # of a sentence; menus and buttons have fewer
MAX_SENTENCES = 500  # of a page; the text of a longer one is not compared
MAX_SENTENCE = 300  # characters
MAX_TOLD = 40  # sentences of each list
MAX_CITIES = 200
FIELDS = ("title", "description", "organization", "employees")

# Other pages that are looked at, by a word of their path or of the link to them.
ROLES = {
    "about": re.compile(r"\b(?:about|about-us|our-story|who-we-are|company|team)\b", re.I),
    "contact": re.compile(r"\b(?:contact|contact-us|contacts|locations|offices|find-us)\b", re.I),
    "careers": re.compile(r"\b(?:careers?|jobs|join-us|join us|vacancies|work-with-us|work with us)\b", re.I),
}
PLACES = {"contact", "careers"}  # pages whose addresses are the company's own
ORGANIZATIONS = {"Organization", "Corporation", "LocalBusiness", "ProfessionalService", "OnlineStore", "NGO"}

_VOLATILE = re.compile(
    r"\b(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?|(?:mon|tues|wednes|thurs|fri|satur|sun)day|mon|tue|wed|thu|fri|sat|sun|[ap]m|"
    r"today|yesterday|(?:second|minute|hour|day|week|month|year)s?)\b|\d+(?:st|nd|rd|th)?",
    re.I,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[\"'(\u2018\u201c]?[A-Z0-9])")
_PARKED_HOSTS = {
    "hugedomains.com", "sedoparking.com", "sedo.com", "parkingcrew.net", "bodis.com", "afternic.com", "dan.com",
    "above.com", "parklogic.com", "domainmarket.com", "undeveloped.com",
}  # fmt: skip
_PARKED = re.compile(
    r"domain (?:name )?(?:is|may be) (?:for sale|parked|available)|buy this domain|this domain has expired|"
    r"domain has been registered|account (?:has been )?suspended|apache2? .{0,20}default page|welcome to nginx|"
    r"iis windows server|default web ?site page|website is under construction",
    re.I,
)
_NOT_FOUND = re.compile(r"^(?:error )?404\b|page (?:was )?not found|page (?:does not|doesn't) exist", re.I)
_CHALLENGE = re.compile(
    r"^(?:just a moment|attention required|access denied|are you a robot|checking your browser)", re.I
)
_LOGIN = re.compile(r"/(?:login|log-in|signin|sign-in|sso|oauth2?)\b", re.I)
SHORT = 600  # characters: a page with no more text may be nothing but a notice


def unusable(page: Page) -> str:
    """Why a page says nothing of its company: parked, not found, behind a login; empty when it does."""
    text = " ".join(page.lines)
    if not text and not page.title:
        return "The page has no visible text."
    start = f"{page.title} {text[:SHORT]}"
    if site_of(page.url) in _PARKED_HOSTS or any(site_of(url) in _PARKED_HOSTS for url in page.resources):
        return "The domain is parked."
    return "" if len(text) > SHORT else next((reason for is_so, reason in _notices(page, start) if is_so), "")


def _notices(page: Page, start: str) -> list[tuple[bool, str]]:
    return [
        (bool(_PARKED.search(start)), "The domain is parked, or the server shows a page of its own."),
        (bool(_NOT_FOUND.search(page.title) or _NOT_FOUND.search(start[len(page.title) :].strip()[:100])),
         "The page says that it does not exist."),
        (bool(_CHALLENGE.search(page.title)), "The page shows programs something else than readers."),
        (page.asks_password or bool(_LOGIN.search(page.url)), "The page asks for a login."),
    ]  # fmt: skip


def other_pages(page: Page) -> dict[str, str]:
    """The first same-site link to a page of each role. No more are followed, however many there are."""
    found: dict[str, str] = {}
    site = site_of(page.url)
    for link in page.links:
        if not is_same_site(link.url, site) or link.url.rstrip("/") == page.url.rstrip("/"):
            continue
        words = f"{link.url.partition('//')[2].partition('/')[2].partition('?')[0]} {link.text}"
        role = next((role for role, pattern in ROLES.items() if role not in found and pattern.search(words)), "")
        if role and link.url not in found.values():
            found[role] = link.url
    return found


def state_of(page: Page, *, role: str, technologies: Iterable[str], etag: str, last_modified: str) -> State:
    organization = next((thing for thing in page.things if types_of(thing) & ORGANIZATIONS), {})
    sentences = sentences_of(page.lines)
    return {
        "url": page.url,
        "etag": plain(etag, MAX_LINE),
        "last_modified": plain(last_modified, MAX_LINE),
        "title": page.title,
        "description": page.description,
        "organization": plain(text_of(organization.get("name")), MAX_LINE),
        "employees": plain(text_of(organization.get("numberOfEmployees")), 20),
        "sentences": dict(list(sentences.items())[:MAX_SENTENCES]),
        "is_whole": len(sentences) <= MAX_SENTENCES,
        "technologies": list(technologies),
        "cities": cities_of(page.things) if role in PLACES else [],
    }


def sentences_of(lines: Iterable[str]) -> dict[str, str]:
    """Sentences by the digest of what does not change by itself."""
    found: dict[str, str] = {}
    for line in lines:
        for sentence in _SENTENCE_END.split(line):
            masked = steady(sentence)
            if len(masked.split()) >= MIN_WORDS:
                found.setdefault(blake2b(masked.encode(), digest_size=8).hexdigest(), plain(sentence, MAX_SENTENCE))
    return found


def steady(text: str) -> str:
    """Words without numbers, dates and units of time: `"© 2026 Acme, 3 days ago"` → `"acme ago"`."""
    return " ".join(re.findall(r"[^\W_]+", _VOLATILE.sub(" ", text).casefold()))


def cities_of(things: Iterable[Thing]) -> list[str]:
    """Localities of the postal addresses that a page states."""
    found = {
        city
        for thing in things
        if "PostalAddress" in types_of(thing)
        for value in each_of(thing.get("addressLocality"))
        if (city := plain(text_of(value), 100))
    }
    return sorted(found)[:MAX_CITIES]


def page_change(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The payload of a change of one page; empty when nothing changed that counts."""
    change: dict[str, Any] = {}
    differ = [name for name in FIELDS if _differs(name, before[name], after[name])]
    if differ:
        change = {"before": {name: before[name] for name in differ}, "after": {name: after[name] for name in differ}}
    added, removed = _text_change(before, after)
    if added or removed:
        change |= {"text_added": added[:MAX_TOLD], "text_removed": removed[:MAX_TOLD]}
    return change


def kept_state(before: Mapping[str, Any], after: State) -> State:
    """The new state, with the old text if what changed in it is too little to be told yet."""
    if before["is_whole"] and after["is_whole"] and _text_change(before, after) == ([], []):
        return after | {"sentences": before["sentences"]}
    return after


def _differs(name: str, before: str, after: str) -> bool:
    return before != after if name == "employees" else steady(before) != steady(after)


def _text_change(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    if not (before["is_whole"] and after["is_whole"]):
        return [], []
    added = [text for key, text in after["sentences"].items() if key not in before["sentences"]]
    removed = [text for key, text in before["sentences"].items() if key not in after["sentences"]]
    return (added, removed) if sum(map(len, added + removed)) >= MIN_CHANGED else ([], [])


def site_change(before: Mapping[str, State], after: Mapping[str, State]) -> dict[str, Any]:
    """What concerns all pages together, by role: technologies, cities and pages that came or went."""

    def all_of(pages: Mapping[str, State], name: str) -> set[str]:
        return {value for state in pages.values() for value in state[name]}

    old, new = all_of(before, "technologies"), all_of(after, "technologies")
    told = {
        "technologies_added": sorted(new - old),
        "technologies_removed": sorted(old - new),
        "cities_added": sorted(all_of(after, "cities") - all_of(before, "cities")),
        "pages_added": [state["url"] for role, state in after.items() if role not in before],
    }
    return {name: values for name, values in told.items() if values}
