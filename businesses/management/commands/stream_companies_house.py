"""`manage.py stream_companies_house filings officers`: read the register's streams until stopped."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from businesses.sources.companies_house_stream import STREAMS, CompaniesHouseStream
from businesses.streaming import Streaming
from oppspot.core.errors import OppspotError
from oppspot.core.processes import stop_signals


class Command(BaseCommand):
    help = (
        "Read streams of Companies House, a process of its own: ends on SIGTERM or SIGINT, with what was read written. "
        "Two at most, as an account has no more connections."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("streams", nargs="+", choices=STREAMS, metavar="STREAM", help=", ".join(STREAMS))

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            CompaniesHouseStream().require()
            streaming = Streaming(lambda should_stop: CompaniesHouseStream(should_stop=should_stop), options["streams"])
            with stop_signals() as stopped:
                self.stdout.write(f"Reading {' and '.join(options['streams'])}.")
                streaming.run(lambda: bool(stopped))
        except OppspotError as error:
            raise CommandError(str(error)) from error
        self.stdout.write("Stopped; what was read is written.")
