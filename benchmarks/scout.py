"""A scout over 100,000 watched companies: the first pass, and the next one, which has nothing to do.

    python -m benchmarks.scout [--companies 100000] [--changed 2000]

Every company has five filings and two pieces of news of the look-back, a tenth of which tell of something. Printed are
time, statements and memory of the pass that looks at all of them; of one right after it, over the overlap; of one when
`--changed` companies have news since; and, as the yardstick, the bare detectors over the same histories, without the
database. The statements of a portion of 2,000 companies must not depend on how many portions there are.
"""

import argparse
import resource
import sys
import time
from typing import Any

from benchmarks.scratch import scratch_database

if __name__ == "__main__":
    scratch_database("benchmark_scout")

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.kinds import scout_agent
from agents.models import Agent, AgentExecution, Trigger
from agents.services import create_agent, start_execution
from businesses.models import Business, BusinessEvent, Watchlist
from oppspot.jobs.execution import drain
from oppspot.jobs.heartbeat import Heart
from oppspot.jobs.models import Run
from oppspot.organizations.models import Organization
from oppspot.organizations.services import create_organization
from signals_app.detectors.registry import detect_all
from signals_app.histories import load_histories

COMPANIES = """
    INSERT INTO businesses (name, name_normalised, company_number, status, incorporated_on)
    SELECT 'Company ' || n || ' Ltd', 'company ' || n, lpad(n::text, 8, '0'), 'active', date '2010-01-01'
    FROM generate_series(1, %s) n
"""
WATCHED = """
    INSERT INTO watchlist_entries (id, org_id, watchlist_id, business_id, note, matched_by, added_by, added_at)
    SELECT gen_random_uuid(), %(org)s, %(watchlist)s, id, '', 'hand', '', now() - interval '1 day' FROM businesses
"""
# Of the filings every tenth is an allotment of shares, of the news every tenth a round; the rest is routine.
EVENTS = """
    INSERT INTO business_events (business_id, kind, occurred_on, observed_at, source, payload, fingerprint)
    SELECT b.id, CASE WHEN e < 5 THEN 'filing' ELSE 'news' END, current_date - (e * 11),
        now() - interval '12 hours', CASE WHEN e < 5 THEN 'companies_house_api' ELSE 'news_feeds' END,
        CASE WHEN e = 0 AND b.n %% 10 = 0 THEN '{"type": "SH01", "description": "capital-allotment-shares"}'::jsonb
             WHEN e < 5 THEN '{"type": "CS01", "description": "confirmation-statement-with-no-updates"}'::jsonb
             WHEN b.n %% 10 = 1 THEN jsonb_build_object('title', b.name || ' raises £5m in Series A round')
             ELSE jsonb_build_object('title', b.name || ' wins an award for its work') END,
        gen_random_uuid()
    FROM (SELECT id, name, row_number() OVER (ORDER BY company_number) AS n FROM businesses) b
    CROSS JOIN generate_series(0, 6) e
"""


def fill(companies: int) -> tuple[Organization, Agent]:
    org = create_organization(name="Benchmark", slug="benchmark")
    watchlist = Watchlist.objects.for_org(org).create(org=org, name="All")
    with connection.cursor() as cursor:
        cursor.execute(COMPANIES, [companies])
        cursor.execute(WATCHED, {"org": org.pk, "watchlist": watchlist.pk})
        cursor.execute(EVENTS, [])
        for table in ("businesses", "watchlist_entries", "business_events"):
            cursor.execute(f"VACUUM ANALYZE {table}")
    return org, create_agent(
        org=org, agent_type="scout_agent", name="Scout", configuration={"watchlist": str(watchlist.pk)}
    )


def one_pass(agent: Agent) -> dict[str, Any]:
    """Its output, with the seconds it took and the statements of its portions."""
    counted: list[int] = []
    portion = scout_agent._portion

    def counting(*args: Any, **options: Any) -> Any:
        with CaptureQueriesContext(connection) as queries:
            done = portion(*args, **options)
        counted.append(len(queries))
        return done

    scout_agent._portion = counting
    try:
        execution = start_execution(agent=agent, trigger=Trigger.COMMAND)[0]
        # What hears of the signals is measured elsewhere.
        Run.objects.for_org(agent.org).filter(status="queued").exclude(pk=execution.run_id).delete()
        started = time.perf_counter()
        drain(Heart("default"), limit=1)
        took = time.perf_counter() - started
    finally:
        scout_agent._portion = portion
    done: AgentExecution = AgentExecution.objects.for_org(agent.org).get(pk=execution.pk)
    assert done.status == "completed", done.error_message
    return dict(done.output_data or {}) | {"took": took, "statements": counted}


def told(name: str, found: dict[str, Any]) -> None:
    most, memory = max(found["statements"]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name:24}{found['took']:7.1f} s, {found['with_news']:,} companies with news, {found['facts']:,} facts, "
          f"{found['new']:,} new signals; {len(found['statements'])} portions of at most {most} statements; "
          f"{memory:,.0f} MB")  # fmt: skip


def bare(org: Organization, companies: int) -> float:
    """Seconds that the detectors alone take, scaled from 2,000 companies."""
    ids = list(Business.objects.order_by("pk").values_list("pk", flat=True)[:2_000])
    loaded = load_histories(org, ids, day=timezone.now().date())
    started = time.perf_counter()
    for history in loaded.histories:
        detect_all(history)
    return (time.perf_counter() - started) * companies / len(ids)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--companies", type=int, default=100_000)
    parser.add_argument("--changed", type=int, default=2_000)
    options = parser.parse_args()
    org, agent = fill(options.companies)
    first = one_pass(agent)
    told("first pass", first)
    agent.refresh_from_db()
    again = one_pass(agent)
    told("right after it", again)
    some = BusinessEvent.objects.filter(kind="news").order_by("business")[: options.changed].values("pk")
    BusinessEvent.objects.filter(pk__in=list(some.values_list("pk", flat=True))).update(observed_at=timezone.now())
    agent.refresh_from_db()
    changed = one_pass(agent)
    told(f"{options.changed:,} pieces of news", changed)
    alone = bare(org, options.companies)
    print(f"the detectors alone: {alone:.1f} s; the first pass took {first['took'] / alone:.1f} times as long")
    is_flat = len(set(first["statements"][1:-1])) <= 1
    is_right = again["new"] == changed["new"] == 0 and first["new"] > 0
    print(f"statements of a portion alike: {is_flat}; nothing twice: {is_right}")
    return 0 if is_flat and is_right else 1


if __name__ == "__main__":
    sys.exit(main())
