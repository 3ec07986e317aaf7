"""`manage.py db start|stop|status|psql`: the embedded Postgres."""

import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from oppspot.core.database.server import EmbeddedServer, EmbeddedServerError


class Command(BaseCommand):
    help = "Manage the embedded Postgres (used when DATABASE_URL is not set)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["start", "stop", "status", "psql"])
        parser.add_argument("arguments", nargs="*", help="further arguments for psql (after --)")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.DATABASE_URL:
            raise CommandError("DATABASE_URL is set: that server is managed where it runs, not from here.")
        try:
            self._act(EmbeddedServer(settings.DATA_DIR / "postgres"), options["action"], options["arguments"])
        except EmbeddedServerError as error:
            raise CommandError(str(error)) from error

    def _act(self, server: EmbeddedServer, action: str, arguments: list[str]) -> None:
        if action == "stop":
            self.stdout.write("stopped" if server.stop() else "was not running")
            return
        if action == "status":
            status = server.status()
            state = f"running, pid {status.pid}, socket in {status.socket_dir}" if status.running else "not running"
            self.stdout.write(f"{state}; data in {status.data_dir}")
            return
        socket_dir = server.ensure_running(database=settings.EMBEDDED_DATABASE)
        if action == "start":
            self.stdout.write(f"running, socket in {socket_dir}")
            return
        psql = str(server.binary("psql"))
        location = ["-h", str(socket_dir), "-U", server.USER, "-d", settings.EMBEDDED_DATABASE]
        os.execv(psql, [psql, *location, *arguments])  # noqa: S606  hands the terminal to psql
