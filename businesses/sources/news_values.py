"""Entries of news feeds as plain values. Pure: feedparser is given bytes and never an address."""

import calendar
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import feedparser  # type: ignore[import-untyped]

from businesses.payloads import MAX_LINE
from businesses.sources.html_pages import absolute, check_attributes, visible_text
from businesses.sources.plain_text import past_moment, plain
from businesses.sources.pull import Unreadable
from oppspot.core.errors import PermanentError
from oppspot.core.http import Answer

MAX_ENTRIES = 1_000  # the newest, as feeds have them first
MAX_OPEN_TAGS = 50_000  # "<" without its ">"; the parser's time grows with them
# What the parser lets slip on markup that it did not expect; none of it may end the pull of the other feeds.
PARSER_ERRORS = (ValueError, LookupError, AssertionError, TypeError, AttributeError, RecursionError)
_TRACKING = re.compile(
    r"utm_\w+|at_(?:medium|campaign|link\w*|format|custom\d|ptr_name|bbc_team)|mc_[ce]id|(?:fb|g|y)clid|gclsrc|dclid|msclkid|"
    r"cmpid|cmp|ito|xtor|igshid|ref_src|_hs(?:enc|mi)|ftag|guccounter|smid|ncid|sr_share|spref",
    re.I,
)


@dataclass(frozen=True)
class Entry:
    identity: str  # of the article, wherever it is found: its address without tracking, or the feed's own id
    title: str
    summary: str
    url: str
    published_at: datetime | None
    publisher: str


def entries_of(answer: Answer, now: datetime) -> Iterator[Entry | Unreadable]:
    """Broken XML is read as far as it can be. Raises `PermanentError` for what is no feed."""
    if not answer.body.strip():
        raise PermanentError("What the address answers with is not a feed: it is empty.")
    if answer.body.count(b"<") - answer.body.count(b">") > MAX_OPEN_TAGS:
        raise PermanentError("What the address answers with is not a feed: it is full of tags that never end.")
    check_attributes(answer.body.decode("latin-1"))  # any bytes will do to count them
    headers = {"content-type": answer.headers.get("content-type", ""), "content-location": answer.url}
    try:
        feed = feedparser.parse(
            io.BytesIO(answer.body), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
    except PARSER_ERRORS as error:
        raise PermanentError(f"The feed cannot be parsed: {type(error).__name__}.") from error
    if not feed.get("version") and not feed.entries:
        raise PermanentError("What the address answers with is not a feed.")
    publisher = visible_text(_text(feed.feed, "title"), MAX_LINE)
    for place, raw in enumerate(feed.entries[:MAX_ENTRIES], start=1):
        entry = _entry(raw, answer.url, publisher, now)
        yield Unreadable(f"{answer.url} entry {place}", entry) if isinstance(entry, str) else entry


def _entry(raw: Mapping[str, Any], base: str, publisher: str, now: datetime) -> Entry | str:
    title = visible_text(_text(raw, "title"), MAX_LINE)
    if not title:
        return "It has no title."
    url = without_tracking(absolute(base, _text(raw, "link")))
    guid = plain(_text(raw, "id"), MAX_LINE)
    identity = address_key(url) or (f"guid {base} {guid}" if guid else "")
    if not identity:
        return f"It has neither a link nor an id: {title[:100]}"
    summary = visible_text(_text(raw, "summary") or _content(raw))
    source = dict.get(raw, "source") if isinstance(raw, dict) else None
    named = visible_text(_text(source, "title"), MAX_LINE) if isinstance(source, dict) else ""
    return Entry(identity, title, summary, url, past_moment(_moment(raw), now), named or publisher)


def _text(raw: Any, key: str) -> str:
    """As the feed has it. Not by attribute: feedparser then takes one field for another."""
    value = dict.get(raw, key)
    return value if isinstance(value, str) else ""


def _content(raw: Any) -> str:
    contents = dict.get(raw, "content") or []
    return next((_text(each, "value") for each in contents if isinstance(each, dict)), "")


def _moment(raw: Any) -> datetime | None:
    parsed = dict.get(raw, "published_parsed") or dict.get(raw, "updated_parsed")
    try:
        return datetime.fromtimestamp(calendar.timegm(parsed), UTC) if parsed else None
    except (ValueError, OverflowError, OSError, TypeError):
        return None


def without_tracking(url: str) -> str:
    """The address without the parameters that say where a reader came from."""
    if not url:
        return ""
    parts = urlsplit(url)
    query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if not _TRACKING.fullmatch(pair[0])]
    return urlunsplit(parts._replace(query=urlencode(query), netloc=parts.netloc.lower()))


def address_key(url: str) -> str:
    """What stays the same of an address: not its scheme, nor `www.`, nor a slash at the end."""
    parts = urlsplit(url)
    path = f"{parts.netloc.removeprefix('www.')}{parts.path}".rstrip("/")
    return f"{path}?{parts.query}" if parts.query else path
