"""Prices, templates and schemas: what is wrong with them is told before anything is asked."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from pydantic import BaseModel, Field
from pytest_django import Settings

from agents.llm import UnknownPrice, templates
from agents.llm.prices import price_of
from agents.llm.question import Question
from agents.llm.schemas import schema_of
from agents.llm.templates import BadTemplate, get_template
from tests.agents.llm_cases import PROMPT, Summary, write_template


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(templates, "FOLDER", tmp_path)
    templates.get_template.cache_clear()
    return tmp_path


def ids() -> list[str]:
    return [str(message.id) for message in run_checks() if str(message.id).startswith("agents.")]


def test_the_project_is_set_up_right() -> None:
    assert ids() == []


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("LLM_PRICES", [], ["agents.E001"]),
        ("LLM_PRICES", {"m": {"in": 1}}, ["agents.E001"]),
        ("LLM_PRICES", {"m": {"in": 1, "out": "NaN"}}, ["agents.E001"]),
        ("LLM_PRICES", {"m": {"in": 1, "out": -1}}, ["agents.E001"]),
        ("LLM_PRICES", {"m": {"in": 1, "out": 2, "of": 3}}, ["agents.E001"]),
        ("LLM_PRICES", {"m": {"in": "1", "out": 2, "cached_in": 0.5}}, []),
        ("LLM_MODEL", "unheard-of", ["agents.W001"]),
        ("LLM_RUN_CAP", -1.0, ["agents.E002"]),
        ("LLM_MONTHLY_CAP", float("nan"), ["agents.E002"]),
        ("LLM_TIMEOUT_S", 0.0, ["agents.E002"]),
    ],
)
def test_settings_that_cannot_work_are_told(settings: Settings, name: str, value: Any, found: list[str]) -> None:
    settings.LLM_API_KEY = "key"
    setattr(settings, name, value)
    assert ids() == found


def test_prices_have_their_day(settings: Settings) -> None:
    price = price_of("gpt-4.1-mini", on=date(2025, 4, 14))
    assert price.of(1_000_000, 1_000_000) == 2
    assert price.of(1, 0) == Decimal("0.00000040")
    assert price_of("gpt-4o-mini").of(1, 0, cached_in=1) == Decimal("0.00000008")  # rounded up
    with pytest.raises(UnknownPrice):
        price_of("gpt-4.1-mini", on=date(2025, 4, 13))
    settings.LLM_PRICES = {"gpt-4.1-mini": {"in": 1, "out": 1}}
    assert price_of("gpt-4.1-mini", on=date(2025, 4, 13)).of(1_000_000, 0) == 1


@pytest.mark.parametrize(
    "text",
    [
        'version = "1"\nsystem = "x"',
        'version = "1"\nsystem = "x"\nuser = ""',
        'version = 1\nsystem = "x"\nuser = "y"',
        'version = "1"\nsystem = "x"\nuser = "y"\nmore = "z"',
        'version = "a b"\nsystem = "x"\nuser = "y"',
        "version =",
    ],
)
def test_a_bad_template_is_told(folder: Path, text: str) -> None:
    write_template(folder, text)
    assert ids() == ["agents.E003"]
    with pytest.raises(BadTemplate, match=PROMPT):
        get_template(PROMPT)


def test_a_template_has_its_placeholders_filled_and_no_others(folder: Path) -> None:
    write_template(folder)
    template = get_template(PROMPT)
    assert template.filled({"name": None})[1].startswith("Sum up unknown, an")
    assert template.filled({"name": [1, "ä"]})[1].startswith('Sum up [1, "ä"], an')
    for facts in ({}, {"name": "x", "town": "y"}):
        with pytest.raises(BadTemplate, match="differ"):
            template.filled(facts)
    for name in ("missing", "../secrets"):
        with pytest.raises(BadTemplate):
            get_template(name)
    write_template(folder, name="Not-a-name")
    assert ids() == ["agents.E003"]


def test_a_key_is_that_of_the_question_not_of_its_marks(folder: Path) -> None:
    write_template(folder)
    first, second = (Question(PROMPT, Summary, {"name": "Acme"}) for _ in range(2))
    assert first.messages("json_schema") != second.messages("json_schema")
    assert first.key("m") == second.key("m") != first.key("n")
    assert first.key("m") != Question(PROMPT, Summary, {"name": "Acme "}).key("m")


class Part(BaseModel):
    title: str = Field(default="", description="What it is called.", max_length=9)


class Whole(BaseModel):
    parts: list[Part] = Field(default=[], max_length=3)
    first: Part | None = None


class Loose(BaseModel):
    anything: dict[str, int]


def test_schemas_are_strict_where_they_can_be() -> None:
    schema, is_strict = schema_of(Whole)
    assert is_strict
    assert schema["required"] == ["parts", "first"]
    part = schema["$defs"]["Part"]
    assert part["additionalProperties"] is False
    assert part["properties"] == {"title": {"type": "string", "description": "What it is called."}}
    assert schema["properties"]["first"] == {"anyOf": [{"$ref": "#/$defs/Part"}, {"type": "null"}]}
    assert schema_of(Loose)[1] is False
