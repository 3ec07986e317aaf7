"""`manage.py serve`, for real, and the supervisor below it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db.migrations.executor import MigrationExecutor

from oppspot.core.database.server import EmbeddedServer

MANAGE = [sys.executable, "manage.py"]
SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)",
]
SUPERVISE = (
    "import sys, json; from oppspot.core.processes import Supervisor; "
    "sys.exit(Supervisor(json.loads(sys.argv[1])).run())"
)
Start = Callable[..., "subprocess.Popen[str]"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def group_of(leader: int) -> list[int]:
    """Living processes of the process group of `leader`."""
    members = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            state, _, group = (process / "stat").read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(group) == leader and state != "Z":
            members.append(int(process.name))
    return members


def answer(url: str, within: float = 30) -> int:
    deadline = time.monotonic() + within
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                status: int = response.status
                return status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def runs_jobs(leader: int) -> bool:
    """Whether one of the group of `leader` is a `manage.py worker`."""
    commands = [(Path("/proc") / str(pid) / "cmdline").read_bytes().split(b"\0") for pid in group_of(leader)]
    return any(b"worker" in words for words in commands)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a program in a process group of its own; what is left of it is killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def run(*command: str, **environment: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            command,
            cwd=settings.BASE_DIR,
            env=os.environ | environment,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        for pid in group_of(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture(scope="module")
def migrated(data_dir: Path) -> Path:
    environment = os.environ | {"DATA_DIR": str(data_dir)}
    subprocess.run([*MANAGE, "migrate", "--verbosity=0"], cwd=settings.BASE_DIR, env=environment, check=True)
    return data_dir


def test_it_serves_until_it_is_asked_to_stop(migrated: Path, start: Start) -> None:
    for number, everyone in ((signal.SIGINT, True), (signal.SIGTERM, False)):
        port = free_port()
        server = start(*MANAGE, "serve", "--bind", f"127.0.0.1:{port}", DATA_DIR=str(migrated), LOG_FORMAT="json")
        base = f"http://127.0.0.1:{port}"
        assert answer(f"{base}/healthz/ready/") == 200
        assert answer(f"{base}/api/docs/") == 200
        assert answer(f"{base}/api/v1/businesses/") == 401
        deadline = time.monotonic() + 30
        while len(group_of(server.pid)) < 8:  # this command; gunicorn, two workers; a cluster, its guard, two workers
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert runs_jobs(server.pid)
        os.kill(server.pid, number) if not everyone else os.killpg(server.pid, number)  # a terminal's Ctrl-C: all
        output, _ = server.communicate(timeout=60)
        assert server.returncode == 0, output
        assert group_of(server.pid) == [], "nothing is left behind"
        assert "Traceback" not in output
        assert f"Serving on {base}/" in output
        assert output.count('"event": "request_finished"') >= 3, "each request is logged, by the application"
        with pytest.raises(OSError, match="refused"):
            answer(base, within=0)
    assert EmbeddedServer(migrated / "postgres").status().running, "the database outlives the web server"


def test_it_serves_without_a_worker_on_request(migrated: Path, start: Start) -> None:
    port = free_port()
    server = start(*MANAGE, "serve", "--no-worker", "--bind", f"127.0.0.1:{port}", DATA_DIR=str(migrated))
    assert answer(f"http://127.0.0.1:{port}/healthz/ready/") == 200
    assert not runs_jobs(server.pid)
    server.send_signal(signal.SIGTERM)
    output, _ = server.communicate(timeout=60)
    assert server.returncode == 0, output
    assert group_of(server.pid) == []


def test_it_fails_when_the_address_is_taken(migrated: Path, start: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        server = start(*MANAGE, "serve", "--bind", bind, DATA_DIR=str(migrated))
        output, _ = server.communicate(timeout=60)
    assert server.returncode == 1
    assert "The server ended by itself" in output
    assert group_of(server.pid) == []


@pytest.mark.django_db
def test_it_refuses_a_database_without_migrations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda *_: ["one"])
    with pytest.raises(CommandError, match="lacks migrations"):
        call_command("serve")


# The supervisor


def supervise(start: Start, *commands: list[str]) -> "subprocess.Popen[str]":
    process = start(sys.executable, "-c", SUPERVISE, json.dumps(commands))
    deadline = time.monotonic() + 20
    while len(group_of(process.pid)) < len(commands) + 1 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("code", [0, 3])
def test_when_one_program_ends_the_others_are_stopped(start: Start, code: int) -> None:
    short = [sys.executable, "-c", f"import time; time.sleep(0.7); raise SystemExit({code})"]
    process = supervise(start, SLEEP, short)
    assert process.wait(timeout=20) == 1
    assert group_of(process.pid) == []


def test_a_killed_program_ends_the_others(start: Start) -> None:
    process = supervise(start, SLEEP, SLEEP)
    child = next(pid for pid in group_of(process.pid) if pid != process.pid)
    os.kill(child, signal.SIGKILL)
    assert process.wait(timeout=20) == 1
    assert group_of(process.pid) == []


def test_all_are_stopped_by_a_signal(start: Start) -> None:
    process = supervise(start, SLEEP, SLEEP, SLEEP)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    assert group_of(process.pid) == []


def test_a_program_that_does_not_stop_is_killed(start: Start) -> None:
    impatient = SUPERVISE.replace(
        "from oppspot", "import oppspot.core.processes as p; p.STOP_TIMEOUT_S = 0.5; from oppspot"
    )
    process = start(sys.executable, "-c", impatient, json.dumps([STUBBORN]))
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    assert group_of(process.pid) == []


def test_a_program_that_cannot_start_stops_the_others(start: Start) -> None:
    process = start(sys.executable, "-c", SUPERVISE, json.dumps([SLEEP, ["/nothing"]]))
    assert process.wait(timeout=20) == 1
    assert group_of(process.pid) == []
