"""`manage.py detect_signals --org SLUG`: look at what happened, now and in the foreground."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from businesses.models import Business, BusinessEvent, OrgEvent, Watchlist, WatchlistEntry
from oppspot.organizations.models import Organization
from signals_app.detection import DetectionReport, detect_signals
from signals_app.ranking import ranked
from signals_app.scoring import explain, tier_of
from signals_app.watching import detect_for_watched

SHOWN = 10


class Command(BaseCommand):
    help = "Turn events into an organisation's signals. A second pass over the same events adds nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--org", required=True, help="slug of the organisation")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--watchlist", help="companies of this watchlist, from the beginning")
        which.add_argument("--all", action="store_true", help="all companies with events, from the beginning")
        parser.add_argument("--show", type=int, default=SHOWN, help="companies of the ranking to print (%(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        org = Organization.objects.filter(slug=options["org"]).first()
        if org is None:
            raise CommandError(f"There is no organisation {options['org']!r}.")
        if options["all"]:
            report: Any = detect_signals(org=org, business_ids=self._with_events(org))
        elif options["watchlist"]:
            report = self._watchlist(org, options["watchlist"])
        else:
            report = detect_for_watched(org)
        self.stdout.write(
            f"{report.businesses:,} companies, {report.facts:,} events: {report.new:,} new signals, "
            f"{report.renewed:,} renewed, {report.cleared:,} withdrawn"
        )
        for fact in report.unreadable[:SHOWN]:
            self.stderr.write(f"unreadable: {fact}")
        for row in ranked(org).order_by("-score", "pk")[: options["show"]]:
            self._show(org, row.business, row.score)

    def _with_events(self, org: Organization) -> Iterator[UUID]:
        """Companies that anything happened to, as `org` knows it."""
        public = BusinessEvent.objects.order_by().values_list("business_id", flat=True)
        own = OrgEvent.objects.for_org(org).order_by().values_list("business_id", flat=True)
        ids: Iterator[UUID] = public.union(own).order_by("business_id").iterator(chunk_size=5_000)
        return ids

    def _watchlist(self, org: Organization, name: str) -> DetectionReport:
        watchlist = Watchlist.objects.for_org(org).filter(name__iexact=name).first()
        if watchlist is None:
            raise CommandError(f"{org} has no watchlist {name!r}.")
        entries = WatchlistEntry.objects.for_org(org).filter(watchlist=watchlist).order_by("business_id")
        return detect_signals(org=org, business_ids=entries.values_list("business_id", flat=True))

    def _show(self, org: Organization, business: Business, score: float) -> None:
        self.stdout.write(
            f"\n{score:5.1f} {tier_of(score).label:9}{business.name} ({business.company_number or 'no number'})"
        )
        for part in explain(org, business.pk).contributions:
            signal = part.signal
            self.stdout.write(
                f"  {part.points:+6.1f}  {signal.get_signal_type_display()}: {signal.rule}, {signal.occurred_on}, "
                f"{signal.signal_strength}, confidence {signal.confidence_score}"
            )
            for each in signal.evidence:
                self.stdout.write(f"          {each['on']} {each['source']}: {each['quote']} {each['url']}".rstrip())
