"""An organisation's own events: taken one by one, kept once, and seen by nobody else."""

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from businesses.models import Business, BusinessEvent, OrgEvent
from businesses.org_events import url_problem
from oppspot.organizations.models import Organization
from tests.answers import pages, problem_of
from tests.factories import make_business

pytestmark = pytest.mark.django_db
URL = "/api/v1/events/"


@pytest.fixture
def acme(db: None) -> Business:
    return make_business("Acme Ltd", company_number="00000001", website="https://acme.example", town="Leeds")


def told(**changes: Any) -> dict[str, Any]:
    return {"company": {"number": "1"}, "kind": "meeting_held", "source": "crm"} | changes


def test_an_event_is_told_kept_and_read(writer_client: APIClient, org_a: Organization, acme: Business) -> None:
    body = told(
        occurred_on="2026-01-02", source_url="http://crm/meetings/1", payload={"with": "Sam", "n": [1, {"a": None}]}
    )
    answer = writer_client.post(URL, body)
    assert answer.status_code == 201
    event = OrgEvent.objects.for_org(org_a).get()
    assert answer.json() == {
        "created": 1, "known": 0, "errors": 0,
        "results": [{"result": "created", "id": str(event.pk), "business": str(acme.pk), "errors": {}}],
    }  # fmt: skip
    (row,) = writer_client.get(URL).json()["results"]
    assert row["business"]["name"] == "Acme Ltd"
    assert row["payload"] == body["payload"]
    assert (row["kind"], row["occurred_on"], row["source"]) == ("meeting_held", "2026-01-02", "crm")
    assert row["created_by"].startswith("ospt_")
    assert not BusinessEvent.objects.exists(), "it is the organisation's alone"


@pytest.mark.parametrize("by", ["id", "number", "domain"])
def test_a_company_is_named_in_three_ways(writer_client: APIClient, acme: Business, by: str) -> None:
    value = {"id": str(acme.pk), "number": "00000001", "domain": "www.acme.example"}[by]
    assert writer_client.post(URL, told(company={by: value})).json()["results"][0]["business"] == str(acme.pk)


def test_an_event_is_known_by_its_key_or_its_content(writer_client: APIClient, acme: Business) -> None:
    def result(**changes: Any) -> str:
        answer = writer_client.post(URL, told(**changes))
        (one,) = answer.json()["results"]
        assert answer.status_code == (201 if one["result"] == "created" else 200)
        return str(one["result"])

    assert [result(), result(), result(payload={"a": 1})] == ["created", "known", "created"]
    assert [result(payload={"b": 1, "a": 2}), result(payload={"a": 2, "b": 1})] == ["created", "known"]
    assert [result(dedupe_key="k"), result(dedupe_key="k", payload={"a": 9})] == ["created", "known"]
    assert result(dedupe_key="k", source="erp") == "created"


def test_a_key_is_one_organisations(writer_client: APIClient, charlie_client: APIClient, acme: Business) -> None:
    for client in (writer_client, charlie_client):
        assert client.post(URL, told(dedupe_key="k")).json()["created"] == 1
        assert len(client.get(URL).json()["results"]) == 1


def test_of_several_each_is_told_by_itself(writer_client: APIClient, org_a: Organization, acme: Business) -> None:
    tomorrow = date.today() + timedelta(days=3)  # noqa: DTZ011  some day to come
    items: list[Any] = [
        told(dedupe_key="a"), told(dedupe_key="a"), told(company={"number": "99"}), told(kind="Not A Kind"), 7,
        told(kind="news", payload={"title": "x" * 501}), told(occurred_on=str(tomorrow)), told(company={}),
        told(source_url="javascript:alert(1)"), told(extra=1), told(company={"id": "x"}),
    ]  # fmt: skip
    answer = writer_client.post(URL, items)
    assert answer.status_code == 201
    body = answer.json()
    assert (body["created"], body["known"], body["errors"]) == (1, 1, 9)
    assert body["results"][0]["id"] == body["results"][1]["id"]
    assert [sorted(one["errors"]) for one in body["results"]] == [
        [], [], ["company.number"], ["kind"], ["non_field_errors"], ["payload.title"], ["occurred_on"], ["company"],
        ["source_url"], ["extra"], ["company.id"],
    ]  # fmt: skip
    assert OrgEvent.objects.for_org(org_a).count() == 1


@pytest.mark.parametrize(
    "body", [[], [told()] * 501, {}, told(company="1"), told(company={"number": 1}), told(payload=[1])]
)
def test_when_nothing_can_be_taken_it_is_refused(writer_client: APIClient, acme: Business, body: Any) -> None:
    assert problem_of(writer_client.post(URL, body), 400, "invalid")["errors"]


def test_errors_of_a_list_are_by_place(writer_client: APIClient, acme: Business) -> None:
    body = problem_of(writer_client.post(URL, [told(kind="X")] * 30), 400)
    assert list(body["errors"]) == [str(place) for place in range(10)]


def test_a_large_payload_is_refused(writer_client: APIClient, acme: Business) -> None:
    body = problem_of(writer_client.post(URL, told(payload={"text": "a" * 60_000})), 400)
    assert body["errors"] == {"payload": ["Larger than 50,000 characters."]}


def test_many_events_take_few_queries(writer_client: APIClient, acme: Business) -> None:
    def cost(count: int) -> int:
        items = [told(dedupe_key=str(uuid4())) for _ in range(count)]
        with CaptureQueriesContext(connection) as queries:
            assert writer_client.post(URL, items).json()["created"] == count
        return len(queries)

    cost(1)
    assert cost(1) == cost(100)


def test_a_request_that_is_sent_again_is_answered_again(writer_client: APIClient, acme: Business) -> None:
    headers: Any = {"Idempotency-Key": "one"}
    first, second = (writer_client.post(URL, told(), headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()


def test_filters(writer_client: APIClient, org_a: Organization, acme: Business) -> None:
    other = make_business("Zenith", company_number="00000002")
    writer_client.post(URL, [told(), told(company={"number": "2"}, kind="call_made")])
    OrgEvent.objects.for_org(org_a).filter(business=other).update(observed_at=timezone.now() - timedelta(days=9))

    def kinds(query: str) -> list[str]:
        return sorted(row["kind"] for row in writer_client.get(f"{URL}?{query}").json()["results"])

    assert kinds("") == ["call_made", "meeting_held"]
    assert kinds(f"business={acme.pk}") == ["meeting_held"]
    assert kinds(f"business={uuid4()}") == []
    assert kinds("kind=call_made") == ["call_made"]
    assert kinds(f"since={(timezone.now() - timedelta(days=1)).strftime('%Y-%m-%dT%H:%M:%SZ')}") == ["meeting_held"]
    for query in ("business=x", "since=x", "since=0001-01-01T00:00:00%2B14:00", "company=1"):
        problem_of(writer_client.get(f"{URL}?{query}"), 400)


def test_pages_and_their_cost(key_client: APIClient, writer_client: APIClient, acme: Business) -> None:
    key_client.get(URL)
    writer_client.post(URL, [told(dedupe_key=str(place)) for place in range(7)])
    assert [len(page) for page in pages(key_client, f"{URL}?page_size=3")] == [3, 3, 1]
    with CaptureQueriesContext(connection) as one:
        key_client.get(f"{URL}?page_size=1")
    with CaptureQueriesContext(connection) as seven:
        key_client.get(f"{URL}?page_size=7")
    assert len(one) == len(seven)


def test_who_may(vera_client: APIClient, charlie_client: APIClient, writer_client: APIClient, acme: Business) -> None:
    writer_client.post(URL, told())
    problem_of(vera_client.post(URL, told()), 403)
    assert len(vera_client.get(URL).json()["results"]) == 1
    assert charlie_client.get(URL).json()["results"] == []
    assert charlie_client.get(f"{URL}?business={acme.pk}").json()["results"] == []
    assert charlie_client.get(f"/api/v1/businesses/{acme.pk}/events/").json()["results"] == []


@pytest.mark.parametrize(
    ("url", "is_fine"),
    [
        ("https://crm.example/a?b=c#d", True), ("http://crm:8080/x", True), ("http://[::1]/x", True), ("", True),
        ("ftp://a.example", False), ("javascript:alert(1)", False), ("//a.example", False), ("https://", False),
        ("http://user:secret@a.example", False), ("https://a.example/\u202e", False), ("http://a.example:0/", False),
        ("http://a b", False), ("http://a.example:99999/", False), ("http://[::1", False),
        ("http:\\\\a.example", False),
    ],
)  # fmt: skip
def test_addresses_of_sources(url: str, is_fine: bool) -> None:
    assert (url_problem(url) == "") is is_fine
