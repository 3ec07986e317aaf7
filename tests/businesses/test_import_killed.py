"""An import that is killed, at any moment, leaves the register as it was or complete."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from psycopg import conninfo, sql

from benchmarks.register_file import RegisterFile
from tests.businesses.register_files import write

ROWS, NEW, RENAMED_EVERY, ROUNDS = 8_000, 20, 10, 5
# Imports each file named on standard input in a process of its own, without starting Python and Django each time.
# Killing is this process's task: until it has waited for the other, that one's id is nobody else's.
SERVER = """
import os, signal, sys, time, django
django.setup()
from datetime import date
from pathlib import Path
from businesses.imports import import_register
for line in sys.stdin:
    path, day, kill_after = line.split()
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        import_register(paths=[Path(path)], snapshot_on=date.fromisoformat(day))
        os._exit(0)
    if float(kill_after):
        time.sleep(float(kill_after))
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    print(status, time.monotonic() - start, flush=True)
"""


class Importer:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def run(self, path: Path, day: date, *, kill_after: float = 0) -> float:
        """Import a file; kill the import after some seconds. Returns how long it took."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{path} {day} {kill_after}\n")
        self.process.stdin.flush()
        status, duration = self.process.stdout.readline().split()
        assert kill_after or status == "0"
        return float(duration)


@pytest.fixture
def server(db: None) -> str:
    """How to reach the server that the tests use."""
    wanted = {"host", "port", "user", "password", "dbname"}
    parameters = {key: value for key, value in connection.get_connection_params().items() if key in wanted and value}
    return conninfo.make_conninfo("", **parameters)


@pytest.fixture
def database(server: str) -> Iterator[str]:
    name = sql.Identifier(f"killed_{os.getpid()}")
    with psycopg.connect(server, autocommit=True) as session:
        session.execute(sql.SQL("CREATE DATABASE {}").format(name))
    yield conninfo.make_conninfo(server, dbname=f"killed_{os.getpid()}")
    with psycopg.connect(server, autocommit=True) as session:
        session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture
def importer(database: str, tmp_path: Path) -> Iterator[Importer]:
    parts = {key: str(value) for key, value in conninfo.conninfo_to_dict(database).items()}
    login = f"{parts['user']}:{parts['password']}@" if "password" in parts else f"{parts['user']}@"
    url = f"postgresql://{login}/{parts['dbname']}?host={parts['host']}"
    if "port" in parts:
        url += f"&port={parts['port']}"
    environment = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "oppspot.settings"}
    root = Path(__file__).resolve().parents[2]
    subprocess.run(
        [sys.executable, root / "manage.py", "migrate", "--verbosity=0"], env=environment, check=True, timeout=60
    )
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        env=environment | {"PYTHONPATH": str(root)},
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Importer(process)
        process.kill()


def snapshot(path: Path, number: int) -> Path:
    """The register of 8,000; in each later one 800 have another name, and 20 are new."""
    register = RegisterFile(seed=7)
    rows = [register.row(index) for index in range(ROWS + NEW * number)]
    if number:
        for row in rows[:ROWS:RENAMED_EVERY]:
            row[0] = f"{row[0]} {number}"
    return write(path, rows)


def state(session: "psycopg.Connection[tuple[int, ...]]", number: int) -> tuple[int, ...]:
    """Companies, names of this snapshot, events, indexes; once the killed import's session has ended."""
    until = time.monotonic() + 10
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    while session.execute(others).fetchone() != (0,):
        assert time.monotonic() < until, "the session of a killed import goes on"
        time.sleep(0.05)
    found = session.execute(
        "SELECT count(*), count(*) FILTER (WHERE name ~ %s), (SELECT count(*) FROM business_events),"
        " (SELECT count(*) FROM pg_indexes WHERE tablename = 'businesses') FROM businesses",
        [f" {number}$"],
    ).fetchone()
    assert found is not None
    return found


@pytest.mark.slow
@pytest.mark.django_db
def test_killed_ten_times(importer: Importer, database: str, tmp_path: Path) -> None:
    day, path = date(2020, 1, 1), snapshot(tmp_path / "0.csv", 0)
    with psycopg.connect(database, autocommit=True) as session:
        *_, indexes = state(session, 0)
        empty, full = (0, 0, 0, indexes), (ROWS, 0, 0, indexes)
        duration = importer.run(path, day)
        assert state(session, 0) == full
        for _ in range(ROUNDS):
            session.execute("TRUNCATE businesses CASCADE")
            importer.run(path, day, kill_after=random.uniform(0.01, duration))
            assert state(session, 0) in {empty, full}
        importer.run(path, day)
        assert state(session, 0) == full

        before, duration = full, duration * 1.5
        for number in range(1, ROUNDS + 1):
            path, day = snapshot(tmp_path / f"{number}.csv", number), day + timedelta(days=31)
            renamed = ROWS // RENAMED_EVERY
            after = (ROWS + NEW * number, renamed, (renamed + NEW) * number, indexes)
            importer.run(path, day, kill_after=random.uniform(0.01, duration))
            assert state(session, number) in {(before[0], 0, *before[2:]), after}
            importer.run(path, day)
            assert state(session, number) == after
            before = after
