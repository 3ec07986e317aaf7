"""Search over 100,000 synthetic companies with clustered vectors: recall, filters, and the price of a whole request.

    python -m benchmarks.search [--rows 100000] [--queries 200]

Vectors lie in clusters around real embeddings of industry titles and of half of the sample's descriptions; queries
are the other half and pairs of titles, so that they lie near clusters without being their centres. Every figure
stands beside its baseline of the same run: recall against a full comparison in numpy, the HTTP request against the
bare SQL statement plus the bare embedding of the query.
"""

import argparse
import csv
import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import UUID

from benchmarks.scratch import scratch_database

if __name__ == "__main__":
    scratch_database("benchmark_search")

import numpy as np
import numpy.typing as npt
from django.db import connection
from pgvector.psycopg import register_vector
from psycopg import sql

from businesses.filters import filter_businesses
from businesses.sic import titles
from embeddings import search as searching
from embeddings.indexes import activate_model
from embeddings.providers import EmbeddingProvider, get_provider
from embeddings.query_cache import embed_query_cached
from embeddings.statements import condition_of, nearest
from oppspot.management.commands.demo import SAMPLE
from oppspot.organizations.scopes import Scope
from oppspot.organizations.services import create_organization, issue_api_key

FloatArray = npt.NDArray[np.float32]
SPREAD = 0.9  # length of the noise added to a unit centre: members have a cosine of about .74 to it
SEED = 20261123
K = 10
ROUNDS = 3
TURN = 20  # queries
GOAL_RECALL, GOAL_RATIO = 0.95, 2.0
FILTERS: dict[str, dict[str, Any]] = {
    "none": {},
    "50 %": {"town": "LONDON"},
    "5 %": {"postcode_area": "EC"},
    "0.5 %": {"category": "rare"},
}


def make_corpus(provider: EmbeddingProvider, rows: int, queries: int) -> tuple[FloatArray, list[str]]:
    """Unit vectors of the companies, (rows, dimensions), and the queries' texts."""
    with SAMPLE.open(encoding="utf-8") as file:
        descriptions = [row["description"] for row in csv.DictReader(file)]
    industries = sorted(set(titles().values()))
    centres = provider.embed_documents(industries + descriptions[::2]).vectors
    generator = np.random.default_rng(SEED)
    noise = generator.standard_normal((rows, centres.shape[1]), dtype=np.float32)
    noise *= SPREAD / np.linalg.norm(noise, axis=1, keepdims=True)
    vectors = centres[generator.integers(0, len(centres), rows)] + noise
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = [f"{a} and {b}" for a, b in zip(industries[::7], industries[3::7], strict=False)]
    return vectors, (descriptions[1::2] + pairs)[:queries]


def load(provider: EmbeddingProvider, vectors: FloatArray) -> list[UUID]:
    """Write the companies and build the index; returns their ids in the order of `vectors`."""
    generator = np.random.default_rng(SEED)
    chances = generator.random((len(vectors), 3))
    columns = (
        "id, name, name_normalised, description, town, postcode, categories, sic_codes, sic_titles, status, "
        "embedding, embedding_model, embedding_hash"
    )
    ids = [UUID(int=number + 1) for number in range(len(vectors))]
    codes = sorted(titles())
    connection.ensure_connection()
    register_vector(connection.connection)
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY businesses ({columns}) FROM STDIN WITH (FORMAT binary)") as copy:
            types = ["uuid", *["text"] * 5, "text[]", "text[]", "text", "varchar", "vector", "text", "text"]
            copy.set_types(types)
            for number, vector in enumerate(vectors):
                town = "LONDON" if chances[number, 0] < 0.5 else "LEEDS"
                postcode = "EC1V 2NX" if chances[number, 1] < 0.05 else "LS1 1UR"
                categories = ["rare", "any"] if chances[number, 2] < 0.005 else ["any"]
                code = codes[number % len(codes)]
                name = f"COMPANY {number} LIMITED"
                copy.write_row(
                    (ids[number], name, name.lower(), f"Company {number} works in {titles()[code].lower()}.", town,
                     postcode, categories, [code], titles()[code], "active", vector, provider.model, "benchmark")
                )  # fmt: skip
        cursor.execute("ANALYZE businesses")
    activate_model(provider)
    return ids


def exact_top(vectors: FloatArray, query: FloatArray, keep: npt.NDArray[np.bool_]) -> set[int]:
    """Places of the `K` rows most similar to `query` among those kept."""
    similarities = np.where(keep, vectors @ query, -2)
    return set(np.argpartition(-similarities, K)[:K].tolist())


def measure_recall(provider: EmbeddingProvider, vectors: FloatArray, ids: list[UUID], queries: list[str]) -> bool:
    """Recall@10 of the search function against the full comparison, without and with filters."""
    place = {pk: number for number, pk in enumerate(ids)}
    embedded = [embed_query_cached(provider, text) for text in queries]  # the times below are of search alone
    good = True
    print("\n  filter     rows  recall@10  returned   p50 ms   p95 ms  exact SQL p50 ms")
    for name, filters in FILTERS.items():
        kept_ids = filter_businesses(filters).values_list("pk", flat=True)
        keep = np.zeros(len(ids), dtype=bool)
        keep[[place[pk] for pk in kept_ids]] = True
        recalls, times, exact_times, returned = [], [], [], []
        for text, vector in zip(queries, embedded, strict=True):
            started = time.perf_counter()
            result = searching.search(text, filters=filters, mode="semantic", limit=K, threshold=0, provider=provider)
            times.append(1000 * (time.perf_counter() - started))
            found = {place[hit.business.pk] for hit in result.hits}
            returned.append(len(found))
            recalls.append(len(found & exact_top(vectors, vector, keep)) / K)
        for vector in embedded[:20]:
            started = time.perf_counter()
            where = condition_of(filter_businesses(filters))
            nearest(vector, provider.model, limit=K, where=where, exact=True)
            exact_times.append(1000 * (time.perf_counter() - started))
        recall = statistics.mean(recalls)
        good &= recall >= GOAL_RECALL and min(returned) == K
        print(
            f"{name:>8} {int(keep.sum()):>8} {recall:>10.3f} {min(returned):>9} {statistics.median(times):>8.1f} "
            f"{statistics.quantiles(times, n=20)[-1]:>8.1f} {statistics.median(exact_times):>17.1f}"
        )
    print(f"goal: recall@10 at least {GOAL_RECALL}, {K} returned")
    return good


WORDS = """
SELECT id, name, description, website, categories, sic_codes, ts_rank_cd(search_vector, query, 1) AS rank
FROM businesses, websearch_to_tsquery('english', %s) AS query
WHERE search_vector @@ query ORDER BY rank DESC LIMIT 10
"""


def bare_sql(provider: EmbeddingProvider, mode: str) -> Callable[[str, FloatArray], Any]:
    """The statements that a program would write by hand, on a plain psycopg cursor: one, or two for hybrid."""
    statement = sql.SQL(
        "SELECT id, name, description, website, categories, sic_codes, 1 - (embedding <=> %(vector)s::vector) "
        "FROM businesses WHERE embedding_model = {model} "
        "ORDER BY embedding::halfvec({dimensions}) <=> %(vector)s::halfvec({dimensions}) LIMIT 10"
    ).format(model=sql.Literal(provider.model), dimensions=sql.Literal(provider.dimensions))
    raw = connection.connection

    def run(query: str, vector: FloatArray) -> Any:
        literal = "[" + ",".join(map(str, vector.tolist())) + "]"
        rows = raw.execute(statement, {"vector": literal}).fetchall()
        return rows + raw.execute(WORDS, [query]).fetchall() if mode == "hybrid" else rows

    return run


def durations_ms(work: Callable[[str], Any], queries: list[str]) -> list[float]:
    """How long `work` took on each of `queries`, in milliseconds."""
    times = []
    for query in queries:
        started = time.perf_counter()
        work(query)
        times.append(1000 * (time.perf_counter() - started))
    return times


@contextmanager
def web_server(port: int = 8765) -> Iterator[http.client.HTTPConnection]:
    """The real server on this scratch database, and a connection kept open to it."""
    command = [sys.executable, "-m", "gunicorn", "oppspot.wsgi", "--bind", f"127.0.0.1:{port}"]
    command += ["--worker-class", "gthread", "--workers", "1", "--threads", "4", "--keep-alive", "60"]
    environment = os.environ | {"LOG_LEVEL": "ERROR", "THROTTLE_REQUESTS_PER_MINUTE": "1000000"}
    with subprocess.Popen([*command, "--log-level", "error"], env=environment) as process:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(100):
            try:
                client.request("GET", "/healthz/ready/")
                client.getresponse().read()
                break
            except OSError:
                client.close()
                time.sleep(0.2)
        try:
            yield client
        finally:
            client.close()
            process.terminate()


def measure_http(provider: EmbeddingProvider, queries: list[str]) -> bool:
    """A whole request, its query never seen before, against bare SQL plus the bare embedding of the query."""
    org = create_organization(name="Benchmark")
    _, key = issue_api_key(org=org, name="benchmark", scopes=[Scope.READ])
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def post(client: http.client.HTTPConnection, mode: str, query: str) -> Any:
        body = json.dumps({"query": query, "mode": mode, "threshold": 0, "limit": K})
        client.request("POST", "/api/v1/search/semantic/", body, headers)
        response = client.getresponse()
        answer = json.loads(response.read())
        if response.status != 200 or answer["count"] != K:
            raise SystemExit(f"the server answered {response.status}: {answer}")

    vectors = {query: provider.embed_query(query) for query in queries}
    good = True
    with web_server() as client:
        for mode in ("semantic", "hybrid"):
            run = bare_sql(provider, mode)
            for query in queries[:20]:
                post(client, mode, f"warm up {query}")
            times: list[list[float]] = [[], [], [], []]
            for number in range(ROUNDS):
                fresh = partial(
                    lambda mode, number, query: post(client, mode, f"{query} {mode} {number}"), mode, number
                )
                bare = partial(lambda run, query: run(query, vectors[query]), run)
                # In turns of a few queries, so that the machine's noise hits all alike; not of one, as the idle
                # threads of this process' model would still be spinning on the server's processors.
                for start in range(0, len(queries), TURN):
                    turn = queries[start : start + TURN]
                    works: list[Callable[[str], Any]] = [provider.embed_query, bare, fresh, fresh]
                    for measured, work in zip(times, works, strict=True):
                        measured.extend(durations_ms(work, turn))
            embedding, statement, request, cached = map(statistics.median, times)
            ratio = request / (embedding + statement)
            good &= ratio <= GOAL_RATIO
            print(
                f"\nHTTP, {mode}: p50 {request:.1f} ms (query cached: {cached:.1f} ms); bare query embedding "
                f"{embedding:.1f} ms + bare SQL {statement:.1f} ms; ratio {ratio:.2f} (goal {GOAL_RATIO})"
            )
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=200)
    options = parser.parse_args()
    provider = get_provider()
    started = time.perf_counter()
    vectors, queries = make_corpus(provider, options.rows, options.queries)
    ids = load(provider, vectors)
    print(f"{options.rows} companies of {provider.model} loaded and indexed in {time.perf_counter() - started:.0f} s")
    good = measure_recall(provider, vectors, ids, queries)
    good &= measure_http(provider, queries)
    print("\nall goals met" if good else "\nGOAL MISSED")
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
