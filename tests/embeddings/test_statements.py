"""The conditions that the statements of search take from a queryset of the register."""

import pytest

from businesses.filters import filter_businesses
from businesses.models import Business
from embeddings.statements import Condition, condition_of

pytestmark = pytest.mark.django_db


def test_no_condition_holds_for_all_and_an_empty_one_for_none() -> None:
    assert condition_of(Business.objects.all()) == Condition("TRUE")
    assert condition_of(Business.objects.none()) == Condition("FALSE")


def test_filters_and_exclusions_become_sql_with_parameters() -> None:
    rows = filter_businesses({"town": "100%' OR 1=1"}).exclude(name="x")
    condition = condition_of(rows)
    assert condition.params == ["100%' OR 1=1".upper(), "x"]
    assert "OR 1=1" not in condition.sql
    assert not Business.objects.extra(where=[condition.sql], params=condition.params).exists()


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(lambda: Business.objects.filter(events__kind="name"), id="a join"),
        pytest.param(lambda: Business.objects.filter(name="x")[:5], id="a slice"),
        pytest.param(lambda: Business.objects.filter(name="x").distinct(), id="distinct"),
    ],
)
def test_what_a_condition_cannot_say_is_refused(rows: object) -> None:
    with pytest.raises(ValueError, match="companies alone"):
        condition_of(rows())  # type: ignore[operator]
