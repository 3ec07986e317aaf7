"""Several at once: a company is on a watchlist once, a full one stays full, and an event is stored once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from businesses import watchlists
from businesses.models import OrgEvent
from businesses.org_events import Result, Told, record_events
from businesses.sources.pull import CompanyKey
from businesses.watchlists import WatchlistFull, add_businesses, create_watchlist, entries_of
from oppspot.organizations.services import create_organization
from tests.factories import make_business

pytestmark = pytest.mark.django_db(transaction=True)
THREADS = 4


def together(act: Callable[[int], Any]) -> list[Any]:
    """What `act` returned in each of the threads, all begun at the same moment."""
    barrier = Barrier(THREADS, timeout=10)

    def one(number: int) -> Any:
        try:
            barrier.wait()
            return act(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(THREADS)))


def test_a_company_is_put_on_a_watchlist_once() -> None:
    org = create_organization(name="Alpha")
    ours = create_watchlist(org=org, name="Ours")
    ids = [make_business().pk for _ in range(20)]
    added = together(
        lambda number: add_businesses(org=org, watchlist_id=ours.pk, business_ids=ids[:: 1 if number % 2 else -1])
    )
    assert sorted(len(one.new) for one in added) == [0] * (THREADS - 1) + [20]
    assert entries_of(org=org, watchlist_id=ours.pk).count() == 20


def test_a_full_watchlist_stays_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchlists, "MAX_ENTRIES", 3)
    org = create_organization(name="Alpha")
    ours = create_watchlist(org=org, name="Ours")
    ids = [make_business().pk for _ in range(2 * THREADS)]

    def add(number: int) -> bool:
        try:
            add_businesses(org=org, watchlist_id=ours.pk, business_ids=ids[2 * number : 2 * number + 2])
        except WatchlistFull:
            return False
        return True

    assert sorted(together(add)) == [False] * (THREADS - 1) + [True]


def test_an_event_is_stored_once() -> None:
    org = create_organization(name="Alpha")
    make_business(company_number="00000001")
    events = [Told(CompanyKey("number", "1"), "meeting", "crm", dedupe_key=str(place)) for place in range(30)]
    recorded = together(lambda number: record_events(org=org, events=events if number % 2 else list(reversed(events))))
    created = [one for told in recorded for one in told if one.result is Result.CREATED]
    assert len(created) == len({one.id for one in created}) == OrgEvent.objects.for_org(org).count() == 30
