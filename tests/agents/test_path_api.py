"""Introduction paths through the API."""

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from agents.models import IntroPath
from oppspot.organizations.models import Organization
from tests.answers import problem_of
from tests.factories import make_business

pytestmark = pytest.mark.django_db
URL = "/api/v1/intro-paths/"


def make_path(org: Organization, **fields: Any) -> IntroPath:
    number = IntroPath.objects.for_org(org).count()
    values = {"path_key": f"key {number}", "summary": f"path {number}", "hops": 1, "strength": 0.5} | fields
    values.setdefault("target", make_business())
    made: IntroPath = IntroPath.objects.for_org(org).create(org=org, **values)
    return made


def test_paths_are_listed_and_filtered(org_a: Organization, org_b: Organization, key_client: APIClient) -> None:
    weak, strong = make_path(org_a, hops=3, strength=0.1), make_path(org_a, start=make_business("Known Ltd"))
    make_path(org_b)

    def found(**asked: Any) -> list[str]:
        return [row["summary"] for row in key_client.get(URL, asked).json()["results"]]

    assert found() == [strong.summary, weak.summary]
    assert found(ordering="strength") == [weak.summary, strong.summary]
    assert found(min_strength="0.2") == [strong.summary]
    assert found(max_hops="3", target=str(weak.target_id)) == [weak.summary]
    assert found(start=str(strong.start_id)) == [strong.summary]
    assert found(is_gone="true") == []
    assert len(found(is_gone="false")) == 2
    one = key_client.get(f"{URL}{strong.pk}/").json()
    assert (one["start"]["name"], one["links"], one["gone_at"]) == ("Known Ltd", [], None)
    assert key_client.get(f"{URL}{make_path(org_b).pk}/").status_code == 404
    assert problem_of(key_client.get(URL, {"min_strength": "7"}), 400)


@pytest.mark.parametrize("rows", [1, 20])
def test_a_page_takes_one_statement(
    org_a: Organization, key_client: APIClient, rows: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(rows):
        make_path(org_a, start=make_business())
    key_client.get(URL)
    with django_assert_num_queries(3):  # the key, the throttle, the page
        assert len(key_client.get(URL).json()["results"]) == rows
