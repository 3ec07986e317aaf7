"""The pages of jobs in a real browser: charts are drawn, and nothing is asked for or refused that should not be."""

import pytest
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from oppspot.jobs.models import Run, RunLog, Status, Step
from tests.browser.test_pages import page, pytestmark, shoot, sign_in
from tests.jobs.factories import ago, make_event, make_run, make_schedule, make_worker

__all__ = ["page", "pytestmark"]  # the fixture and the conditions of the other pages
RUNS = "/admin/jobs/run/"


@pytest.fixture
def busy(transactional_db: None) -> Run:
    """An hour of work, some of which failed; returns a dead letter with three tries."""
    make_worker()
    make_schedule()
    make_schedule(due_in=-300)
    make_event("sample/nobody.listens", listeners=0)
    for number in range(1, 60, 2):
        make_run(Status.COMPLETED, ended=60 * number, wait=number / 30, took=1 + number % 7)
        if number % 3 == 0:
            make_run(Status.FAILED, ended=60 * number, wait=1, took=9, function="sample.other", error="No answer.")
    make_run(Status.RUNNING, age=20, progress_done=30, progress_total=120)
    make_run(waiting_for="time", run_after=ago(-600))
    make_run(waiting_for="children", age=30)
    make_run(age=15)
    run = make_run(Status.FAILED, age=100, starts=3, wait=1, took=80, error="The register did not answer.\nHTTP 503")
    for attempt in run.attempts.all():
        begin = 99 - 30 * (attempt.fence - 1)
        run.attempts.filter(pk=attempt.pk).update(
            started_at=ago(begin), finished_at=ago(begin - 20), error="Traceback (most recent call last):\n  …"
        )
    for number in range(3):
        start = 98 - 5 * number
        Step.objects.create(run=run, name=f"page-{number}", fence=1, started_at=ago(start), finished_at=ago(start - 4))
        RunLog.objects.create(run=run, fence=1, message=f"page {number} read", fields={"rows": 100 * number})
    for status in (Status.COMPLETED, Status.FAILED):
        make_run(status, parent=run)
    Run.all_orgs.filter(pk=run.pk).update(output={"pages": 3})
    return run


def look(page: Page, name: str) -> None:
    """Once light and once dark."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.reload()
        page.wait_for_timeout(300)
        shoot(page, f"{name}-{scheme}", full_page=True)


def inked(page: Page) -> list[bool]:
    """Of each chart, whether anything is drawn on it."""
    drawn: list[bool] = page.evaluate(
        "[...document.querySelectorAll('canvas.chart')].map(canvas => "
        "canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(value => value > 0))"
    )
    return drawn


def test_the_dashboard_draws_its_charts(page: Page, live_server: LiveServer, busy: Run) -> None:
    sign_in(page, live_server, f"{RUNS}dashboard/")
    page.wait_for_selector("#by-function")
    assert inked(page) == [True, True, True]
    look(page, "jobs-dashboard")
    page.click("text=24h")
    page.wait_for_url("**period=24h")
    assert inked(page) == [True, True, True]
    page.click(".jobs-card:has-text('Dead letters')")
    page.wait_for_selector("#result_list")
    assert "failed" in page.inner_text("#result_list").lower()
    assert "running" not in page.inner_text("#result_list").lower()


def test_the_dashboard_of_a_quiet_hour(page: Page, live_server: LiveServer) -> None:
    sign_in(page, live_server, f"{RUNS}dashboard/")
    assert "No jobs ran in this period." in page.inner_text("body")
    look(page, "jobs-quiet")


def test_the_lists(page: Page, live_server: LiveServer, busy: Run) -> None:
    sign_in(page, live_server, RUNS)
    page.wait_for_selector("#result_list progress")
    look(page, "jobs-runs")
    for name in ("event", "schedule", "worker"):
        page.goto(f"{live_server.url}/admin/jobs/{name}/")
        page.wait_for_selector("#result_list")
        look(page, f"jobs-{name}s")


def test_one_run_is_looked_at_and_run_again(page: Page, live_server: LiveServer, busy: Run) -> None:
    path = f"{RUNS}{busy.pk}/change/"
    sign_in(page, live_server, path)
    bars = page.locator(".jobs-bar")
    assert bars.count() == 6
    track = page.locator(".jobs-track").first.bounding_box()
    boxes = [bar.bounding_box() for bar in bars.all()]
    assert track is not None
    for box in boxes:
        assert box is not None
        assert track["x"] - 1 <= box["x"]
        assert box["x"] + box["width"] <= track["x"] + track["width"] + 1
    look(page, "jobs-run")
    page.click("text=Run again")
    page.wait_for_selector("text=Put back in line: 1.")
    busy.refresh_from_db()
    assert busy.status == Status.QUEUED
