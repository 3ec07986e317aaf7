"""The page of sources and the lists behind it: what is told of each, and who may have one pulled."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from businesses import standing
from businesses.models import Feed, SourceGap, SourcePull, SourceState
from businesses.sources import registry
from businesses.standing import standings
from oppspot.jobs.models import Run, Schedule
from oppspot.jobs.scheduling import Scheduled, declared
from oppspot.organizations.models import User
from tests.businesses.pull_sources import SOURCES
from tests.conftest import client_of
from tests.factories import make_business, make_user

pytestmark = pytest.mark.django_db
PAGE = "/admin/businesses/sources/"


@pytest.fixture(autouse=True)
def sources(monkeypatch: pytest.MonkeyPatch) -> None:
    declared()  # the real schedules name the real sources, and are looked at once
    monkeypatch.setattr(registry, "_sources", lambda: SOURCES)


@pytest.fixture
def schedules(monkeypatch: pytest.MonkeyPatch) -> None:
    hourly = Scheduled("fine, hourly", "0 * * * *", "source/pull.run", {"source": "fine"})
    other = Scheduled("nightly", "0 2 * * *", "source/pulls.tidy")
    monkeypatch.setattr(standing, "declared", lambda: {"fine, hourly": hourly, "nightly": other})
    Schedule.objects.create(
        name="fine, hourly", cron="0 * * * *", time_zone="Europe/London", event_name="source/pull.run",
        next_slot_at=timezone.now() + timedelta(minutes=31),
    )  # fmt: skip


def pulled(status: str = "completed", *, hours: float = 1, **values: Any) -> SourcePull:
    started = timezone.now() - timedelta(hours=hours)
    finished = None if status == "running" else started + timedelta(seconds=90)
    values = {"source": "fine"} | values
    return SourcePull.objects.create(status=status, started_at=started, seen_at=started, finished_at=finished, **values)


def state(target: str, *, hours: float | None = None, source: str = "fine", **values: Any) -> SourceState:
    at = None if hours is None else timezone.now() - timedelta(hours=hours)
    return SourceState.objects.create(source=source, target=target, pulled_at=at, **values)


def text_of(response: Any) -> str:
    assert response.status_code == 200, response.status_code
    return re.sub(r"\s+", " ", response.content.decode())


def test_where_sources_stand(schedules: None) -> None:
    pulled("failed", hours=9)
    last = pulled("partial", hours=1)
    state("a", hours=5)
    state("b", hours=2, failures=3, error="HTTP 500")
    state("c")
    state("d", hours=99, source="gone")
    SourceGap.objects.create(source="fine", target="stream")
    SourceGap.objects.create(source="fine", target="stream", closed_at=timezone.now())
    fine, unset = standings()
    assert (fine.name, fine.label, fine.missing, fine.last) == ("fine", "Fine news", "", last)
    assert (fine.targets, fine.failing, fine.never, fine.gaps) == (3, 1, 1, 1)
    assert fine.oldest is not None
    assert timezone.now() - fine.oldest > timedelta(hours=4)
    assert fine.times == ("Every hour, Europe/London",)
    assert fine.next_at is not None
    assert (unset.missing, unset.times, unset.next_at, unset.last) == ("Set REGISTER_KEY.", (), None, None)
    assert (unset.targets, unset.failing, unset.never, unset.oldest, unset.gaps) == (0, 0, 0, None, 0)


def test_the_page(olga_client: APIClient, schedules: None) -> None:
    failures = [{"where": f"number 0000000{place}", "reason": "<i>HTTP</i> 500"} for place in range(7)]
    pulled("partial", targets=12, items=40, new=3, failed=9, failures=failures, note="stopped before the end")
    state("a", hours=5)
    state("b", hours=2, failures=3)
    SourceGap.objects.create(source="fine", target="stream")
    text = text_of(olga_client.get(PAGE))
    for shown in (
        "Fine news", "Completed with failures", "Every hour, Europe/London", "next in 30 min", "took 1 min 30 s",
        "12 asked, 40 facts, 3 new events, 9 failures", "stopped before the end", "2 known", "the stalest read 5 h ago",
        "1 failing", "1 open", "&lt;i&gt;HTTP&lt;/i&gt; 500", "and 4 more",
        "Register by the hour", "Not configured", "Set REGISTER_KEY.", "only by hand", "none yet",
    ):  # fmt: skip
        assert shown in text, shown
    assert text.count("Pull now") == 1, "one that is not configured cannot be pulled"


def test_the_page_costs_the_same_whatever_there_is(olga_client: APIClient) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            olga_client.get(PAGE)
        return len(queries)

    cost()
    before = cost()
    for number in range(9):
        pulled("failed")
        state(str(number), hours=number)
    assert cost() == before


def test_without_sources_the_page_says_so(olga_client: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_sources", dict)
    assert "No sources are installed." in text_of(olga_client.get(PAGE))


def test_a_source_is_pulled_by_a_post_of_those_who_may(olga_client: APIClient, olga: User) -> None:
    url = f"{PAGE}fine/pull/"
    assert olga_client.get(url).status_code == 405
    looker = make_user("lara", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_sourcepull"))
    assert "Pull now" not in text_of(client_of(looker).get(PAGE))
    assert client_of(looker).post(url).status_code == 403
    assert client_of(make_user("clerk", is_staff=True)).get(PAGE).status_code == 403
    assert not Run.all_orgs.exists()
    assert "Fine news will be pulled by the next worker" in text_of(olga_client.post(url, follow=True))
    run = Run.all_orgs.select_related("event").get()
    assert (run.function, run.event.data["source"], run.requested_by) == (
        "businesses.pull", "fine", f"user:{olga.pk}",
    )  # fmt: skip


def test_what_cannot_be_pulled(olga_client: APIClient) -> None:
    assert olga_client.post(f"{PAGE}nothing/pull/").status_code == 404
    text = text_of(olga_client.post(f"{PAGE}unset/pull/", follow=True))
    assert "Register by the hour is not configured. Set REGISTER_KEY." in text
    assert not Run.all_orgs.exists()


def test_the_lists_behind_it(olga_client: APIClient) -> None:
    company = make_business("Acme Ltd")
    pull = pulled("failed", failed=9, failures=[{"where": "x", "reason": "<i>no</i>"}], note="died")
    bad = state("target-1", hours=1, failures=2, error="HTTP 500", business=company, checkpoint={"etag": "<e>"})
    state("target-2", hours=1)
    state("target-3")
    gap = SourceGap.objects.create(source="fine", target="stream", after=7)

    def listed(path: str) -> int:
        response = olga_client.get(f"/admin/businesses/{path}")
        assert response.status_code == 200, path
        return len(response.context["cl"].result_list)

    assert [listed(f"sourcepull/{query}") for query in ("", "?source=fine", "?source=unset", "?source=x")] == [
        1,
        1,
        0,
        0,
    ]
    assert [listed(f"sourcestate/?standing={name}") for name in ("failing", "fine", "never", "x")] == [1, 1, 1, 0]
    assert [listed(f"sourcestate/?q={term}") for term in ("target-1", "target", "%00")] == [1, 0, 3]
    assert [listed(f"sourcegap/?standing={name}") for name in ("open", "closed")] == [1, 0]
    detail = text_of(olga_client.get(f"/admin/businesses/sourcepull/{pull.pk}/change/"))
    assert "&lt;i&gt;no&lt;/i&gt;" in detail
    assert "And 8 more." in detail
    assert "Acme Ltd" in text_of(olga_client.get(f"/admin/businesses/sourcestate/{bad.pk}/change/"))
    for path in (f"sourcepull/{pull.pk}", f"sourcestate/{bad.pk}", f"sourcegap/{gap.pk}"):
        assert olga_client.post(f"/admin/businesses/{path}/change/", {}, format="multipart").status_code == 403


@pytest.mark.parametrize(
    ("url", "is_fine"),
    [
        ("https://news.example.com/feed.xml", True), ("news.example.com/rss", True),
        ("http://news.example.com/a", True),
        ("ftp://news.example.com/a", False), ("http://localhost/feed", False), ("http://127.0.0.1/feed", False),
        ("http://10.1.2.3/feed", False), ("http://[::1]/feed", False), ("http://169.254.169.254/latest", False),
        ("https://user:secret@news.example.com/", False), ("https://news.example.com:22/", False),
        ("http://printer.local/feed", False), ("javascript:alert(1)", False), ("", False),
    ],
)  # fmt: skip
def test_a_feed_has_a_public_address(olga_client: APIClient, url: str, is_fine: bool) -> None:
    form = {"url": url, "title": "News", "is_active": "on"}
    response = olga_client.post("/admin/businesses/feed/add/", form, format="multipart")
    assert (response.status_code == 302) is is_fine
    assert Feed.objects.exists() is is_fine
    assert "News" in text_of(olga_client.get("/admin/businesses/feed/")) or not is_fine
