"""Job postings by schema.org's JobPosting as plain values. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from typing import Any

from businesses.normalise import normalise_name
from businesses.payloads import MAX_LINE, JobPosted
from businesses.sources.html_pages import absolute, visible_text
from businesses.sources.json_ld import Thing, each_of, text_of, types_of
from businesses.sources.news_values import address_key, without_tracking
from businesses.sources.plain_text import day_of, past_day, plain

MAX_LOCATIONS = 50
MAX_PLACE = 200


@dataclass(frozen=True)
class Posting:
    identity: str  # within its company: the identifier, or the address, or title and places
    url: str
    payload: Mapping[str, Any]
    posted_on: date | None
    found_at: str = ""  # the page of its own that it was read from

    @property
    def key(self) -> str:
        """The identity at a fixed length, as a checkpoint keeps it."""
        return blake2b(self.identity.encode(), digest_size=8).hexdigest()


def postings_among(things: Iterable[Thing]) -> list[Thing]:
    return [thing for thing in things if "JobPosting" in types_of(thing)]


def posting_of(thing: Thing, page: str, today: date) -> Posting:
    """`page` is where it was found, and its address if it names none. Raises `ValueError` without a title."""
    title = visible_text(plain(text_of(thing.get("title")) or text_of(thing.get("name")), 5_000), MAX_LINE)
    if not title:
        raise ValueError("a posting without a title")
    own = absolute(page, str(text_of(thing.get("url")) or "")) if page else str(text_of(thing.get("url")) or "")
    url = without_tracking(absolute(own, own)) if own else ""
    locations = _locations(thing)
    posted_on = past_day(text_of(thing.get("datePosted")), today)
    identifier = _identifier(thing.get("identifier"))
    payload = JobPosted(
        title=title,
        description=_description(thing),
        department=_department(thing),
        locations=locations,
        is_remote="TELECOMMUTE" in {str(each).upper() for each in each_of(thing.get("jobLocationType"))},
        employment_type=plain(", ".join(map(str, each_of(thing.get("employmentType")))), MAX_PLACE),
        posted_on=posted_on,
        valid_through=day_of(text_of(thing.get("validThrough"))),
    )
    place = " ".join([normalise_name(title), *(normalise_name(each) for each in locations)])
    identity = f"id {identifier}" if identifier else f"url {address_key(url)}" if url else f"title {place}"
    return Posting(identity, url or page, payload.model_dump(mode="json", exclude_none=True), posted_on)


def _identifier(value: Any) -> str:
    """Of `{"@type": "PropertyValue", "name": "Acme", "value": "123"}` the value: the name is whose it is."""
    given = next(iter(each_of(value)), None)
    return plain(text_of(given.get("value")) if isinstance(given, dict) else given, MAX_LINE)


def _description(thing: Thing) -> str:
    text = text_of(thing.get("description"))
    return visible_text(text) if isinstance(text, str) else ""


def _department(thing: Thing) -> str:
    organization = next((each for each in each_of(thing.get("hiringOrganization")) if isinstance(each, dict)), {})
    found = text_of(organization.get("department")) or text_of(thing.get("occupationalCategory"))
    return plain(found or text_of(thing.get("industry")), MAX_PLACE)


def _locations(thing: Thing) -> list[str]:
    """`"Leeds, West Yorkshire, GB"` of each place."""
    found: dict[str, None] = {}
    for place in each_of(thing.get("jobLocation"))[:MAX_LOCATIONS]:
        addresses = each_of(place.get("address")) if isinstance(place, dict) and "address" in place else [place]
        for address in addresses[:MAX_LOCATIONS]:
            parts: list[Any] = [address]
            if isinstance(address, dict):
                names = ("addressLocality", "addressRegion", "addressCountry")
                parts = [text_of(address.get(name)) for name in names]
            text = ", ".join(filter(None, (plain(part, MAX_PLACE) for part in parts)))
            if text:
                found[text] = None
    return list(found)[:MAX_LOCATIONS]


# What a line of a file may call the fields, in the words of the payload.
WORDS = {
    "posted_on": "datePosted",
    "valid_through": "validThrough",
    "locations": "jobLocation",
    "location": "jobLocation",
    "employment_type": "employmentType",
    "department": "occupationalCategory",
}


def thing_of_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A line of a file as a JobPosting; its `name` is the company's, and its `id` the posting's."""
    thing = {WORDS.get(key, key): value for key, value in row.items() if key != "name"}
    if row.get("is_remote") is True:
        thing["jobLocationType"] = "TELECOMMUTE"
    if "id" in row:
        thing.setdefault("identifier", row["id"])
    return thing
