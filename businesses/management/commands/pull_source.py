"""`manage.py pull_source NAME`: ask a source what is new, now and in the foreground."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from businesses.models import Business, PullStatus, Watchlist, WatchlistEntry
from businesses.pulling import pull_source
from businesses.sources.pull import Selection
from businesses.sources.registry import UnknownSource, source_class, source_names
from oppspot.core.errors import OppspotError
from oppspot.core.processes import stop_signals
from oppspot.organizations.models import Organization

SHOWN_FAILURES = 10


class Command(BaseCommand):
    help = "Pull a source: what is new becomes events. Exits 1 if anything failed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", nargs="?", help="its name; without one, the sources are listed")
        parser.add_argument("names", nargs="*", help="feeds, streams or files of it; default: all there are")
        parser.add_argument("--org", help="slug of the organisation that --watchlist is of")
        parser.add_argument("--watchlist", help="name of a watchlist; default: companies that anybody watches")
        parser.add_argument("--number", action="append", default=[], help="a company number; may be repeated")
        parser.add_argument("--limit", type=int, help="targets at most")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["source"]:
            for name in source_names():
                kind = source_class(name)
                self.stdout.write(f"{name:28}{kind.label}{'' if not kind().missing() else ': not configured'}")
            return
        try:
            source = source_class(options["source"])()
            with stop_signals() as stopped:
                pulled = pull_source(
                    source, self._selection(options), requested_by="manage.py", should_stop=lambda: bool(stopped)
                )
        except UnknownSource as error:
            raise CommandError(error.message) from error
        except OppspotError as error:
            raise CommandError(str(error)) from error
        pull = pulled.pull
        for failure in pull.failures[:SHOWN_FAILURES]:
            self.stderr.write(f"{failure['where']}: {failure['reason']}")
        self.stdout.write(
            f"{pull.get_status_display()}: {pull.targets:,} asked, {pull.items:,} facts, {pull.new:,} new events, "
            f"{pull.failed:,} failures. {pull.note}".rstrip()
        )
        if pulled.retry_after:
            raise CommandError(f"The source allows no more for now: go on in {pulled.retry_after:.0f} s.")
        if pull.status != PullStatus.COMPLETED:
            raise CommandError(f"{pull.failed:,} failures; they are listed in the admin, under pulls.")

    def _selection(self, options: dict[str, Any]) -> Selection:
        names = tuple(options["names"])
        return Selection(
            businesses=self._businesses(options), names=names, paths=tuple(map(Path, names)), limit=options["limit"]
        )

    def _businesses(self, options: dict[str, Any]) -> Any:
        if options["number"]:
            found = Business.objects.filter(company_number__in=options["number"])
            if missing := set(options["number"]) - set(found.values_list("company_number", flat=True)):
                raise CommandError(f"There is no company {sorted(missing)[0]}.")
            return found
        if not options["watchlist"]:
            return None
        if not options["org"]:
            raise CommandError("--watchlist needs --org: watchlists belong to organisations.")
        org = Organization.objects.filter(slug=options["org"]).first()
        if org is None:
            raise CommandError(f"There is no organisation {options['org']!r}.")
        watchlist = Watchlist.objects.for_org(org).filter(name__iexact=options["watchlist"]).first()
        if watchlist is None:
            raise CommandError(f"{org} has no watchlist {options['watchlist']!r}.")
        entries = WatchlistEntry.objects.for_org(org).filter(watchlist=watchlist)
        return Business.objects.filter(pk__in=entries.values("business_id"))
