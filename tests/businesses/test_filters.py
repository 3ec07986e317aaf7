"""The filters as commands and search call them; the list API's tests try each filter."""

from collections.abc import Callable
from typing import Any

import pytest

from businesses.filters import MAX_VALUES, BusinessFilter, filter_businesses
from businesses.models import Business
from oppspot.core.errors import InvalidInput

pytestmark = pytest.mark.django_db
Make = Callable[..., Business]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {"A", "B", "C"}),
        ({"sic": ["62", "11050"]}, {"A", "B"}),
        ({"sic": "62, 11050 ,"}, {"A", "B"}),
        ({"status": "active"}, {"A"}),
        ({"status": ["active", "dissolved"]}, {"A", "B"}),
        ({"town": None}, {"A", "B", "C"}),
        ({"town": ["leeds", "YORK"]}, {"A", "B"}),
        ({"has_embedding": True}, {"A"}),
        ({"has_embedding": "false"}, {"B", "C"}),
        ({"sic": "62", "town": "york"}, set()),
        ({"category": "beer", "status": ["dissolved"]}, {"B"}),
    ],
)
def test_values_are_alternatives_and_filters_conditions(
    business: Make, values: dict[str, Any], expected: set[str]
) -> None:
    business("A", sic_codes=["62012"], status="active", town="Leeds", vector=[1.0])
    business("B", sic_codes=["11050"], status="dissolved", town="York", categories=["beer"])
    business("C")
    assert {company.name for company in filter_businesses(values)} == expected


def test_filters_narrow_the_queryset_they_are_given(business: Make) -> None:
    business("A", town="Leeds")
    business("B", town="Leeds")
    narrowed = filter_businesses({"town": "leeds"}, Business.objects.filter(name="B"))
    assert [company.name for company in narrowed] == ["B"]


def test_every_error_is_reported_with_its_field() -> None:
    with pytest.raises(InvalidInput) as caught:
        filter_businesses({"sic": "x", "town": ",".join(["t"] * (MAX_VALUES + 1))})
    assert set(caught.value.fields) == {"sic", "town"}


def test_unknown_filters_are_named_with_those_that_exist() -> None:
    with pytest.raises(InvalidInput, match="the filters are sic, status") as caught:
        filter_businesses({"colour": "red", "size": 1})
    assert set(caught.value.fields) == {"colour", "size"}


def test_every_filter_says_what_it_does() -> None:
    assert [name for name, declared in BusinessFilter.base_filters.items() if not declared.extra.get("help_text")] == []
