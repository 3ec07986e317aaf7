"""`manage.py embed_businesses`: give companies their vectors, as many as need one."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from businesses.filters import filter_businesses
from embeddings.indexes import activate_model, ensure_pending_index
from embeddings.providers import get_provider
from embeddings.services import GenerationReport, generate_embeddings
from oppspot.core.errors import InvalidInput, NotConfigured
from oppspot.core.processes import stop_signals

PATIENCE_S = 600  # how long in a row the provider may be unavailable


def positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a positive number")
    return int(text)


class Command(BaseCommand):
    help = (
        "Embed the companies that have no vector, or one of an older text. Can be stopped and run again at any time, "
        "and several times at once. Exits 1 when a company failed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--model", help="default: EMBEDDING_MODEL, or the provider's own default")
        parser.add_argument("--limit", type=positive, help="companies to embed at most")
        parser.add_argument(
            "--batch-size", type=positive, help="texts sent at a time, if fewer than the provider takes"
        )
        parser.add_argument(
            "--where", action="append", default=[], metavar="KEY=VALUE", help="a filter of the API; repeatable"
        )
        parser.add_argument("--dry-run", action="store_true", help="print what it would take, and change nothing")
        parser.add_argument("--force", action="store_true", help="renew vectors that are current, too")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._run(options)
        except (NotConfigured, InvalidInput) as error:
            raise CommandError(str(error)) from error

    def _run(self, options: dict[str, Any]) -> None:
        provider = get_provider(options["model"])
        queryset = filter_businesses(_conditions(options["where"]))
        if not options["dry_run"]:
            ensure_pending_index(provider)
        # To stderr, and only a terminal's: stdout belongs to the result.
        bar = tqdm(unit=" companies", disable=None, file=sys.stderr, dynamic_ncols=True)
        with stop_signals() as stopped, bar:
            report = generate_embeddings(
                provider=provider,
                queryset=queryset,
                limit=options["limit"],
                batch_size=options["batch_size"],
                force=options["force"],
                dry_run=options["dry_run"],
                patience_s=PATIENCE_S,
                progress=lambda done, total: _show(bar, done, total),
                should_stop=lambda: bool(stopped),
            )
        if options["dry_run"]:
            self._print_estimate(report)
            return
        self._print(report)
        if report.cancelled:
            self.stdout.write(f"stopped, {report.remaining:,} left; run it again to go on")
            return
        if report.error:
            raise CommandError(f"Ended early with {report.remaining:,} left: {report.error}")
        activate_model(provider)
        if report.failures:
            raise CommandError(f"{len(report.failures):,} companies could not be embedded.")

    def _print_estimate(self, report: GenerationReport) -> None:
        self.stdout.write(
            f"{report.selected:,} companies need a vector of {report.model}, {report.unchanged:,} have one\n"
            f"would send {report.texts:,} texts, about {report.tokens:,} tokens, about ${report.cost:.2f}"
        )

    def _print(self, report: GenerationReport) -> None:
        self.stdout.write(
            f"embedded {report.embedded:,}, skipped {report.unchanged:,} unchanged, failed {len(report.failures):,}\n"
            f"{report.tokens:,} tokens, ${report.cost:.4f}, {report.seconds:.1f} s, "
            f"{report.texts_per_second:.1f} texts/s ({report.model})"
        )
        if report.superseded:
            self.stdout.write(f"{report.superseded:,} were edited meanwhile; run it again for them")
        if report.elsewhere:
            self.stdout.write(f"{report.elsewhere:,} were left to another run")
        for failure in report.failures:
            self.stdout.write(f"failed {failure.business_id} {failure.name}: {failure.reason}")


def _conditions(arguments: list[str]) -> dict[str, Any]:
    """`["town=Leeds", "status=active", "status=other"]` → `{"town": "Leeds", "status": ["active", "other"]}`."""
    conditions: dict[str, Any] = {}
    for argument in arguments:
        key, separator, value = argument.partition("=")
        if not (separator and value):  # an empty value would select everything, and cost as much
            raise InvalidInput(f"--where {argument}: write it as KEY=VALUE, e.g. --where town=Leeds.")
        conditions.setdefault(key, []).append(value)
    return {key: values[0] if len(values) == 1 else values for key, values in conditions.items()}


def _show(bar: "tqdm[Any]", done: int, total: int) -> None:
    bar.total = total
    bar.update(done - bar.n)
