"""`manage.py jobs`: look at jobs and steer them."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Count, QuerySet
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from oppspot.jobs import execution, queue, stats
from oppspot.jobs.heartbeat import Heart
from oppspot.jobs.models import Run, Status
from oppspot.jobs.registry import all_functions
from oppspot.jobs.services import WrongState, cancel_run, retry_run

LIST_LIMIT = 30


class Command(BaseCommand):
    help = "List, show, cancel, retry and drain jobs, and how they stand."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        listing = commands.add_parser("list", help="the newest runs")
        listing.add_argument("--status", choices=Status.values)
        listing.add_argument("--function", choices=[made.name for made in all_functions()])
        listing.add_argument("--org", help="slug of an organisation")
        listing.add_argument("--limit", type=int, default=LIST_LIMIT, help="%(default)s")
        for name, text in (
            ("show", "one run, with its attempts, steps and log"),
            ("cancel", "cancel runs and what they caused"),
            ("retry", "put failed or cancelled runs back in line"),
        ):
            one = commands.add_parser(name, help=text)
            one.add_argument("ids", nargs="+" if name != "show" else 1, metavar="ID")
        draining = commands.add_parser("drain", help="run what is ready here, in the foreground, and end")
        draining.add_argument("--limit", type=int, help="runs at most")
        draining.add_argument("--queue", default="default", help="%(default)s")
        commands.add_parser("stats", help="how the queue stands; exits 1 if nobody works on it")

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, f"_{options['command']}")(options)

    def _list(self, options: dict[str, Any]) -> None:
        runs = Run.all_orgs.select_related("org").order_by("-pk")
        for key in ("status", "function"):
            if options[key]:
                runs = runs.filter(**{key: options[key]})
        if options["org"]:
            runs = runs.filter(org__slug=options["org"])
        table = Table("id", "function", "state", "org", "tries", "created", "error", box=None, header_style="bold")
        for run in runs[: options["limit"]]:
            table.add_row(
                str(run.pk), run.function, _state(run), run.org.slug if run.org else "", _tries(run),
                _time(run.created_at), escape(run.error[:60]),
            )  # fmt: skip
        self._console().print(table if table.row_count else "no jobs")

    def _show(self, options: dict[str, Any]) -> None:
        (run,) = self._find(options["ids"])
        console = self._console()
        console.print(f"[bold]{run.function}[/bold] {run.pk}", highlight=False)
        facts = {
            "state": _state(run), "tries": _tries(run), "event": f"{run.event.name} {run.event_id}",
            "org": run.org.slug if run.org else "the system", "requested by": run.requested_by,
            "created": _time(run.created_at), "started": _time(run.started_at), "finished": _time(run.finished_at),
            "data": run.event.data, "output": run.output, "error": run.error,
            "children": _children(run),
        }  # fmt: skip
        for name, value in facts.items():
            if value not in (None, ""):
                console.print(f"  {name:13}{value}", markup=False, highlight=False)
        for attempt in run.attempts.order_by("fence"):
            text = f"  attempt {attempt.number}: {attempt.outcome}, {_time(attempt.started_at)}, {attempt.worker}"
            console.print(text, markup=False, highlight=False)
        for step in run.steps.order_by("finished_at"):
            took = (step.finished_at - step.started_at).total_seconds()
            console.print(f"  step {step.name}: {took:.2f} s", markup=False, highlight=False)
        for line in run.logs.order_by("pk"):
            console.print(
                f"  {_time(line.logged_at)} {line.message} {line.fields or ''}", markup=False, highlight=False
            )

    def _cancel(self, options: dict[str, Any]) -> None:
        self._each(options["ids"], cancel_run)

    def _retry(self, options: dict[str, Any]) -> None:
        self._each(options["ids"], retry_run)

    def _each(self, ids: list[str], action: Any) -> None:
        refused = 0
        for run in self._find(ids):
            try:
                self.stdout.write(f"{run.pk} {_state(action(run))}")
            except WrongState as error:
                refused += 1
                self.stderr.write(f"{run.pk} {error}")
        if refused:
            raise CommandError(f"{refused} of {len(ids)} were left as they are.")

    def _drain(self, options: dict[str, Any]) -> None:
        started = execution.drain(Heart(options["queue"]).start(), limit=options["limit"])
        self.stdout.write(f"{started} started, {queue.ready(options['queue'], 1_000_000)} ready")

    def _stats(self, options: dict[str, Any]) -> None:
        counts = dict(Run.all_orgs.values_list("status").annotate(Count("pk")).values_list("status", "pk__count"))
        alive = stats.workers_alive()
        for status in Status.values:
            self.stdout.write(f"{status:10}{counts.get(status, 0):>9,}")
        self.stdout.write(f"{'ready':10}{queue.ready('default', 1_000_000):>9,}")
        self.stdout.write(f"{'workers':10}{alive:>9,}")
        self.stdout.write(f"{'overdue':10}{stats.overdue_schedules():>9,}")
        if not alive:
            raise CommandError("No worker was seen for 30 s: start `manage.py worker`.")

    def _find(self, ids: list[str]) -> "QuerySet[Run]":
        try:
            wanted = {UUID(text) for text in ids}
        except ValueError as error:
            raise CommandError(f"An id is a UUID, as `jobs list` shows it: {error}.") from error
        runs = Run.all_orgs.select_related("org", "event").filter(pk__in=wanted).order_by("pk")
        if missing := wanted - set(runs.values_list("pk", flat=True)):
            raise CommandError(f"There is no job {sorted(missing)[0]}.")
        return runs

    def _console(self) -> Console:
        return Console(file=self.stdout, width=None if self.stdout.isatty() else 200)  # type: ignore[arg-type]


def _state(run: Run) -> str:
    return f"{run.status}, waits for {run.get_waiting_for_display()}" if run.waiting_for else run.status


def _tries(run: Run) -> str:
    return f"{run.attempt} of {run.max_attempts}"


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else ""


def _children(run: Run) -> str:
    counts = run.children.values_list("status").annotate(count=Count("pk")).order_by("status")
    return ", ".join(f"{count} {status}" for status, count in counts)
