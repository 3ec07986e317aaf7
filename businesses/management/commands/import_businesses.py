"""`manage.py import_businesses PATH`: any CSV or JSON-lines file of companies."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from businesses.imports import import_tabular
from businesses.sources.tabular import parse_mapping
from businesses.sources.tabular_values import FIELDS
from oppspot.core.errors import OppspotError


class Command(BaseCommand):
    help = (
        "Import companies from a CSV file with a header or from JSON lines. Columns named like a field are taken; "
        f"others are mapped. Fields: {', '.join(FIELDS)}."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, metavar="PATH")
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="FIELD=COLUMN[,COLUMN]",
            help="repeatable; several columns for categories and description",
        )
        parser.add_argument("--only-mapped", action="store_true", help="take no column that is not mapped")
        parser.add_argument("--source", default="", metavar="NAME", help="kept with new companies; default: file name")
        parser.add_argument(
            "--rejects", type=Path, metavar="PATH", help="default: <name>.rejects.csv in this directory"
        )
        parser.add_argument("--dry-run", action="store_true", help="report what would be done, and write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = import_tabular(
                path=options["path"],
                mapping=parse_mapping(options["map"]),
                source=options["source"],
                only_mapped=options["only_mapped"],
                rejects_path=options["rejects"],
                dry_run=options["dry_run"],
                show_progress=True,
            )
        except OppspotError as error:
            raise CommandError(str(error)) from error
        for warning in report.warnings:
            self.stderr.write(self.style.WARNING(warning))
        self.stdout.write("\n".join(report.lines()))
