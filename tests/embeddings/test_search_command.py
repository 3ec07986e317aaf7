"""`manage.py search`."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from embeddings.providers import get_provider
from tests.factories import embed, make_business

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def companies(settings: Settings) -> None:
    settings.EMBEDDING_PROVIDER = "deterministic"
    settings.EMBEDDING_MODEL = ""
    provider = get_provider()
    for name, description, code in (
        ("Hop House", "craft beer brewer", "11050"),
        ("Spark", "electric car charging", "35140"),
    ):
        business = make_business(name, description=description, sic_codes=[code], town="Leeds")
        embed(business, provider.embed_query(description).tolist(), model=provider.model)


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("search", *arguments, stdout=out)
    return out.getvalue()


def test_a_table() -> None:
    text = run("craft beer")
    assert "Hop House" in text
    assert "Spark" not in text


def test_filters_and_json() -> None:
    answer = json.loads(run("anything", "--threshold", "0", "--sic", "35", "--town", "leeds", "--json", "--explain"))
    assert [hit["name"] for hit in answer["results"]] == ["Spark"]
    assert answer["results"][0]["explanation"]["semantic_rank"] == 1


def test_reasons() -> None:
    assert "craft in description or categories" in " ".join(run("craft beer", "--explain").split())


def test_nothing_found_says_so() -> None:
    assert "Nothing found" in run("craft beer", "--town", "Hull")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x", "--limit", "0"], "limit"),
        (["x", "--sic", "zz"], "begins no SIC code"),
        (["", "--mode", "lexical"], "query"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        run(*arguments)
