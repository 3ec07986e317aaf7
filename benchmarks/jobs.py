"""Jobs against their peers: `make .venv/bench`, then `.venv/bin/python -m benchmarks.jobs [--jobs 5000]`.

In one run, on this machine, with two workers each: how many no-op jobs a second (enqueued before the workers start;
counted from the first that is done to the last), and how long from emitting one to its first line while the workers
are idle. Peers: stock django-q2 with its ORM broker and its defaults, procrastinate on the same Postgres, Celery on a
real Redis. And what claiming a run costs with a thousand and with a million in the queue.
"""

import argparse
import contextlib
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.scratch import scratch_database

DATABASE = "benchmark_jobs"
SENT = 200  # jobs whose latency is measured, one by one
GAP_S = 0.05
START_S, PATIENCE_S = 60, 600
CLAIMS = 400
QUEUES = 1_000, 1_000_000
GOALS = {"stock django-q2": 10.0, "procrastinate": 1.0}
GOAL_LATENCY_MS, GOAL_CLAIM = 25.0, 1.5


@dataclass
class System:
    name: str
    commands: list[list[str]]
    environment: dict[str, str]
    enqueue: Callable[[int], None]
    send: Callable[[], None]
    left: Callable[[], int]


@contextlib.contextmanager
def running(system: System) -> Iterator[list["subprocess.Popen[bytes]"]]:
    children = [
        subprocess.Popen(
            command, env=os.environ | system.environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for command in system.commands
    ]  # fmt: skip
    try:
        yield children
    finally:
        for child in children:
            child.send_signal(signal.SIGTERM)
        for child in children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)


def throughput(system: System, jobs: int) -> float:
    """Jobs a second, from the first that is seen done to the last."""
    system.enqueue(jobs)
    before = system.left()
    asked_at = time.monotonic()
    with running(system) as children:
        started_at, first_left = 0.0, before
        while left := system.left():
            if left < before and not started_at:
                started_at, first_left = time.monotonic(), left
            if time.monotonic() - (started_at or asked_at) > (PATIENCE_S if started_at else START_S):
                raise SystemExit(f"{system.name}: {left} of {before} jobs are left, and time is up")
            if any(child.poll() is not None for child in children):
                raise SystemExit(f"{system.name}: its worker ended by itself")
            time.sleep(0.02)
        return (first_left - left) / (time.monotonic() - started_at)


def latencies_ms(system: System, notes: Path) -> list[float]:
    """From emitting a job to its first line, each sent when the workers have nothing to do."""
    notes.unlink(missing_ok=True)
    with running(system):
        for number in range(SENT + 1):
            system.send()
            deadline = time.monotonic() + 60
            while not notes.exists() or len(notes.read_text().splitlines()) <= number:
                if time.monotonic() > deadline:
                    raise SystemExit(f"{system.name}: a job was not done within a minute")
                time.sleep(0.005)
            time.sleep(GAP_S)
    return [1000 * float(line) for line in notes.read_text().splitlines()[1:]]  # the first waited for the start


def ours(url: str) -> System:
    from django.db import connection

    from benchmarks.job_peers.events import Sent
    from oppspot.jobs.services import emit, emit_many

    def enqueue(jobs: int) -> None:
        emit_many(Sent, [Sent(sent_at=0)] * jobs)

    def left() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM jobs_run WHERE status IN ('queued', 'running')")
            return int(cursor.fetchone()[0])

    command = [sys.executable, "manage.py", "worker", "--workers", "2"]
    environment = {"DJANGO_SETTINGS_MODULE": "benchmarks.job_peers.settings", "LOG_LEVEL": "ERROR"}
    return System("oppSpot", [command], environment, enqueue, lambda: void(emit(Sent, Sent(sent_at=time.time()))), left)


def stock_django_q(url: str) -> System:
    import psycopg

    settings = {"DJANGO_SETTINGS_MODULE": "benchmarks.job_peers.django_q_settings"}
    begin = "import django; django.setup()\nimport sys, time\nfrom django_q.tasks import async_task\n"
    script = f"{begin}for _ in range(int(sys.argv[1])): async_task('benchmarks.job_peers.note', 0)"
    script_sending = f"{begin}for _ in sys.stdin: async_task('benchmarks.job_peers.note', time.time())"
    sender = subprocess.Popen(
        [sys.executable, "-c", script_sending], env=os.environ | settings, stdin=subprocess.PIPE, text=True
    )

    def enqueue(jobs: int) -> None:
        subprocess.run([sys.executable, "-c", script, str(jobs)], env=os.environ | settings, check=True)

    def send() -> None:
        assert sender.stdin is not None
        sender.stdin.write("\n")
        sender.stdin.flush()

    database = psycopg.connect(url, autocommit=True)

    def left() -> int:
        row = database.execute("SELECT count(*) FROM django_q_ormq").fetchone()
        return int(row[0]) if row else 0

    command = [sys.executable, "-m", "django", "qcluster"]
    return System("stock django-q2", [command], settings, enqueue, send, left)


def procrastinate(url: str) -> System:
    import psycopg
    from procrastinate import App, SyncPsycopgConnector

    app = App(connector=SyncPsycopgConnector(conninfo=url))
    app.open()
    app.schema_manager.apply_schema()
    task = app.configure_task("no_op")

    def enqueue(jobs: int) -> None:
        task.batch_defer(*({"sent_at": 0} for _ in range(jobs)))

    database = psycopg.connect(url, autocommit=True)

    def left() -> int:
        row = database.execute("SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')").fetchone()
        return int(row[0]) if row else 0

    command = [sys.executable, "-m", "procrastinate", "--app", "benchmarks.job_peers.procrastinate_app.app", "worker"]
    return System("procrastinate", [command] * 2, {}, enqueue, lambda: void(task.defer(sent_at=time.time())), left)


def celery(url: str, broker: str) -> System:
    import redis

    from benchmarks.job_peers.celery_app import no_op

    client = redis.Redis.from_url(broker)

    def enqueue(jobs: int) -> None:
        with no_op.app.producer_or_acquire() as producer:
            for _ in range(jobs):
                no_op.apply_async((0,), producer=producer)

    def left() -> int:
        return int(client.llen("celery")) + int(client.hlen("unacked"))

    command = [sys.executable, "-m", "celery", "-A", "benchmarks.job_peers.celery_app", "worker", "-c", "2"]
    return System("Celery on Redis", [command], {}, enqueue, lambda: void(no_op.delay(time.time())), left)


def void(value: Any) -> None:
    """A callable's value is not wanted."""


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    program = shutil.which("redis-server")
    if program is None:
        raise SystemExit("redis-server is not installed: apt-get install redis-server.")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with tempfile.TemporaryDirectory() as directory:
        server = subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL)
        time.sleep(0.5)
        try:
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait()


def cost_of_claiming() -> dict[int, float]:
    """Median milliseconds to claim and finish a run, by how many are queued."""
    from django.db import connection

    from oppspot.jobs import queue
    from oppspot.jobs.models import Outcome, Status

    found: dict[int, float] = {}
    for size in QUEUES:
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE jobs_event CASCADE")
            cursor.execute(
                "INSERT INTO jobs_event (id, name, data, dedupe_key, listeners) VALUES "
                "(gen_random_uuid(), 'benchmark/job.sent', '{\"sent_at\": 0}', '', 1)"
            )
            cursor.execute(
                "INSERT INTO jobs_run (id, queue, function, event_id, priority, rank, run_after, max_attempts) "
                "SELECT gen_random_uuid(), 'default', 'benchmarks.job_peers.no_op', e.id, 1, "
                "now() - n * interval '1 ms', now(), 4 FROM jobs_event e, generate_series(1, %s) n",
                [size],
            )
            cursor.execute("VACUUM ANALYZE jobs_run")
        times = []
        for _ in range(CLAIMS):
            started = time.perf_counter()
            run = queue.claim("default", "benchmark", 30)
            if run is None or not queue.finish(run, Status.COMPLETED, Outcome.COMPLETED):
                raise SystemExit("a run could not be claimed or finished")
            times.append(1000 * (time.perf_counter() - started))
        found[size] = statistics.median(times)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=5_000)
    options = parser.parse_args()
    os.environ |= {"DJANGO_SETTINGS_MODULE": "benchmarks.job_peers.settings", "LOG_LEVEL": "ERROR"}
    scratch_database(DATABASE)
    url = os.environ["DATABASE_URL"]
    good = True
    with tempfile.TemporaryDirectory() as directory, redis_server() as broker:
        notes = Path(directory) / "notes"
        os.environ |= {"JOB_NOTES": str(notes), "CELERY_BROKER": broker}
        figures: dict[str, tuple[float, float, float]] = {}
        for make in (ours, stock_django_q, procrastinate, lambda url: celery(url, broker)):
            system = make(url)
            rate = throughput(system, options.jobs)
            waited = latencies_ms(system, notes)
            p95 = statistics.quantiles(waited, n=20)[-1]
            figures[system.name] = (rate, statistics.median(waited), p95)
            print(f"{system.name:18} {rate:8.0f} jobs/s   p50 {figures[system.name][1]:7.1f} ms   p95 {p95:7.1f} ms")
    rate, latency, _ = figures["oppSpot"]
    for name, goal in GOALS.items():
        good &= rate >= goal * figures[name][0]
        print(f"throughput against {name}: {rate / figures[name][0]:.1f} x (goal {goal})")
    good &= latency <= GOAL_LATENCY_MS
    print(f"latency p50 {latency:.1f} ms (goal {GOAL_LATENCY_MS})")
    costs = cost_of_claiming()
    few, many = (costs[size] for size in QUEUES)
    good &= many <= GOAL_CLAIM * few
    print(f"claim and finish: {few:.2f} ms of {QUEUES[0]:,}, {many:.2f} ms of {QUEUES[1]:,}; ratio {many / few:.2f} "
          f"(goal {GOAL_CLAIM})")  # fmt: skip
    print("all goals met" if good else "GOAL MISSED")
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
