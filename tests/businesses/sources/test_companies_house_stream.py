"""The register's streams, from a server that speaks as they do: nothing lost, nothing twice, each fault by its rule."""

import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from pytest_django import Settings

from businesses.models import BusinessEvent, Officer, SourceGap, SourcePull, SourceState
from businesses.pulling import Pulled, pull_source
from businesses.sources import registry
from businesses.sources.companies_house_stream import CompaniesHouseStream
from businesses.sources.companies_house_stream_values import line_of
from businesses.sources.pull import PullSource, Selection, Target, Unreadable
from oppspot.core.errors import InvalidInput, NotConfigured
from oppspot.jobs.models import Event, Run
from tests.businesses.register_files import real_file
from tests.businesses.sources.stub_stream import (
    Connection,
    StreamServer,
    envelope,
    filing,
    refusing,
    sending,
    serving,
)
from tests.factories import make_business

TODAY = date(2026, 11, 20)
NUMBER = "00000001"


@pytest.fixture
def point_to(settings: Settings) -> Callable[[StreamServer], None]:
    def point(server: StreamServer) -> None:
        settings.COMPANIES_HOUSE_STREAM_URL, settings.COMPANIES_HOUSE_STREAM_KEY = server.url, "a key"

    return point


@pytest.fixture
def pulled(db: None, point_to: Callable[[StreamServer], None]) -> Callable[..., Pulled]:
    """`pulled(server, …)`: one connection to it, read to its end."""

    def pull(server: StreamServer, **options: Any) -> Pulled:
        point_to(server)
        return pull_source(CompaniesHouseStream(**options), Selection(names=("filings",)), ignore_unknown=True)

    return pull


def state() -> SourceState:
    return SourceState.objects.get(source="companies_house_stream", target="filings")


def within(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until


# Lines


def test_real_lines_of_every_kind_can_be_read() -> None:
    lines = real_file("companies_house_stream_samples.jsonl").read_bytes().splitlines()
    read = [line_of(line, stream="any", today=TODAY) for line in lines]
    assert all(line.timepoint is not None and line.published_at is not None for line in read)
    assert not [item for line in read for item in line.items if isinstance(item, Unreadable)]
    kinds = {getattr(item, "kind", type(item).__name__) for line in read for item in line.items}
    assert kinds >= {"filing", "charge_registered", "charge_satisfied", "officer_appointed", "control_notified"}
    assert "Profile" in kinds
    assert sum(line.is_left_out for line in read) >= 2


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"{", "not a JSON object"),
        (b"\xff\xfe", "not a JSON object"),
        (b"[" * 100_000, "not a JSON object"),
        (b"[]", "the line: is missing or not an object"),
        (b"{}", "event: is missing"),
        (envelope(None, "filing-history", "/company/1/filing-history/a", {}), "event.timepoint"),
        (envelope(True, "filing-history", "/company/1/filing-history/a", {}), "event.timepoint"),
        (envelope(2**63, "filing-history", "/company/1/filing-history/a", {}), "event.timepoint"),
        (envelope("9" * 5_000, "filing-history", "/company/1/filing-history/a", {}), "event.timepoint"),
        (envelope(1, "", "/company/1/filing-history/a", {}), "resource_kind"),
        (envelope(1, "filing-history", "/company/1/filing-history/a", []), "data"),
        (envelope(1, "filing-history", "/elsewhere/a", {"date": "2026-01-01"}), "resource_uri names no company"),
        (envelope(1, "filing-history", "/company/1/filing-history/a", {"date": "soon"}), "date"),
        (envelope(1, "filing-history", "/company/no number/filing-history/a", {"date": "2026-01-01"}), "number"),
        (envelope(1, "company-officers", "/company/1/appointments/a\x00", {"name": "A"}), "officer_role"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_where_and_why(raw: bytes, reason: str) -> None:
    line = line_of(raw, stream="filings", today=TODAY)
    (failure,) = line.items
    assert isinstance(failure, Unreadable)
    assert failure.where.startswith("filings")
    assert reason in failure.reason
    assert (failure.where + failure.reason).isprintable()


def test_the_envelope_says_what_the_data_does_not() -> None:
    data = {"name": "DUKE, Michael", "officer_role": "director", "appointed_on": "2019-01-25"}
    line = line_of(
        envelope("77", "company-officers", "/company/SC000001/appointments/a", data, published_at="2026-11-20T10:00"),
        stream="officers", today=TODAY,
    )  # fmt: skip
    (seen,) = line.items
    assert not isinstance(seen, Unreadable)
    assert (seen.company.value, line.timepoint) == ("SC000001", 77)
    assert line.published_at is not None
    assert line.published_at.isoformat() == "2026-11-20T10:00:00+00:00"


def test_what_was_deleted_or_is_not_read_is_left_out() -> None:
    for raw in (
        filing(5, NUMBER, "T", type="deleted"),
        envelope(5, "company-psc-statement", "/company/1/x/y", {}),
        envelope(5, "something-new", "/anything", {}),
    ):
        line = line_of(raw, stream="any", today=TODAY)
        assert (line.timepoint, line.items, line.is_left_out) == (5, (), True)


# A connection


def test_lines_become_events_and_the_place_is_kept(pulled: Callable[..., Pulled]) -> None:
    make_business(company_number=NUMBER)
    lines = [
        filing(7, NUMBER, "A"), b"", filing(7, NUMBER, "A"), b"{oops", filing(9, NUMBER, "B"), filing(8, NUMBER, "A"),
        filing(10, "99999999", "C"), filing(11, NUMBER, "D", type="deleted"),
    ]  # fmt: skip
    with serving(sending(*lines, then=Connection.end)) as server:
        pull = pulled(server).pull
        assert [server.connections[0].stream, server.timepoints] == ["filings", [None]]
        assert server.connections[0].authorization == "Basic YSBrZXk6"
        assert (pull.status, pull.new, pull.failed) == ("partial", 2, 1)
        assert pull.failures[0]["where"] == "filings: {oops"
        assert "1 facts about companies that the register does not have" in pull.note
        kept = state().checkpoint
        assert (kept["timepoint"], kept["left_out"], kept["published_at"]) == (11, 1, "2026-11-20T10:00:00+00:00")
        lag = datetime.fromisoformat(kept["read_at"]) - datetime.fromisoformat(kept["published_at"])
        assert kept["lag_s"] == pytest.approx(lag.total_seconds(), abs=0.01)
        pulled(server)
        assert server.timepoints == [None, 11]
    assert BusinessEvent.objects.count() == 2


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        (Connection.cut, "only a part"),
        (lambda each: each.cut(reset=True), ""),
        (lambda each: (each.send(filing(9, NUMBER, "half")[:-2]), each.cut()), "only a part"),
        (lambda each: (each.send(filing(9, NUMBER, "half")), each.end()), "within a line"),
        (lambda each: each.send(b"x" * 50_000_000), "longer than 1,000,000 bytes"),
        (lambda each: each.wait(5), "did not answer within 0.5 s"),
    ],
)
def test_a_break_loses_nothing_and_half_a_line_is_not_read(
    pulled: Callable[..., Pulled], then: Callable[[Connection], Any], reason: str
) -> None:
    make_business(company_number=NUMBER)

    def behave(connection: Connection) -> None:
        sending(filing(7, NUMBER, "A"), filing(8, NUMBER, "B"), then=lambda each: None)(connection)
        connection.wait(0.2)  # a reset throws away what has not been read
        then(connection)

    with serving(behave) as server:
        pull = pulled(server, idle_s=0.5).pull
    assert (pull.status, pull.new, pull.failed) == ("partial", 2, 1)
    assert reason in pull.failures[0]["reason"]
    assert (state().checkpoint["timepoint"], state().failures) == (8, 1)


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [(429, {}, 60.0), (429, {"Retry_After": "90"}, 90.0), (429, {"Retry_After": "3"}, 60.0), (503, {}, None),
     (502, {"Retry_After": "1"}, None), (404, {}, None), (302, {"Location": "http://169.254.169.254/"}, None)],
)  # fmt: skip
def test_a_refusal_moves_nothing_and_says_when_to_come_back(
    pulled: Callable[..., Pulled], status: int, headers: dict[str, str], wait: float | None
) -> None:
    SourceState.objects.create(source="companies_house_stream", target="filings", checkpoint={"timepoint": 5})
    with serving(refusing(status, **headers)) as server:
        done = pulled(server)
    assert (done.retry_after, done.pull.status, server.timepoints) == (wait, "partial", [5])
    assert str(status) in done.pull.note + str(done.pull.failures)
    assert state().checkpoint == {"timepoint": 5}


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_says_what_to_set(pulled: Callable[..., Pulled], status: int) -> None:
    with serving(refusing(status)) as server, pytest.raises(NotConfigured, match="COMPANIES_HOUSE_STREAM_KEY"):
        pulled(server)
    assert SourcePull.objects.get().status == "not_configured"


def test_without_a_key_nothing_is_asked(db: None, settings: Settings) -> None:
    settings.COMPANIES_HOUSE_STREAM_KEY = ""
    with pytest.raises(NotConfigured, match="COMPANIES_HOUSE_STREAM_KEY"):
        pull_source(CompaniesHouseStream(), Selection(names=("filings",)))


def test_streams_are_named(db: None) -> None:
    assert list(CompaniesHouseStream().targets(Selection())) == []
    with pytest.raises(InvalidInput, match="no stream 'rumours'"):
        list(CompaniesHouseStream().targets(Selection(names=("filings", "rumours"))))


def test_facts_of_a_slow_stream_are_written_within_seconds(pulled: Callable[..., Pulled]) -> None:
    make_business(company_number=NUMBER)
    at: list[float] = []

    def slow(each: Connection) -> None:
        each.begin()
        for place in range(100):
            each.send(filing(place, NUMBER, str(place)) + b"\n")
            each.wait(0.3)

    def is_written() -> bool:
        if BusinessEvent.objects.exists():
            at.append(time.monotonic())
        return len(at) > 0

    with serving(slow) as server:
        began = time.monotonic()
        pulled(server, should_stop=lambda: is_written() or time.monotonic() - began > 10)
    assert at[0] - began < 2.5


def test_signs_of_life_are_kept_while_nothing_happens(
    pulled: Callable[..., Pulled], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("businesses.sources.companies_house_stream.HEARD_S", 0.2)
    with serving(sending(filing(7, NUMBER, "A"))) as server:
        pulled(server, should_stop=within(0.8))
    kept = state().checkpoint
    assert kept["heard_at"] > kept["read_at"]
    assert kept["timepoint"] == 7


def test_profiles_and_officers_are_written_as_they_stand(pulled: Callable[..., Pulled]) -> None:
    business = make_business("Old Ltd", company_number=NUMBER, status="active", status_raw="Active", town="LEEDS")

    def profile(timepoint: int, name: str) -> bytes:
        data = {"company_name": name, "company_status": "active"}
        return envelope(timepoint, "company-profile", f"/company/{NUMBER}", data)

    officer = {
        "name": "SMITH, Ann", "officer_role": "director", "appointed_on": "2026-11-01",
        "links": {"self": f"/company/{NUMBER}/appointments/app", "officer": {"appointments": "/officers/off/a"}},
    }  # fmt: skip
    lines = [
        profile(1, "OLD LTD"), profile(2, "NEW LTD"), profile(3, "NEW LTD"), profile(4, "OLD LTD"),
        profile(5, "NEWER LTD"),
        envelope(6, "company-officers", f"/company/{NUMBER}/appointments/app", officer),
    ]  # fmt: skip
    with serving(sending(*lines, then=Connection.end)) as server:
        assert pulled(server).pull.failed == 0
    business.refresh_from_db()
    assert business.name == "NEWER LTD"
    changes = BusinessEvent.objects.filter(kind="name_changed").order_by("pk").values_list("payload", flat=True)
    assert [(each["before"], each["after"]) for each in changes] == [
        ("Old Ltd", "NEW LTD"), ("NEW LTD", "OLD LTD"), ("OLD LTD", "NEWER LTD"),
    ]  # fmt: skip
    assert Officer.objects.get().external_id == "off"


# Gaps


class Api(PullSource):
    """Stands for the API: answers about the companies that are watched."""

    name, label = "companies_house_api", "The API"
    hint = ""

    def missing(self) -> str:
        return self.hint

    def targets(self, selection: Selection) -> Iterator[Target]:
        yield Target("a company")

    def pull(self, target: Target) -> Iterator[Any]:
        yield from ()


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> type[Api]:
    sources = {Api.name: Api, CompaniesHouseStream.name: CompaniesHouseStream}
    monkeypatch.setattr(registry, "_sources", lambda: sources)
    monkeypatch.setattr(Api, "hint", "")
    return Api


def fall_behind(pulled: Callable[..., Pulled]) -> SourceGap:
    """A stream that was read to 5 goes on from 20."""
    SourceState.objects.create(source="companies_house_stream", target="filings", checkpoint={"timepoint": 5})
    with serving(refusing(416)) as server:
        pull = pulled(server).pull
    assert "no longer has what follows time point 5" in pull.failures[0]["reason"]
    gap = SourceGap.objects.get()
    assert (gap.target, gap.after, gap.until, state().checkpoint) == ("filings", 5, None, {})
    assert not Event.all_orgs.exists(), "what happens until reading goes on would be lost"
    return gap


def go_on(pulled: Callable[..., Pulled], gap: SourceGap) -> None:
    with serving(sending(filing(20, NUMBER, "A"), filing(30, NUMBER, "B"), then=Connection.end)) as server:
        pulled(server)
        assert server.timepoints == [None]
    gap.refresh_from_db()
    assert (gap.until, state().checkpoint["timepoint"]) == (20, 30)


def test_a_gap_is_bounded_fetched_and_closed(pulled: Callable[..., Pulled], api: type[Api]) -> None:
    gap = fall_behind(pulled)
    pull_source(api(), Selection())
    gap.refresh_from_db()
    assert gap.closed_at is None, "reading does not go on yet"
    go_on(pulled, gap)
    event, run = Event.all_orgs.get(), Run.all_orgs.get()
    assert (event.name, event.data["source"], event.org) == ("source/pull.run", "companies_house_api", None)
    for partial in (
        Selection(limit=1),
        Selection(not_since=timezone.now() - timedelta(hours=1)),
    ):
        pull_source(api(), partial)
        gap.refresh_from_db()
        assert gap.closed_at is None, "that was not all, or asked in part before"
    assert run.created_at is not None
    pull_source(api(), Selection(not_since=run.created_at))
    gap.refresh_from_db()
    assert gap.closed_at is not None


def test_a_company_that_was_not_answered_keeps_the_gap_open(pulled: Callable[..., Pulled], api: type[Api]) -> None:
    gap = fall_behind(pulled)
    go_on(pulled, gap)
    began_at = timezone.now()
    SourceState.objects.create(source=Api.name, target="other", failures=1, error="503", pulled_at=timezone.now())
    pull_source(api(), Selection(not_since=began_at))
    gap.refresh_from_db()
    assert gap.closed_at is None
    pull_source(api(), Selection())  # a later one, in which all answered
    gap.refresh_from_db()
    assert gap.closed_at is not None


def test_a_gap_that_nobody_can_fetch_says_what_to_set(
    pulled: Callable[..., Pulled], api: type[Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "hint", "Set THE_KEY.")
    gap = fall_behind(pulled)
    go_on(pulled, gap)
    assert gap.note.endswith("Open: Set THE_KEY.")
    assert (gap.closed_at, Event.all_orgs.count()) == (None, 0)


def test_a_new_stream_has_no_gap(pulled: Callable[..., Pulled]) -> None:
    with serving(refusing(416)) as server:
        pull = pulled(server).pull
    assert "416" in pull.failures[0]["reason"]
    assert not SourceGap.objects.exists()


def test_what_the_database_refuses_is_told_and_takes_nothing_along(pulled: Callable[..., Pulled]) -> None:
    make_business(company_number=NUMBER)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE business_events ADD CONSTRAINT no_b CHECK (payload->>'transaction_id' <> 'B')")
    lines = [filing(7, NUMBER, "A"), filing(8, NUMBER, "B"), filing(9, NUMBER, "C"), filing(10, NUMBER, "D")]
    with serving(sending(*lines, then=Connection.end)) as server:
        pull = pulled(server).pull
    assert (pull.new, pull.failed, state().checkpoint["timepoint"]) == (3, 1, 10)
    assert pull.failures[0]["where"] == f"number {NUMBER}"
    assert "no_b" in pull.failures[0]["reason"]


def test_a_write_that_fails_moves_nothing(pulled: Callable[..., Pulled], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise OperationalError("the database is gone")

    make_business(company_number=NUMBER)
    monkeypatch.setattr("businesses.facts.write_offices", fail)  # after the events
    with serving(sending(filing(7, NUMBER, "A"))) as server, pytest.raises(OperationalError):
        pulled(server)
    assert (state().checkpoint, BusinessEvent.objects.count()) == ({}, 0)
