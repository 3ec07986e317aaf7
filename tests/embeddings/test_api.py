"""The search endpoints."""

import uuid
from typing import Any

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from embeddings.providers import get_provider
from tests.factories import embed, make_business

pytestmark = pytest.mark.django_db

SEMANTIC = "/api/v1/search/semantic/"
SIMILAR = "/api/v1/search/similar/"


@pytest.fixture(autouse=True)
def deterministic(settings: Settings) -> None:
    settings.EMBEDDING_PROVIDER = "deterministic"
    settings.EMBEDDING_MODEL = ""


def company(name: str, description: str = "", **fields: Any) -> Any:
    business = make_business(name, description=description, **fields)
    provider = get_provider()
    embed(business, provider.embed_query(f"{name} {description}").tolist(), model=provider.model)
    return business


def test_the_originals_body_and_answer(key_client: APIClient) -> None:
    brewer = company("Hop House", "craft beer brewer", website="https://hop.example", categories=["beer"])
    company("Spark", "electric car charging network")
    response = key_client.post(SEMANTIC, {"query": "craft beer brewer", "limit": 5, "threshold": 0.1})
    assert response.status_code == 200
    body = response.json()
    assert (body["query"], body["count"], body["mode"]) == ("craft beer brewer", 1, "hybrid")
    result = body["results"][0]
    assert result["id"] == str(brewer.pk)
    assert {key: result[key] for key in ("name", "website", "categories", "sic_codes")} == {
        "name": "Hop House",
        "website": "https://hop.example",
        "categories": ["beer"],
        "sic_codes": [],
    }
    assert 0.5 < result["similarity"] <= 1
    assert result["explanation"] is None


def test_explanations_on_request(key_client: APIClient) -> None:
    company("Hop House", "craft beer brewer")
    body = key_client.post(SEMANTIC, {"query": "beer", "explain": True}).json()
    assert body["results"][0]["explanation"] == {
        "semantic_rank": 1,
        "lexical_rank": 1,
        "matched": {"beer": ["description or categories"]},
    }


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "query"),
        ({"query": ""}, "query"),
        ({"query": None}, "query"),
        ({"query": ["a"]}, "query"),
        ({"query": "x" * 1001}, "query"),
        ({"query": "x", "limit": 0}, "limit"),
        ({"query": "x", "limit": 101}, "limit"),
        ({"query": "x", "limit": "many"}, "limit"),
        ({"query": "x", "threshold": 2}, "threshold"),
        ({"query": "x", "threshold": "high"}, "threshold"),
        ({"query": "x", "mode": "magic"}, "mode"),
        ({"query": "x", "filters": []}, "filters"),
        ({"query": "x", "filters": {"sic": "abc"}}, "filters"),
        ({"query": "x", "filters": {"town": {"a": 1}}}, "filters"),
        ({"query": "x", "filters": {"nothing": 1}}, "filters"),
        ({"query": "x", "surprise": 1}, "surprise"),
    ],
)
def test_bad_input_names_the_field(key_client: APIClient, body: dict[str, Any], field: str) -> None:
    response = key_client.post(SEMANTIC, body)
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert field in response.json()["errors"]


def test_similar_by_id(key_client: APIClient) -> None:
    one = company("One", "craft beer brewer")
    two = company("Two", "craft beer bar", town="Leeds")
    company("Three", "steel bridges", town="Leeds")
    body = key_client.get(f"/api/v1/businesses/{one.pk}/similar/").json()
    assert [hit["id"] for hit in body["results"]] == [str(two.pk)]
    filtered = key_client.get(f"/api/v1/businesses/{one.pk}/similar/?town=York&threshold=0").json()
    assert filtered["results"] == []
    limited = key_client.get(f"/api/v1/businesses/{one.pk}/similar/?limit=1&threshold=0").json()
    assert limited["count"] == 1


def test_similar_by_id_refuses_and_reports(key_client: APIClient) -> None:
    bare = make_business("Bare")
    assert key_client.get(f"/api/v1/businesses/{uuid.uuid4()}/similar/").status_code == 404
    response = key_client.get(f"/api/v1/businesses/{bare.pk}/similar/")
    assert (response.status_code, response.json()["code"]) == (409, "not_embedded")
    assert key_client.get(f"/api/v1/businesses/{bare.pk}/similar/?limit=x").status_code == 400
    assert key_client.get(f"/api/v1/businesses/{bare.pk}/similar/?sic=zz").status_code == 400


def test_similar_by_examples(key_client: APIClient) -> None:
    one, two = company("One", "craft beer brewer"), company("Two", "craft cider press")
    company("Three", "craft workshop")
    body = key_client.post(SIMILAR, {"examples": [str(one.pk)], "negatives": [str(two.pk)], "threshold": 0}).json()
    assert [hit["name"] for hit in body["results"]] == ["Three"]
    refused = key_client.post(SIMILAR, {"examples": []})
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["examples"])
    unknown = key_client.post(SIMILAR, {"examples": [str(uuid.uuid4())]})
    assert (unknown.status_code, list(unknown.json()["errors"])) == (400, ["examples"])


def test_not_configured_says_how(key_client: APIClient, settings: Settings) -> None:
    settings.EMBEDDING_PROVIDER = "openai"
    settings.OPENAI_API_KEY = ""
    response = key_client.post(SEMANTIC, {"query": "anything"})
    assert (response.status_code, response.json()["code"]) == (503, "not_configured")
    assert "OPENAI_API_KEY" in response.json()["detail"]
