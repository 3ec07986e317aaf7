"""When a cron expression is due, above all when the clock changes."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oppspot.jobs.cron import InvalidCron, check_cron, describe, next_slot

LONDON = "Europe/London"  # 2026: forward on 29 March at 01:00 UTC, back on 25 October at 01:00 UTC


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def slots(cron: str, zone: str, after: str, count: int) -> list[str]:
    found, moment = [], at(after)
    for _ in range(count):
        moment = next_slot(cron, zone, moment)
        found.append(f"{moment:%d %H:%M}")
    return found


def test_local_time_follows_the_clock() -> None:
    assert slots("30 2 * * *", LONDON, "2026-03-28T00:00", 3) == ["28 02:30", "29 01:30", "30 01:30"]
    assert slots("30 2 * * *", LONDON, "2026-10-24T00:00", 3) == ["24 01:30", "25 02:30", "26 02:30"]


def test_a_time_that_the_clock_skips_is_due_once_later() -> None:
    assert slots("30 1 * * *", LONDON, "2026-03-28T00:00", 3) == ["28 01:30", "29 01:30", "30 00:30"]


def test_a_time_that_comes_twice_is_due_the_first_time_only() -> None:
    assert slots("30 1 * * *", LONDON, "2026-10-24T12:00", 2) == ["25 00:30", "26 01:30"]
    assert slots("15,45 1 * * *", LONDON, "2026-10-25T00:00", 3) == ["25 00:15", "25 00:45", "26 01:15"]


def test_what_is_due_every_hour_is_due_in_each_real_hour() -> None:
    assert slots("30 * * * *", LONDON, "2026-10-24T23:00", 4) == ["24 23:30", "25 00:30", "25 01:30", "25 02:30"]
    assert slots("30 * * * *", LONDON, "2026-03-28T23:50", 3) == ["29 00:30", "29 01:30", "29 02:30"]
    assert slots("*/20 * * * *", LONDON, "2026-10-25T00:40", 4) == ["25 01:00", "25 01:20", "25 01:40", "25 02:00"]


def test_weekdays_and_ends_of_months() -> None:
    assert slots("0 9 * * 1-5", LONDON, "2026-11-20T10:00", 2) == ["23 09:00", "24 09:00"]
    assert slots("0 0 29 2 *", "UTC", "2026-01-01T00:00", 1) == ["29 00:00"]  # 2028
    assert slots("0 12 31 * *", "UTC", "2026-01-31T12:00", 1) == ["31 12:00"]  # of March


def test_half_hour_zones_and_half_hour_changes() -> None:
    assert slots("0 9 * * *", "Asia/Kolkata", "2026-05-01T00:00", 1) == ["01 03:30"]
    # Lord Howe's clock goes back by half an hour, on 5 April 2026 at 15:00 UTC of the 4th.
    assert slots("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00", 2) == ["04 14:45", "05 15:15"]


@pytest.mark.parametrize("cron", ["", "* * * *", "61 * * * *", "0 0 30 2 *", "@daily", "* * * * * *", "a b c d e"])
def test_what_is_no_cron_is_refused(cron: str) -> None:
    with pytest.raises(InvalidCron, match=r"cron expression|never due"):
        check_cron(cron, LONDON)


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../etc/passwd", "Europe"])
def test_what_is_no_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(InvalidCron, match="time zone"):
        check_cron("0 0 * * *", zone)


def test_in_words() -> None:
    assert describe("30 2 * * *", LONDON) == "At 02:30, Europe/London"


MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(MOMENTS, st.sampled_from(["30 1 * * *", "*/15 * * * *", "0 */2 * * *", "5 0 * * 0", "0 3 1 * *"]))
def test_the_next_slot_is_later_and_the_one_after_later_still(moment: datetime, cron: str) -> None:
    first = next_slot(cron, LONDON, moment)
    assert first > moment
    between = moment + (first - moment) / 2
    assert next_slot(cron, LONDON, between) == first  # nothing in between
    assert next_slot(cron, LONDON, first) > first
