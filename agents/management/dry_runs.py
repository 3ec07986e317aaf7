"""A dry run as lines for a terminal."""

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal

from agents.budgets import dollars
from agents.dry_runs import DryRun, Handing

SHOWN = 20  # of each list


def lines_of(done: DryRun) -> Iterator[str]:
    yield f"dry run of {done.agent.name}, {done.duration_ms / 1000:.1f} s: nothing of it stays"
    yield f"items: {done.outcome.items_processed}, subjects: {len(done.outcome.subjects)}"
    yield from (f"would write {table}: {_counts(counts)}" for table, counts in done.written.items())
    channels = ", ".join(done.told) or "nobody"
    yield from _listed(f"would tell {channels}", done.outcome.news)
    for handing in done.handings:
        yield from _handing_lines(handing)
    yield from _costs(done)
    yield from _listed("log", done.logged)
    yield from _listed("note", done.notes)
    yield json.dumps(dict(done.outcome.output), indent=2, ensure_ascii=False)


def _handing_lines(handing: Handing) -> Iterator[str]:
    yield f"would hand {len(handing.handed)} to {handing.to.name}; {handing.passed} pass the gate"
    refused = [f"{one['company']}: {one['reason']}" for one in handing.refused]
    yield from _listed(f"not handed to {handing.to.name}", refused)


def _costs(done: DryRun) -> Iterator[str]:
    asked = [
        f"{one.prompt} in {one.step}: {'stored' if one.is_stored else _amount(one.cost_at_most)}"
        for one in done.questions
    ]
    yield from _listed("would ask", asked)
    costs = done.costs
    caps = f"an execution may spend {dollars(costs.run_cap)}, the month has {dollars(costs.month_left)} left"
    yield f"language model: {len(asked)} questions, {_amount(costs.at_most)}; {caps}"


def _amount(cost: Decimal | None) -> str:
    return "price unknown" if cost is None else f"at most {dollars(cost)}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _listed(title: str, texts: Sequence[str]) -> Iterator[str]:
    yield from (f"{title}: {text}" for text in texts[:SHOWN])
    if len(texts) > SHOWN:
        yield f"{title}: and {len(texts) - SHOWN} more"
