"""Introduction paths in a register of a million appointments, against the same walk without rules.

    python -m benchmarks.paths [--appointments 1000000] [--targets 200] [--customers 500]

The register is made by the database, with the skew of a real one: most officers hold one or two offices, some ten or
twenty, a few formation agents tens of thousands each, and half of all companies have their registered office at one of
a few hundred agents' addresses, the greatest with 50,000. Targets are drawn evenly by number; their paths from the
customers are searched three hops deep. In turns, the same targets are searched by a plain recursive statement that
follows every officer and address, as one would write it first; it is cut off after `--cap` seconds, which then count.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.scratch import scratch_database

if __name__ == "__main__":
    scratch_database("benchmark_paths")

from django.db import OperationalError, connection, transaction
from django.utils import timezone

from agents.paths.search import find_paths
from businesses.models import Appointment, Business, Officer

GOAL_MS = 300.0
AGENT_COMPANIES = 50_000
# An eighth of the appointments are agents': of 20 officers, the first with an eighth of those, at least 50,000 of 1 M.
COMPANIES = """
    INSERT INTO businesses (name, name_normalised, company_number, status, address_line1, postcode, source)
    SELECT 'Company ' || n, 'company ' || n, lpad(n::text, 8, '0'),
        CASE WHEN n %% 10 = 0 THEN 'dissolved' ELSE 'active' END,
        CASE WHEN n %% 8 = 0 THEN '1 Agents House'
             WHEN n %% 2 = 0 THEN (1 + n %% 397) || ' Agent Street'
             ELSE (n / 3) || ' Mill Lane' END,
        CASE WHEN n %% 8 = 0 THEN 'EC1V 1AA' WHEN n %% 2 = 0 THEN 'EC1V 2AA' ELSE 'YO' || (n / 3) %% 9000 || ' 1AA' END,
        'benchmark'
    FROM generate_series(1, %(companies)s) n
"""
OFFICERS = """
    INSERT INTO officers (external_id, name, name_normalised)
    SELECT 'o' || n, 'OFFICER ' || n, 'officer ' || n FROM generate_series(1, %(officers)s) n
"""
# power(u, 3) draws the first officers far more often than the last: a few hold dozens of offices, most one or two.
APPOINTMENTS = """
    WITH company AS (SELECT id, row_number() OVER (ORDER BY company_number) AS n FROM businesses),
        officer AS (SELECT id, row_number() OVER (ORDER BY id) AS n FROM officers),
        drawn AS (
            SELECT n, 1 + (n %% %(companies)s) AS company, CASE
                WHEN n <= %(agent)s THEN 1
                WHEN n %% 8 = 0 THEN 2 + n / 8 %% 19
                WHEN n %% 8 = 1 THEN 21 + (power((hashint8(n) & 2147483647) / 2147483648.0, 3) * %(officers)s / 10)::int
                ELSE 21 + ((hashint8(n) & 2147483647) %% (%(officers)s - 30)) END AS officer
            FROM generate_series(1, %(appointments)s) n)
    INSERT INTO appointments (external_id, officer_id, business_id, role, appointed_on, resigned_on, source)
    SELECT 'a' || d.n, o.id, c.id, CASE WHEN d.n %% 6 = 0 THEN 'secretary' ELSE 'director' END,
        current_date - (d.n %% 6000)::int,
        CASE WHEN d.n %% 3 = 0 THEN current_date - (d.n %% 2000)::int END, 'benchmark'
    FROM drawn d JOIN company c ON c.n = d.company JOIN officer o ON o.n = d.officer
"""
PLAIN = """
    WITH RECURSIVE walk (hops, company, seen) AS (
        SELECT 0, %(target)s::uuid, ARRAY[%(target)s::uuid]
        UNION ALL
        SELECT w.hops + 1, step.company, w.seen || step.company
        FROM walk w CROSS JOIN LATERAL (
            SELECT b.business_id AS company FROM appointments a JOIN appointments b ON b.officer_id = a.officer_id
            WHERE a.business_id = w.company
            UNION ALL
            SELECT o.id FROM businesses c JOIN businesses o
                ON oppspot_address_key(o.address_line1, o.postcode) = oppspot_address_key(c.address_line1, c.postcode)
            WHERE c.id = w.company
        ) step
        WHERE w.hops < 3 AND step.company <> ALL(w.seen) AND w.company <> ALL(%(sources)s::uuid[])
    )
    SELECT hops, seen FROM walk WHERE company = ANY(%(sources)s::uuid[]) ORDER BY hops LIMIT 5
"""


def fill(appointments: int) -> None:
    values = {
        "appointments": appointments,
        "companies": appointments * 2 // 5,
        "officers": appointments // 2,
        "agent": min(AGENT_COMPANIES, appointments // 20),
    }
    with connection.cursor() as cursor:
        for statement in (COMPANIES, OFFICERS, APPOINTMENTS):
            cursor.execute(statement, values)
        for table in ("businesses", "officers", "appointments"):
            cursor.execute(f"VACUUM ANALYZE {table}")


def milliseconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - started)


def p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


def plain(target: Any, sources: list[Any], cap: float) -> None:
    """The walk without rules; given up after `cap` seconds."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(int(cap * 1000))])
            cursor.execute(PLAIN, {"target": target, "sources": sources})
            cursor.fetchall()
    except OperationalError:
        return


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--appointments", type=int, default=1_000_000)
    parser.add_argument("--targets", type=int, default=200)
    parser.add_argument("--customers", type=int, default=500)
    parser.add_argument("--cap", type=float, default=5.0, help="Seconds after which the plain walk is given up.")
    options = parser.parse_args()
    fill(options.appointments)
    companies = list(Business.objects.order_by("company_number").values_list("pk", flat=True))
    step = len(companies) // (options.targets + 1)
    targets = [companies[(place + 1) * step + place % 7] for place in range(options.targets)]
    stride = len(companies) // options.customers
    sources = [pk for pk in companies[3::stride] if pk not in set(targets)]
    day = timezone.now().date()
    times: list[float] = []
    baseline: list[float] = []
    found, left_out = 0, 0
    for place, target in enumerate(targets):
        started = time.perf_counter()
        paths = find_paths(target=target, sources=sources, day=day)
        times.append(1000 * (time.perf_counter() - started))
        found += bool(paths.found)
        left_out += len(paths.left_out)
        if place % 20 == 0:
            baseline.append(milliseconds(partial(plain, target, sources, options.cap)))
    print(f"{Appointment.objects.count():,} appointments of {Officer.objects.count():,} officers in "
          f"{len(companies):,} companies; {len(sources):,} customers, {len(targets)} targets")  # fmt: skip
    print(f"paths found for {found}; {left_out:,} officers and addresses left out")
    print(f"three hops: p50 {statistics.median(times):.1f} ms, p95 {p95(times):.1f} ms, most {max(times):.1f} ms, "
          f"goal {GOAL_MS:.0f} ms")  # fmt: skip
    base = statistics.median(baseline)
    cut = sum(one >= options.cap * 1000 for one in baseline)
    print(f"without rules ({len(baseline)} of the targets, {cut} given up after {options.cap:.0f} s): "
          f"p50 {base:.0f} ms: {'at least ' if cut else ''}{base / statistics.median(times):.0f} times")  # fmt: skip
    return 0 if p95(times) <= GOAL_MS else 1


if __name__ == "__main__":
    sys.exit(main())
