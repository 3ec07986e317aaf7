"""`manage.py import_companies_house PATH…`: the register's bulk file."""

from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from businesses.imports import import_register
from oppspot.core.errors import OppspotError


class Command(BaseCommand):
    help = (
        "Import BasicCompanyData, the monthly snapshot of Companies House, as one file or all its parts (csv or zip). "
        "Only new and changed companies are written; changes since the last snapshot become events."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="csv or zip; parts in one call")
        parser.add_argument(
            "--snapshot-date", type=date.fromisoformat, metavar="YYYY-MM-DD", help="default: from the name, else today"
        )
        parser.add_argument(
            "--rejects", type=Path, metavar="PATH", help="default: <name>.rejects.csv in this directory"
        )
        parser.add_argument(
            "--no-events", action="store_true", help="write no events, as for a baseline in several calls"
        )
        parser.add_argument("--dry-run", action="store_true", help="report what would be done, and write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = import_register(
                paths=options["paths"],
                snapshot_on=options["snapshot_date"],
                rejects_path=options["rejects"],
                write_events=not options["no_events"],
                dry_run=options["dry_run"],
                show_progress=True,
            )
        except OppspotError as error:
            raise CommandError(str(error)) from error
        for warning in report.warnings:
            self.stderr.write(self.style.WARNING(warning))
        self.stdout.write(f"snapshot of {report.snapshot_on}")
        self.stdout.write("\n".join(report.lines("events")))
