"""The API of the register: list, detail, events, SIC codes. Corrections are in test_services."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from businesses.api import DETAIL, EVENT, SUMMARY
from businesses.models import Business, BusinessEvent
from tests.answers import pages, problem_of

LIST = "/api/v1/businesses/"
MISSING = "00000000-0000-4000-8000-000000000000"
Make = Callable[..., Business]


def detail(business: Business) -> str:
    return f"{LIST}{business.pk}/"


def names(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [row["name"] for row in response.json()["results"]]


def make_event(business: Business, kind: str = "filing", **fields: Any) -> BusinessEvent:
    return BusinessEvent.objects.create(
        business=business, kind=kind, source="test", fingerprint=uuid.uuid4(), **{"payload": {"a": 1}, **fields}
    )


# List


def test_list_shows_the_documented_fields(key_client: APIClient, business: Make) -> None:
    acme = business("Acme Ltd", town="Leeds", sic_codes=["62012"], categories=["software"])
    body = key_client.get(LIST).json()
    assert body["next"] is None
    assert body["previous"] is None
    (row,) = body["results"]
    assert set(row) == set(SUMMARY)
    assert row["id"] == str(acme.pk)
    assert (row["town"], row["sic_codes"], row["categories"]) == ("Leeds", ["62012"], ["software"])


def test_list_costs_three_queries_whatever_it_lists(
    key_client: APIClient, business: Make, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    key_client.get(LIST)  # the first use of a key is noted
    for count in (1, 30):
        for _ in range(count):
            business(vector=[1.0, 2.0, 3.0])
        with django_assert_num_queries(3):  # key with its organisation, throttle, page
            assert key_client.get(LIST).status_code == 200


def test_list_costs_five_queries_for_a_person(
    bob_client: APIClient, business: Make, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    business()
    with django_assert_num_queries(5):  # session, user, membership with organisation, throttle, page
        assert bob_client.get(LIST).status_code == 200


def test_list_does_not_read_the_heavy_columns(key_client: APIClient, business: Make) -> None:
    business(vector=[1.0, 2.0])
    with CaptureQueriesContext(connection) as queries:
        key_client.get(LIST)
    sql = queries.captured_queries[-1]["sql"]
    assert '"businesses"."name"' in sql
    assert '"embedding"' not in sql
    assert "search_vector" not in sql


@pytest.mark.parametrize("ordering", ["name", "-name", "incorporated_on", "-incorporated_on", "company_number"])
def test_pages_hold_every_company_once_in_both_directions(key_client: APIClient, business: Make, ordering: str) -> None:
    for index in range(23):
        business(
            f"Name {index % 3}",  # equal names, equal dates and unknown dates, all across page borders
            incorporated_on=None if index % 3 == 0 else f"20{index % 2:02}-01-01",
            company_number=None if index < 5 else f"{index:08}",
        )
    found = pages(key_client, f"{LIST}?page_size=4&ordering={ordering}")
    ids = [row["id"] for page in found for row in page]
    assert len(ids) == len(set(ids)) == 23
    field = ordering.removeprefix("-")
    values = [row[field] for page in found for row in page]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=ordering.startswith("-"))
    assert values[: len(known)] == known, "unknown values come last"

    last = f"{LIST}?page_size=4&ordering={ordering}"
    while following := key_client.get(last).json()["next"]:
        last = following
    back = pages(key_client, last, link="previous")
    assert back[::-1] == found


def test_a_page_after_more_equal_values_than_drf_would_count(key_client: APIClient, business: Make) -> None:
    Business.objects.bulk_create(Business(name="Same", name_normalised="same") for _ in range(1050))
    business("Zebra")
    found = pages(key_client, f"{LIST}?page_size=100")
    ids = {row["id"] for page in found for row in page}
    assert len(ids) == 1051
    assert found[-1][-1]["name"] == "Zebra"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=acme", ["ACME BAKERY LTD", "Acme Brewing Limited"]),
        ("q=ACME%20brew", ["Acme Brewing Limited"]),
        ("q=1234567", ["Northern Lights"]),
        ("q=01234567", ["Northern Lights"]),
        ("q=sc000001", ["ACME BAKERY LTD"]),
        ("q=brewing", []),  # a beginning, not any word: that is what search is for
        ("q=100%25", []),
        ("q=%20", ["ACME BAKERY LTD", "Acme Brewing Limited", "Northern Lights"]),
        ("sic=11", ["Acme Brewing Limited"]),
        ("sic=1071,11050", ["ACME BAKERY LTD", "Acme Brewing Limited"]),
        ("status=active", ["Acme Brewing Limited"]),
        ("status=active&status=dissolved", ["ACME BAKERY LTD", "Acme Brewing Limited"]),
        ("town=leeds", ["Acme Brewing Limited"]),
        ("town=leeds,York", ["ACME BAKERY LTD", "Acme Brewing Limited"]),
        ("postcode_area=ls", ["Acme Brewing Limited"]),
        ("postcode=LS1", ["Acme Brewing Limited"]),
        ("incorporated_from=2011-01-01", ["Acme Brewing Limited"]),
        ("incorporated_to=2010-01-01", ["ACME BAKERY LTD"]),
        ("category=beer", ["Acme Brewing Limited"]),
        ("company_type=ltd", ["Acme Brewing Limited"]),
        ("company_number=sc000001", ["ACME BAKERY LTD"]),
        ("domain=https://www.acme-brewing.example/about", ["Acme Brewing Limited"]),
        ("has_embedding=true", ["Northern Lights"]),
        ("has_embedding=false&q=acme", ["ACME BAKERY LTD", "Acme Brewing Limited"]),
        ("q=acme&town=leeds", ["Acme Brewing Limited"]),
        ("ordering=-name", ["Northern Lights", "Acme Brewing Limited", "ACME BAKERY LTD"]),
    ],
)
def test_filters(key_client: APIClient, business: Make, query: str, expected: list[str]) -> None:
    business(
        "Acme Brewing Limited",
        sic_codes=["11050"],
        status="active",
        town="LEEDS",
        postcode="LS1 4AP",
        incorporated_on="2015-02-03",
        categories=["beer"],
        company_type="ltd",
        website="https://acme-brewing.example",
    )
    business(
        "ACME BAKERY LTD",
        company_number="SC000001",
        sic_codes=["10710"],
        status="dissolved",
        town="York",
        postcode="YO1 7HH",
        incorporated_on="2009-01-01",
    )
    business("Northern Lights", company_number="01234567", vector=[1.0, 0.0])
    assert names(key_client.get(f"{LIST}?{query}")) == expected


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("colour=red", "colour"),
        ("name__startswith=a", "name__startswith"),
        ("sic=xyz", "sic"),
        ("sic=04", "sic"),
        ("status=sleeping", "status"),
        ("postcode_area=LEEDS", "postcode_area"),
        ("incorporated_from=yesterday", "incorporated_from"),
        ("domain=nonsense", "domain"),
        ("domain=100%25 of it", "domain"),
        ("ordering=employee_count", "ordering"),
        ("ordering=name,id", "ordering"),
        ("page_size=0", "page_size"),
        ("page_size=101", "page_size"),
        ("page_size=99999999999999999999", "page_size"),
        ("page_size=ten", "page_size"),
        ("page_size=%C2%B2", "page_size"),
        ("cursor=abc", "cursor"),
        ("cursor=%F0%9F%92%A9", "cursor"),
        ("cursor=" + "A" * 5000, "cursor"),
        ("q=" + "a" * 201, "q"),
        ("q=a%00b", "q"),
        ("town=a%00b&town=c", "town"),
        ("town=" + ",".join(["x"] * 101), "town"),
    ],
)
def test_a_wrong_parameter_is_named(key_client: APIClient, business: Make, query: str, field: str) -> None:
    business()
    body = problem_of(key_client.get(f"{LIST}?{query}"), 400, "invalid")
    assert list(body["errors"]) == [field]
    assert field in body["detail"]


def test_a_cursor_belongs_to_one_ordering(key_client: APIClient, business: Make) -> None:
    for _ in range(3):
        business()
    cursor = key_client.get(f"{LIST}?page_size=1").json()["next"].split("cursor=")[1].split("&")[0]
    problem_of(key_client.get(f"{LIST}?ordering=incorporated_on&cursor={cursor}"), 400, "invalid")
    problem_of(key_client.get(f"/api/v1/sic-codes/?cursor={cursor}"), 400, "invalid")


# Detail


def test_detail_shows_all_facts_and_the_state_of_the_vector(key_client: APIClient, business: Make) -> None:
    acme = business(
        "Acme Ltd", vector=[1.0, 2.0], postcode="LS1 4AP", previous_names=[{"name": "Old", "changed_on": None}]
    )
    response = key_client.get(detail(acme))
    assert response.status_code == 200
    body = response.json()
    assert set(body) == set(DETAIL)
    assert body["postcode_area"] == "LS"
    assert body["previous_names"] == [{"name": "Old", "changed_on": None}]
    assert body["embedding"]["model"] == "test-model"
    assert body["embedding"]["is_current"] is True
    assert body["embedding"]["generated_at"]
    assert b"[1.0" not in response.content
    acme.town = "York"
    acme.save()
    assert key_client.get(detail(acme)).json()["embedding"]["is_current"] is False


def test_a_company_without_vector_has_no_current_one(key_client: APIClient, business: Make) -> None:
    assert key_client.get(detail(business())).json()["embedding"] == {
        "model": "",
        "generated_at": None,
        "token_count": None,
        "is_current": False,
    }


def test_detail_costs_three_queries_and_reads_no_vector(
    key_client: APIClient, business: Make, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    acme = business(vector=[1.0, 2.0])
    key_client.get(detail(acme))
    with django_assert_num_queries(3) as queries:  # key with its organisation, throttle, company
        key_client.get(detail(acme))
    assert '"embedding",' not in queries.captured_queries[-1]["sql"]


@pytest.mark.parametrize("wrong", [MISSING, "1", "not-a-uuid", "%00"])
def test_an_unknown_company_is_not_found(key_client: APIClient, wrong: str) -> None:
    for path in (f"{LIST}{wrong}/", f"{LIST}{wrong}/events/"):
        assert problem_of(key_client.get(path), 404)["detail"] == "There is no such object."


# Events


def test_events_come_newest_first(key_client: APIClient, business: Make) -> None:
    acme, other = business(), business()
    made = [make_event(acme, kind) for kind in ("filing", "news", "filing")]
    make_event(other)
    body = key_client.get(f"{detail(acme)}events/").json()
    assert [row["id"] for row in body["results"]] == [event.pk for event in reversed(made)]
    assert set(body["results"][0]) == set(EVENT)
    only_news = key_client.get(f"{detail(acme)}events/?kind=news").json()["results"]
    assert [row["id"] for row in only_news] == [made[1].pk]
    found = pages(key_client, f"{detail(acme)}events/?page_size=2")
    assert [len(page) for page in found] == [2, 1]


def test_events_cost_four_queries(
    key_client: APIClient, business: Make, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    acme = business()
    key_client.get(LIST)
    for count in (1, 10):
        for _ in range(count):
            make_event(acme)
        with django_assert_num_queries(4):  # key with its organisation, throttle, company, page
            key_client.get(f"{detail(acme)}events/")


# SIC codes


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=62", ["62011", "62012", "62020", "62030", "62090"]),
        ("q=11050", ["11050"]),
        ("q=software%20domestic", ["62012"]),
        ("q=zzz", []),
        ("q=%C2%B2", []),
    ],
)
def test_sic_codes(key_client: APIClient, query: str, expected: list[str]) -> None:
    rows = key_client.get(f"/api/v1/sic-codes/?{query}").json()["results"]
    assert [row["code"] for row in rows] == expected


def test_all_sic_codes_are_listed_in_order(
    key_client: APIClient, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    codes = [row["code"] for page in pages(key_client, "/api/v1/sic-codes/?page_size=100") for row in page]
    assert len(codes) == 731
    assert codes == sorted(codes)
    with django_assert_num_queries(3):  # key with its organisation, throttle, page
        key_client.get("/api/v1/sic-codes/")
