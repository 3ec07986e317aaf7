"""What every source that asks other servers keeps to when these are unwell: found by the registry, like its contract.

A fault writes nothing, moves no checkpoint, ends within seconds and little memory, is told with its reason, and leads
nowhere else; once it is over, the next pull reads what the fault hid.
"""

import json
import resource
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from pytest_django import Settings

from businesses.models import Business, BusinessEvent, Feed, RequestBudget, SourcePull, SourceState
from businesses.pulling import pull_source
from businesses.sources.companies_house_api import CompaniesHouseApi
from businesses.sources.companies_house_stream import CompaniesHouseStream
from businesses.sources.company_website import CompanyWebsite
from businesses.sources.job_postings import JobPostings
from businesses.sources.news_feeds import NewsFeeds
from businesses.sources.pull import PullSource, Selection
from businesses.sources.registry import source_class, source_names
from oppspot.core.http import guarded_client, plain_client
from tests.businesses.sources.stub_stream import filing
from tests.businesses.sources.websites import Site, raw, redirect, reply, site, was_reached
from tests.core.http_stub import HOSTS, Behaviour, trickle

pytestmark = [pytest.mark.django_db, pytest.mark.allow_hosts(HOSTS)]
PATIENCE_S = 0.6  # of a client that waits 15 to 90 seconds
MAX_S, MAX_GROWTH_KB = 10.0, 40_000
NUMBER = "01234567"
RSS = "application/rss+xml"


class QuickStream(CompaniesHouseStream):
    def __init__(self) -> None:
        super().__init__(idle_s=PATIENCE_S)


class QuickApi(CompaniesHouseApi):
    seconds = PATIENCE_S


class QuickWebsite(CompanyWebsite):
    pause_s = 0.0


class QuickJobs(JobPostings):
    pause_s = 0.0


@dataclass(frozen=True)
class Network:
    """How a source is pointed at the test's server. `path` is what it asks for; `body` is read as at least one event
    (of a website: when the page was another before)."""

    source: Callable[[], PullSource]
    path: str
    type_: str
    body: bytes
    names: tuple[str, ...] = ()
    others: tuple[tuple[str, bytes], ...] = ()

    def answer(self, encoding: str = "") -> Behaviour:
        return reply(self.body, type_=self.type_, Content_Encoding=encoding)


PAGE = b"<title>Acme</title><p>%s</p>"
POSTING = {
    "@context": "https://schema.org",
    "@type": "JobPosting",
    "title": "Head of Sales",
    "datePosted": "2026-11-01",
}
ITEM = b"<item><title>Acme opens a factory</title><link>https://news.example/1</link></item>"
OLD = PAGE % b"We make widgets of every kind for everybody in the north of England, and we always did so."
NEW = PAGE % b"From now on we make nothing but satellites, which customers on four continents launch themselves."
OFFICER = {
    "name": "SMITH, Ann",
    "officer_role": "director",
    "appointed_on": "2026-11-01",
    "links": {"self": f"/company/{NUMBER}/appointments/a", "officer": {"appointments": "/officers/o/a"}},
}
NETWORK = {
    "companies_house_api": Network(
        QuickApi,
        f"/company/{NUMBER}/officers",
        "application/json",
        json.dumps({"items": [OFFICER], "total_results": 1}).encode(),
        others=((f"/company/{NUMBER}", json.dumps({"company_name": "ACME LTD", "company_number": NUMBER}).encode()),),
    ),
    "companies_house_stream": Network(
        QuickStream, "/filings", "application/json", filing(7, NUMBER, "A") + b"\n", names=("filings",)
    ),
    "company_website": Network(QuickWebsite, "/", "text/html", NEW),
    "job_postings": Network(
        QuickJobs,
        "/careers/",
        "text/html",
        b'<script type="application/ld+json">' + json.dumps(POSTING).encode() + b"</script><h1>Careers</h1>",
        others=(("/", OLD + b"<a href='/careers/'>Careers</a>"),),
    ),
    "news_feeds": Network(NewsFeeds, "/feed", RSS, b"<rss><channel>" + ITEM + b"</channel></rss>"),
}


def flood(network: Network) -> Behaviour:
    """50 MB, without saying so before."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: {network.type_}\r\n\r\n".encode())
        with suppress(OSError):
            for _ in range(50):
                connection.sendall(b" " * 1_000_000)

    return behave


def head(network: Network, length: int = 1_000_000) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {network.type_}\r\nContent-Length: {length}\r\n\r\n".encode()


FAULTS: dict[str, Callable[[Network], Behaviour]] = {
    "429": lambda network: reply(status=429),
    "429 with a time": lambda network: reply(status=429, Retry_After="30"),
    "500": lambda network: reply(status=500),
    "503": lambda network: reply(status=503, Retry_After="120"),
    "cut in the head": lambda network: raw(b"HTTP/1.1 200 O"),
    "cut in the body": lambda network: raw(head(network) + network.body[: len(network.body) // 2]),
    "no HTTP": lambda network: raw(b"\x00\xff\xfe" * 50 + b"\r\n\r\n"),
    "another encoding": lambda network: network.answer("br"),
    "slow head": lambda network: trickle(b"HTTP/1.1 200 OK\r\nX-Slow: ", tail=b"a" * 60),
    "slow body": lambda network: trickle(head(network), tail=b"<" * 60),
    "50 MB": flood,
    "metadata": lambda network: redirect("http://169.254.169.254/latest/meta-data/"),
    "inside": lambda network: redirect("http://127.0.0.1/"),
    "another scheme": lambda network: redirect("file:///etc/passwd"),
    "for ever": lambda network: redirect(network.path),
}
MALFORMED = {
    "half JSON": b'{"items": [{"name": "SMI',
    "deep": b"[" * 100_000,
    "no object": b"[]",
    "nothing of the kind": b"\x00\x01\x02\xff" * 40,
}


@pytest.fixture
def web(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with site() as server:
        settings.COMPANIES_HOUSE_API_URL = settings.COMPANIES_HOUSE_STREAM_URL = f"http://{server.host}:{server.port}"
        settings.COMPANIES_HOUSE_API_KEY = settings.COMPANIES_HOUSE_STREAM_KEY = "a key"
        fetch = guarded_client().fetch
        monkeypatch.setattr(
            guarded_client(), "fetch", lambda url, **given: fetch(url, **given | {"seconds": PATIENCE_S})
        )
        yield server


@pytest.fixture
def acme(web: Site) -> Business:
    business = web.company("Acme Ltd", company_number=NUMBER)
    Feed.objects.create(url=web.url("/feed"), business=business)
    return business


def pull(network: Network) -> SourcePull:
    selection = Selection(names=network.names) if network.names else Selection(businesses=Business.objects.all())
    return pull_source(network.source(), selection).pull


def show(web: Site, network: Network, behaviour: Behaviour) -> None:
    for path, body in network.others:
        web.on(path, reply(body, type_=network.type_))
    web.on(network.path, behaviour)


def before(web: Site, name: str) -> Any:
    """What the source goes on from; of a website, after its first visit, which tells nothing."""
    if name == "company_website":
        web.on("/", reply(OLD))
        assert pull(NETWORK[name]).failed == 0
    return kept(name)


def kept(name: str) -> Any:
    """What the source goes on from."""
    found = SourceState.objects.filter(source=name).values_list("checkpoint", flat=True).first() or {}
    return {key: found[key] for key in ("timepoint", "pages", "open", "seen", "officers_on") if key in found}


def test_every_source_that_asks_other_servers_is_held_to_it() -> None:
    asks = {
        name
        for name in source_names()
        if {"guarded_client", "plain_client", "Visits"} & vars(sys.modules[source_class(name).__module__]).keys()
    }
    assert asks == NETWORK.keys()
    assert all(issubclass(type(network.source()), source_class(name)) for name, network in NETWORK.items())
    assert plain_client() is not guarded_client()


@pytest.mark.parametrize("name", NETWORK)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_and_loses_nothing(web: Site, acme: Business, name: str, fault: str) -> None:
    network = NETWORK[name]
    stood = before(web, name)
    show(web, network, FAULTS[fault](network))
    memory, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    failed = pull(network)
    assert time.monotonic() - began < MAX_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < MAX_GROWTH_KB
    assert (failed.new, failed.status) == (0, "partial")
    assert failed.note or failed.failures
    assert kept(name) == stood
    assert not was_reached(web.metadata)
    heal(web, name)


@pytest.mark.parametrize("name", ["companies_house_api", "companies_house_stream", "news_feeds"])
@pytest.mark.parametrize("malformed", MALFORMED)
def test_what_is_not_in_the_source_s_format_is_told(web: Site, acme: Business, name: str, malformed: str) -> None:
    network = NETWORK[name]
    show(web, network, reply(MALFORMED[malformed] + b"\n", type_=network.type_))
    failed = pull(network)
    assert (failed.new, failed.failed, failed.status) == (0, 1, "partial")
    assert failed.failures[0]["reason"].isprintable()
    heal(web, name)


@pytest.mark.parametrize("name", ["company_website", "job_postings"])
@pytest.mark.parametrize("body", [b"", b"\x00\x01\x02\xff" * 40, b"<" * 100_000], ids=["empty", "binary", "tags"])
def test_a_page_that_is_none_is_told(web: Site, acme: Business, name: str, body: bytes) -> None:
    network = NETWORK[name]
    stood = before(web, name)
    show(web, network, reply(body, type_="application/octet-stream"))
    failed = pull(network)
    assert (failed.new, failed.status) == (0, "partial")
    assert kept(name) == stood
    heal(web, name)


def heal(web: Site, name: str) -> None:
    """The server is well again: what it has to tell is read, once."""
    RequestBudget.objects.all().delete()  # a 429 spends it for five minutes
    show(web, NETWORK[name], NETWORK[name].answer())
    pull(NETWORK[name])
    assert BusinessEvent.objects.count() == 1
    pull(NETWORK[name])
    assert BusinessEvent.objects.count() == 1
