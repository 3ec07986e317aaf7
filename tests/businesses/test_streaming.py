"""Streams read for long: through breaks, refusals, outages, kills, and until somebody says stop."""

import base64
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import psycopg
import pytest
from django.conf import settings as project
from django.db import connection
from psycopg import sql
from pytest_django import Settings

from businesses.models import Business, BusinessEvent, SourceGap, SourcePull, SourceState
from businesses.sources.companies_house_stream import CompaniesHouseStream
from businesses.streaming import Streaming
from oppspot.core.errors import InvalidInput, NotConfigured
from tests.businesses.sources.stub_stream import (
    Connection,
    Feed,
    StreamServer,
    envelope,
    feed_of,
    filing,
    refusing,
    sending,
    serving,
)
from tests.jobs.clusters import database_url, wait_until

NUMBERS = [f"{number:08}" for number in range(1, 301)]
STRANGERS = [f"{number:08}" for number in range(9_000, 9_050)]
LINES = 100_000
SHORT_S = 0.02  # instead of the register's 10 and 60 seconds


@pytest.fixture
def register(transactional_db: None) -> None:
    Business.objects.bulk_create(Business(name=f"Company {number} Ltd", company_number=number) for number in NUMBERS)


@pytest.fixture
def streaming(transactional_db: None, settings: Settings) -> Callable[..., Streaming]:
    """`streaming(server, streams, …)`, in which waiting is short unless told otherwise."""

    def make(
        server: StreamServer, *streams: str, cut_s: float = SHORT_S, refused_s: float = SHORT_S, idle_s: float = 5.0
    ) -> Streaming:
        settings.COMPANIES_HOUSE_STREAM_URL, settings.COMPANIES_HOUSE_STREAM_KEY = server.url, "a key"
        return Streaming(
            lambda should_stop: CompaniesHouseStream(should_stop=should_stop, refused_s=refused_s, idle_s=idle_s),
            streams or ("filings",),
            cut_s=cut_s,
        )

    return make


@contextmanager
def running(stream: Streaming) -> Iterator[None]:
    """It reads in another thread while the test looks on; stopped at the end."""
    stop: list[int] = []
    thread = Thread(target=stream.run, args=(lambda: bool(stop),))
    thread.start()
    try:
        yield
    finally:
        stop.append(1)
        thread.join(20)
        assert not thread.is_alive()


def place(stream: str = "filings") -> int | None:
    state = SourceState.objects.filter(source="companies_house_stream", target=stream).first()
    found: int | None = state.checkpoint.get("timepoint") if state else None
    return found


def wait_for(timepoint: int, within: float = 60.0) -> None:
    wait_until(lambda: (place() or 0) >= timepoint, f"time point {timepoint}", within)


def events() -> set[tuple[str, str]]:
    found = BusinessEvent.objects.values_list("business__company_number", "payload__transaction_id")
    return {(str(number), str(transaction)) for number, transaction in found}


def terminate_others() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@contextmanager
def outage() -> Iterator[None]:
    """The database takes no connections, and those that there are end; but for the test's own."""
    name = sql.Identifier(str(connection.settings_dict["NAME"]))
    with psycopg.connect(database_url(), dbname="postgres", autocommit=True) as session:
        session.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        try:
            terminate_others()
            yield
        finally:
            session.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))


@pytest.mark.slow
def test_a_hundred_thousand_lines_of_a_bad_line(register: None, streaming: Callable[..., Streaming]) -> None:
    feed = Feed(feed_of(LINES, NUMBERS, strangers=STRANGERS, seed=11), seed=5, refusals=[416, 429, 503])
    last = feed.told[-1].timepoint
    with serving(feed) as server, running(streaming(server)):
        wait_for(feed.told[LINES // 3].timepoint)
        terminate_others()
        wait_for(feed.told[LINES // 2].timepoint)
        with outage():
            time.sleep(0.2)
        wait_for(last, within=90)
        assert place() == last
    assert set(feed.answers) == {"416", "429", "503", "ended", "cut", "reset", "half a line"}, "every fault occurred"
    assert events() == feed.expected()
    assert BusinessEvent.objects.count() == len(feed.expected())
    gaps = SourceGap.objects.order_by("pk").values_list("after", "until")
    assert list(gaps) == feed.lost


@pytest.mark.slow
def test_an_outage_of_the_database_loses_nothing(register: None, streaming: Callable[..., Streaming]) -> None:
    feed = Feed(feed_of(3_000, NUMBERS, seed=3), seed=3, pause_s=0.02)
    with serving(feed) as server, running(streaming(server)):
        wait_for(feed.told[500].timepoint)
        with outage():
            time.sleep(1.0)
        wait_until(lambda: place() == feed.told[-1].timepoint, "the last line")
        assert len(server.connections) > 1
    assert events() == feed.expected()


# Waiting


def test_a_connection_that_ends_is_made_anew_after_a_pause(register: None, streaming: Callable[..., Streaming]) -> None:
    first = sending(filing(1, NUMBERS[0], "A"), then=Connection.cut)
    with serving(first, refusing(503), sending(filing(2, NUMBERS[0], "B"))) as server:
        with running(streaming(server, cut_s=0.5)):
            wait_until(lambda: place() == 2, "the last line")
        pauses = [later - before for before, later in zip(server.asked_at, server.asked_at[1:], strict=False)]
        assert server.timepoints == [None, 1, 1]
    assert all(0.5 <= pause < 2 for pause in pauses)


def test_after_a_429_the_pause_is_longer(register: None, streaming: Callable[..., Streaming]) -> None:
    with serving(refusing(429), sending(filing(2, NUMBERS[0], "B"))) as server:
        with running(streaming(server, cut_s=0.01, refused_s=0.7)):
            wait_until(lambda: place() == 2, "the last line")
        assert 0.7 <= server.asked_at[1] - server.asked_at[0] < 2


def test_silence_is_a_break(register: None, streaming: Callable[..., Streaming]) -> None:
    silent = sending(filing(1, NUMBERS[0], "A"), then=lambda each: each.wait(30))
    with (
        serving(silent, sending(filing(2, NUMBERS[0], "B"))) as server,
        running(streaming(server, idle_s=0.3)),
    ):
        wait_until(lambda: place() == 2, "the last line", within=10)
    assert "did not answer within 0.3 s" in SourcePull.objects.order_by("pk")[0].failures[0]["reason"]


@pytest.mark.parametrize("behaviour", [refusing(429), refusing(503), sending()])
def test_stopping_does_not_wait(streaming: Callable[..., Streaming], behaviour: Callable[[Connection], None]) -> None:
    with serving(behaviour) as server:
        stream = streaming(server, cut_s=60, refused_s=60)
        with running(stream):
            wait_until(lambda: server.connections, "a connection")
            time.sleep(0.2)
            began = time.monotonic()
        assert time.monotonic() - began < 1
        assert len(server.connections) == 1


# Two streams, and what ends them


def test_two_streams_are_read_side_by_side(register: None, streaming: Callable[..., Streaming]) -> None:
    officer = {"name": "A", "officer_role": "director", "appointed_on": "2026-11-01"}

    def both(connection: Connection) -> None:
        if connection.stream == "filings":
            sending(filing(3, NUMBERS[0], "A"))(connection)
        sending(envelope(4, "company-officers", f"/company/{NUMBERS[1]}/appointments/x", officer))(connection)

    with serving(both) as server, running(streaming(server, "filings", "officers")):
        wait_until(lambda: (place("filings"), place("officers")) == (3, 4), "both")
    assert set(BusinessEvent.objects.values_list("kind", flat=True)) == {"filing", "officer_appointed"}


@pytest.mark.parametrize("streams", [("filings", "officers", "charges"), ("filings", "filings")])
def test_more_than_two_or_one_twice_is_refused(streaming: Callable[..., Streaming], streams: tuple[str, ...]) -> None:
    with serving(sending()) as server, pytest.raises(InvalidInput, match="2 connections"):
        streaming(server, *streams)


def test_a_refused_key_ends_both(streaming: Callable[..., Streaming]) -> None:
    def only_filings(connection: Connection) -> None:
        (sending() if connection.stream == "filings" else refusing(401))(connection)

    with serving(only_filings) as server, pytest.raises(NotConfigured, match="401"):
        streaming(server, "filings", "officers").run(lambda: False)


def test_two_processes_on_one_stream_do_not_double_anything(
    register: None, streaming: Callable[..., Streaming]
) -> None:
    feed = Feed(feed_of(4_000, NUMBERS, seed=4), seed=4)
    with serving(feed) as server, running(streaming(server)), running(streaming(server)):
        wait_until(lambda: place() == feed.told[-1].timepoint, "the last line")
    assert events() == feed.expected()
    assert BusinessEvent.objects.count() == len(feed.expected())


# The command


def command(server: StreamServer, *streams: str, key: str = "a key") -> "subprocess.Popen[str]":
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": database_url(),
        "COMPANIES_HOUSE_STREAM_URL": server.url,
        "COMPANIES_HOUSE_STREAM_KEY": key,
    }
    return subprocess.Popen(
        [sys.executable, "manage.py", "stream_companies_house", *(streams or ["filings"])],
        cwd=project.BASE_DIR, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_killed_in_the_middle_and_stopped_in_the_end(register: None) -> None:
    feed = Feed(feed_of(6_000, NUMBERS, strangers=STRANGERS, seed=9), seed=9, pause_s=0.01)
    with serving(feed) as server:
        for upto in (1_500, 3_000):
            with command(server) as process:
                wait_for(feed.told[upto].timepoint)
                process.kill()
                process.wait()
        with command(server) as process:
            wait_until(lambda: place() == feed.told[-1].timepoint, "the last line")
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
            assert time.monotonic() - began < 8  # on a busy machine
            assert process.stdout is not None
            assert "Stopped" in process.stdout.read()
        assert len(server.connections) == 3
        key = base64.b64decode(server.connections[0].authorization.removeprefix("Basic "))
        assert key == b"a key:"
    assert events() == feed.expected()
    assert BusinessEvent.objects.count() == len(feed.expected())
    assert SourcePull.objects.order_by("-pk")[0].status in {"completed", "partial"}


@pytest.mark.parametrize(
    ("streams", "key", "said"),
    [
        (("filings", "officers", "charges"), "a key", "2 connections"),
        (("rumours",), "a key", "invalid choice"),
        (("filings",), "", "Set COMPANIES_HOUSE_STREAM_KEY"),
    ],
)
def test_the_command_says_what_is_wrong(
    settings: Settings, streams: tuple[str, ...], key: str, said: str, capsys: Any
) -> None:
    from django.core.management import CommandError, call_command

    settings.COMPANIES_HOUSE_STREAM_KEY = key
    with pytest.raises(CommandError, match=said):
        call_command("stream_companies_house", *streams)
