"""The admin of jobs: right, refused to those without permission, and cheap."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from oppspot.jobs.admin.durations import age_of, in_words
from oppspot.jobs.admin.timeline import MIN_WIDTH, Span, lay_out
from oppspot.jobs.models import Run, RunLog, Status, Step
from oppspot.organizations.models import Organization
from tests.conftest import client_of
from tests.factories import make_user
from tests.jobs.factories import ago, make_event, make_run, make_schedule, make_worker

pytestmark = pytest.mark.django_db

RUNS = "/admin/jobs/run/"
DASHBOARD = f"{RUNS}dashboard/"
LISTS = [RUNS, "/admin/jobs/event/", "/admin/jobs/schedule/", "/admin/jobs/worker/"]
HOSTILE = "<script>alert(1)</script>"


def page_of(run: Run) -> str:
    return f"{RUNS}{run.pk}/change/"


def text_of(response: Any) -> str:
    assert response.status_code == 200
    text: str = response.content.decode()
    return text


def listed(response: Any) -> list[Any]:
    assert response.status_code == 200
    return [row.pk for row in response.context["cl"].result_list]


def messages_of(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def queries(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


def staff(*permissions: str) -> Client:
    """A client of a clerk with these rights in jobs."""
    clerk = make_user(f"clerk-{len(permissions)}", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(content_type__app_label="jobs", codename__in=permissions))
    return client_of(clerk)


def full_run(**fields: Any) -> Run:
    """A dead letter with a little of everything."""
    run = make_run(Status.FAILED, age=60, wait=2, took=20, starts=2, error=f"Boom.\n{HOSTILE}", **fields)
    Run.all_orgs.filter(pk=run.pk).update(output={"html": HOSTILE}, progress_done=3, progress_total=4)
    run.attempts.update(error=HOSTILE)
    Step.objects.create(run=run, name=HOSTILE, fence=1, started_at=ago(50), finished_at=ago(45))
    RunLog.objects.create(run=run, fence=1, message=HOSTILE, fields={"where": HOSTILE})
    make_run(Status.COMPLETED, parent=run)
    make_run(parent=run)
    return run


# Who gets in


@pytest.mark.parametrize("url", [*LISTS, DASHBOARD])
def test_pages_are_for_staff_with_permission(olga_client: Client, anonymous: Client, url: str) -> None:
    full_run()
    assert olga_client.get(url).status_code == 200
    assert staff().get(url).status_code == 403
    assert anonymous.get(url).status_code == 302


def test_looking_is_not_operating() -> None:
    run = make_run(Status.FAILED)
    client = staff("view_run")
    text = text_of(client.get(page_of(run)))
    assert "Run again" not in text
    assert client.post(f"{RUNS}{run.pk}/retry/").status_code == 403
    client.post(RUNS, {"action": "retry", "_selected_action": str(run.pk)}, format="multipart")
    run.refresh_from_db()
    assert run.status == Status.FAILED
    assert text_of(client.get(DASHBOARD))


@pytest.mark.parametrize("url", LISTS)
def test_rows_are_looked_at_only(olga_client: Client, url: str) -> None:
    assert olga_client.get(f"{url}add/").status_code == 403


def test_the_cluster_has_no_pages_of_its_own(olga_client: Client) -> None:
    assert {model._meta.model_name for model in admin.site._registry if model._meta.app_label == "django_q"} == set()
    assert olga_client.get("/admin/django_q/schedule/").status_code in {302, 404}


def test_the_side_bar_shows_what_one_may_open(olga_client: Client) -> None:
    assert DASHBOARD in text_of(olga_client.get("/admin/"))
    assert DASHBOARD not in text_of(staff("view_event").get("/admin/"))


# Lists


def test_a_run_is_shown_with_what_ops_ask_for(olga_client: Client, org_a: Organization) -> None:
    full_run(org=org_a)
    text = text_of(olga_client.get(RUNS))
    for shown in ("sample.work", "failed", "Alpha", "2 of 3", "3 of 4", "20 s", "Boom.", "waits for a worker"):
        assert shown in text


@pytest.mark.parametrize(
    ("waiting", "text"), [("time", "its time"), ("slot", "a slot of its"), ("children", "its children")]
)
def test_a_queued_run_says_what_it_waits_for(olga_client: Client, waiting: str, text: str) -> None:
    make_run(waiting_for=waiting)
    assert f"waits for {text}" in text_of(olga_client.get(RUNS))


def test_lists_cost_the_same_for_one_and_for_many(olga_client: Client, org_a: Organization) -> None:
    for url in LISTS:
        counts = []
        for count in (1, 20):
            for _ in range(count):
                full_run(org=org_a)
                make_worker()
                make_schedule()
            counts.append(queries(olga_client, url))
        assert counts[0] == counts[1] <= 6, (url, counts)


def test_no_query_of_the_lists_is_unbounded(olga_client: Client, org_a: Organization) -> None:
    run = full_run(org=org_a)
    asked = [
        "",
        "?state=dead",
        "?state=queued",
        "?function=sample.work",
        f"?org={org_a.pk}",
        "?age=day",
        f"?q={run.pk}",
    ]
    for url in [RUNS + query for query in asked] + ["/admin/jobs/event/", "/admin/jobs/event/?q=some-key"]:
        with CaptureQueriesContext(connection) as captured:
            assert olga_client.get(url).status_code == 200
        for sql in (entry["sql"] for entry in captured if re.search(r'FROM "jobs_(run|event)"', entry["sql"])):
            assert "LIMIT" in sql, sql
            assert '"output"' not in sql


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=queued", "queued"),
        ("state=ready", "queued"),
        ("state=slot", ""),
        ("state=dead", "failed"),
        ("state=completed", "completed"),
        ("state=nonsense", ""),
        ("function=sample.work", "queued failed completed"),
        ("function=another", ""),
        ("age=hour", "queued"),
        ("age=day", "queued failed"),
        ("age=week", "queued failed completed"),
        ("q=abc", ""),
        ("q=%00", "queued failed completed"),
        ("q=00000000-0000-7000-8000-000000000000", ""),
    ],
)
def test_filters_of_runs(olga_client: Client, query: str, found: str) -> None:
    runs = {
        make_run(Status.QUEUED).pk: "queued",
        make_run(Status.FAILED, age=7_200).pk: "failed",
        make_run(Status.COMPLETED, age=172_800).pk: "completed",
    }
    assert [runs[pk] for pk in listed(olga_client.get(f"{RUNS}?{query}"))] == found.split()


def test_runs_are_found_by_their_org_their_id_and_their_event(olga_client: Client, org_a: Organization) -> None:
    run, _ = make_run(org=org_a), make_run()
    asked = (f"org__id__exact={org_a.pk}", f"q={run.pk}", f"q={run.event_id}", f"event__id__exact={run.event_id}")
    for query in asked:
        assert listed(olga_client.get(f"{RUNS}?{query}")) == [run.pk], query


def test_events_are_listed_and_found(olga_client: Client, org_a: Organization) -> None:
    heard = make_event(org=org_a, dedupe_key="order-7", data={"what": HOSTILE})
    unheard = make_event("sample/nobody.listens", listeners=0)
    events = "/admin/jobs/event/"
    text = text_of(olga_client.get(events))
    assert "nobody listens" in text
    assert f"{RUNS}?event__id__exact={heard.pk}" in text
    assert listed(olga_client.get(f"{events}?q=order-7")) == [heard.pk]
    assert listed(olga_client.get(f"{events}?q={unheard.pk}")) == [unheard.pk]
    assert listed(olga_client.get(f"{events}?q=order")) == []
    assert listed(olga_client.get(f"{events}?name=sample/nobody.listens")) == [unheard.pk]
    detail = text_of(olga_client.get(f"{events}{heard.pk}/change/"))
    assert "&quot;what&quot;" in detail
    assert HOSTILE not in detail


def test_schedules_and_workers(olga_client: Client) -> None:
    make_schedule(due_in=-600, name="nightly")
    make_worker(seen=120)
    text = text_of(olga_client.get("/admin/jobs/schedule/"))
    for shown in ("nightly", "At 02:30", "Europe/London", "overdue", "10 min ago"):
        assert shown in text
    assert "not seen" in text_of(olga_client.get("/admin/jobs/worker/"))
    make_worker(pid=1234567)
    assert "alive" in text_of(olga_client.get("/admin/jobs/worker/"))
    assert text_of(olga_client.get("/admin/jobs/schedule/nightly/change/"))


# Actions


def act(client: Client, action: str, *runs: Run) -> list[str]:
    chosen = {"action": action, "_selected_action": [str(run.pk) for run in runs]}
    return messages_of(client.post(RUNS, chosen, format="multipart", follow=True))


def states(*runs: Run) -> list[str]:
    return [Run.all_orgs.get(pk=run.pk).status for run in runs]


def test_cancelling_says_what_was_done_and_what_not(olga_client: Client) -> None:
    waiting, working, done = make_run(), make_run(Status.RUNNING), make_run(Status.COMPLETED)
    said = act(olga_client, "cancel", waiting, working, done)
    assert said == [
        "Cancelled: 2. 1 of them stop within a heartbeat.",
        "Not cancelled: 1. The job has ended already: it is completed.",
    ]
    assert states(waiting, working, done) == ["cancelled", "running", "completed"]
    working.refresh_from_db()
    assert working.cancel_requested_at is not None
    assert "is being cancelled" in text_of(olga_client.get(RUNS))


def test_running_again_says_what_was_done_and_what_not(olga_client: Client) -> None:
    dead, working = make_run(Status.FAILED), make_run(Status.RUNNING)
    said = act(olga_client, "retry", dead, working)
    assert said == [
        "Put back in line: 1.",
        "Not put back in line: 1. Only a failed or cancelled job can be retried; it is running.",
    ]
    assert states(dead, working) == ["queued", "running"]


def test_actions_end_somewhere(olga_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oppspot.jobs.admin.runs.MAX_ACTED_ON", 2)
    said = act(olga_client, "cancel", *(make_run() for _ in range(3)))
    assert said == ["Cancelled: 2.", "Only the first 2 were looked at."]


# One run


def test_a_run_tells_everything_and_runs_nothing(olga_client: Client) -> None:
    run = full_run(parent=make_run(Status.COMPLETED))
    text = text_of(olga_client.get(page_of(run)))
    for shown in ("Boom.", "2 of 3", "sample/work.do", "1 completed, 1 queued", "try 2: failed", "where=", "Run again"):
        assert shown in text
    assert f"{RUNS}{run.parent_id}/change/" in text
    assert HOSTILE not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 6  # error, output, two starts, step, log and field
    assert f"{RUNS}{run.pk}/cancel/" not in text


def test_a_run_costs_the_same_however_much_it_did(olga_client: Client) -> None:
    run = full_run()
    olga_client.get(page_of(run))  # content types are looked up once
    before = queries(olga_client, page_of(run))
    for number in range(60):
        Step.objects.create(run=run, name=f"step {number}", fence=2, started_at=ago(30), finished_at=ago(29))
        RunLog.objects.create(run=run, fence=2, message="line")
        make_run(Status.COMPLETED, parent=run)
    assert queries(olga_client, page_of(run)) == before <= 14
    assert "; the first 50:" in text_of(olga_client.get(page_of(run)))


def test_long_things_are_cut(olga_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oppspot.jobs.admin.run_page.SHOWN_LOGS", 1)
    monkeypatch.setattr("oppspot.jobs.admin.run_page.SHOWN_STEPS", 0)
    run = full_run(event=make_event(data={"what": "x" * 30_000}))
    RunLog.objects.create(run=run, fence=2, message="the last line")
    text = text_of(olga_client.get(page_of(run)))
    assert "more characters" in text
    assert "Earlier lines are left out." in text
    assert "the last line" in text
    assert "Earlier steps are left out." in text


def test_a_run_that_has_not_started(olga_client: Client) -> None:
    run = make_run()
    text = text_of(olga_client.get(page_of(run)))
    assert "It has not started yet." in text
    assert f"{RUNS}{run.pk}/cancel/" in text
    assert f"{RUNS}{run.pk}/retry/" not in text


def test_the_buttons_of_a_run(olga_client: Client) -> None:
    run = make_run()
    said = messages_of(olga_client.post(f"{RUNS}{run.pk}/cancel/", follow=True))
    assert (said, states(run)) == (["Cancelled: 1."], ["cancelled"])
    said = messages_of(olga_client.post(f"{RUNS}{run.pk}/cancel/", follow=True))
    assert said == ["Not cancelled: 1. The job has ended already: it is cancelled."]
    olga_client.post(f"{RUNS}{run.pk}/retry/")
    assert states(run) == ["queued"]
    assert olga_client.get(f"{RUNS}{run.pk}/retry/").status_code == 405
    assert olga_client.post(f"{RUNS}00000000-0000-7000-8000-000000000000/retry/").status_code == 404


def test_the_buttons_are_safe_from_other_sites(olga_client: Client, olga: Any) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(olga)
    run = make_run()
    assert strict.post(f"{RUNS}{run.pk}/cancel/").status_code == 403
    assert states(run) == ["queued"]


@pytest.mark.parametrize("identifier", ["nonsense", "00000000-0000-7000-8000-000000000000"])
def test_no_such_run(olga_client: Client, identifier: str) -> None:
    assert olga_client.get(f"{RUNS}{identifier}/change/").status_code == 302


# The dashboard


def test_the_dashboard_without_anything(olga_client: Client) -> None:
    text = text_of(olga_client.get(DASHBOARD))
    assert "No jobs ran in this period." in text
    assert "<canvas" not in text


def test_the_dashboard_shows_how_it_is_and_was(olga_client: Client) -> None:
    make_worker()
    make_run(age=90)
    make_run(Status.COMPLETED, ended=30, took=2)
    make_run(Status.FAILED, ended=60, function=HOSTILE)
    make_run(Status.COMPLETED, ended=7_200, function="long.ago")
    response = olga_client.get(DASHBOARD)
    text = text_of(response)
    assert text.count('class="chart"') == 3
    assert [(card.figure, card.is_bad) for card in response.context["cards"]] == [
        *(("1", False), ("1 min 30 s", True), ("0", False), ("1", True), ("1", False), ("0", False))
    ]
    assert f"{RUNS}?state=dead" in text
    assert "long.ago" not in text
    assert HOSTILE not in text
    assert "long.ago" in text_of(olga_client.get(f"{DASHBOARD}?period=24h"))
    assert queries(olga_client, DASHBOARD) <= 10


def test_the_dashboard_says_that_nothing_failed(olga_client: Client) -> None:
    make_run(Status.COMPLETED, ended=30)
    assert "Nothing failed." in text_of(olga_client.get(f"{DASHBOARD}?period=nonsense"))


# Pure functions


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"), (-1, "0 ms"), (0.04, "40 ms"), (0.9996, "1 s"), (1.54, "1.5 s"), (59.97, "1 min"),
        (200, "3 min 20 s"), (7_500, "2 h 5 min"), (100_800, "1 d 4 h"),
    ],
)  # fmt: skip
def test_durations_in_words(seconds: float | None, text: str) -> None:
    assert in_words(seconds) == text


def test_ages_in_words() -> None:
    assert age_of(None) == "-"
    assert age_of(ago(7_200)) == "2 h ago"
    assert age_of(ago(3_700)) == "1 h ago"
    assert age_of(ago(-7_201)) == "in 2 h"
    assert age_of(ago(0)) == "now"


def test_bars_lie_on_one_axis() -> None:
    now = timezone.now()

    def at(seconds: float) -> Any:
        return now - timedelta(seconds=100 - seconds)

    spans = [
        Span("first", "failed", at(0), at(20)),
        Span("tiny", "step", at(100), at(100)),
        Span("open", "running", at(50), None),
    ]
    line = lay_out(spans, now)
    assert [(bar.left, bar.width) for bar in line.bars] == [(0, 20), (100 - MIN_WIDTH, MIN_WIDTH), (50, 50)]
    assert [(tick.left, tick.text) for tick in line.ticks][::4] == [(0, "0"), (100, "1 min 40 s")]


def test_a_line_of_nothing_and_of_an_instant() -> None:
    now = timezone.now()
    assert lay_out([], now).bars == []
    (bar,) = lay_out([Span("odd clock", "running", now + timedelta(seconds=5), None)], now).bars
    assert 0 <= bar.left <= bar.left + bar.width <= 100
