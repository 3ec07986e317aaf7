"""The admin of the register: right, and cheap on a table of any size."""

import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from businesses.models import Business, BusinessEvent
from oppspot.core import admin as large_tables

CHANGELIST = "/admin/businesses/business/"
Make = Callable[..., Business]


def change_page(business: Business) -> str:
    return f"{CHANGELIST}{business.pk}/change/"


def listed(response: HttpResponse) -> list[str]:
    assert response.status_code == 200
    return [row.name for row in response.context["cl"].result_list]  # type: ignore[attr-defined]


def form_of(client: APIClient, url: str) -> dict[str, Any]:
    """The values a browser would send back."""
    form = client.get(url).context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    return {
        name: ",".join(value) if isinstance(value, list) else value
        for name, value in values.items()
        if value is not None
    }


@pytest.fixture
def acme(business: Make) -> Business:
    return business(
        "Acme Brewing Ltd",
        company_number="01234567",
        description="Craft beer from Leeds.",
        sic_codes=["11050", "47250", "56302"],
        status="active",
        town="Leeds",
        postcode="LS1 4AP",
        categories=["beer"],
        vector=[1.0, 2.0],
    )


def test_the_list_shows_what_ops_ask_for(olga_client: APIClient, acme: Business) -> None:
    text = olga_client.get(CHANGELIST).content.decode()
    for shown in ("Acme Brewing Ltd", "01234567", "Active", "Leeds", "11050, 47250 +1", "Current"):
        assert shown in text


def test_the_list_costs_the_same_for_one_and_for_many(olga_client: APIClient, business: Make) -> None:
    counts = []
    for count in (1, 40):
        for _ in range(count):
            business(vector=[1.0])
        with CaptureQueriesContext(connection) as queries:
            olga_client.get(CHANGELIST)
        counts.append(len(queries))
    assert counts == [5, 5]  # session, user, what waits for a review, count (limited), page


def test_no_query_of_the_list_is_unbounded(olga_client: APIClient, acme: Business) -> None:
    for query in (
        "",
        "?q=beer",
        "?status__exact=active",
        "?embedding_state=outdated",
        "?sic=11",
        "?town=leeds",
        "?all=",
    ):
        with CaptureQueriesContext(connection) as queries:
            assert olga_client.get(CHANGELIST + query).status_code == 200
        for sql in (entry["sql"] for entry in queries if '"businesses"' in entry["sql"]):
            assert "LIMIT" in sql, sql
            assert not re.search(r'"(embedding|search_vector)"[,\s](?!=)', sql.split("WHERE")[0]), sql


@pytest.fixture
def few_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_tables, "COUNTED", 5)
    monkeypatch.setattr(large_tables, "REACHABLE_PAGES", 2)


@pytest.mark.usefixtures("few_counted")
def test_counts_are_estimates_beyond_a_limit(olga_client: APIClient, business: Make) -> None:
    for index in range(120):
        business(f"Company {index:03}", status="active" if index < 3 else "dissolved")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE businesses")

    def count(query: str = "") -> int:
        result: int = olga_client.get(CHANGELIST + query).context["cl"].result_count
        return result

    assert count() == 120  # from the planner
    assert count("?status__exact=active") == 3  # counted
    assert count("?status__exact=dissolved") == 5  # at least
    response = olga_client.get(CHANGELIST + "?p=2")
    assert listed(response)[0] == "Company 050"
    assert response.context["cl"].paginator.num_pages == 2, "further pages are reached by filters"
    assert olga_client.get(CHANGELIST + "?p=3").status_code == 302


@pytest.mark.usefixtures("few_counted")
def test_a_table_that_was_never_analysed_is_still_listed_in_pages(olga_client: APIClient, business: Make) -> None:
    for _ in range(60):
        business()
    response = olga_client.get(CHANGELIST)
    assert len(listed(response)) <= 50


def test_few_matches_are_found_first_and_sorted_then(olga_client: APIClient, business: Make) -> None:
    """A planner that thinks them common would walk the index of the order through the whole table."""
    for index in range(60):
        business(f"Company {index:03}", town="Leeds")
    with CaptureQueriesContext(connection) as queries:
        response = olga_client.get(f"{CHANGELIST}?town=leeds&p=2")
    assert listed(response) == [f"Company {index:03}" for index in range(50, 60)]
    page = queries.captured_queries[-1]["sql"]
    assert re.search(r'"id" IN \(SELECT .* LIMIT 10000\) ORDER BY', page)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=01234567", True),
        ("q=1234567", True),
        ("q=acme", True),
        ("q=brewing", True),
        ("q=craft+-leeds", False),
        ("q=%22craft+beer%22", True),
        ("q=baker", False),
        ("q=%00", True),  # nothing is left to look for
        ("q=%27%3B--", False),
        ("status__exact=active", True),
        ("status__exact=dissolved", False),
        ("embedding_state=current", True),
        ("embedding_state=none", False),
        ("embedding_state=outdated", False),
        ("embedding_state=nonsense", True),
        ("sic=11", True),
        ("sic=62", False),
        ("sic=nonsense", False),
        ("town=LEEDS", True),
        ("postcode_area=ls", True),
        ("postcode_area=EC", False),
        ("q=acme&status__exact=dissolved", False),
    ],
)
def test_search_and_filters(olga_client: APIClient, acme: Business, query: str, found: bool) -> None:
    assert listed(olga_client.get(f"{CHANGELIST}?{query}")) == (["Acme Brewing Ltd"] if found else [])


def test_a_wrong_filter_is_explained(olga_client: APIClient, acme: Business) -> None:
    assert b"begins no SIC code" in olga_client.get(f"{CHANGELIST}?sic=nonsense").content


@pytest.mark.parametrize("column", ["3", "4", "5", "6", "7", "-7", "99"])
def test_columns_without_an_index_do_not_order(olga_client: APIClient, acme: Business, column: str) -> None:
    response = olga_client.get(f"{CHANGELIST}?o={column}")
    assert response.context["cl"].queryset.query.order_by == ("name", "id")


def test_the_detail_page_shows_the_facts(olga_client: APIClient, acme: Business) -> None:
    with CaptureQueriesContext(connection) as queries:
        response = olga_client.get(change_page(acme))
    text = response.content.decode()
    for shown in ("Craft beer from Leeds.", "test-model", "Manufacture of beer", "What changed", "Current"):
        assert shown in text
    assert 'name="embedding' not in text
    assert not any('"businesses"."embedding",' in entry["sql"] for entry in queries)
    assert len(queries) <= 4


def test_an_edit_writes_what_changed(olga_client: APIClient, acme: Business) -> None:
    values = form_of(olga_client, change_page(acme))
    with CaptureQueriesContext(connection) as queries:
        response = olga_client.post(
            change_page(acme), values | {"town": "York", "categories": "beer,pubs"}, format="multipart"
        )
    assert response.status_code == 302, response.context["adminform"].form.errors
    (update,) = [entry["sql"] for entry in queries if entry["sql"].startswith('UPDATE "businesses"')]
    assert '"town" =' in update
    assert '"description" =' not in update
    acme.refresh_from_db()
    assert (acme.town, acme.categories) == ("York", ["beer", "pubs"])
    assert acme.embedding is not None
    assert b"Outdated" in olga_client.get(change_page(acme)).content


def test_saving_without_a_change_writes_nothing(olga_client: APIClient, acme: Business) -> None:
    before = Business.objects.values().get(pk=acme.pk)
    response = olga_client.post(change_page(acme), form_of(olga_client, change_page(acme)), format="multipart")
    assert response.status_code == 302
    assert Business.objects.values().get(pk=acme.pk) == before


def test_a_company_is_added(olga_client: APIClient, db: None) -> None:
    values = form_of(olga_client, f"{CHANGELIST}add/")
    response = olga_client.post(
        f"{CHANGELIST}add/", values | {"name": "New Ltd", "company_number": "77"}, format="multipart"
    )
    assert response.status_code == 302, response.context["adminform"].form.errors
    made = Business.objects.get()
    assert (made.name_normalised, made.company_number, made.source) == ("new", "00000077", "admin")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"company_number": "12/34"}, "company_number"),
        ({"company_number": "7654321"}, "company_number"),
        ({"description": "x" * 20_001}, "description"),
        ({"name": ""}, "name"),
        ({"founded_year": "99999999"}, "founded_year"),
        ({"charges_total": "99999999999"}, "charges_total"),
        ({"town": "a\x00b"}, "town"),
    ],
)
def test_wrong_values_are_explained(
    olga_client: APIClient, acme: Business, business: Make, values: dict[str, str], field: str
) -> None:
    business(company_number="07654321")
    response = olga_client.post(change_page(acme), form_of(olga_client, change_page(acme)) | values, format="multipart")
    assert response.status_code == 200
    assert field in response.context["adminform"].form.errors


def test_companies_are_not_deleted_by_the_page(olga_client: APIClient, acme: Business) -> None:
    olga_client.post(
        CHANGELIST, {"action": "delete_selected", "_selected_action": str(acme.pk), "post": "yes"}, format="multipart"
    )
    assert Business.objects.filter(pk=acme.pk).exists()
    assert olga_client.get(f"{CHANGELIST}{acme.pk}/delete/").status_code == 200


# Events and SIC codes


@pytest.fixture
def event(acme: Business) -> BusinessEvent:
    return BusinessEvent.objects.create(
        business=acme, kind="news", source="test", fingerprint=uuid.uuid4(), payload={"title": "Acme wins a prize"}
    )


def test_events_of_one_company(olga_client: APIClient, event: BusinessEvent, business: Make) -> None:
    other = business("Other")
    BusinessEvent.objects.create(business=other, kind="filing", source="test", fingerprint=uuid.uuid4())
    base = "/admin/businesses/businessevent/"
    with CaptureQueriesContext(connection) as queries:
        text = olga_client.get(base).content.decode()
    assert len(queries) == 5  # session, user, what waits for a review, count (limited), page with companies
    assert not any('"embedding"' in entry["sql"] for entry in queries)
    assert "Acme Brewing Ltd" in text
    assert "Other" in text
    response = olga_client.get(f"{base}?business__id__exact={event.business_id}")
    assert [row.pk for row in response.context["cl"].result_list] == [event.pk]
    assert [row.pk for row in olga_client.get(f"{base}?kind=news").context["cl"].result_list] == [event.pk]
    assert olga_client.get(f"{base}?business__id__exact=nonsense").status_code == 302


def test_events_are_read_only(olga_client: APIClient, event: BusinessEvent) -> None:
    page = f"/admin/businesses/businessevent/{event.pk}/change/"
    assert b"Acme wins a prize" in olga_client.get(page).content
    assert olga_client.post(page, {"kind": "filing"}, format="multipart").status_code == 403
    assert olga_client.get("/admin/businesses/businessevent/add/").status_code == 403
    assert olga_client.post(page.replace("change", "delete"), {"post": "yes"}, format="multipart").status_code == 403


@pytest.mark.parametrize(("query", "first"), [("q=11050", "11050"), ("q=software", "46510"), ("", "01110")])
def test_sic_codes(olga_client: APIClient, db: None, query: str, first: str) -> None:
    response = olga_client.get(f"/admin/businesses/siccode/?{query}")
    assert response.context["cl"].result_list[0].code == first
    assert olga_client.get("/admin/businesses/siccode/add/").status_code == 403
