"""How fast the register is imported: `python -m benchmarks.import_register [--rows 1000000]`.

Measures, in one run and a database of its own, a bare `COPY … (FORMAT csv, HEADER)` of a synthetic register
into a plain table of text, the first import of the same file (all indexes in place at the end), and a second import in
which nothing has changed. The goals are relative to the bare COPY: what Postgres can do on this machine at this moment.
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.scratch import scratch_database

GOALS = {"first load": 0.15, "second load, nothing changed": 0.3}  # of the rate of the bare COPY
DATABASE = "oppspot_benchmark_import"
CHUNK = 1 << 18  # bytes


def bare_copy(path: Path) -> None:
    from django.db import connection

    from businesses.sources.companies_house_bulk import COLUMNS

    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bare")
        cursor.execute(f"CREATE TABLE bare ({', '.join(f'c{number} text' for number, _ in enumerate(COLUMNS))})")
        with cursor.copy("COPY bare FROM STDIN (FORMAT csv, HEADER)") as copy, path.open("rb") as file:
            while chunk := file.read(CHUNK):
                copy.write(chunk)


def load(path: Path, *, progress: bool) -> None:
    from benchmarks.register_file import SNAPSHOT
    from businesses.imports import import_register

    report = import_register(paths=[path], snapshot_on=SNAPSHOT, show_progress=progress)
    print(report.summary())


def timed(work: Callable[[], Any]) -> float:
    """Seconds that it takes, not counting what the step before has left to be written to disk."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")
    os.sync()
    start = time.monotonic()
    work()
    return time.monotonic() - start


def measure(path: Path, rows: int, *, progress: bool) -> None:
    from django.db import connection

    from benchmarks.register_file import write_register

    print(f"writing {rows:,} rows …")
    write_register(path, rows=rows, misshapen=False)
    print(f"{path.stat().st_size / 1e6:,.0f} MB")
    bare = min(timed(lambda: bare_copy(path)) for _ in range(2))
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE bare")
    durations = {name: timed(lambda: load(path, progress=progress)) for name in GOALS}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{'':32}{'seconds':>9}{'rows/s':>12}{'of COPY':>9}{'goal':>6}")
    print(f"{'bare COPY (better of two)':32}{bare:9.1f}{rows / bare:12,.0f}{1:9.2f}")
    for name, seconds in durations.items():
        print(f"{name:32}{seconds:9.1f}{rows / seconds:12,.0f}{bare / seconds:9.2f}{GOALS[name]:6.2f}")
    print(f"peak memory of this process {peak:,.0f} MB (goal 300)")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), pg_size_pretty(pg_total_relation_size('businesses')) FROM businesses")
        print("{:,} businesses, {} with indexes".format(*cursor.fetchone()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--progress", action="store_true")
    options = parser.parse_args()
    scratch_database(DATABASE)
    with tempfile.TemporaryDirectory() as directory:
        measure(Path(directory) / "register.csv", options.rows, progress=options.progress)


if __name__ == "__main__":
    main()
