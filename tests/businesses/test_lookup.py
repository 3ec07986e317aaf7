"""A name means the same to a row of a list, to a source, and to a headline."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from businesses.lookup import companies_by, resolve
from businesses.matching import Row, match
from businesses.models import WatchlistEntry
from businesses.sources.news_feeds import known_names
from businesses.sources.pull import CompanyKey
from tests.factories import make_business

pytestmark = pytest.mark.django_db


def by_source(by: Literal["number", "domain", "name"], value: str) -> UUID | None:
    key = CompanyKey(by, value)
    return resolve([key]).get(key)


def by_row(by: str, value: str) -> UUID | None:
    (placed,) = match([Row(1, **{by: value})], entries=WatchlistEntry.all_orgs.none()).placed
    return placed.company.id if placed.company else None


@pytest.mark.parametrize(
    ("statuses", "meant"),
    [
        (["active"], 0), (["dissolved"], 0), (["dissolved", "active"], 1), (["insolvent", "active", "dissolved"], 1),
        (["active", "active"], None), (["dissolved", "insolvent"], None), (["active", "active", "dissolved"], None),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("by", "value"), [("name", "Acmé Widgets (Ltd)"), ("domain", "https://www.ACME.example/x")])
def test_of_several_companies_everybody_means_the_same(
    statuses: Sequence[str], meant: int | None, by: Literal["domain", "name"], value: str
) -> None:
    made = [make_business("ACME WIDGETS LIMITED", website="acme.example", status=status) for status in statuses]
    expected = None if meant is None else made[meant].pk
    assert by_source(by, value) == by_row(by, value) == expected


@pytest.mark.parametrize("number", ["1234567", " 01234567 ", "01234567"])
def test_a_number_is_padded_for_everybody(number: str) -> None:
    business = make_business(company_number="01234567")
    assert by_source("number", number) == by_row("number", number) == business.pk


@pytest.mark.parametrize(("by", "value"), [("number", "no number!"), ("domain", "nothing"), ("name", " ")])
def test_what_is_none_of_its_kind_names_nobody(by: Literal["number", "domain", "name"], value: str) -> None:
    make_business(website="")
    assert by_source(by, value) is None
    assert by_row(by, value) is None


def test_headlines_do_not_mean_companies_that_are_gone() -> None:
    make_business("Gone Ltd", status="dissolved")
    there = make_business("Acme Ltd", status="insolvent")
    make_business("Acme Ltd", status="dissolved")
    make_business("Twice Ltd", status="active")
    make_business("Twice Ltd", status="active")
    assert known_names({"gone", "acme", "twice", "unknown"}) == {"acme": str(there.pk), "twice": None}


def test_many_keys_of_a_kind_are_one_statement() -> None:
    made = [make_business(f"Company {place} Ltd", company_number=f"{place:08}") for place in range(1, 40)]
    with CaptureQueriesContext(
        connection,
    ) as asked:
        found = resolve([CompanyKey("number", str(place)) for place in range(1, 60)])
    assert len(asked) == 1
    assert set(found.values()) == {business.pk for business in made}
    assert companies_by("number", ["00000001"])["00000001"][0].names == ("company 1",)
