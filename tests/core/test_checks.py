"""System checks: misconfiguration is said at start-up, with an id and a hint."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as configured
from django.core.checks import CheckMessage, run_checks
from django.db import OperationalError, connection
from pytest_django import Settings

from oppspot.core import checks


def ids(messages: list[CheckMessage]) -> list[str | None]:
    assert all(message.hint for message in messages), "each says what to do"
    return [message.id for message in messages]


def test_the_defaults_are_fine() -> None:
    assert [message for message in run_checks() if (message.id or "").startswith("oppspot.")] == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DATABASE_URL", "mysql://localhost/x", ["oppspot.E005"]),
        ("DATABASE_URL", "postgresql://localhost/x", []),
        ("PUBLIC_URL", "https://oppspot.example", []),
        ("PUBLIC_URL", "https://example.org/oppspot", []),
        ("PUBLIC_URL", "oppspot.example", ["oppspot.E011"]),
        ("PUBLIC_URL", "javascript:alert(1)", ["oppspot.E011"]),
        ("DATABASE_POOL_SIZE", -1, ["oppspot.E006"]),
        ("DATABASE_POOL_SIZE", 0, []),
        ("LOG_FORMAT", "xml", ["oppspot.E007"]),
        ("LOG_FORMAT", "json", []),
        ("API_KEY_MAX_DAYS", 0, ["oppspot.E008"]),
        ("API_KEY_MAX_DAYS", 3651, ["oppspot.E008"]),
        ("THROTTLE_REQUESTS_PER_MINUTE", -1, ["oppspot.E009"]),
        ("THROTTLE_REQUESTS_PER_MINUTE", 0, []),
        ("CACHES", {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache"}}, ["oppspot.E010"]),
        ("CACHES", {"default": {"BACKEND": "django_redis.cache.RedisCache"}}, []),
    ],
)
def test_settings(settings: Settings, name: str, value: Any, expected: list[str]) -> None:
    setattr(settings, name, value)
    assert ids(checks.check_settings()) == expected


@pytest.mark.parametrize(
    ("absent", "expected"), [(("django_redis", "redis"), True), (("django_redis",), True), ((), False)]
)
def test_redis_without_its_client(absent: tuple[str, ...], expected: bool) -> None:
    """In a process of its own: what is installed decides, at import, what a CACHE_URL means."""
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent}))\n"
        "import django; django.setup(); from django.core.management import call_command; call_command('check')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=configured.BASE_DIR,
        env=os.environ | {"CACHE_URL": "rediscache://127.0.0.1:6379/1", "DJANGO_SETTINGS_MODULE": "oppspot.settings"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ("oppspot.E010" in done.stderr) is (done.returncode != 0) is expected, done.stderr


@pytest.mark.parametrize(
    ("database_url", "key", "expected"),
    [
        ("", "", ["oppspot.W001", "oppspot.W002"]),
        ("", "k", ["oppspot.W002"]),
        ("postgresql://localhost/x", "k", []),
    ],
)
def test_deployment(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, database_url: str, key: str, expected: list[str]
) -> None:
    settings.DATABASE_URL = database_url
    monkeypatch.setenv("SECRET_KEY", key)
    assert ids(checks.check_deployment()) == expected


class Cursor:
    """Answers queries one after the other."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def __enter__(self) -> "Cursor":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, sql: str) -> None:
        pass

    def fetchone(self) -> Any:
        return self.answers.pop(0)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([(150_000,), ("0.8.0",)], []),
        ([(180_004,), ("0.10.1",)], []),
        ([(149_999,), ("0.8.5",)], ["oppspot.E002"]),
        ([(160_000,), None], ["oppspot.E003"]),
        ([(160_000,), ("0.7.4",)], ["oppspot.E004"]),
        ([(140_000,), ("0.5.0",)], ["oppspot.E002", "oppspot.E004"]),
    ],
)
def test_versions(monkeypatch: pytest.MonkeyPatch, answers: list[Any], expected: list[str]) -> None:
    monkeypatch.setattr(connection, "cursor", lambda: Cursor(*answers))
    assert ids(checks.check_database_versions(databases=["default"])) == expected


@pytest.mark.django_db
def test_the_database_in_use_is_new_enough() -> None:
    assert checks.check_database_versions(databases=["default"]) == []


def test_a_database_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Any:
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "cursor", refuse)
    (message,) = checks.check_database_versions(databases=["default"])
    assert message.id == "oppspot.E001"
    assert "connection refused" in message.msg


@pytest.mark.parametrize("databases", [None, []])
def test_no_database_is_asked_unless_a_command_asks_for_it(
    monkeypatch: pytest.MonkeyPatch, databases: Any, django_assert_num_queries: Callable[..., Any]
) -> None:
    monkeypatch.setattr(connection, "cursor", None)
    assert checks.check_database_versions(databases=databases) == []
