"""News feeds that ops staff entered: each article an event of every company that it is about."""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b

import structlog
from django.db.models import F, Q
from django.utils import timezone

from businesses.lookup import companies_by, meant
from businesses.models import Business, EventKind, Feed, SourceState, Status
from businesses.payloads import News
from businesses.sources.news_names import Mention, chosen, mentions_of
from businesses.sources.news_values import Entry, entries_of
from businesses.sources.pull import Checkpoint, CompanyKey, Item, PullSource, Seen, Selection, Target, Unreadable
from oppspot.core.http import guarded_client

BATCH = 100  # entries whose names are looked up together
TRIES = 2

logger = structlog.get_logger(__name__)


class NewsFeeds(PullSource):
    """The checkpoint is how the feed was last answered and which articles were in it."""

    name, label = "news_feeds", "News feeds"

    def targets(self, selection: Selection) -> Iterator[Target]:
        """Active feeds, the stalest first; `names` are feeds' numbers, titles or addresses."""
        feeds = Feed.objects.filter(is_active=True).select_related("business")
        if selection.businesses is not None:
            feeds = feeds.filter(business__in=selection.businesses.order_by().values("pk"))
        if selection.names:
            keys = [name for name in selection.names if name.isdecimal() and len(name) < 18]  # noqa: PLR2004  a bigint
            feeds = feeds.filter(Q(url__in=selection.names) | Q(title__in=selection.names) | Q(pk__in=keys))
        states = {
            state.target: state for state in SourceState.objects.filter(source=self.name).order_by(F("pulled_at"))
        }
        stalest = {key: place for place, key in enumerate(states, start=1)}
        sent = 0
        for feed in sorted(feeds, key=lambda feed: (stalest.get(str(feed.pk), 0), feed.pk)):
            state = states.get(str(feed.pk))
            pulled_at = state.pulled_at if state else None
            if selection.not_since is not None and pulled_at is not None and pulled_at >= selection.not_since:
                continue
            if selection.limit is not None and sent >= selection.limit:
                return
            sent += 1
            yield Target(str(feed.pk), state.checkpoint if state else {}, business=feed.business, url=feed.url)

    def pull(self, target: Target) -> Iterator[Item]:
        held = target.checkpoint
        answer = guarded_client().fetch(
            target.url, etag=held.get("etag", ""), last_modified=held.get("last_modified", ""), tries=TRIES
        )
        if answer.is_unchanged:
            return
        known, seen = set(held.get("seen", [])), {}
        new: list[Entry] = []
        for item in entries_of(answer, timezone.now()):
            if isinstance(item, Unreadable):
                yield item
                continue
            key = blake2b(item.identity.encode(), digest_size=8).hexdigest()
            if key not in seen and key not in known:
                new.append(item)
            seen[key] = True
        counts = {"new": len(new), "matched": 0, "ambiguous": 0}
        for first in range(0, len(new), BATCH):
            yield from _events(new[first : first + BATCH], target.business, counts)
        logger.info("news_feed_read", feed=target.key, **counts)
        yield Checkpoint(
            {
                "etag": answer.headers.get("etag", "")[:1_000],
                "last_modified": answer.headers.get("last-modified", "")[:1_000],
                "seen": list(seen),
                "last_read": counts,
            }
        )


def _events(entries: Sequence[Entry], business: Business | None, counts: dict[str, int]) -> Iterator[Seen]:
    mentions: list[list[Mention]] = [[] if business else list(mentions_of(entry.title)) for entry in entries]
    known = {} if business else known_names({one.name for each in mentions for one in each})
    for entry, named in zip(entries, mentions, strict=True):
        companies, ambiguous = ([str(business.pk)], 0) if business else chosen(named, known)
        counts["matched"] += bool(companies)
        counts["ambiguous"] += ambiguous
        for company in companies:
            yield _event(entry, company)


def known_names(names: set[str]) -> Mapping[str, str | None]:
    """The id of the company of each name that is in the register; None for a name of several.

    Companies that are gone make no news; of several the only active one is meant.
    """
    known: dict[str, str | None] = {}
    for name, companies in companies_by("name", names).items():
        if there := [company for company in companies if company.status != Status.DISSOLVED]:
            left = meant(there)
            known[name] = str(left[0].id) if len(left) == 1 else None
    return known


def _event(entry: Entry, company: str) -> Seen:
    """An article about two companies is an event of both, so that the company is a part of its identity."""
    payload = News(title=entry.title, summary=entry.summary, publisher=entry.publisher, published_at=entry.published_at)
    return Seen(
        CompanyKey("id", company),
        EventKind.NEWS,
        entry.published_at.date() if entry.published_at else None,
        (entry.identity, company),
        payload.model_dump(mode="json", exclude_none=True),
        entry.url,
    )
