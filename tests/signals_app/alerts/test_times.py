"""Quiet hours and digests in the time zone of a rule, over midnight and when clocks change."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals_app.alerts.models import AlertRule, Frequency
from signals_app.alerts.times import first_loud, is_quiet, next_digest

LONDON, NIGHT = "Europe/London", (time(22), time(7))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "zone", "quiet", "expected"),
    [
        # over midnight
        ("2025-01-10T12:00:30", LONDON, NIGHT, "2025-01-10T12:00:30"),
        ("2025-01-10T21:59:59", LONDON, NIGHT, "2025-01-10T21:59:59"),
        ("2025-01-10T22:00:00", LONDON, NIGHT, "2025-01-11T07:00:00"),
        ("2025-01-11T03:10:20", LONDON, NIGHT, "2025-01-11T07:00:00"),
        ("2025-01-11T07:00:00", LONDON, NIGHT, "2025-01-11T07:00:00"),
        # within a day, and in a zone that is ahead by five hours and three quarters
        ("2025-01-10T12:30:00", LONDON, (time(12), time(13, 15)), "2025-01-10T13:15:00"),
        ("2025-01-10T16:15:00", "Asia/Kathmandu", NIGHT, "2025-01-11T01:15:00"),
        # summer, and the nights in which the clock changes: one is an hour shorter, one longer
        ("2025-07-10T22:00:00", LONDON, NIGHT, "2025-07-11T06:00:00"),
        ("2025-03-29T23:00:00", LONDON, NIGHT, "2025-03-30T06:00:00"),
        ("2025-10-25T22:00:00", LONDON, NIGHT, "2025-10-26T07:00:00"),
        # the end is a time that the clock skips: quiet until it has gone past it
        ("2025-03-30T00:30:00", LONDON, (time(23), time(1, 30)), "2025-03-30T01:00:00"),
        # … or a time that comes twice: the first ends the quiet hours; the clock goes back into them at 02:00
        ("2025-10-26T00:10:00", LONDON, (time(23), time(1, 30)), "2025-10-26T00:30:00"),
        ("2025-10-26T01:10:00", LONDON, (time(23), time(1, 30)), "2025-10-26T01:30:00"),
    ],
)
def test_quiet_hours_end(at: str, zone: str, quiet: tuple[time, time], expected: str) -> None:
    assert first_loud(utc(at), zone=zone, quiet_from=quiet[0], quiet_until=quiet[1]) == utc(expected)


def test_without_quiet_hours_nothing_waits() -> None:
    assert first_loud(utc("2025-01-10T03:00"), zone=LONDON, quiet_from=None, quiet_until=None) == utc(
        "2025-01-10T03:00"
    )


minutes = st.integers(0, 24 * 60 - 1).map(lambda minute: time(minute // 60, minute % 60))
# Around both changes of the clock of 2025, in zones that change by an hour, by half of one, at midnight, and never.
moments = st.sampled_from([utc("2025-03-30T00:00"), utc("2025-10-26T00:00"), utc("2025-04-05T15:00")]).flatmap(
    lambda middle: st.integers(-2 * 86_400, 2 * 86_400).map(lambda seconds: middle + timedelta(seconds=seconds))
)
zones = st.sampled_from([LONDON, "Australia/Lord_Howe", "America/New_York", "Africa/Cairo", "Asia/Kathmandu"])


@given(moments, zones, minutes, minutes)
def test_the_first_moment_that_is_not_quiet(at: datetime, zone: str, begin: time, end: time) -> None:
    if begin == end:
        return
    found = first_loud(at, zone=zone, quiet_from=begin, quiet_until=end)
    place = ZoneInfo(zone)
    assert found >= at
    assert not is_quiet(found.astimezone(place).time(), begin, end)
    moment = at
    while moment < found:
        assert is_quiet(moment.astimezone(place).time(), begin, end), "it could have been sent earlier"
        moment += timedelta(minutes=7)
    just_before = found - timedelta(seconds=1)
    assert just_before < at or is_quiet(just_before.astimezone(place).time(), begin, end)


@pytest.mark.parametrize(
    ("terms", "after", "expected"),
    [
        ({}, "2025-01-10T12:00:00", None),
        ({"frequency": Frequency.HOURLY, "is_active": False}, "2025-01-10T12:00:00", None),
        ({"frequency": Frequency.HOURLY}, "2025-01-10T12:00:00", "2025-01-10T13:00:00"),
        ({"frequency": Frequency.HOURLY, "time_zone": "Asia/Kathmandu"}, "2025-01-10T12:00:00", "2025-01-10T12:15:00"),
        (
            {"frequency": Frequency.HOURLY, "quiet_from": time(22), "quiet_until": time(7, 20)},
            "2025-01-10T21:30:00",
            "2025-01-11T07:20:00",
        ),
        ({"frequency": Frequency.DAILY, "digest_at": time(8, 30)}, "2025-03-29T09:00:00", "2025-03-30T07:30:00"),
        ({"frequency": Frequency.DAILY, "digest_at": time(1, 30)}, "2025-03-29T09:00:00", "2025-03-30T01:30:00"),
        ({"frequency": Frequency.DAILY, "digest_at": time(1, 30)}, "2025-10-25T09:00:00", "2025-10-26T00:30:00"),
        (
            {"frequency": Frequency.DAILY, "digest_at": time(6), "quiet_from": time(22), "quiet_until": time(7)},
            "2025-01-10T12:00:00",
            "2025-01-11T07:00:00",
        ),
    ],
)
def test_when_a_digest_is_due(terms: dict[str, object], after: str, expected: str | None) -> None:
    assert next_digest(AlertRule(**terms), utc(after)) == (expected and utc(expected))
