"""Real workers on the test database: started, found, killed, and missing at the end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
from django.conf import settings
from django.db import connection

LEASE_S = 2.0
PATIENCE_S = 60.0  # generous: the machine may be busy
ORPHANS_S = 20.0  # until processes without a parent have ended by themselves


def url_of(**terms: Any) -> str:
    """A DATABASE_URL for a unix socket or a host."""
    login = quote(str(terms["user"])) + (f":{quote(str(terms['password']))}" if terms.get("password") else "")
    url = f"postgresql://{login}@/{terms['dbname']}?host={terms.get('host') or 'localhost'}"
    return url + (f"&port={terms['port']}" if terms.get("port") else "")


def wait_until(condition: Callable[[], Any], what: str, within: float = PATIENCE_S) -> Any:
    """The first value of `condition` that is true."""
    until = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < until, f"not within {within:g} s: {what}"
        time.sleep(0.05)
    return value


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs: a zombie that nobody has reaped does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill(process: psutil.Process) -> None:
    """The child of a process is nobody else's number before that process has noticed."""
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


class Cluster:
    """`manage.py worker` in a process group of its own."""

    def __init__(self, log: Path, *, workers: int, environment: dict[str, str]) -> None:
        self.size = workers
        self.log = log
        with log.open("w") as file:
            self.command = subprocess.Popen(
                [sys.executable, "manage.py", "worker", f"--workers={workers}"],
                cwd=settings.BASE_DIR,
                env=os.environ | environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def processes(self) -> list[psutil.Process]:
        """All that live, orphans too, the eldest first."""
        found = []
        for process in psutil.process_iter():
            try:
                if os.getpgid(process.pid) == self.command.pid and is_alive(process):
                    found.append(process)
            except (ProcessLookupError, psutil.NoSuchProcess):
                continue
        return sorted(found, key=lambda process: (process.create_time(), process.pid))

    @property
    def guard(self) -> psutil.Process | None:
        """The command's only child."""
        return next((found for found in self._children(self.command.pid) if is_alive(found)), None)

    def team(self) -> list[psutil.Process]:
        """The guard's children, the eldest first: the workers, the monitor, the pusher, if none was replaced."""
        guard = self.guard
        return sorted(self._children(guard.pid), key=lambda child: (child.create_time(), child.pid)) if guard else []

    @staticmethod
    def _children(pid: int) -> list[psutil.Process]:
        try:
            return [child for child in psutil.Process(pid).children() if is_alive(child)]
        except psutil.NoSuchProcess:
            return []

    @property
    def workers(self) -> list[psutil.Process]:
        return self.team()[: self.size]

    @property
    def monitor(self) -> psutil.Process:
        return self.team()[self.size]

    @property
    def pusher(self) -> psutil.Process:
        return self.team()[self.size + 1]

    @property
    def is_complete(self) -> bool:
        return len(self.team()) == self.size + 2

    def wait(self) -> "Cluster":
        """Until every process is there, and has had the time to become what it is to be."""
        wait_until(lambda: self.is_complete or self.command.poll() is not None, "a complete cluster")
        assert self.command.poll() is None, self.log.read_text()
        time.sleep(0.3)
        return self

    def kill_all(self) -> None:
        while found := self.processes():
            for process in found:
                kill(process)
            self.command.poll()
            time.sleep(0.02)
        self.command.wait()

    def terminate(self, *, to_all: bool = False) -> int:
        """SIGTERM to the command, or to every process as some service managers do; returns the command's exit code."""
        if to_all:
            os.killpg(self.command.pid, signal.SIGTERM)
        else:
            self.command.send_signal(signal.SIGTERM)
        return self.command.wait(timeout=PATIENCE_S)


class Clusters:
    """Starts clusters on a database, and ends them."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory = directory
        self.url = url
        self.started: list[Cluster] = []

    def launch(self, workers: int = 2, **environment: str) -> Cluster:
        """A cluster that may not be complete yet."""
        names = {
            "DJANGO_SETTINGS_MODULE": "tests.jobs.worker_settings",
            "DATABASE_URL": self.url,
            "JOBS_LEASE_S": str(LEASE_S),
            "JOBS_STOP_GRACE_S": "1.5",
        }
        log = self.directory / f"cluster-{len(self.started)}.log"
        cluster = Cluster(log, workers=workers, environment=names | environment)
        self.started.append(cluster)
        return cluster

    def start(self, workers: int = 2, **environment: str) -> Cluster:
        return self.launch(workers, **environment).wait()

    def processes(self) -> list[psutil.Process]:
        return [process for cluster in self.started for process in cluster.processes()]

    def logs(self) -> str:
        return "\n".join(f"--- {cluster.log}\n{cluster.log.read_text()[-6000:]}" for cluster in self.started)

    def end(self) -> None:
        for cluster in self.started:
            cluster.kill_all()
        assert not self.processes()


def database_url() -> str:
    """Of the database that the tests use."""
    terms = connection.get_connection_params()
    return url_of(**{key: terms.get(key) for key in ("user", "password", "dbname", "host", "port")})
