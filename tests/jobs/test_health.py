"""The health of jobs as monitors see it."""

from typing import Any
from unittest.mock import patch

import pytest
from django.db import OperationalError
from django.test import Client

from tests.jobs.factories import make_run, make_worker

pytestmark = pytest.mark.django_db
URL = "/healthz/jobs/"


def answer(client: Client) -> tuple[int, dict[str, Any]]:
    response = client.get(URL)
    assert (response.status_code == 503) == ("Retry-After" in response)
    return response.status_code, response.json()


def test_well_with_a_worker_and_nothing_to_do(client: Client) -> None:
    make_worker()
    assert answer(client) == (200, {"status": "ok", "oldest_ready_s": 0.0, "workers": 1})


def test_well_while_runs_wait_for_less_than_the_limit(client: Client) -> None:
    make_worker()
    make_worker(seen=31)
    make_run(age=20)
    status, body = answer(client)
    assert (status, body["status"], body["workers"]) == (200, "ok", 1)
    assert 20 <= body["oldest_ready_s"] < 25


@pytest.mark.parametrize("waiting", ["time", "slot", "children"])
def test_runs_that_are_not_ready_may_wait(client: Client, waiting: str) -> None:
    make_worker()
    make_run(age=1_000, waiting_for=waiting)
    assert answer(client)[0] == 200


def test_unwell_without_a_worker_even_with_nothing_to_do(client: Client) -> None:
    make_worker(seen=31)
    assert answer(client) == (503, {"status": "no worker was seen for 30 s"})


def test_unwell_when_a_run_waits_too_long(client: Client) -> None:
    make_worker()
    make_run(age=75.5)
    assert answer(client) == (503, {"status": "the oldest job has waited for 75 s"})


def test_unwell_without_the_database(client: Client) -> None:
    with patch("oppspot.jobs.stats.rows", side_effect=OperationalError("away")):
        assert answer(client) == (503, {"status": "database unavailable"})


def test_it_is_read_only_and_costs_two_queries(client: Client, django_assert_num_queries: Any) -> None:
    assert client.post(URL).status_code == 405
    with django_assert_num_queries(2):  # workers, oldest run
        client.get(URL)
