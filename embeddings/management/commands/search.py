"""`manage.py search "…"`: the search of the API, in a terminal."""

import json
from argparse import ArgumentParser
from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from businesses.filters import BusinessFilter
from embeddings.api import as_json
from embeddings.search import MODES, Hit, SearchResult, search
from oppspot.core.errors import OppspotError

PIPED_WIDTH = 120  # characters


class Command(BaseCommand):
    help = "Search companies by meaning and by words."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("query")
        parser.add_argument("--mode", choices=MODES, default="hybrid")
        parser.add_argument("--limit", type=int, default=10)
        parser.add_argument("--threshold", type=float, help="least cosine, 0 for none; default: the model's own")
        parser.add_argument("--explain", action="store_true", help="say why each result is one")
        parser.add_argument("--json", action="store_true", help="print what the API would answer")
        group = parser.add_argument_group("filters (lists separated by commas)")
        for name, declared in BusinessFilter.base_filters.items():
            group.add_argument(f"--{name.replace('_', '-')}", help=str(declared.extra.get("help_text", "")))

    def handle(self, *args: Any, **options: Any) -> None:
        given = {name: options[name] for name in BusinessFilter.base_filters if options[name] is not None}
        if "status" in given:
            given["status"] = given["status"].split(",")
        wanted = {key: options[key] for key in ("query", "mode", "limit", "threshold", "explain")}
        try:
            result = search(**wanted, filters=given)
        except OppspotError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(as_json(result, explain=options["explain"]), indent=2, ensure_ascii=False))
        else:
            print_result(console_for(self.stdout), result, explain=options["explain"])


def print_result(console: Console, result: SearchResult, *, explain: bool = False) -> None:
    """A table of hits, one line each."""
    if not result.hits:
        console.print(f"Nothing found for {result.query!r} (mode {result.mode}, threshold {result.threshold}).")
        return
    table = Table(
        title=f"“{result.query}”", title_justify="left", title_style="bold", box=None, pad_edge=False, expand=True
    )
    table.add_column("#", justify="right", style="dim")
    table.add_column("cosine", justify="right", min_width=6)
    table.add_column("company", style="bold", no_wrap=True, min_width=22, max_width=34)
    table.add_column("town", no_wrap=True, min_width=10, max_width=16)
    table.add_column("why" if explain else "what it does", no_wrap=not explain, overflow="ellipsis", ratio=1)
    for place, hit in enumerate(result.hits, start=1):
        similarity = "-" if hit.similarity is None else f"{hit.similarity:.3f}"
        text = _reason(hit) if explain else " ".join((hit.business.description or hit.business.sic_titles).split())
        table.add_row(str(place), similarity, hit.business.name, hit.business.town, text)
    console.print(table)


def console_for(stream: Any) -> Console:
    """A console on a command's output: as wide as the terminal, or wide enough for the table elsewhere."""
    console = Console(file=cast(TextIO, stream))
    return console if console.is_terminal else Console(file=cast(TextIO, stream), width=PIPED_WIDTH)


def _reason(hit: Hit) -> str:
    parts = []
    if hit.semantic_rank:
        parts.append(f"meaning: {hit.semantic_rank}.")
    if hit.lexical_rank:
        parts.append(f"words: {hit.lexical_rank}.")
    parts += [f"{stem} in {', '.join(fields)}" for stem, fields in hit.matched.items()]
    return "  ".join(parts)
