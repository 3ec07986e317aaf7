"""API of signals and scores."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from businesses.models import OrgEvent, Watchlist, WatchlistEntry
from businesses.sources.pull import fingerprint_of
from oppspot.organizations.models import Organization
from oppspot.organizations.scopes import Scope
from signals_app.models import BuyingSignal, Competitor, SourceReliability
from signals_app.scoring import refresh_scores
from tests.answers import problem_of
from tests.conftest import client_with
from tests.factories import make_business, make_key
from tests.signals_app.factories import make_event, make_signal

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(org_a: Organization) -> APIClient:
    return client_with(make_key(org_a, Scope.READ, Scope.WRITE)[1])


def listed(client: APIClient, url: str, **params: Any) -> list[Any]:
    response = client.get(url, params)
    assert response.status_code == 200, response.content[:500]
    rows: list[Any] = response.json()["results"]
    return rows


def test_signals_are_listed_and_filtered(client: APIClient, org_a: Organization, org_b: Organization) -> None:
    one = make_signal(org_a, days_ago=3, is_negative=True)
    two = make_signal(org_a, weight=20, confidence_score=40, signal_type="expansion", source="news_feeds")
    make_signal(org_b)
    watchlist = Watchlist.objects.for_org(org_a).create(org=org_a, name="ours")
    WatchlistEntry.objects.for_org(org_a).create(org=org_a, watchlist=watchlist, business=two.business)

    def found(**params: Any) -> set[str]:
        return {row["id"] for row in listed(client, "/api/v1/signals/", **params)}

    assert found() == {str(one.pk), str(two.pk)}
    for params in (
        {"business": two.business_id}, {"signal_type": "expansion"}, {"source": "news_feeds"}, {"is_negative": "false"},
        {"watchlist": watchlist.pk}, {"occurred_from": timezone.now().date()},
    ):  # fmt: skip
        assert found(**params) == {str(two.pk)}, params
    assert found(min_strength="strong") == found(min_confidence=50) == {str(one.pk)}
    assert found(status="expired") == found(needs_review="true") == set()
    assert found(status=["active", "expired"]) == {str(one.pk), str(two.pk)}


def test_another_organisations_watchlist_is_none(client: APIClient, org_b: Organization) -> None:
    theirs = Watchlist.objects.for_org(org_b).create(org=org_b, name="theirs")
    missing = "00000000-0000-7000-8000-000000000000"
    answers = [client.get(url, {"watchlist": pk}) for url in ("/api/v1/signals/", "/api/v1/scores/")
               for pk in (theirs.pk, missing)]  # fmt: skip
    assert {answer.status_code for answer in answers} == {400}
    assert answers[0].json()["errors"] == answers[1].json()["errors"]


def test_an_organisation_tells_of_a_signal(client: APIClient, org_a: Organization) -> None:
    business = make_business()
    body = {"business": str(business.pk), "signal_type": "expansion", "signal_strength": "strong",
            "confidence_score": 90, "quote": "A second plant", "signal_data": {"site": "Leeds"}}  # fmt: skip
    first = client.post("/api/v1/signals/", body)
    assert first.status_code == 201, first.content
    assert first.json()["evidence"][0]["quote"] == "A second plant"
    again = client.post("/api/v1/signals/", body)
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    keyed = client.post("/api/v1/signals/", body | {"dedupe_key": "k"}, headers={"Idempotency-Key": "1"})
    replayed = client.post("/api/v1/signals/", body | {"dedupe_key": "k"}, headers={"Idempotency-Key": "1"})
    assert (keyed.status_code, replayed.status_code) == (201, 201)
    assert replayed.headers["Idempotency-Replayed"] == "true"
    assert BuyingSignal.objects.for_org(org_a).count() == 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"business": "00000000-0000-4000-8000-000000000000"}, "business"),
        ({"signal_type": "gossip"}, "signal_type"),
        ({"confidence_score": 101}, "confidence_score"),
        ({"occurred_on": "2999-01-01"}, "occurred_on"),
        ({"source_url": "javascript:alert(1)"}, "source_url"),
        ({"org": "x"}, "org"),
        ({"status": "expired"}, "status"),
    ],
)
def test_a_signal_that_cannot_be_is_refused(client: APIClient, change: dict[str, Any], field: str) -> None:
    body = {"business": str(make_business().pk), "signal_type": "expansion", "signal_strength": "strong",
            "confidence_score": 90}  # fmt: skip
    problem = problem_of(client.post("/api/v1/signals/", body | change), 400)
    assert field in problem["errors"]


def test_what_became_of_a_signal(client: APIClient, org_a: Organization) -> None:
    signal = make_signal(org_a)
    url = f"/api/v1/signals/{signal.pk}/"
    answer = client.patch(url, {"status": "acted_upon", "outcome": "Demo on Friday"})
    assert (answer.json()["status"], answer.json()["outcome"]) == ("acted_upon", "Demo on Friday")
    assert answer.json()["handled_by"].startswith("ospt_")
    problem_of(client.patch(url, {"status": "expired"}), 409, "wrong_status")
    assert listed(client, "/api/v1/source-reliability/")[0]["confirmed"] == 1
    problem_of(client.post(f"{url}confirm/"), 409, "wrong_status")
    waiting = make_signal(org_a, needs_review=True)
    assert client.post(f"/api/v1/signals/{waiting.pk}/confirm/").json()["needs_review"] is False


def test_companies_are_ranked_with_what_speaks_for_them(
    client: APIClient, org_a: Organization, org_b: Organization, django_assert_num_queries: Any
) -> None:
    hot, warm, cold = (make_business(name, town=town) for name, town in (("Hot", "LEEDS"), ("Warm", "YORK"), ("C", "")))
    for weight in (90, 40, 30, 20):
        make_signal(org_a, hot, weight=weight)
    make_signal(org_a, warm, weight=50, signal_type="expansion")
    make_signal(org_a, cold, weight=10)
    make_signal(org_b, make_business("Theirs"))
    refresh_scores(org_a)
    refresh_scores(org_b)
    with django_assert_num_queries(4):  # key, its first use, throttle, ranking
        rows = listed(client, "/api/v1/scores/")
    assert [(row["business"]["name"], row["tier"]) for row in rows] == [
        ("Hot", "hot"),
        ("Warm", "warm"),
        ("C", "watching"),
    ]
    assert rows[0]["signals"] == 4
    assert [round(one["share"], 3) for one in rows[0]["top_signals"]] == [0.675, 0.3, 0.225]
    assert [row["business"]["name"] for row in listed(client, "/api/v1/scores/", tier="warm")] == ["Warm"]
    for params in ({"town": "York"}, {"signal_type": "expansion"}, {"min_score": 37, "tier": "warm"}):
        assert [row["business"]["name"] for row in listed(client, "/api/v1/scores/", **params)] == ["Warm"]
    problem_of(client.get("/api/v1/scores/", {"sic": "x"}), 400)


def test_a_score_is_explained(client: APIClient, org_a: Organization) -> None:
    business = make_business()
    signal = make_signal(org_a, business)
    answer = client.get(f"/api/v1/scores/{business.pk}/").json()
    assert (answer["score"], answer["tier"]) == (60.0, "hot")
    assert answer["contributions"][0]["points"] == 60.0
    assert answer["contributions"][0]["signal"]["id"] == str(signal.pk)
    assert client.get(f"/api/v1/scores/{make_business().pk}/").json()["contributions"] == []
    problem_of(client.get("/api/v1/scores/00000000-0000-7000-8000-000000000000/"), 404)


def test_the_ranking_and_the_explanation_tell_the_same_of_a_source_that_was_often_wrong(
    client: APIClient, org_a: Organization
) -> None:
    business = make_business()
    make_signal(org_a, business, days_ago=20, source="news_feeds", weight=100, confidence_score=100)
    make_signal(org_a, business, weight=100, confidence_score=100)
    SourceReliability.objects.for_org(org_a).create(org=org_a, source="news_feeds", confirmed=1, refuted=3)
    refresh_scores(org_a)
    [row] = listed(client, "/api/v1/scores/")
    explained = client.get(f"/api/v1/scores/{business.pk}/").json()
    shares = [(one["signal"]["id"], one["share"]) for one in explained["contributions"]]
    assert [(one["id"], one["share"]) for one in row["top_signals"]] == shares
    assert [share for _, share in shares] == [0.99, round(6 / 9 * 0.5 ** (20 / 60), 4)]
    assert row["score"] == explained["score"]


def test_the_time_line_is_ones_own_and_in_pages(
    client: APIClient, org_a: Organization, org_b: Organization, django_assert_max_num_queries: Any
) -> None:
    business = make_business()
    for place in range(60):
        make_event(business, days_ago=place // 3)
    for org in (org_a, org_b):
        make_signal(org, business, days_ago=1)
        OrgEvent.objects.for_org(org).create(
            org=org, business=business, kind="news", source=org.slug, fingerprint=fingerprint_of("x", org.slug)
        )
    make_event(make_business())
    url, seen, cursor = f"/api/v1/businesses/{business.pk}/timeline/", [], None
    for _ in range(5):
        with django_assert_max_num_queries(8):
            page = client.get(url, {"cursor": cursor} if cursor else {}).json()
        seen += page["results"]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == 62
    assert [entry["on"] for entry in seen] == sorted((entry["on"] for entry in seen), reverse=True)
    assert {entry["event"]["source"] for entry in seen if entry["what"] == "org_event"} == {"alpha"}
    assert len({(entry["what"], (entry["event"] or entry["signal"])["id"]) for entry in seen}) == 62
    for bad in ("x", "WyIyMDI1LTExLTAyIl0", "é"):
        problem_of(client.get(url, {"cursor": bad}), 400)


def test_competitors_are_named_once(client: APIClient, org_a: Organization, org_b: Organization) -> None:
    Competitor.objects.for_org(org_b).create(org=org_b, name="Rival")
    made = client.post("/api/v1/competitors/", {"name": "Rival", "aliases": ["Rival Ltd"]})
    assert made.status_code == 201
    problem_of(client.post("/api/v1/competitors/", {"name": "RIVAL"}), 400)
    url = f"/api/v1/competitors/{made.json()['id']}/"
    assert client.patch(url, {"aliases": []}).json() == made.json() | {"aliases": []}
    assert client.delete(url).status_code == 204
    assert Competitor.objects.for_org(org_a).count() == 0


def test_reliability_is_shown_as_it_weighs(client: APIClient, org_a: Organization) -> None:
    SourceReliability.objects.for_org(org_a).create(org=org_a, source="news_feeds", confirmed=3, refuted=2)
    (row,) = listed(client, "/api/v1/source-reliability/")
    assert row["reliability"] == 0.8
    assert timezone.now() - timedelta(minutes=1) < timezone.datetime.fromisoformat(row["updated_at"])  # type: ignore[attr-defined]
