"""The embedded Postgres, for real: started when needed, once, and again when it died."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from pytest_django import Settings

from oppspot.core.database.server import EmbeddedServer, EmbeddedServerError
from oppspot.core.secret_key import load_or_create_secret_key

QUERY = "from django.db import connection as c; c.ensure_connection(); print('answer', c.connection.info.backend_pid)"
START = "import sys, pathlib; from oppspot.core.database.server import EmbeddedServer as E; "
START += "print(E(pathlib.Path(sys.argv[1])).ensure_running(database='oppspot'))"


@pytest.fixture
def server(data_dir: Path) -> EmbeddedServer:
    return EmbeddedServer(data_dir / "postgres")


def run(data_dir: Path, *command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Python, in a process with settings of its own."""
    inherited = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return subprocess.run(
        [sys.executable, *command],
        cwd=settings.BASE_DIR,
        env=inherited | {"DATA_DIR": str(data_dir), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def db(*arguments: str) -> str:
    output = StringIO()
    call_command("db", *arguments, stdout=output)
    return output.getvalue().strip()


@pytest.fixture
def here(settings: Settings, data_dir: Path) -> None:
    """The commands of this process work on the tests' data directory."""
    settings.DATA_DIR, settings.DATABASE_URL = data_dir, ""


def servers_of(data_dir: Path) -> list[int]:
    """Process ids of Postgres servers (not their children) that keep their data below `data_dir`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\x00")
        except OSError:
            continue
        if words[0].endswith(b"/postgres") and str(data_dir / "postgres").encode() in words:
            found.append(int(process.name))
    return found


def kill(server: EmbeddedServer) -> None:
    pid = server.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while server.status().running and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not server.status().running


def test_commands_that_need_no_database_start_none(tmp_path: Path) -> None:
    code = (
        "import django; django.setup(); from django.core.management import call_command as call; call('check'); "
        "call('db', 'status'); call('spectacular', '--file', '/dev/null'); import oppspot.wsgi"
    )
    for command in (["manage.py", "--help"], ["-c", code]):
        done = run(tmp_path, *command, DJANGO_SETTINGS_MODULE="oppspot.settings")
        assert done.returncode == 0, done.stderr
    assert "not running" in done.stdout
    assert not (tmp_path / "postgres").exists()


def test_four_processes_at_once_start_one_server(data_dir: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: run(data_dir, "-c", START, str(data_dir / "postgres")), range(4)))
    assert [process.returncode for process in done] == [0] * 4, [process.stderr for process in done]
    assert len({process.stdout for process in done}) == 1
    assert len(servers_of(data_dir)) == 1


@pytest.mark.usefixtures("here")
def test_start_status_stop(server: EmbeddedServer) -> None:
    assert db("start").startswith("running, socket in")
    assert f"pid {server.status().pid}" in db("status")
    assert db("stop") == "stopped"
    assert db("stop") == "was not running"
    assert db("status").startswith("not running")


def test_psql_and_connections_start_it(data_dir: Path, server: EmbeddedServer) -> None:
    sql = "SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'"
    for command in (["db", "psql", "--", "-Atc", sql], ["shell", "--no-imports", "-c", QUERY]):
        server.stop()
        done = run(data_dir, "manage.py", *command)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(("1", "answer "))
        assert server.status().running, "it outlives the command"


def test_a_killed_server_is_started_again_with_what_was_committed(server: EmbeddedServer) -> None:
    def connect() -> "psycopg.Connection[tuple[int]]":
        socket_dir = server.ensure_running(database="oppspot")
        return psycopg.connect(host=str(socket_dir), user=server.USER, dbname="oppspot", autocommit=True)

    with connect() as connection:
        connection.execute("CREATE TABLE kept (id int)")
        connection.execute("INSERT INTO kept VALUES (1)")
    for _ in range(2):
        kill(server)
        with connect() as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1,)
        assert len(servers_of(server.data_dir.parent)) == 1


def test_a_process_that_lives_through_a_kill_goes_on(data_dir: Path) -> None:
    """As a web worker does, with its pool."""
    code = (
        "import os, signal, time\n"
        "from django.conf import settings\n"
        "from django.db import close_old_connections, connection\n"
        "from oppspot.core.database.server import EmbeddedServer\n"
        "def ask():\n"
        "    close_old_connections()\n"
        "    with connection.cursor() as c: c.execute('SELECT 1')\n"
        "    connection.close()\n"
        "ask()\n"
        "server = EmbeddedServer(settings.DATA_DIR / 'postgres')\n"
        "os.kill(server.status().pid, signal.SIGKILL)\n"
        "while server.status().running: time.sleep(0.02)\n"
        "ask(); ask()\n"
    )
    done = run(data_dir, "manage.py", "shell", "--no-imports", "-c", code)
    assert done.returncode == 0, done.stderr


def test_the_number_of_a_dead_server_may_be_another_process_by_now(server: EmbeddedServer) -> None:
    server.ensure_running(database="oppspot")
    kill(server)
    pid_file = server.data_dir / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    assert not server.status().running
    socket_dir = server.ensure_running(database="oppspot")
    with psycopg.connect(host=str(socket_dir), user=server.USER, dbname="oppspot") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_asking_whether_it_runs_makes_no_connection(server: EmbeddedServer) -> None:
    """It is asked before each request; a connection would fork a process of the server each time."""
    socket_dir = server.ensure_running(database="oppspot")
    with psycopg.connect(host=str(socket_dir), user=server.USER, dbname="oppspot", autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET log_connections = 'receipt'")
        connection.execute("SELECT pg_reload_conf()")
        time.sleep(0.3)
        before = server.log_path.read_text().count("connection received")
        for _ in range(20):
            assert server.status().running
        assert server.log_path.read_text().count("connection received") == before
        connection.execute("ALTER SYSTEM RESET log_connections")


def test_an_unusable_directory_is_explained(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "file").write_text("")
    settings.DATA_DIR, settings.DATABASE_URL = tmp_path / "file" / "data", ""
    with pytest.raises(CommandError, match=r"Cannot keep a database in .* Set DATA_DIR"):
        db("start")
    with pytest.raises(ImproperlyConfigured, match=r"Cannot keep a signing key in .* Set DATA_DIR"):
        load_or_create_secret_key(tmp_path / "file" / "data" / "secret_key")


def test_a_broken_cluster_is_explained_with_the_servers_words(tmp_path: Path) -> None:
    broken = tmp_path / "postgres"
    broken.mkdir()
    (broken / "PG_VERSION").write_text("18\n")
    with pytest.raises(EmbeddedServerError, match=r"pg_ctl failed"):
        EmbeddedServer(broken).ensure_running(database="oppspot")


def test_a_server_elsewhere_is_not_managed_from_here(settings: Settings) -> None:
    settings.DATABASE_URL = "postgresql://user@localhost/oppspot"
    with pytest.raises(CommandError, match="managed where it runs"):
        db("start")


def test_one_signing_key_however_many_ask_at_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret_key"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: load_or_create_secret_key(path), range(32)))
    assert len(keys) == 1
    assert len(keys.pop()) > 50
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["secret_key"]
