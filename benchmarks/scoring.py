"""From a million companies to scored opportunities: what a pass takes, beside scoring every company in Python.

    python -m benchmarks.scoring [--companies 1000000] [--signals 200000] [--passes 40] [--sample 5000]

A pass is what an agent does: the shortlist in SQL, then every score of it with its evidence. Scoring all in Python is
measured on a sample drawn over the whole register and extrapolated by the number of companies, which flatters it: the
sample's rows are warm, and nothing is sorted. Nothing is compared by meaning here; `benchmarks.search` measures that.
Also how many of the best companies the shortlist holds, where every one that passes a narrow filter is scored.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

from benchmarks.scratch import scratch_database

if __name__ == "__main__":
    scratch_database("benchmark_scoring")

from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from agents.scoring.candidates import eligible, score_businesses, shortlist
from agents.scoring.criteria import criteria_of
from agents.scoring.meaning import Meaning
from agents.scoring.profile import Filters, Icp, SizeBand, Weights
from agents.scoring.scores import Score
from benchmarks.signals import SIGNALS
from businesses.models import Business
from oppspot.organizations.models import Organization
from oppspot.organizations.services import create_organization
from signals_app.scoring import refresh_scores, today

GOAL_S = 5.0  # p95 of a pass
GOAL_RATIO = 20.0
GOAL_HELD = 1.0
BEST = 20
NO_MEANING = Meaning("", ())
# Profiles from one that asks for little to one that asks for everything, with filters that leave all, some and few.
PASSES: dict[str, tuple[Filters, Icp]] = {
    "the whole register, industry": (Filters(), Icp(sic=["62"])),
    "the whole register, all criteria": (
        Filters(),
        Icp(sic=["62", "63"], not_sic=["68"], postcode_areas=["LS", "M", "EC"], towns=["York"], min_age=2, max_age=15,
            sizes=[SizeBand.SMALL, SizeBand.MEDIUM], min_employees=5, company_types=["Private Limited Company"]),
    ),
    "one industry, place and size": (
        Filters(sic=["62"]), Icp(postcode_areas=["LS", "M"], sizes=[SizeBand.SMALL], min_age=2),
    ),
    "one industry of one area, age": (Filters(sic=["62012"], postcode_area=["LS"]), Icp(min_age=5, max_age=20)),
}  # fmt: skip
NARROW = "one industry of one area, age"
COMPANIES = """
    INSERT INTO businesses (name, name_normalised, company_number, town, postcode, sic_codes, company_type, status,
        incorporated_on, accounts_category, employee_count)
    SELECT 'Company ' || n, 'company ' || n, lpad(n::text, 8, '0'),
        (ARRAY['LONDON', 'LEEDS', 'YORK', 'BRISTOL', 'HULL', 'BATH', 'DERBY', 'POOLE', 'TRURO', ''])[1 + n %% 10],
        (ARRAY['EC1A 1AA', 'LS1 1AA', 'YO1 1AA', 'BS1 1AA', 'HU1 1AA', 'M1 1AA', ''])[1 + n * 31 %% 7],
        CASE WHEN n %% 11 = 0 THEN '{}' ELSE ARRAY[(ARRAY['62012', '56101', '41100', '70229', '96090', '62020', '68209',
            '63110', '47910', '43220'])[1 + n * 7 %% 10]] END,
        (ARRAY['Private Limited Company', 'Limited Liability Partnership', ''])[1 + n %% 3],
        (ARRAY['active', 'active', 'active', 'active', 'active', 'active', 'active', 'dissolved', 'insolvent',
            'strike_off_proposed'])[1 + n * 13 %% 10],
        CASE WHEN n %% 17 = 0 THEN NULL ELSE date '1990-01-01' + (n::bigint * 7919 %% 13000)::int END,
        (ARRAY['MICRO ENTITY', 'SMALL', 'TOTAL EXEMPTION FULL', 'FULL', 'DORMANT', ''])[1 + n * 5 %% 6],
        CASE WHEN n %% 4 = 0 THEN (n * 31 %% 400)::int END
    FROM generate_series(1, %s) n
"""


def fill(companies: int, signals: int) -> Organization:
    org = create_organization(name="Org", slug="org")
    with connection.cursor() as cursor:
        cursor.execute(COMPANIES, [companies])
        cursor.execute(SIGNALS, {"org": org.pk, "signals": signals, "companies": companies})
        for table in ("businesses", "buying_signals"):
            cursor.execute(f"VACUUM ANALYZE {table}")
    refresh_scores(org)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE business_scores")
    return org


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    made = work()
    return time.perf_counter() - started, made


def find(org: Organization, name: str, day: date) -> list[UUID]:
    filters, icp = PASSES[name]
    return shortlist(org, eligible(filters), criteria_of(icp, day), NO_MEANING, Weights())


def score(org: Organization, name: str, ids: list[UUID], day: date) -> list[Score]:
    return score_businesses(org, ids, icp=PASSES[name][1], meaning=NO_MEANING, weights=Weights(), day=day)


def p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


def in_python(org: Organization, count: int, day: date) -> float:
    """Seconds for each company, over `count` of them drawn by their ids, which are random."""
    ids = list(Business.objects.order_by("pk").values_list("pk", flat=True)[:count])
    score(org, "the whole register, all criteria", ids[:500], day)  # warm: what is imported, what is planned
    took, scores = seconds(lambda: score(org, "the whole register, all criteria", ids, day))
    return took / len(scores)


def held(org: Organization, day: date) -> tuple[int, int, int]:
    """How many of the best `BEST` the shortlist holds, when all that pass the narrow filter are scored; how many do;
    how long the shortlist is."""
    every: QuerySet[Business] = eligible(PASSES[NARROW][0])
    all_ids = list(every.values_list("pk", flat=True))
    ids = find(org, NARROW, day)
    # Scores that are equal to the last of the best are as good as it.
    best = score(org, NARROW, all_ids, day)
    least = best[min(BEST, len(best)) - 1].score
    found = score(org, NARROW, ids, day)
    return sum(one.score >= least - 1e-9 for one in found[:BEST]), len(all_ids), len(ids)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--companies", type=int, default=1_000_000)
    parser.add_argument("--signals", type=int, default=200_000)
    parser.add_argument("--passes", type=int, default=40)
    parser.add_argument("--sample", type=int, default=5_000)
    options = parser.parse_args()
    took, org = seconds(lambda: fill(options.companies, options.signals))
    day = today()
    print(f"{options.companies:,} companies, {options.signals:,} signals, made in {took:.0f} s", flush=True)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in PASSES}
    statements: set[int] = set()
    for turn in range(options.passes):
        name = list(PASSES)[turn % len(PASSES)]
        with CaptureQueriesContext(connection) as queries:
            finding, ids = seconds(partial(find, org, name, day))
        statements.add(len(queries))
        scoring, _ = seconds(partial(score, org, name, ids, day))
        times[name].append((finding, scoring))
    for name, both in times.items():
        whole = [sum(one) for one in both]
        finding, scoring = (statistics.median(one[place] for one in both) for place in (0, 1))
        print(f"{name:34}p50 {statistics.median(whole):5.2f} s (shortlist {finding:.2f}, scores {scoring:.2f})   "
              f"p95 {p95(whole):5.2f} s", flush=True)  # fmt: skip
    every = [sum(one) for both in times.values() for one in both]
    print(f"{'all':34}p50 {statistics.median(every):5.2f} s   p95 {p95(every):5.2f} s   goal {GOAL_S:.0f} s")
    each = in_python(org, options.sample, day)
    ratio = each * options.companies / statistics.median(every)
    print(f"scoring all in Python: {1e6 * each:.0f} µs a company in a sample of {options.sample:,}, extrapolated "
          f"{each * options.companies:.0f} s: {ratio:.0f} times as long, goal {GOAL_RATIO:.0f}")  # fmt: skip
    right, passing, listed = held(org, day)
    print(f"of the best {BEST} of all {passing:,} that pass a narrow filter, a shortlist of {listed:,} holds {right}")
    print(f"statements of a shortlist: {max(statements)}")
    is_met = p95(every) <= GOAL_S and ratio >= GOAL_RATIO and right >= GOAL_HELD * min(BEST, passing)
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
