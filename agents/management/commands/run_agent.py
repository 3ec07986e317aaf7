"""`manage.py run_agent ID|NAME`: an agent's execution, from a terminal."""

import json
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from agents.dry_runs import SECONDS, dry_run
from agents.management.dry_runs import lines_of
from agents.management.organizations import organizations
from agents.models import Agent, AgentExecution, ExecutionStatus, Trigger
from agents.refusals import reason_of
from agents.services import as_cost, start_execution
from agents.trees import Tree
from agents.waiting import wait_for
from oppspot.core.errors import OppspotError
from oppspot.jobs import stats
from oppspot.organizations.models import Organization

REQUESTED_BY = "manage.py"


class Command(BaseCommand):
    help = "Run an agent. With --wait, exits 1 if the execution does not complete."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("agent", metavar="ID|NAME")
        parser.add_argument("--org", help="slug of the organisation; may be left out when there is only one")
        parser.add_argument(
            "--input", nargs="+", action="extend", default=[], metavar="JSON|KEY=VALUE",
            help="what the execution is given: one JSON object, or fields (of which lists and objects are JSON)",
        )  # fmt: skip
        how = parser.add_mutually_exclusive_group()
        how.add_argument(
            "--wait", action="store_true",
            help="until it, and what it leads to, has ended; where no worker runs, the queue is worked on here",
        )  # fmt: skip
        how.add_argument(
            "--dry-run", action="store_true",
            help="show what would come out and what it may cost: nobody outside is asked, and nothing stays",
        )  # fmt: skip
        parser.add_argument(
            "--seconds", type=float, default=SECONDS,
            help="a dry run is given up after these, as others wait for what it looks at (%(default)g)",
        )  # fmt: skip
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        (org,) = organizations(options["org"])
        if options["dry_run"]:
            self._dry_run(_agent(org, options["agent"]), options)
            return
        try:
            execution, _ = start_execution(
                agent=_agent(org, options["agent"]),
                trigger=Trigger.COMMAND,
                given=given_by(options["input"]),
                requested_by=REQUESTED_BY,
            )
        except OppspotError as error:
            raise CommandError(reason_of(error)) from error
        tree = wait_for(execution, on_own_work=self._say_who_works) if options["wait"] else None
        execution.refresh_from_db()
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(execution, tree), indent=2, ensure_ascii=False))
        else:
            self._print(execution, tree)
        if tree is not None and execution.status != ExecutionStatus.COMPLETED:
            raise CommandError(f"The execution {execution.status}: {execution.error_message}".rstrip(": "))

    def _dry_run(self, agent: Agent, options: dict[str, Any]) -> None:
        try:
            done = dry_run(agent=agent, given=given_by(options["input"]), seconds=options["seconds"])
        except OppspotError as error:
            raise CommandError(" ".join(filter(None, [reason_of(error), error.hint]))) from error
        if options["json"]:
            self.stdout.write(json.dumps(done.as_json(), indent=2, ensure_ascii=False))
        else:
            self.stdout.write("\n".join(lines_of(done)))
        if done.failure:
            raise CommandError(f"The execution would fail: {done.failure}")

    def _say_who_works(self) -> None:
        self.stderr.write("No worker is running: this process works on the queue until the execution has ended.")

    def _print(self, execution: AgentExecution, tree: Tree | None) -> None:
        self.stdout.write(f"execution {execution.pk} of {execution.agent.name}: {execution.status}")
        if tree is None:
            if not stats.workers_alive():
                self.stderr.write("No worker is running: start `manage.py worker`, or say --wait.")
            return
        for node in tree.nodes:
            self.stdout.write(f"{'  ' * (node.execution.depth + 1)}{_line(node.execution)}")
        if len(tree.nodes) > 1:
            self.stdout.write(
                f"together: {len(tree.nodes)} executions, {tree.failures} failed, {tree.wall_ms / 1000:.1f} s, "
                f"${as_cost(tree.cost)}"
            )
        if execution.output_data:
            self.stdout.write(json.dumps(execution.output_data, indent=2, ensure_ascii=False))


def _agent(org: Organization, named: str) -> Agent:
    agents = Agent.objects.for_org(org).select_related("org")
    try:
        found = agents.filter(pk=UUID(named)).first()
    except ValueError:
        found = agents.filter(name__iexact=named).first()
    if found is None:
        raise CommandError(f"{org} has no agent {named!r}.")
    agent: Agent = found
    return agent


def given_by(words: list[str]) -> dict[str, Any]:
    """The input that the words make: `{"depth": "quick"}` or `depth=quick`. Raises `CommandError`.

    A value is text, which the kind's schema reads as what it needs; lists, objects and null are JSON.
    """
    if len(words) == 1 and words[0].lstrip().startswith("{"):
        found = _json(words[0])
        if isinstance(found, dict):
            return found
    given: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier():
            raise CommandError(f"{word!r} is neither a JSON object nor KEY=VALUE.")
        given[name] = _json(value) if value[:1] in {"[", "{"} or value == "null" else value
    return given


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise CommandError(f"{text!r} is not JSON: {error}.") from error


def _line(execution: AgentExecution) -> str:
    took = "" if execution.duration_ms is None else f" in {execution.duration_ms / 1000:.1f} s"
    parts = [f"{execution.status}{took}", f"{execution.items_processed} items"]
    if execution.api_calls or execution.cost:
        parts.append(f"{execution.api_calls} calls, ${as_cost(execution.cost)}")
    if execution.error_message:
        parts.append(execution.error_message)
    return f"{execution.agent.name}: {', '.join(parts)}"


def _as_json(execution: AgentExecution, tree: Tree | None) -> dict[str, Any]:
    shown = ("status", "mode", "error_message", "input_data", "output_data", "duration_ms", "items_processed",
             "api_calls", "tokens_used")  # fmt: skip
    found = {"id": str(execution.pk), "agent": execution.agent.name}
    found |= {name: getattr(execution, name) for name in shown} | {"cost": as_cost(execution.cost)}
    if tree is None:
        return found
    together = {
        "executions": len(tree.nodes),
        "failures": tree.failures,
        "wall_ms": tree.wall_ms,
        "cost": as_cost(tree.cost),
    }
    return found | {"tree": together}
