"""`manage.py embed_businesses` as people and schedulers run it."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from businesses.models import Business
from embeddings import indexes
from embeddings.models import EmbeddingModel
from embeddings.providers.registry import get_provider
from embeddings.template import TEMPLATE
from tests.embeddings import stub_openai as stubs
from tests.embeddings.stub_openai import StubOpenAI
from tests.factories import make_business

pytestmark = pytest.mark.django_db(transaction=True)
MODEL = "hashed-words"
ROOT = Path(django_settings.BASE_DIR)


@pytest.fixture(autouse=True)
def deterministic(settings: Settings) -> Iterator[None]:
    settings.EMBEDDING_PROVIDER, settings.EMBEDDING_MODEL = "deterministic", ""
    yield
    for name in indexes._family("business_hnsw") | indexes._family("business_pending"):
        indexes._drop(name)


@pytest.fixture
def stub(settings: Settings) -> Iterator[StubOpenAI]:
    """The command, talking to a local OpenAI."""
    with StubOpenAI() as server:
        settings.EMBEDDING_PROVIDER = "openai"
        key = f"sk-test-{uuid4()}"  # another stub may get the same port, and providers are kept by their settings
        settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = key, server.url
        yield server
        get_provider().close()  # type: ignore[attr-defined]


def run(*arguments: Any) -> str:
    out = StringIO()
    call_command("embed_businesses", *arguments, stdout=out)
    return out.getvalue()


def pending() -> int:
    return Business.objects.needing_embedding(MODEL, TEMPLATE).count()


def register(count: int, **fields: Any) -> None:
    Business.objects.bulk_create(
        Business(name=f"Company {number}", name_normalised=f"company {number}", **fields) for number in range(count)
    )


def test_embeds_all_says_what_it_did_and_makes_the_model_searchable() -> None:
    register(30)
    output = run()
    assert re.search(r"^embedded 30, skipped 0 unchanged, failed 0$", output, re.MULTILINE)
    assert re.search(r"^60 tokens, \$0\.0000, \d+\.\d s, \d+\.\d texts/s \(hashed-words\)$", output, re.MULTILINE)
    assert pending() == 0
    assert EmbeddingModel.objects.get().name == MODEL
    assert "embedded 0, skipped 30 unchanged, failed 0" in run()


def test_a_dry_run_prints_the_price_and_does_nothing(stub: StubOpenAI) -> None:
    register(3, description="word " * 100)
    output = run("--dry-run")
    assert "3 companies need a vector of text-embedding-3-small, 0 have one" in output
    assert re.search(r"would send 3 texts, about \d+ tokens, about \$0\.00", output)
    assert stub.requests == []
    assert not EmbeddingModel.objects.exists()
    assert not indexes._family("business_pending")


def test_filters_limit_and_batch_size(stub: StubOpenAI) -> None:
    register(5, town="Leeds")
    register(5, town="York", status="active")
    output = run(
        "--where", "town=York", "--where", "status=active", "--where", "status=other", "--limit", 4, "--batch-size", 3
    )
    assert "embedded 4," in output
    assert [len(request["input"]) for request in stub.requests] == [3, 1]
    assert Business.objects.filter(town="Leeds").exclude(embedding_model="").count() == 0


def test_the_model_can_be_chosen(stub: StubOpenAI) -> None:
    stub.dimensions = 3072
    register(2)
    assert "text-embedding-3-large" in run("--model", "text-embedding-3-large")
    assert EmbeddingModel.objects.get().dimensions == 3072


def test_force_renews() -> None:
    register(3)
    run()
    assert "embedded 3, skipped 0 unchanged" in run("--force")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--where", "town"], "KEY=VALUE"),
        (["--where", "town="], "KEY=VALUE"),
        (["--where", "colour=red"], "Unknown filter"),
        (["--where", "sic=no"], "sic"),
        (["--model", "bert"], "bert"),
        (["--limit", "0"], "positive"),
        (["--batch-size", "-1"], "positive"),
    ],
)
def test_wrong_arguments_are_explained(arguments: list[str], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        run(*arguments)


def test_failures_are_listed_and_the_exit_code_tells(stub: StubOpenAI) -> None:
    stub.always = stubs.refuses("Poison")
    register(10)
    bad = make_business("Poison Ltd")
    out = StringIO()
    with pytest.raises(CommandError, match="1 companies could not be embedded") as caught:
        call_command("embed_businesses", stdout=out)
    assert caught.value.returncode == 1
    assert f"failed {bad.pk} Poison Ltd: OpenAI rejects the input (400): bad input Poison" in out.getvalue()
    assert "embedded 10, skipped 0 unchanged, failed 1" in out.getvalue()
    assert EmbeddingModel.objects.exists(), "the others can be searched"


def test_an_error_that_concerns_all_ends_it(stub: StubOpenAI) -> None:
    stub.then(stubs.well)
    stub.always = stubs.error(401, "invalid_api_key")
    register(6)
    out = StringIO()
    with pytest.raises(CommandError, match="Ended early with 3 left: OpenAI refuses the request"):
        call_command("embed_businesses", "--batch-size", 3, stdout=out)
    assert "embedded 3," in out.getvalue()
    assert len(stub.requests) == 2


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the command as a process of its own, on the test's database."""
    processes: list[subprocess.Popen[str]] = []
    database = connection.settings_dict
    url = f"postgresql://{database['USER']}:{database['PASSWORD']}@{{}}/{database['NAME']}"
    socket = database["HOST"].startswith("/")
    url = (
        url.format("") + f"?host={database['HOST']}" if socket else url.format(f"{database['HOST']}:{database['PORT']}")
    )
    environment = os.environ | {"DATABASE_URL": url, "EMBEDDING_PROVIDER": "deterministic", "LOG_LEVEL": "ERROR"}

    def start_command(*arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "manage.py", "embed_businesses", *arguments]
        processes.append(
            subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        )
        return processes[-1]

    yield start_command
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.03)


def versions() -> dict[Any, str]:
    """The version of each embedded row in Postgres: it changes with every write."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, xmin::text FROM businesses WHERE embedding_model <> ''")
        return dict(cursor.fetchall())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_the_batch(start: Start, number: signal.Signals) -> None:
    register(3_000)
    process = start("--batch-size", "1")
    wait_for(lambda: pending() < 3_000)
    process.send_signal(number)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 0, output
    left = pending()
    assert 0 < left < 3_000
    assert f"stopped, {left:,} left" in output
    assert "Traceback" not in output


@pytest.mark.slow
def test_ten_kills_lose_nothing_and_double_nothing(start: Start) -> None:
    count = 4_000  # some windows: two processes have work of their own to the end
    register(count)
    chance = random.Random(20)
    kills = 0
    before: dict[Any, str] = {}
    for _ in range(5):
        pair = [start("--batch-size", "1"), start("--batch-size", "1")]
        for process in pair:
            target = count - pending() + chance.randint(1, 60)
            wait_for(lambda: count - pending() >= target, 60)  # noqa: B023  used at once
            process.kill()
            kills += process.wait() == -signal.SIGKILL
            now = versions()
            assert before.items() <= now.items(), "what was written is not written again"
            before = now
    assert kills == 10
    assert 0 < pending() < count
    run()
    assert before.items() <= versions().items()
    current = Business.objects.filter(embedding_model=MODEL).exclude(embedding=None).count()
    assert (pending(), current) == (0, count)


@pytest.mark.slow
def test_several_at_once_share_the_work_though_one_is_killed(start: Start) -> None:
    register(3_000)
    processes = [start("--batch-size", "4") for _ in range(3)]
    wait_for(lambda: pending() < 2_800)
    processes[0].kill()
    outputs = [process.communicate(timeout=30)[0] for process in processes[1:]]
    assert [process.returncode for process in processes[1:]] == [0, 0], outputs
    killed_with = pending()  # what the killed one had claimed, at most its window
    assert killed_with <= 1_024
    run()
    assert pending() == 0
