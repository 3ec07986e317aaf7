"""The limit on an organisation's requests."""

import time
from collections import Counter
from threading import Barrier, Thread

import pytest
from django.db import connection
from pytest_django import Settings
from rest_framework.test import APIClient

from oppspot.organizations.models import Organization, RequestCount
from oppspot.organizations.services import create_organization
from tests.answers import problem_of
from tests.conftest import client_with
from tests.factories import make_key, make_member

PATH = "/api/v1/sic-codes/?page_size=1"


@pytest.fixture(autouse=True)
def early_in_a_minute() -> None:
    """The window is a clock minute: a test must not straddle two."""
    if time.time() % 60 > 57:
        time.sleep(3)


def remaining(client: APIClient) -> tuple[int, int]:
    response = client.get(PATH)
    assert 0 < int(response.headers["RateLimit-Reset"]) <= 60
    return int(response.headers["RateLimit-Limit"]), int(response.headers["RateLimit-Remaining"])


def test_all_credentials_of_an_organisation_share_its_limit(
    settings: Settings, org_a: Organization, org_b: Organization, bob_client: APIClient
) -> None:
    settings.THROTTLE_REQUESTS_PER_MINUTE = 3
    first, second = (client_with(make_key(org_a)[1]) for _ in range(2))
    assert [remaining(client) for client in (first, second, bob_client)] == [(3, 2), (3, 1), (3, 0)]
    for client in (first, bob_client):
        response = client.get(PATH)
        problem_of(response, 429, "throttled")
        assert 0 < int(response.headers["Retry-After"]) <= 60
        assert response.headers["RateLimit-Remaining"] == "0"
    assert remaining(client_with(make_key(org_b)[1])) == (3, 2)


def test_a_new_minute_starts_anew(settings: Settings, key_client: APIClient, org_a: Organization) -> None:
    settings.THROTTLE_REQUESTS_PER_MINUTE = 1
    assert remaining(key_client) == (1, 0)
    problem_of(key_client.get(PATH), 429)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE organization_requests SET window_started = window_started - interval '1 minute'")
    assert remaining(key_client) == (1, 0)
    assert RequestCount.objects.for_org(org_a).get().requests == 1


def test_no_limit(settings: Settings, key_client: APIClient) -> None:
    settings.THROTTLE_REQUESTS_PER_MINUTE = 0
    response = key_client.get(PATH)
    assert response.status_code == 200
    assert "RateLimit-Limit" not in response.headers


def test_refused_requests_do_not_count(settings: Settings, anonymous: APIClient, org_a: Organization) -> None:
    settings.THROTTLE_REQUESTS_PER_MINUTE = 1
    for _ in range(3):
        problem_of(anonymous.get(PATH), 401)
    assert not RequestCount.objects.for_org(org_a).exists()


@pytest.mark.django_db(transaction=True)
def test_concurrent_requests_are_counted_one_by_one(settings: Settings) -> None:
    settings.THROTTLE_REQUESTS_PER_MINUTE = 10
    org = create_organization(name="Alpha")
    make_member("ann", org)
    secret = make_key(org)[1]
    barrier, statuses = Barrier(5), Counter[int]()

    def run() -> None:
        client = client_with(secret)
        barrier.wait()
        for _ in range(4):
            statuses[client.get(PATH).status_code] += 1
        connection.close()

    threads = [Thread(target=run) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == {200: 10, 429: 10}
