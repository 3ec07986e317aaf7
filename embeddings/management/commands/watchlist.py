"""`manage.py watchlist … --org SLUG`: an organisation's watchlists, from a terminal."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from businesses.filters import BusinessFilter
from businesses.matching import Outcome, Placed, Report, Row, match
from businesses.models import Watchlist
from businesses.row_files import read_rows, unmatched_csv
from businesses.watchlists import (
    allow_businesses,
    create_watchlist,
    delete_watchlist,
    entries_of,
    exclusions_of,
    match_rows,
    remove_businesses,
)
from embeddings.search import MODES
from embeddings.watchlist_fill import DEFAULT_LIMIT, DEFAULT_MODE, Filled, fill_watchlist
from oppspot.core.errors import OppspotError
from oppspot.organizations.models import Organization

ADDED_BY = "manage.py"
NAMED_BY = {"number": "a company number", "domain": "a domain", "company": "a company's name"}
SHOWN = 20  # rows that did not match


class Command(BaseCommand):
    help = "Make, fill and look at the watchlists of an organisation. Exits 1 if rows did not match."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        create = _action(actions, "create", "make a watchlist")
        create.add_argument("--description", default="")
        _action(actions, "list", "all watchlists", named=False)
        show = _action(actions, "show", "the companies of a watchlist")
        show.add_argument("--limit", type=int, default=100, help="companies at most (default: %(default)s)")
        add = _action(actions, "add", "put companies on a watchlist")
        remove = _action(actions, "remove", "take companies off a watchlist, also for when it is filled again")
        removed = _action(actions, "removed", "the companies that were taken off a watchlist, and stay off")
        removed.add_argument("--limit", type=int, default=100, help="companies at most (default: %(default)s)")
        allow = _action(actions, "allow", "let companies that were taken off come back with the search")
        for parser_ in (add, remove, allow):
            for field, what in NAMED_BY.items():
                parser_.add_argument(f"--{field}", action="append", default=[], help=f"{what}; may be repeated")
        read = _action(actions, "import", "put the companies of a CSV file on a watchlist")
        read.add_argument("file", type=Path, help="with a header that names number, domain, name or town")
        for parser_ in (add, read):
            parser_.add_argument("--dry-run", action="store_true", help="only report")
            parser_.add_argument("--unmatched", type=Path, metavar="FILE", help="write what did not match, as CSV")
        fill = _action(actions, "fill", "put what a search finds on a watchlist, and keep the search")
        fill.add_argument("--query", help="default: the search that is kept")
        fill.add_argument("--mode", choices=MODES, default=DEFAULT_MODE)
        fill.add_argument("--limit", type=int, default=DEFAULT_LIMIT)
        fill.add_argument("--dry-run", action="store_true", help="only report")
        for name, declared in BusinessFilter.base_filters.items():
            fill.add_argument(f"--{name.replace('_', '-')}", help=str(declared.extra.get("help_text", "")))
        delete = _action(actions, "delete", "delete a watchlist")
        delete.add_argument("--yes", action="store_true", help="even if there are companies on it")

    def handle(self, *args: Any, **options: Any) -> None:
        org = Organization.objects.filter(slug=options["org"]).first()
        if org is None:
            raise CommandError(f"There is no organisation {options['org']!r}.")
        try:
            getattr(self, f"do_{options['action']}")(org, options)
        except OppspotError as error:
            raise CommandError(str(error)) from error

    def do_create(self, org: Organization, options: dict[str, Any]) -> None:
        made = create_watchlist(org=org, name=options["name"], description=options["description"], created_by=ADDED_BY)
        self.stdout.write(f"created watchlist {made.name} ({made.pk})")

    def do_list(self, org: Organization, options: dict[str, Any]) -> None:
        for watchlist in Watchlist.objects.for_org(org).order_by("name"):
            count = entries_of(org=org, watchlist_id=watchlist.pk).count()
            search = f"  fills from {watchlist.search['query']!r}" if watchlist.search else ""
            self.stdout.write(f"{watchlist.name:40}{count:>8,} companies{search}")

    def do_show(self, org: Organization, options: dict[str, Any]) -> None:
        watchlist = _watchlist(org, options["name"])
        self._show(entries_of(org=org, watchlist_id=watchlist.pk), "matched_by", options["limit"])

    def do_removed(self, org: Organization, options: dict[str, Any]) -> None:
        watchlist = _watchlist(org, options["name"])
        self._show(exclusions_of(org=org, watchlist_id=watchlist.pk), "removed_by", options["limit"])

    def _show(self, companies: Any, about: str, limit: int) -> None:
        shown = companies.order_by("business__name", "pk").values_list(
            "business__company_number", "business__name", "business__town", about
        )
        for number, name, town, said in shown[:limit]:
            self.stdout.write(f"{number or '-':10}{name:50}{town:20}{said}")
        left_out = companies.count() - limit
        if left_out > 0:
            self.stdout.write(f"and {left_out:,} more")

    def do_add(self, org: Organization, options: dict[str, Any]) -> None:
        self._match(org, _rows(options), options)

    def do_remove(self, org: Organization, options: dict[str, Any]) -> None:
        watchlist, named = _watchlist(org, options["name"]), self._named(org, options)
        count = remove_businesses(org=org, watchlist_id=watchlist.pk, business_ids=named, removed_by=ADDED_BY)
        self.stdout.write(f"{count:,} removed, {len(named) - count:,} were not on the list")

    def do_allow(self, org: Organization, options: dict[str, Any]) -> None:
        watchlist, named = _watchlist(org, options["name"]), self._named(org, options)
        count = allow_businesses(org=org, watchlist_id=watchlist.pk, business_ids=named)
        self.stdout.write(f"{count:,} may come back, {len(named) - count:,} had not been removed")

    def _named(self, org: Organization, options: dict[str, Any]) -> set[UUID]:
        """The companies that the options mean; nothing is done if one of them is not found."""
        watchlist = _watchlist(org, options["name"])
        report = match(_rows(options), entries=entries_of(org=org, watchlist_id=watchlist.pk))
        if unmatched := report.having(Outcome.UNMATCHED):
            for placed in unmatched:
                self.stderr.write(_line(placed))
            raise CommandError(f"{len(unmatched):,} companies were not found; nothing was changed.")
        return {placed.company.id for placed in report.placed if placed.company}

    def do_import(self, org: Organization, options: dict[str, Any]) -> None:
        try:
            with options["file"].open("rb") as file:
                rows = read_rows(file)
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror or error}.") from error
        self._match(org, rows, options)

    def _match(self, org: Organization, rows: list[Row], options: dict[str, Any]) -> None:
        watchlist = _watchlist(org, options["name"])
        report = match_rows(
            org=org, watchlist_id=watchlist.pk, rows=rows, dry_run=options["dry_run"], added_by=ADDED_BY
        )
        unmatched = report.having(Outcome.UNMATCHED)
        for placed in unmatched[:SHOWN]:
            self.stderr.write(_line(placed))
        if len(unmatched) > SHOWN:
            self.stderr.write(f"and {len(unmatched) - SHOWN:,} more")
        if options["unmatched"]:
            options["unmatched"].write_text(unmatched_csv(unmatched), encoding="utf-8-sig", newline="")
        self.stdout.write(_summary(report, dry_run=options["dry_run"]))
        if unmatched:
            raise CommandError(f"{len(unmatched):,} rows did not match.")

    def do_fill(self, org: Organization, options: dict[str, Any]) -> None:
        watchlist = _watchlist(org, options["name"])
        filters = {name: options[name] for name in BusinessFilter.base_filters if options[name] is not None}
        if "status" in filters:
            filters["status"] = filters["status"].split(",")
        if filters and not options["query"]:
            raise CommandError("Filters need a --query.")
        saved = {name: options[name] for name in ("query", "mode", "limit")} | {"filters": filters}
        filled: Filled = fill_watchlist(
            org=org, watchlist_id=watchlist.pk, saved=saved if options["query"] else None,
            dry_run=options["dry_run"], added_by=ADDED_BY,
        )  # fmt: skip
        off = f", {len(filled.excluded):,} stay off it" if filled.excluded else ""
        would = "would be " if options["dry_run"] else ""
        self.stdout.write(
            f"{len(filled.new):,} {would}new, {len(filled.kept):,} kept, {filled.others:,} others stay on the list{off}"
        )

    def do_delete(self, org: Organization, options: dict[str, Any]) -> None:
        watchlist = _watchlist(org, options["name"])
        count = entries_of(org=org, watchlist_id=watchlist.pk).count()
        if count and not options["yes"]:
            raise CommandError(f"There are {count:,} companies on {watchlist.name}: say --yes to delete it.")
        delete_watchlist(org=org, watchlist_id=watchlist.pk)
        self.stdout.write(f"deleted watchlist {watchlist.name}, with {count:,} companies on it")


def _action(actions: Any, name: str, text: str, *, named: bool = True) -> ArgumentParser:
    parser: ArgumentParser = actions.add_parser(name, help=text)
    parser.add_argument("--org", required=True, metavar="SLUG", help="whose watchlists")
    if named:
        parser.add_argument("name", help="of the watchlist, or its id")
    return parser


def _watchlist(org: Organization, name: str) -> Watchlist:
    watchlists = Watchlist.objects.for_org(org)
    found: Watchlist | None = watchlists.filter(name__iexact=name).first()
    if found is None:
        try:
            found = watchlists.filter(pk=UUID(name)).first()
        except ValueError:
            found = None
    if found is None:
        raise CommandError(f"{org} has no watchlist {name!r}.")
    return found


def _rows(options: dict[str, Any]) -> list[Row]:
    given = [
        {field: value}
        for field, option in (("number", "number"), ("domain", "domain"), ("name", "company"))
        for value in options[option]
    ]
    if not given:
        raise CommandError("Name companies by --number, --domain or --company.")
    return [Row(line, **values) for line, values in enumerate(given, start=1)]


def _line(placed: Placed) -> str:
    candidates = "; ".join(map(str, placed.candidates))
    return f"line {placed.row.line}: {placed.note}" + (f" It could be: {candidates}" if candidates else "")


def _summary(report: Report, *, dry_run: bool) -> str:
    counts = report.counts
    verb = "would be added" if dry_run else "added"
    return (
        f"{counts['rows']:,} rows: {counts['matched']:,} {verb}, {counts['already']:,} on the list already, "
        f"{counts['unmatched']:,} did not match"
    )
