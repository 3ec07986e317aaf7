"""`manage.py sync_schedules`: make the rows of schedules agree with `oppspot/schedules.py`."""

from typing import Any

from django.core.management.base import BaseCommand

from oppspot.jobs.scheduling import sync_schedules


class Command(BaseCommand):
    help = "Make the schedules in the database agree with oppspot/schedules.py; every worker does so when it starts."

    def handle(self, *args: Any, **options: Any) -> None:
        synced = sync_schedules()
        for verb, names in (("added", synced.added), ("changed", synced.changed), ("removed", synced.removed)):
            for name in names:
                self.stdout.write(f"{verb} {name}")
        if not (synced.added or synced.changed or synced.removed):
            self.stdout.write("nothing to change")
