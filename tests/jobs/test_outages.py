"""The database goes away in the middle of jobs: they wait for it, and end as if nothing had been."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings

from oppspot.core.database.server import EmbeddedServer
from tests.jobs.clusters import PATIENCE_S, Clusters, url_of, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.alone]
OUTAGE_S = 10.0
# Reads lines of Python and answers each with its value: the tests' own database is another one.
CLIENT = """
import sys, json, django
django.setup()
from django.db import connection
from oppspot.jobs.services import emit
from oppspot.jobs.models import *
from tests.jobs.sample.events import *
from tests.jobs.sample.models import Trace
from tests.jobs.soundness import all_ended, assert_sound, outcomes_of
for line in sys.stdin:
    print(json.dumps(eval(line), default=str), flush=True)
    connection.close()
"""
Ask = Callable[[str], Any]


class Server:
    """A Postgres of this module's own, to be stopped."""

    def __init__(self, directory: Path) -> None:
        self.embedded = EmbeddedServer(directory / "postgres")
        self.start()
        status = self.embedded.status()
        self.url = url_of(user="postgres", dbname="outage", host=status.socket_dir)

    def start(self) -> None:
        self.embedded.ensure_running(database="outage")

    def stop(self) -> None:
        self.embedded.stop()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    directory = Path(tempfile.mkdtemp(prefix="outage-"))  # short and open, as the server's account must enter it
    directory.chmod(0o755)
    made = Server(directory)
    environment = environment_of(made)
    migrate = [sys.executable, "manage.py", "migrate", "--run-syncdb", "--verbosity=0"]
    subprocess.run(migrate, cwd=settings.BASE_DIR, env=environment, check=True, timeout=PATIENCE_S)
    yield made
    made.stop()
    shutil.rmtree(directory)


def environment_of(server: Server) -> dict[str, str]:
    names = {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": server.url, "DATABASE_POOL_SIZE": "0"}
    return os.environ | names | {"PYTHONPATH": str(settings.BASE_DIR)}


@pytest.fixture
def ask(server: Server) -> Iterator[Ask]:
    with psycopg.connect(server.url, autocommit=True) as session:
        session.execute("TRUNCATE jobs_event, jobs_run, jobs_worker, jobs_sample_trace CASCADE")
    with subprocess.Popen(
        [sys.executable, "-c", CLIENT],
        env=environment_of(server),
        cwd=settings.BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def answer(expression: str) -> Any:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(expression + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield answer
        process.kill()


@pytest.fixture
def clusters(server: Server, tmp_path: Path) -> Iterator[Clusters]:
    made = Clusters(tmp_path, server.url)
    yield made
    made.end()
    print(made.logs())  # noqa: T201  shown when the test failed


def emitted(ask: Ask, event: str, data: dict[str, Any]) -> str:
    run_id: str = ask(f"emit({event}, {data!r}).run_ids[0]")
    return run_id


def test_a_restart_in_the_middle_of_a_step(server: Server, clusters: Clusters, ask: Ask) -> None:
    cluster = clusters.start()
    before = {process.pid for process in cluster.team()}
    run_id = emitted(ask, "Work", {"steps": 3, "seconds": 1.0})
    wait_until(lambda: ask("Trace.objects.count()") == 1, "the first step")
    server.stop()
    server.start()
    wait_until(lambda: ask("all_ended()"), "every run has ended")
    ask("assert_sound()")
    assert ask(f"Run.all_orgs.get(pk={run_id!r}).status") == "completed"
    outcomes = ask(f"list(outcomes_of({run_id!r}))")
    assert outcomes[-1] == "completed"
    assert len(outcomes) <= 2, "the connection was lost in a step: one more start"
    assert {process.pid for process in cluster.team()} == before, "nobody died of it"


@pytest.mark.parametrize("what", ["in a step", "between steps", "at the end"])
def test_an_outage(server: Server, clusters: Clusters, ask: Ask, what: str) -> None:
    cluster = clusters.start(JOBS_LEASE_S="3")
    before = {process.pid for process in cluster.team()}
    cases: dict[str, dict[str, Any]] = {
        "in a step": {"steps": 2, "seconds": 2.0},
        "between steps": {"steps": 1, "what": "sit", "then": 0.5 * OUTAGE_S},
        "at the end": {"steps": 1, "what": "sit", "then": 1.0},
    }
    run_id = emitted(ask, "Work", cases[what])
    wait_until(lambda: ask("Trace.objects.count()") == 1, "the first step")
    time.sleep(0.3)
    server.stop()
    time.sleep(OUTAGE_S)
    server.start()
    wait_until(lambda: ask("all_ended()"), "every run has ended")
    ask("assert_sound()")
    outcomes = ask(f"list(outcomes_of({run_id!r}))")
    assert outcomes[-1] == "completed"
    assert len(outcomes) <= 3
    later = emitted(ask, "Hardy", {"steps": 1})
    wait_until(lambda: ask("all_ended()"), "every run has ended")
    assert ask(f"list(outcomes_of({later!r}))") == ["completed"]
    assert {process.pid for process in cluster.team()} == before, "nobody died of it"
