"""Jobs as their organisation sees them."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from oppspot.jobs import queue
from oppspot.jobs.models import Attempt, Run, Status, Step
from oppspot.jobs.redaction import detail_of, summary_from, summary_of
from oppspot.jobs.services import emit
from oppspot.organizations.models import Organization
from tests.answers import pages, problem_of
from tests.jobs.steps import run_of, work, work_off

pytestmark = pytest.mark.django_db(transaction=True)

JOBS = "/api/v1/jobs/"


def job(org: Organization | None, *, parent: Run | None = None, **data: Any) -> Run:
    return run_of(emit("sample/work.do", data, org=org, caused_by=parent, requested_by="user:1").run_ids[0])


def url(run: Run, deed: str = "") -> str:
    return f"{JOBS}{run.pk}/{deed}"


def found(client: APIClient, query: str = "") -> set[str]:
    response = client.get(JOBS + query)
    assert response.status_code == 200, response.content
    return {row["id"] for row in response.json()["results"]}


def ids(*runs: Run) -> set[str]:
    return {str(run.pk) for run in runs}


# One job


def test_a_job_from_its_request_to_its_end(key_client: APIClient, org_a: Organization) -> None:
    run = job(org_a, steps=2)
    body = key_client.get(url(run)).json()
    assert {
        name: body[name] for name in ("status", "waiting_for", "function", "priority", "attempt", "max_attempts")
    } == {
        "status": "queued",
        "waiting_for": "",
        "function": "sample.work",
        "priority": "normal",
        "attempt": 0,
        "max_attempts": 3,
    }
    assert (body["progress"], body["steps"], body["attempts"]) == ({"done": 0, "total": None}, [], [])
    work()
    body = key_client.get(url(run)).json()
    assert (body["status"], body["output"], body["error"], body["requested_by"]) == ("completed", "done", "", "user:1")
    assert [(step["name"], step["output"]) for step in body["steps"]] == [("step-0", "step-0"), ("step-1", "step-1")]
    (attempt,) = body["attempts"]
    assert (attempt["number"], attempt["outcome"], attempt["error"]) == (1, "completed", "")
    assert body["created_at"] <= body["started_at"] <= body["finished_at"]
    assert set(attempt) == {"number", "outcome", "started_at", "finished_at", "error"}


def test_errors_are_short(key_client: APIClient, org_a: Organization) -> None:
    run = job(org_a, what="flaky")
    work_off()
    attempts = key_client.get(url(run)).json()["attempts"]
    assert [(one["number"], one["outcome"], one["error"]) for one in attempts] == [
        (1, "failed", "RetryableError: Not yet."),
        (2, "failed", "RetryableError: Not yet."),
        (3, "completed", ""),
    ]
    assert "Traceback" in Attempt.objects.filter(run=run).order_by("fence")[0].error
    dead = job(org_a, what="permanent")
    work()
    response = key_client.get(url(dead))
    assert (response.json()["status"], response.json()["error"]) == ("failed", "PermanentError: Never.")
    assert "Traceback" not in response.content.decode()
    assert ".py" not in response.content.decode()


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def syntax_error() -> BaseException:
    try:
        compile("a b", "<string>", "exec")
    except SyntaxError as caught:
        return caught
    raise AssertionError


@pytest.mark.parametrize(
    "error",
    [
        raised(ValueError("what went wrong")),
        raised(ValueError()),
        raised(ValueError("two\nlines")),
        raised(ValueError("LINE 1: SELECT x\n               ^\n")),
        raised(json.JSONDecodeError("a: b", "doc", 0)),
        ValueError("never raised"),
        syntax_error(),
        raised(KeyError("key")),
    ],
    ids=repr,
)
def test_the_summary_of_what_was_stored(error: BaseException) -> None:
    if isinstance(error, SyntaxError):
        assert summary_from(detail_of(error)) == "SyntaxError: invalid syntax"
    else:
        assert summary_from(detail_of(error)) == summary_of(error)


@pytest.mark.parametrize("text", ["", "PermanentError: Never.", "a: b.c: d"])
def test_a_summary_stays_as_it_is(text: str) -> None:
    assert summary_from(text) == text


def test_of_many_steps_and_attempts_the_latest_are_shown(key_client: APIClient, org_a: Organization) -> None:
    run, now = job(org_a), timezone.now()
    for number in range(120):
        Step.objects.create(run=run, name=f"{number:03}", fence=1, started_at=now, output=None)
        Attempt.objects.create(run=run, fence=number, number=1, worker="w")
    body = key_client.get(url(run)).json()
    assert [step["name"] for step in body["steps"]] == [f"{number:03}" for number in range(20, 120)]
    assert len(body["attempts"]) == 100


def test_a_job_costs_five_queries(
    key_client: APIClient, org_a: Organization, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    run = job(org_a, steps=3)
    work()
    key_client.get(url(run))
    with django_assert_num_queries(5):  # key with organisation, throttle, run with progress, steps, attempts
        key_client.get(url(run))


# Lists


def test_the_list_holds_the_organisations_own_jobs_that_none_caused(
    key_client: APIClient, org_a: Organization, org_b: Organization
) -> None:
    mine, _theirs, _systems = job(org_a), job(org_b), job(None)
    child, grandchild = job(org_a, parent=mine), job(org_a)
    Run.all_orgs.filter(pk=grandchild.pk).update(parent=child)
    assert found(key_client) == ids(mine)
    assert found(key_client, f"?parent={mine.pk}") == ids(child)
    assert found(key_client, f"?parent={child.pk}") == ids(grandchild)
    assert found(key_client, f"?parent={uuid4()}") == set()
    assert key_client.get(url(child)).json()["parent"] == str(mine.pk)


def test_children_of_another_organisations_job_are_not_listed(
    key_client: APIClient, org_a: Organization, org_b: Organization
) -> None:
    theirs, systems = job(org_b), job(None)
    for parent in (theirs, systems):
        job(parent.org, parent=parent)
        assert found(key_client, f"?parent={parent.pk}") == set()


def test_the_list_is_filtered_and_paged(key_client: APIClient, org_a: Organization) -> None:
    done, dead = job(org_a), job(org_a, what="permanent")
    work()
    waiting = job(org_a)
    old = job(org_a)
    Run.all_orgs.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=3), function="other.work")
    assert found(key_client, "?status=failed") == ids(dead)
    assert found(key_client, "?status=failed&status=completed") == ids(done, dead)
    assert found(key_client, "?function=other.work") == ids(old)
    assert found(key_client, "?function=nothing") == set()
    yesterday = (timezone.now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert found(key_client, f"?created_to={yesterday}") == ids(old)
    assert found(key_client, f"?created_from={yesterday}") == ids(done, dead, waiting)
    rows = [row["id"] for page in pages(key_client, f"{JOBS}?page_size=1") for row in page]
    assert rows == [str(pk) for pk in sorted((run.pk for run in (done, dead, waiting, old)), reverse=True)]
    assert "output" not in key_client.get(JOBS).json()["results"][0]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=lost", "status"),
        ("created_from=yesterday", "created_from"),
        ("created_to=0001-01-01T00:00:00%2B10:00", "created_to"),
        ("parent=x", "parent"),
        ("org=x", "org"),
    ],
)
def test_a_wrong_filter_is_named(key_client: APIClient, query: str, field: str) -> None:
    assert list(problem_of(key_client.get(f"{JOBS}?{query}"), 400)["errors"]) == [field]


def test_an_offset_that_postgres_does_not_know(key_client: APIClient, org_a: Organization) -> None:
    run = job(org_a)
    assert found(key_client, "?created_from=2001-02-04T12:42:55-17:46") == ids(run)


def test_a_list_costs_three_queries(
    key_client: APIClient, org_a: Organization, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    parents = [job(org_a) for _ in range(3)]
    for parent in parents:
        for _ in range(3):
            job(org_a, parent=parent)
    key_client.get(JOBS)
    with django_assert_num_queries(3):  # key with organisation, throttle, page with progress
        assert found(key_client) == ids(*parents)


def test_a_job_is_as_far_as_those_it_caused(key_client: APIClient, org_a: Organization) -> None:
    parent = job(org_a)
    Run.all_orgs.filter(pk=parent.pk).update(progress_done=1, progress_total=10)
    assert key_client.get(url(parent)).json()["progress"] == {"done": 1, "total": 10}
    for _ in range(2):
        child = job(org_a, parent=parent)
        Run.all_orgs.filter(pk=child.pk).update(progress_done=3)
    assert key_client.get(url(parent)).json()["progress"] == {"done": 6, "total": 10}
    assert key_client.get(JOBS).json()["results"][0]["progress"] == {"done": 6, "total": 10}
    Run.all_orgs.filter(pk=parent.pk).update(status=Status.COMPLETED, finished_at=timezone.now(), progress_done=10)
    assert key_client.get(url(parent)).json()["progress"] == {"done": 10, "total": 10}


# Cancelling and retrying


def test_a_waiting_job_is_cancelled_with_those_it_caused(bob_client: APIClient, org_a: Organization) -> None:
    parent = job(org_a)
    child = job(org_a, parent=parent)
    response = bob_client.post(url(parent, "cancel/"))
    assert (response.status_code, response.json()["status"]) == (200, "cancelled")
    assert run_of(child.pk).status == Status.CANCELLED
    assert work() == 0
    problem_of(bob_client.post(url(parent, "cancel/")), 409, "wrong_state")


def test_a_job_at_work_is_told_to_stop(bob_client: APIClient, org_a: Organization) -> None:
    run = job(org_a)
    queue.claim("default", "somebody", 30)
    body = bob_client.post(url(run, "cancel/")).json()
    assert body["status"] == "running"
    assert body["cancel_requested_at"] is not None


def test_a_dead_letter_is_retried(bob_client: APIClient, org_a: Organization) -> None:
    run = job(org_a, what="permanent", steps=1)
    work()
    response = bob_client.post(url(run, "retry/"))
    assert (response.status_code, response.json()["status"]) == (202, "queued")
    assert (response["Location"], response["Retry-After"]) == (url(run), "2")
    problem_of(bob_client.post(url(run, "retry/")), 409, "wrong_state")
    work()
    body = bob_client.get(url(run)).json()
    assert (body["status"], body["attempt"], len(body["steps"])) == ("failed", 2, 1)


def test_a_retry_that_is_repeated_is_done_once(writer_client: APIClient, org_a: Organization) -> None:
    run = job(org_a, what="permanent")
    work()
    first = writer_client.post(url(run, "retry/"), headers={"Idempotency-Key": "again"})
    work()
    second = writer_client.post(url(run, "retry/"), headers={"Idempotency-Key": "again"})
    assert (second.status_code, second.json()) == (202, first.json())
    assert second["Idempotency-Replayed"] == "true"
    assert (run_of(run.pk).status, run_of(run.pk).attempt) == (Status.FAILED, 2)


def test_a_completed_job_is_over(bob_client: APIClient, org_a: Organization) -> None:
    run = job(org_a)
    work()
    for deed in ("cancel/", "retry/"):
        problem_of(bob_client.post(url(run, deed)), 409, "wrong_state")


@pytest.mark.parametrize("deed", ["cancel/", "retry/"])
def test_a_body_is_not_expected(bob_client: APIClient, org_a: Organization, deed: str) -> None:
    run = job(org_a)
    assert list(problem_of(bob_client.post(url(run, deed), {"force": True}), 400)["errors"]) == ["force"]
    assert run_of(run.pk).status == Status.QUEUED


@pytest.mark.parametrize("deed", ["cancel/", "retry/"])
def test_viewers_look_only(vera_client: APIClient, key_client: APIClient, org_a: Organization, deed: str) -> None:
    run = job(org_a)
    for client in (vera_client, key_client):
        assert client.get(url(run)).status_code == 200
        problem_of(client.post(url(run, deed)), 403, "permission_denied")


@pytest.mark.parametrize("deed", ["", "cancel/", "retry/"])
def test_jobs_of_others_and_of_the_system_are_not_there(
    alice_client: APIClient, org_b: Organization, deed: str
) -> None:
    for run in (job(org_b), job(None)):
        call = alice_client.post if deed else alice_client.get
        assert problem_of(call(url(run, deed)), 404) == problem_of(call(f"{JOBS}{uuid4()}/{deed}"), 404)
        assert run_of(run.pk).status == Status.QUEUED
