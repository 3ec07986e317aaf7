"""`manage.py serve`: the web server and a worker beside it, in the foreground until Ctrl-C."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from oppspot.core.processes import Supervisor

WORKERS, THREADS = 2, 4
MEMORY_DIR = Path("/dev/shm")  # noqa: S108  where there is one: gunicorn's heartbeat must not wait for a disk


class Command(BaseCommand):
    help = "Serve the API and the admin, and run jobs, until Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--bind", default="127.0.0.1:8000", help="address:port to listen on; %(default)s")
        parser.add_argument("--no-worker", action="store_true", help="leave the jobs to a `manage.py worker` elsewhere")

    def handle(self, *args: Any, **options: Any) -> None:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            raise CommandError("The database lacks migrations: run `manage.py migrate`, or `make demo`, first.")
        connection.close()
        bind: str = options["bind"]
        self.stderr.write(f"Serving on http://{bind}/ (admin at /admin/, API at /api/docs/); Ctrl-C stops it.")
        commands = [web_command(bind)] + ([] if options["no_worker"] else [worker_command()])
        if Supervisor(commands).run():
            raise CommandError("The server ended by itself; its log is above.")


def worker_command() -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), "worker"]


def web_command(bind: str) -> list[str]:
    """The web server. It writes no access log: the application logs each request, with its id."""
    options = {
        "bind": bind,
        "chdir": str(settings.BASE_DIR),
        "workers": str(WORKERS),
        "worker-class": "gthread",
        "threads": str(THREADS),
        "log-level": "warning",
    }
    if MEMORY_DIR.is_dir():
        options["worker-tmp-dir"] = str(MEMORY_DIR)
    flags = [part for name, value in options.items() for part in (f"--{name}", value)]
    return [sys.executable, "-m", "gunicorn", "oppspot.wsgi:application", *flags, "--no-control-socket"]
