"""`manage.py evaluate_agents`: what holds of every case, what was measured on labels, and what was not."""

import json
from dataclasses import asdict
from importlib import import_module
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from agents.evaluation.base import CASES, Evaluation, Measure

KINDS = (
    "scout_agent",
    "scoring_agent",
    "opportunity_bot",
    "research_gpt",
    "writer_agent",
    "relationship_agent",
)


class Command(BaseCommand):
    help = "Evaluate the kinds of agents offline. Exits 1 if a property is violated."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kinds", nargs="*", help=f"Of {', '.join(KINDS)}; all by default.")
        parser.add_argument("--cases", type=int, default=CASES, help="Generated cases of each property.")
        parser.add_argument("--json", action="store_true", help="Print JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["cases"] < 1:
            raise CommandError("--cases must be at least 1.")
        if unknown := sorted(set(options["kinds"]) - set(KINDS)):
            raise CommandError(f"{unknown[0]} is not evaluated; there are: {', '.join(KINDS)}.")
        evaluations = []
        for kind in options["kinds"] or KINDS:
            made: Evaluation = import_module(f"agents.evaluation.{kind}").evaluate(options["cases"])
            evaluations.append(made)
            if not options["json"]:
                self._print(made)
        if options["json"]:
            self.stdout.write(json.dumps([asdict(one) for one in evaluations], indent=1))
        if violations := sum(one.violations for one in evaluations):
            raise CommandError(f"{violations} violations.")

    def _print(self, made: Evaluation) -> None:
        self.stdout.write(f"\n{made.kind}")
        for one in made.properties:
            verdict = "holds" if not one.violations else f"VIOLATED {one.violations} times: {'; '.join(one.examples)}"
            self.stdout.write(f"  {one.name}: {verdict} ({one.cases:,} cases)")
        labels = ""
        for measure in made.measures:
            if measure.labels != labels:
                labels = measure.labels
                self.stdout.write(f"  On the {labels}:")
            self.stdout.write(f"    {_told(measure)}")
        for text in made.not_measured:
            self.stdout.write(f"  Not measured: {text}")


def _told(one: Measure) -> str:
    value = "none" if one.value is None else f"{one.value:.2f}"
    text = f"{one.name} {value} [{one.interval[0]:.2f}, {one.interval[1]:.2f}] of {one.cases}"
    for name, known in one.baselines.items():
        text += f"; {name} {'none' if known is None else f'{known:.2f}'}"
        if name in one.ahead:
            text += " (ahead by {:.2f} to {:.2f})".format(*one.ahead[name])
    return text
