"""Redis as the cache, for real: what it keeps, for whom, and that losing it costs nothing but time."""

import logging
import os
import runpy
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings as configured
from django.core.cache import cache
from django_redis.pool import ConnectionFactory
from pytest_django import Settings
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from embeddings.providers import EmbeddingProvider
from embeddings.providers.base import ModelSpec
from embeddings.query_cache import embed_query_cached
from oppspot.core import redis_pool
from tests.core.test_serve import free_port

PROGRAM = shutil.which("redis-server")
pytestmark = pytest.mark.skipif(
    PROGRAM is None and os.environ.get("CI") != "true", reason="needs Redis: apt-get install redis-server"
)
Use = Callable[..., None]


class CountingProvider(EmbeddingProvider):
    """A vector of thirds: numbers that no detour through text or another precision leaves alone."""

    name = "counting"
    models = {"test-model": ModelSpec(3, 100, default_threshold=0.3)}
    max_batch_inputs = 100
    max_batch_tokens = 10_000
    calls = 0

    def request(self, texts: Sequence[str]) -> tuple[Any, list[int]]:
        self.calls += 1
        return [[1 / 3, -2 / 3, 1e-7]] * len(texts), [1] * len(texts)


class Server:
    """A redis-server of the tests, which keeps nothing on disk."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory, self.options, self.port = directory, options, free_port()
        self.url = f"rediscache://127.0.0.1:{self.port}/1"
        self.start()

    def start(self) -> None:
        assert PROGRAM, "redis-server is not installed"
        where = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.directory)]
        command = [PROGRAM, *where, "--save", "", "--appendonly", "no", *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self.answers():
            assert self.process.poll() is None, "it ended instead of listening"
            assert time.monotonic() < deadline, "it does not answer"
            time.sleep(0.02)

    def answers(self) -> bool:
        try:
            with self.client() as redis:
                return bool(redis.ping())
        except RedisConnectionError:
            return False

    def client(self) -> Redis:
        password = self.options[1] if self.options[:1] == ("--requirepass",) else None
        return Redis(port=self.port, db=1, password=password)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(timeout=10)


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def server(shared_server: Server) -> Server:
    """Running and empty, whatever the test before did to it."""
    if shared_server.process.poll() is not None:
        shared_server.start()
    with shared_server.client() as redis:
        redis.flushall()
    return shared_server


@pytest.fixture
def use(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Use]:
    """`use(url)`: the cache is what the settings make of that CACHE_URL."""

    def use(url: str) -> None:
        monkeypatch.setenv("CACHE_URL", url)
        settings.CACHES = runpy.run_path(str(configured.BASE_DIR / "oppspot" / "settings.py"))["CACHES"]

    yield use
    for pool in ConnectionFactory._pools.values():
        pool.disconnect()
    ConnectionFactory._pools.clear()


@pytest.fixture
def provider() -> CountingProvider:
    return CountingProvider.from_settings("test-model")


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [str(record.msg) for record in caplog.records if record.levelno >= logging.WARNING]


def test_the_operations_of_a_cache(server: Server, use: Use) -> None:
    use(server.url)
    values: dict[str, Any] = {"bytes": bytes(range(256)), "text": "é", "number": 7, "nothing": None, "list": [1, "a"]}
    for key, value in values.items():
        cache.set(key, value)
    assert {key: cache.get(key, "missing") for key in values} == values
    assert cache.get_many([*values, "other"]) == values
    assert cache.get("other", "missing") == "missing"
    assert cache.delete("text") is True
    assert cache.get("text") is None
    assert cache.add("number", 8) is False
    assert cache.incr("number") == 8
    cache.clear()
    assert cache.get_many(values) == {}


def test_timeouts(server: Server, use: Use) -> None:
    use(f"{server.url}?timeout=600")
    cache.set("default", 1)
    cache.set("week", 1, 7 * 24 * 3600)
    cache.set("ever", 1, None)
    cache.set("past", 1, 0)
    cache.set("short", 1, 0.05)
    time.sleep(0.1)
    with server.client() as redis:
        seconds = {key.decode(): redis.ttl(key) for key in redis.scan_iter()}
    assert seconds == {
        ":1:default": pytest.approx(600, abs=5),
        ":1:week": pytest.approx(7 * 24 * 3600, abs=5),
        ":1:ever": -1,
    }


def test_a_query_embedding_comes_back_as_it_was(server: Server, use: Use, provider: CountingProvider) -> None:
    use(server.url)
    made, kept = embed_query_cached(provider, "two  words"), embed_query_cached(provider, "two words")
    assert provider.calls == 1
    assert kept.dtype == made.dtype == np.float32
    assert kept.tobytes() == made.tobytes()


def test_another_process_is_served_from_redis(server: Server, use: Use, provider: CountingProvider) -> None:
    code = (
        "from embeddings.query_cache import embed_query_cached; "
        "from tests.core.test_redis_cache import CountingProvider; "
        "provider = CountingProvider.from_settings('test-model'); "
        "print(embed_query_cached(provider, 'query').tobytes().hex(), provider.calls)"
    )
    use(server.url)
    made = embed_query_cached(provider, "query").tobytes().hex()
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", code],
        cwd=configured.BASE_DIR,
        env=os.environ | {"CACHE_URL": server.url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == [made, "0"], done.stderr


def test_installations_with_a_prefix_each_share_a_redis(server: Server, use: Use) -> None:
    for prefix in ("one", "two"):
        use(f"{server.url}?key_prefix={prefix}")
        assert cache.get("key") is None
        cache.set("key", prefix)
    use(f"{server.url}?key_prefix=one")
    assert cache.get("key") == "one"
    with server.client() as redis:
        assert set(redis.scan_iter()) == {b"one:1:key", b"two:1:key"}


def test_without_redis_everything_is_a_miss_and_one_warning_says_so(
    use: Use, provider: CountingProvider, caplog: pytest.LogCaptureFixture
) -> None:
    use(f"rediscache://127.0.0.1:{free_port()}/1")
    for _ in range(3):
        assert embed_query_cached(provider, "query").shape == (3,)
    assert provider.calls == 3
    cache.set("key", 1)
    cache.set_many({"key": 1})
    assert cache.get("key", "missing") == "missing"
    assert cache.get_many(["key"]) == {}
    assert cache.get_or_set("key", 5) == 5
    assert not cache.add("key", 1)
    assert not cache.delete("key")
    assert not cache.has_key("key")  # the method, which `in` does not call
    cache.delete_many(["key"])
    cache.clear()
    (warning,) = warnings_of(caplog)
    assert "cache_unreachable" in warning


def test_redis_is_used_again_when_it_is_back(server: Server, use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_pool, "REST_S", 0.2)
    use(server.url)
    cache.set("key", "before")
    server.stop()
    assert cache.get("key") is None
    assert cache.get("key") is None
    server.start()
    deadline = time.monotonic() + 5
    while cache.get("key") != "after" and time.monotonic() < deadline:
        cache.set("key", "after")
        time.sleep(0.05)
    assert cache.get("key") == "after"


def test_a_restart_between_two_requests_fails_nothing(server: Server, use: Use, provider: CountingProvider) -> None:
    use(server.url)
    embed_query_cached(provider, "query")
    server.stop()
    server.start()
    for _ in range(3):
        embed_query_cached(provider, "query")
    assert provider.calls == 2, "lost with the old server, kept by the new one"


@pytest.mark.parametrize("connected", [True, False])
def test_a_redis_that_hangs_is_not_waited_for(
    server: Server, use: Use, provider: CountingProvider, caplog: pytest.LogCaptureFixture, connected: bool
) -> None:
    use(server.url)
    if connected:
        cache.set("key", 1)
    server.process.send_signal(signal.SIGSTOP)
    try:
        started = time.monotonic()
        for _ in range(5):
            embed_query_cached(provider, "query")
        assert time.monotonic() - started < 3  # ten waits would take five
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert provider.calls == 5
    assert len(warnings_of(caplog)) == 1


def test_a_password(tmp_path: Path, use: Use, caplog: pytest.LogCaptureFixture) -> None:
    server = Server(tmp_path, "--requirepass", "letters123")
    try:
        use(server.url.replace("//", "//:letters123@"))
        cache.set("key", 1)
        assert cache.get("key") == 1
        assert warnings_of(caplog) == []
        for wrong in (server.url, server.url.replace("//", "//:wrong@")):
            use(wrong)
            assert cache.get("key") is None
        assert len(warnings_of(caplog)) == 2, "it is not lost silently"
        assert "letters123" not in caplog.text
    finally:
        server.stop()
