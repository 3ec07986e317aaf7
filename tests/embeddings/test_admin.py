"""The admin's search page and the list of models."""

import pytest
from django.test import Client
from pytest_django import Settings

from embeddings.models import EmbeddingModel
from embeddings.providers import get_provider
from tests.factories import embed, make_business

pytestmark = pytest.mark.django_db

PAGE = "/admin/embeddings/embeddingmodel/search/"


@pytest.fixture(autouse=True)
def deterministic(settings: Settings) -> None:
    settings.EMBEDDING_PROVIDER = "deterministic"
    settings.EMBEDDING_MODEL = ""


def test_it_shows_what_the_api_finds(olga_client: Client) -> None:
    provider = get_provider()
    for name, description in (("Hop & House", "craft beer brewer"), ("Spark", "electric car charging")):
        business = make_business(name, description=description, town="Leeds")
        embed(business, provider.embed_query(description).tolist(), model=provider.model)
    text = olga_client.get(PAGE, {"query": "craft beer", "mode": "hybrid", "town": "leeds"}).content.decode()
    assert "Hop &amp; House" in text
    assert "Spark" not in text
    assert "<b>beer</b> in description or categories" in text
    assert "1 result," in text


def test_it_opens_empty_and_survives_bad_input(olga_client: Client) -> None:
    assert b'role="search"' in olga_client.get(PAGE).content
    assert b"Limit: Ensure this value is less than" in olga_client.get(PAGE, {"query": "x", "limit": "1000"}).content
    assert b"begins no SIC code" in olga_client.get(PAGE, {"query": "x", "sic": "zz"}).content
    assert b"Nothing found" in olga_client.get(PAGE, {"query": "nothing here"}).content


def test_it_is_for_staff_who_may_see_companies(vera_client: Client, anonymous: Client) -> None:
    assert anonymous.get(PAGE).status_code == 302
    assert vera_client.get(PAGE).status_code == 302


def test_models_are_looked_at_only(olga_client: Client) -> None:
    EmbeddingModel.objects.create(
        name="m", provider="local", dimensions=4, hnsw_m=16, hnsw_ef_construction=64, index_name="embedding_m"
    )
    assert b"embedding_m" in olga_client.get("/admin/embeddings/embeddingmodel/").content
    assert olga_client.get("/admin/embeddings/embeddingmodel/add/").status_code == 403
