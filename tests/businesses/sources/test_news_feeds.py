"""News feeds: each article once, of the companies that its headline names without doubt."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from xml.sax.saxutils import escape

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from businesses.models import BusinessEvent, Feed, SourceState
from businesses.payloads import payload_of
from businesses.sources.news_feeds import NewsFeeds
from businesses.sources.news_names import chosen, common_words, mentions_of
from businesses.sources.news_values import address_key, entries_of, without_tracking
from businesses.sources.pull import Selection
from oppspot.core.errors import PermanentError
from oppspot.core.http import Answer
from tests.businesses.sources.websites import (
    HOSTS,
    Site,
    checkpoint,
    payloads,
    raw,
    reasons,
    redirect,
    reply,
    site,
    was_reached,
)
from tests.factories import make_business

pytestmark = [pytest.mark.django_db, pytest.mark.allow_hosts(HOSTS)]

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def web() -> Iterator[Site]:
    with site() as server:
        yield server


def item(title: str, link: str = "", *, extra: str = "", **fields: str) -> str:
    link = link or f"https://news.example/{abs(hash(title))}"
    parts = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    return f"<item><title>{escape(title)}</title><link>{escape(link)}</link>{parts}{extra}</item>"


def rss(*items: str) -> bytes:
    channel = f"<channel><title>Trade &amp; Co</title>{''.join(items)}</channel>"
    return f'<?xml version="1.0"?><rss version="2.0">{channel}</rss>'.encode()


def feed(web: Site, *items: str, **fields: Any) -> Feed:
    web.on("/feed", reply(rss(*items), type_="application/rss+xml"))
    return Feed.objects.create(url=web.url("/feed"), **fields)


def companies() -> list[tuple[str, str]]:
    return list(BusinessEvent.objects.order_by("id").values_list("business__name", "payload__title"))


def test_articles_of_a_company_s_own_feed_are_its_events_once(web: Site) -> None:
    company = make_business("Acme Ltd")
    article = item(
        "New <b>office</b>\u200b opens", "https://www.acme.example/new/?utm_source=rss&id=3#top",
        pubDate="Fri, 20 Nov 2026 09:00:00 +0100", description="<p>In <i>Leeds</i>.<script>x</script></p>",
    )  # fmt: skip
    feed(web, article, item("Unrelated"), business=company)
    for _ in range(2):
        pull = web.pull(NewsFeeds()).pull
    assert (pull.status, pull.items) == ("completed", 0)
    assert BusinessEvent.objects.count() == 2
    event = BusinessEvent.objects.get(payload__title="New office opens")
    assert (event.business_id, str(event.occurred_on)) == (company.pk, "2026-11-20")
    assert event.source_url == "https://www.acme.example/new/?id=3"
    assert event.payload == {
        "title": "New office opens", "summary": "In Leeds.", "publisher": "Trade & Co",
        "published_at": "2026-11-20T08:00:00Z",
    }  # fmt: skip
    payload_of("news", event.payload)


def test_a_headline_is_about_the_companies_that_it_names_without_doubt(web: Site) -> None:
    for name in ("Boring Holdings Ltd", "Boring Ltd", "Widgetry Ltd", "Growth Ltd", "Next Ltd", "Zed Ltd"):
        make_business(name, status="active")
    for status in ("active", "active"):
        make_business("Twin Peaks Ltd", status=status)
    make_business("Phoenix Metals Ltd", status="active")
    make_business("Phoenix Metals Limited", status="dissolved")
    make_business("Departed Wonders Ltd", status="dissolved")
    make_business("Market Report Ltd", status="active")
    feed(
        web,
        item("Boring Holdings buys Widgetry\u2019s rival"),
        item("Widgetry to close"),  # the first word's capital says nothing
        item("Widgetry Opens A Plant In Leeds"),  # nor does that of any word here
        item("Sales: growth slows at Widgetry Ltd."),
        item("Why Growth is Next for Zed"),
        item("Fans of Twin Peaks meet"),
        item("Phoenix Metals: profits up"),
        item("Departed Wonders remembered"),
        item("A Market Report on the boring holdings of others"),
    )
    pull = web.pull(NewsFeeds()).pull
    assert pull.failed == 0
    assert sorted(companies()) == [
        ("Boring Holdings Ltd", "Boring Holdings buys Widgetry\u2019s rival"),
        ("Phoenix Metals Ltd", "Phoenix Metals: profits up"),
        ("Widgetry Ltd", "Boring Holdings buys Widgetry\u2019s rival"),
        ("Widgetry Ltd", "Sales: growth slows at Widgetry Ltd."),
    ]
    assert checkpoint("news_feeds")["last_read"] == {"new": 9, "matched": 3, "ambiguous": 1}


def test_names_of_a_batch_are_looked_up_together(web: Site, django_assert_max_num_queries: Any) -> None:
    make_business("Boring Holdings Ltd", status="active")
    feed(web, *(item(f"Number {n}: Boring Holdings grows") for n in range(90)))
    with django_assert_max_num_queries(22):
        assert web.pull(NewsFeeds()).pull.new == 90


def test_the_longest_name_wins_and_a_doubtful_one_hides_what_is_in_it() -> None:
    mentions = list(mentions_of("Talks with Boring Holdings Group go on"))
    assert chosen(mentions, {"boring holdings": None, "boring": "1", "boring holdings group": "2"}) == (["2"], 0)
    assert chosen(mentions, {"boring holdings": None, "boring": "1"}) == ([], 1)


def test_common_words_are_those_of_names() -> None:
    assert len(common_words()) > 300
    assert all(word == word.lower() and word.isalnum() for word in common_words())
    assert list(mentions_of("a Growth, b, and March in Leeds.")) == []


def test_what_has_not_changed_is_not_sent_or_read_again(web: Site) -> None:
    company = make_business("Acme Ltd")
    feed(web, business=company)
    web.on("/feed", reply(rss(item("One")), ETag='"1"', Last_Modified="yesterday"), reply(status=304))
    for _ in range(2):
        web.pull(NewsFeeds())
    assert web.received[1].headers["If-None-Match"] == '"1"'
    assert BusinessEvent.objects.count() == 1
    assert checkpoint("news_feeds")["etag"] == '"1"'


def test_dates_that_are_missing_wrong_or_to_come_are_unknown(web: Site) -> None:
    soon = format_datetime(timezone.now() + timedelta(days=2))
    feed(web, item("One", pubDate=soon), item("Two", pubDate="soon"), item("Three"), business=make_business("Acme"))
    web.pull(NewsFeeds())
    assert set(BusinessEvent.objects.values_list("occurred_on", flat=True)) == {None}


def test_broken_xml_is_read_as_far_as_it_can_be(web: Site) -> None:
    company = make_business("Acme Ltd")
    feed(web, business=company)
    body = rss(item("First")).replace(b"</channel></rss>", b"<item><title>AT&T & <b>more</item><item><title>Cut")
    web.on("/feed", reply(body))
    pull = web.pull(NewsFeeds()).pull
    assert [payload["title"] for payload in payloads("news")][:1] == ["First"]
    assert "entry 2" in reasons(pull)


def test_atom_without_titles_or_links_and_with_a_guid() -> None:
    body = b"""<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title>
        <entry><id>urn:1</id><title type="html">&lt;b&gt;One&lt;/b&gt;</title><content>Text</content></entry>
        <entry><id>urn:2</id><link href="/two"/></entry><entry><title>Three</title>
        <link href="javascript:alert(1)"/></entry><entry><title>Four</title><link href="/four"/></entry></feed>"""
    found = [getattr(entry, "identity", "unreadable") for entry in entries_of(answer(body), NOW)]
    assert found == ["guid https://a.example/feed urn:1", "unreadable", "unreadable", "a.example/four"]


def answer(body: bytes, type_: str = "application/xml") -> Answer:
    return Answer(200, "https://a.example/feed", {"content-type": type_}, body)


BOMB = b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "' + b"x" * 1_000 + b'"><!ENTITY b "' + b"&a;" * 1_000 + b'">]>'


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not a feed"),
        (b"<html><body>Hello</body></html>", "not a feed"),
        (b'{"items": []}', "not a feed"),
        (b"\x00\xff\xfe\x00" * 100, "not a feed"),
        (b"<a" * 500_000, "tags that never end"),
        (b"<rss><item " + b" ".join(b"a%d='1'" % n for n in range(50_000)) + b">", "too many attributes"),
    ],
)
def test_what_is_no_feed_is_said(body: bytes, reason: str) -> None:
    with pytest.raises(PermanentError, match=reason):
        list(entries_of(answer(body), NOW))


def test_entities_are_not_expanded_without_end() -> None:
    body = BOMB + b"<rss><channel><item><title>&b;&b;</title><link>https://a.example/1</link></item></channel></rss>"
    for entry in entries_of(answer(body), NOW):
        assert len(getattr(entry, "title", "")) <= 500


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (reply(status=429, Retry_After="60"), "status 429"),
        (reply(status=429), "status 429"),
        (reply(status=503), "status 503"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n<rss><channel>"), "only a part"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n<rss>"), "larger than"),
        (redirect("http://169.254.169.254/"), "not a public address"),
        (redirect("http://inside.test/"), "does not lead to the public internet"),
    ],
)
def test_a_feed_that_fails_loses_nothing_and_the_others_go_on(web: Site, behaviour: Any, reason: str) -> None:
    company = make_business("Acme Ltd")
    feed(web, item("One"), business=company)
    Feed.objects.create(url=web.url("/other"), business=company)
    Feed.objects.create(url=web.url("/asleep"), is_active=False)
    web.pull(NewsFeeds())
    kept = SourceState.objects.order_by("pk")[0].checkpoint
    web.on("/feed", behaviour)
    web.on("/other", reply(rss(item("Two"))))
    pull = web.pull(NewsFeeds()).pull
    assert (pull.targets, pull.new, pull.failed) == (2, 1, 1)
    assert reason in reasons(pull)
    assert SourceState.objects.order_by("pk")[0].checkpoint == kept
    assert not was_reached(web.metadata)


def test_feeds_are_chosen_by_name_company_and_staleness(web: Site) -> None:
    company = make_business("Acme Ltd")
    fresh = Feed.objects.create(url="https://a.example/fresh", title="Fresh", business=company)
    new = Feed.objects.create(url="https://a.example/new")
    now = timezone.now()
    SourceState.objects.create(source="news_feeds", target=str(fresh.pk), pulled_at=now)

    def keys(**selection: Any) -> list[int]:
        return [int(target.key) for target in NewsFeeds().targets(Selection(**selection))]

    assert keys() == [new.pk, fresh.pk]
    assert keys(limit=1) == [new.pk]
    assert keys(names=("Fresh",)) == keys(names=(fresh.url,)) == keys(names=(str(fresh.pk),)) == [fresh.pk]
    assert keys(not_since=now - timedelta(hours=1)) == [new.pk]
    assert keys(businesses=type(company).objects.filter(pk=company.pk)) == [fresh.pk]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://www.A.example/x/?utm_medium=a&fbclid=b", "a.example/x"),
        ("http://a.example/x?id=1&at_campaign=rss", "a.example/x?id=1"),
        ("https://a.example", "a.example"),
        ("", ""),
    ],
)
def test_the_same_article_has_the_same_key(url: str, expected: str) -> None:
    assert address_key(without_tracking(url)) == expected


PIECES = [
    "<rss>", "<item>", "<title>", "</title>", "<link>http://[", "<![CDATA[", "]]>", "<!DOCTYPE", "&#x0;", "<pubDate>",
    "<feed xmlns='http://www.w3.org/2005/Atom'>", "<entry>", "<id>", "<content type='xhtml'>", "<?xml",
]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=4)), max_size=30).map("".join))
def test_any_bytes_are_a_feed_or_none(text: str) -> None:
    with suppress(PermanentError):
        for entry in entries_of(answer(text.encode("utf-8", "surrogatepass")), NOW):
            assert "\x00" not in getattr(entry, "title", "")
