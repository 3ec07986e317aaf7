"""How fast the register's streams are read: `python -m benchmarks.stream [--lines 100000]`.

In one run and a database of its own: bare `json.loads` of the lines, and reading the same lines from a local server
into a register of 300 companies, each filing told twice: parsed, written as events and checkpointed.
"""

import argparse
import contextlib
import json
import os
import time
from collections.abc import Iterator

from benchmarks.scratch import scratch_database

DATABASE = "oppspot_benchmark_stream"
GOAL = 0.01  # of the rate of bare parsing
STEP_S = 0.02


@contextlib.contextmanager
def served(lines: list[bytes]) -> Iterator[str]:
    """The address of a server that sends `lines` and stays."""
    from tests.businesses.sources.stub_stream import sending, serving

    with serving(sending(*lines)) as server:
        yield server.url


def read_all(lines: list[bytes], last: int) -> float:
    """Seconds until the checkpoint is at the last line."""
    from django.conf import settings

    from businesses.models import SourceState
    from businesses.sources.companies_house_stream import CompaniesHouseStream
    from businesses.streaming import Streaming

    def is_read() -> bool:
        time.sleep(STEP_S)
        return SourceState.objects.filter(checkpoint__timepoint=last).exists()

    with served(lines) as url:
        settings.COMPANIES_HOUSE_STREAM_URL, settings.COMPANIES_HOUSE_STREAM_KEY = url, "a key"
        started = time.monotonic()
        Streaming(lambda stop: CompaniesHouseStream(should_stop=stop), ["filings"]).run(is_read)
        return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=100_000)
    options = parser.parse_args()
    os.environ.setdefault("LOG_LEVEL", "ERROR")
    scratch_database(DATABASE)
    from businesses.models import Business, BusinessEvent
    from tests.businesses.sources.stub_stream import filing

    numbers = [f"{number:08}" for number in range(1, 301)]
    Business.objects.bulk_create(Business(name=f"Company {number} Ltd", company_number=number) for number in numbers)
    half = options.lines // 2
    lines = [filing(place, numbers[place % half % 300], f"T{place % half}") for place in range(2 * half)]
    started = time.monotonic()
    for line in lines:
        json.loads(line)
    bare = len(lines) / (time.monotonic() - started)
    rate = len(lines) / read_all(lines, 2 * half - 1)
    if BusinessEvent.objects.count() != half:
        raise SystemExit(f"{BusinessEvent.objects.count()} events instead of {half}")
    print(f"bare json.loads  {bare:10,.0f} lines/s")
    print(f"read and written {rate:10,.0f} lines/s   {rate / bare:.3f} of bare parsing (goal {GOAL})")
    print("goal met" if rate >= GOAL * bare else "GOAL MISSED")
    raise SystemExit(0 if rate >= GOAL * bare else 1)


if __name__ == "__main__":
    main()
