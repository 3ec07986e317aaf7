"""`manage.py agents`: what agents there are, who is due, and how they do."""

from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from agents.management.organizations import organizations
from agents.models import Agent, AgentExecution, ExecutionStatus
from agents.querysets import with_last_status
from agents.refusals import reason_of
from agents.replays import differences, replay_execution
from agents.services import as_cost
from agents.stats import Stats, stats_by_agent, stats_by_kind
from agents.waiting import wait_for
from oppspot.core.errors import OppspotError
from oppspot.jobs.cron import describe
from oppspot.organizations.models import Organization

DAYS = 30
SHOWN = 30
OWN_WORK = "No worker is running: this process works on the queue until the execution has ended."
COUNTS = ("executions", "completed", "failed", "cancelled", "open")


class Command(BaseCommand):
    help = "List agents, who is due when, and how they did."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        _action(actions, "list", "all agents")
        due = _action(actions, "due", "who is started by the clock next")
        due.add_argument("--limit", type=int, default=SHOWN, help="agents of an organisation (%(default)s)")
        replay = actions.add_parser("replay", help="an execution's work once more, and what comes out otherwise")
        replay.add_argument("execution", type=UUID, metavar="ID")
        replay.add_argument("--org", help="slug of the organisation; may be left out when there is only one")
        stats = _action(actions, "stats", "how agents did, by kind and by agent")
        stats.add_argument("--days", type=int, default=DAYS, help="of executions asked for since (%(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "replay":
            (org,) = organizations(options["org"])
            self._replay(org, options["execution"])
            return
        table: Table = getattr(self, f"_{options['action']}")(
            organizations(options["org"], every=options["every"]), options
        )
        console = Console(file=self.stdout, width=None if self.stdout.isatty() else 240)  # type: ignore[arg-type]
        console.print(table if table.row_count else "none")

    def _replay(self, org: Organization, pk: UUID) -> None:
        earlier = AgentExecution.objects.for_org(org).select_related("agent", "org").filter(pk=pk).first()
        if earlier is None:
            raise CommandError(f"{org} has no execution {pk}.")
        try:
            execution = replay_execution(execution=earlier, requested_by="manage.py")
        except OppspotError as error:
            raise CommandError(reason_of(error)) from error
        wait_for(execution, on_own_work=lambda: self.stderr.write(OWN_WORK))
        execution.refresh_from_db()
        self.stdout.write(f"execution {execution.pk} of {earlier.agent.name}: {_told(execution)}")
        self.stdout.write(f"execution {earlier.pk}: {_told(earlier)}")
        found = list(differences(earlier.output_data, execution.output_data))
        self.stdout.write("\n".join(found) or "no difference in the output")
        if execution.status != ExecutionStatus.COMPLETED:
            raise CommandError(f"The execution {execution.status}: {execution.error_message}".rstrip(": "))

    def _list(self, orgs: list[Organization], options: dict[str, Any]) -> Table:
        table = _table("org", "name", "kind", "state", "schedule", "next", "last run", "came to", "id")
        for org in orgs:
            agents = with_last_status(Agent.objects.for_org(org), AgentExecution.objects.for_org(org))
            for agent in agents.order_by("name", "pk"):
                status: str = agent.last_status or ""  # type: ignore[attr-defined]  # annotated
                schedule = describe(agent.schedule_cron, agent.time_zone) if agent.schedule_cron else ""
                _add(table, org.slug, agent.name, agent.agent_type, "active" if agent.is_active else "paused",
                     schedule, _time(agent.next_run_at), _time(agent.last_run_at), status, str(agent.pk))  # fmt: skip
        return table

    def _due(self, orgs: list[Organization], options: dict[str, Any]) -> Table:
        table, now = _table("org", "name", "kind", "due", "", "schedule"), timezone.now()
        for org in orgs:
            agents = Agent.objects.for_org(org).filter(next_run_at__isnull=False).order_by("next_run_at", "pk")
            for agent in agents[: options["limit"]]:
                _add(table, org.slug, agent.name, agent.agent_type, _time(agent.next_run_at),
                     _distance(agent.next_run_at, now), describe(agent.schedule_cron, agent.time_zone))  # fmt: skip
        return table

    def _stats(self, orgs: list[Organization], options: dict[str, Any]) -> Table:
        table = _table("org", "agent", "kind", *COUNTS, "success", "p50", "p95", "items", "calls", "tokens", "cost")
        since = timezone.now() - timedelta(days=options["days"])
        for org in orgs:
            for kind in stats_by_kind(org=org, since=since):
                _add(table, org.slug, "all", kind.kind, *_figures(kind))
            for agent in stats_by_agent(org=org, since=since):
                _add(table, org.slug, agent.name, agent.kind, *_figures(agent))
        return table


def _action(actions: Any, name: str, text: str) -> ArgumentParser:
    action: ArgumentParser = actions.add_parser(name, help=text)
    which = action.add_mutually_exclusive_group()
    which.add_argument("--org", help="slug of an organisation; may be left out when there is only one")
    which.add_argument("--all-orgs", dest="every", action="store_true", help="of every organisation")
    return action


def _told(execution: AgentExecution) -> str:
    made = f" ({execution.mode})" if execution.mode else ""
    return f"{execution.status}{made}, {execution.items_processed} items, ${as_cost(execution.cost)}"


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, header_style="bold")


def _add(table: Table, *texts: str) -> None:
    table.add_row(*(escape(text) for text in texts))


def _figures(stats: Stats) -> list[str]:
    success = "" if stats.success_rate is None else f"{stats.success_rate:.0%}"
    times = ["" if ms is None else f"{ms / 1000:.1f} s" for ms in (stats.p50_ms, stats.p95_ms)]
    sums = [f"{value:,}" for value in (stats.items_processed, stats.api_calls, stats.tokens_used)]
    return [*(f"{getattr(stats, name):,}" for name in COUNTS), success, *times, *sums, f"${as_cost(stats.cost)}"]


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else ""


def _distance(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return ""
    if moment <= now:
        return f"overdue by {_duration(now - moment)}"
    return f"in {_duration(moment - now)}"


def _duration(time: timedelta) -> str:
    minutes = int(time.total_seconds()) // 60
    days, hours = divmod(minutes // 60, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
