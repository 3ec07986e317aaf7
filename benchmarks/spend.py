"""Whether caps hold and books equal bills: `.venv/bin/python -m benchmarks.spend [--calls 10000] [--workers 32]`.

So many worker processes ask a local server of OpenAI's protocol as fast as they can, of which a share fails in all
kinds of ways. A watcher reads, all the while, what is spent and reserved of the month and of each execution. Twice:
with a budget for all calls, and with one for half of them.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.scratch import scratch_database

DATABASE = "benchmark_spend"
EXECUTIONS = 40
ENOUGH = Decimal(1_000)
SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Task:
    url: str
    folder: str
    execution: str
    calls: int
    first: int  # number of its first question


def ask_all(task: Task) -> Counter[str]:
    """In a process of its own: ask, and count what came of it."""
    import django

    django.setup()
    import structlog
    from django.conf import settings

    from agents.llm import BudgetExceeded, LLMFailed, asking, breaker, templates
    from agents.models import AgentExecution
    from oppspot.core.errors import RetryableError
    from tests.agents.llm_cases import ask

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    settings.LLM_API_KEY, settings.LLM_BASE_URL, settings.LLM_MODEL = "local", task.url, "gpt-4.1-mini"
    templates.FOLDER = Path(task.folder)
    asking.FIRST_WAIT_S = 0.02
    breaker.FAILURES = 1_000_000  # the server is meant to fail: go on asking
    execution = AgentExecution.all_orgs.select_related("org").get(pk=task.execution)
    counts: Counter[str] = Counter()
    for number in range(task.first, task.first + task.calls):
        try:
            ask(execution, f"Company {number}")
            counts["answered"] += 1
        except BudgetExceeded:
            counts["over budget"] += 1
        except (LLMFailed, RetryableError):
            counts["failed"] += 1
    return counts


@contextlib.contextmanager
def serving(fail: float) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.agents.llm_server", "--fail", str(fail), "--seed", "11"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def bill_of(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/bill") as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def measure(name: str, *, calls: int, workers: int, fail: float, cap: Decimal, run_cap: Decimal) -> bool:
    from django.db.models import Count, F, Sum

    from agents.budgets import set_budget
    from agents.models import AgentExecution, LLMCall
    from agents.stats import budget_of
    from oppspot.organizations.services import create_organization
    from tests.agents.factories import make_agent, queue_execution

    org = create_organization(name=name, slug=name)
    set_budget(org=org, monthly_cap=cap, run_cap=run_cap, by="benchmark")
    executions = [str(queue_execution(make_agent(org)).pk) for _ in range(EXECUTIONS)]
    folder = tempfile.mkdtemp()
    from tests.agents.llm_cases import write_template

    write_template(Path(folder))
    share = calls // EXECUTIONS
    samples = passed = 0
    began = time.monotonic()
    with serving(fail) as url, SPAWN.Pool(workers) as pool:
        tasks = [Task(url, folder, pk, share, place * share) for place, pk in enumerate(executions)]
        result = pool.map_async(ask_all, tasks, chunksize=1)
        while not result.ready():
            budget = budget_of(org)
            over = AgentExecution.objects.for_org(org).filter(cost__gt=F("cost_cap") - F("cost_reserved"))
            passed += budget.spent + budget.reserved > budget.monthly_cap or over.exists()
            samples += 1
            result.wait(0.02)
        counts = sum(result.get(), Counter())
        bill = bill_of(url)
    took = time.monotonic() - began
    shutil.rmtree(folder)
    rows = LLMCall.objects.for_org(org).values("state").annotate(calls=Count("pk"), cost=Sum("cost"))
    states = {row["state"]: (row["calls"], row["cost"]) for row in rows}
    settled, unknown = (states.get(state, (0, Decimal(0))) for state in ("settled", "unknown"))
    budget = budget_of(org)
    is_equal = settled[1] == Decimal(bill["billed"]) and settled[0] == bill.get("billed_answers", 0)
    is_summed = budget.spent == settled[1] + unknown[1] and budget.reserved == 0
    print(f"\n{name}: {sum(counts.values())} questions by {workers} processes in {took:.0f} s, {dict(counts)}")
    print(f"  requests: the server saw {bill['requests']}, the ledger holds {sum(row[0] for row in states.values())}: "
          f"{ {state: row[0] for state, row in states.items()} }")  # fmt: skip
    print(f"  settled ${settled[1]}, the server's bill ${bill['billed']}: {'equal' if is_equal else 'NOT EQUAL'}")
    print(f"  without an answer, charged as reserved: {unknown[0]} calls, ${unknown[1]}")
    print(f"  month: cap ${budget.monthly_cap}, spent ${budget.spent}, as the ledger: {'yes' if is_summed else 'NO'}")
    print(f"  a cap was passed at {passed} of {samples} looks")
    return is_equal and is_summed and not passed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=32)
    parser.add_argument("--fail", type=float, default=0.3)
    options = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ["DATABASE_POOL_SIZE"] = "0"
    scratch_database(DATABASE)
    common = {"calls": options.calls, "workers": options.workers, "fail": options.fail}
    half = Decimal(options.calls) * Decimal("0.00023")  # about half of what all calls cost, the unknown ones included
    run_cap = max(Decimal("0.02"), half / EXECUTIONS * Decimal("1.5"))
    results = [
        measure("enough", **common, cap=ENOUGH, run_cap=ENOUGH),
        measure("half", **common, cap=half, run_cap=run_cap),
    ]
    print("\nAll as it should be." if all(results) else "\nNOT as it should be.")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
