"""`manage.py demo`: the main job from an empty database to answers, on the sample, and agents on it. Running it again
changes nothing."""

import json
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

import businesses
from agents.demo import DemoRun, run_demo
from agents.models import AgentExecution
from businesses import imports
from embeddings.indexes import activate_model
from embeddings.management.commands.search import console_for, print_result
from embeddings.providers import get_provider
from embeddings.search import search
from embeddings.services import generate_embeddings
from oppspot.organizations.authentication import digest_of
from oppspot.organizations.models import ApiKey, Organization, User
from oppspot.organizations.scopes import Scope
from oppspot.organizations.services import create_organization, issue_api_key
from signals_app.alerts.models import Delivery, State

SAMPLE = Path(businesses.__file__).resolve().parent / "sample_data" / "uk_companies.csv"
QUERIES = (
    "app-only bank for small businesses",
    "electric car charging network",
    "craft beer brewer",
    "designs processors that others build into their chips",
    "weekly box of ingredients with recipes",
)
ORG_SLUG = "demo"
EMAIL = "demo@oppspot.example"
MAILBOX = "demo_mail"  # a folder of DATA_DIR
SHOWN_LINES = 8  # of a message
ADDRESS = "http://127.0.0.1:8000"


class Command(BaseCommand):
    help = (
        "Load and embed the sample, search it, make a demo organisation with a user and an API key, and run its agents."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.console = console_for(self.stdout)
        self.durations: list[tuple[str, float]] = []
        with self._phase("database"):
            call_command("migrate", verbosity=0, interactive=False)
        with self._phase("import"):
            report = imports.import_tabular(path=SAMPLE, source="sample")
            self.console.print(f"Sample: {report.summary()}")
        with self._phase("embedding"):
            provider = get_provider()
            made = generate_embeddings(provider=provider)
            activate_model(provider)
            self.console.print(f"Embeddings by {provider.model}: {made.embedded} made, {made.unchanged} were current.")
        with self._phase("search"):
            for query in QUERIES:
                self.console.print()
                print_result(self.console, search(query, limit=3))
        with self._phase("organisation"):
            credentials = self._credentials()
        with self._phase("agents"):
            mailbox = settings.DATA_DIR / MAILBOX
            self._print_agents(run_demo(Organization.objects.get(slug=ORG_SLUG), address=EMAIL, mailbox=mailbox))
        self._closing(credentials)

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.durations.append((name, time.monotonic() - started))

    def _credentials(self) -> dict[str, str]:
        """The demo user's password and key, kept in a file that only its owner reads: keys are shown once."""
        path = settings.DATA_DIR / "demo_credentials.json"
        kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        user = User.objects.filter(email=EMAIL).first()
        if user is None or not kept:
            kept = {"password": secrets.token_urlsafe(9)}
            user = user or User(email=EMAIL, is_staff=True, is_superuser=True)
            user.set_password(kept["password"])
            user.save()
        org = Organization.objects.filter(slug=ORG_SLUG).first()
        org = org or create_organization(name="Demo", slug=ORG_SLUG, owner=user)
        keys = ApiKey.objects.for_org(org).filter(digest=digest_of(kept.get("key", "")))
        if not any(key.is_active for key in keys):
            name = f"demo {secrets.token_hex(2)}"
            _, kept["key"] = issue_api_key(org=org, name=name, scopes=[Scope.READ, Scope.WRITE], created_by=user)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump(kept, file)
        return kept

    def _print_agents(self, run: DemoRun) -> None:
        """What each execution came to, below the one that caused it."""
        self.stdout.write("\nAgents, over invented companies (fictional, all of them) and the sample:")
        for node in run.chain.nodes:
            self._print_execution(node.execution, "  " * node.execution.depth)
        self._print_execution(run.bot, "")
        found = [one["name"] for one in (run.bot.output_data or {}).get("new", [])[:3]]
        if found:
            self.stdout.write(f"    the best new ones: {', '.join(found)}")
        self._print_told(run.told)

    def _print_told(self, told: Sequence[Delivery]) -> None:
        """The messages, out of the delivery log."""
        if not told:
            self.stdout.write("\nNobody was told anything: nothing is new since the last run.")
            return
        folder = settings.DATA_DIR / MAILBOX
        self.stdout.write(f"\nWhat a person was told (fictional; no e-mail left this machine, it is kept in {folder}):")
        for delivery in told:
            state = State(delivery.state).label.lower()
            self.stdout.write(f"  To:      {delivery.channel.address}, {state}")
            self.stdout.write(f"  Subject: {delivery.subject}")
            lines = delivery.body.splitlines()
            rest = ["…"] if len(lines) > SHOWN_LINES else []
            for line in (*lines[:SHOWN_LINES], *rest):
                self.stdout.write(f"    {line}")

    def _print_execution(self, execution: AgentExecution, indent: str) -> None:
        told = execution.error_message or f"{execution.items_processed} items"
        self.stdout.write(f"  {indent}{execution.agent.name}: {execution.status}, {told}")

    def _closing(self, credentials: dict[str, str]) -> None:
        phases = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.durations)
        total = sum(seconds for _, seconds in self.durations)
        self.stdout.write(f"\nDone in {total:.1f} s ({phases}).\n\nNext:")
        self.stdout.write("  make serve                        starts the web server; then")
        self.stdout.write(f"  {ADDRESS}/admin/        sign in as {EMAIL} with password {credentials['password']}")
        self.stdout.write(f"  {ADDRESS}/api/docs/     the API, described")
        body = json.dumps({"query": "software for accountants", "limit": 3})
        self.stdout.write(
            f"  curl -s {ADDRESS}/api/v1/search/semantic/ -H 'Authorization: Bearer {credentials['key']}' "
            f"-H 'Content-Type: application/json' -d '{body}'"
        )
