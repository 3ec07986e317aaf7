"""`manage.py worker`: runs jobs until Ctrl-C or SIGTERM."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django_q.conf import Conf

from oppspot.jobs.cluster import run_cluster
from oppspot.jobs.registry import all_functions
from oppspot.jobs.scheduling import sync_schedules


class Command(BaseCommand):
    help = "Run jobs until Ctrl-C or SIGTERM; what is at work then gets JOBS_STOP_GRACE_S seconds to end."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--workers", type=int, default=settings.JOBS_WORKERS, help="processes; %(default)s")
        parser.add_argument("--queue", default="default", help="the queue to work on; %(default)s")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.DATABASE_POOL_SIZE:
            raise CommandError(
                "A worker's processes are forked and must not share a pool: start it by `manage.py worker`, or set "
                "DATABASE_POOL_SIZE=0."
            )
        if options["workers"] < 1:
            raise CommandError("--workers must be 1 or more.")
        synced = sync_schedules()
        if synced.added or synced.changed or synced.removed:
            self.stderr.write(f"Schedules: {synced}")
        Conf.WORKERS, Conf.CLUSTER_NAME = options["workers"], options["queue"]
        self.stderr.write(
            f"{options['workers']} workers on the queue {options['queue']}, {len(all_functions())} functions; "
            "Ctrl-C stops them."
        )
        run_cluster()
