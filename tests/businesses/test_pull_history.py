"""Accounts of pulls: old ones go, the latest of each source stays, and the dead are told from the living."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from businesses.events import SourcePullsTidy
from businesses.models import SourcePull
from businesses.pull_history import close_dead_pulls, delete_old_pulls
from businesses.sources.visits import forget_idle_hosts
from businesses.tasks import tidy_pulls
from oppspot.jobs.models import RateBucket
from oppspot.jobs.registry import get_event

pytestmark = pytest.mark.django_db


def pulled(source: str, *, days: float, status: str = "completed", seen: float | None = None) -> SourcePull:
    """`days` ago, and last heard of `seen` days ago."""
    started = timezone.now() - timedelta(days=days)
    heard = timezone.now() - timedelta(days=days if seen is None else seen)
    return SourcePull.objects.create(
        source=source, status=status, started_at=started, seen_at=heard,
        finished_at=None if status == "running" else started,
    )  # fmt: skip


@pytest.mark.parametrize("batch_size", [1, 2, 1_000])
def test_old_ones_go_but_the_latest_of_each_source(batch_size: int) -> None:
    kept = [pulled("a", days=1), pulled("a", days=89)]
    old = [pulled("a", days=91), pulled("a", days=400)]
    SourcePull.objects.filter(pk__in=[one.pk for one in old]).update(source="a")
    newest = pulled("a", days=0)
    alone = pulled("b", days=300)
    running = pulled("c", days=200, status="running")
    pulled("c", days=100)
    after = pulled("c", days=99)
    assert delete_old_pulls(batch_size=batch_size) == 3
    left = set(SourcePull.objects.values_list("pk", flat=True))
    assert left == {one.pk for one in (*kept, newest, alone, running, after)}


def test_those_that_fell_silent_are_closed() -> None:
    dead = pulled("a", days=1, status="running", seen=0.1)
    alive = pulled("a", days=1, status="running", seen=0.01)
    ended = pulled("a", days=1)
    assert close_dead_pulls() == 1
    found: dict[Any, Any] = {one.pk: one for one in SourcePull.objects.all()}
    assert (found[dead.pk].status, found[dead.pk].note) == ("failed", "died")
    assert found[dead.pk].finished_at is not None
    assert (found[alive.pk].status, found[ended.pk].status) == ("running", "completed")
    assert close_dead_pulls() == 0


def test_hosts_that_are_no_longer_visited_are_forgotten_and_nobody_elses_limit_is() -> None:
    now = timezone.now()
    for key, days in (("web:old.test", 2), ("web:busy.test", 0.5), ("org 1 calls", 400)):
        RateBucket.objects.create(key=key, next_at=now - timedelta(days=days))
    assert forget_idle_hosts() == 1
    assert set(RateBucket.objects.values_list("key", flat=True)) == {"web:busy.test", "org 1 calls"}


def test_all_of_it_is_done_on_the_event() -> None:
    RateBucket.objects.create(key="web:old.test", next_at=timezone.now() - timedelta(days=2))
    pulled("a", days=1, status="running")
    pulled("a", days=99)
    pulled("a", days=0)
    (listener,) = get_event(SourcePullsTidy).listeners
    assert listener.name == "businesses.tidy_pulls"
    assert tidy_pulls(None, SourcePullsTidy()) == {"closed": 1, "deleted": 1, "hosts": 1}  # type: ignore[arg-type]
