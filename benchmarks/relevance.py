"""Is what search finds relevant? Labelled companies, against simpler ways of searching, in one run.

    python -m benchmarks.relevance ../shared/data

Needs the folder with `yc_companies.jsonl` and `sic_2007_activity_index.csv`. Two tasks:

* start-ups: 2,973 companies with a description; a query is a tag (those that 10 to 300 companies have), the companies
  with that tag are relevant. Tags, industry and subindustry are not part of any text that is searched.
* trades: the project's sample; a query is how people call a trade (the Office for National Statistics' index), the
  companies with that SIC code are relevant. Compares the text templates: one text, or the mean of two.

Measures: nDCG@10 and precision@10, means over the queries with a 95 % bootstrap interval; and for the default
threshold, the share of queries left without a hit and the precision of all hits.
"""

import argparse
import csv
import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.scratch import scratch_database

scratch_database("benchmark_relevance")

import numpy as np  # noqa: E402  Django must be set up on the scratch database first

from businesses.models import Business  # noqa: E402
from businesses.normalise import normalise_name  # noqa: E402
from businesses.sic import titles_text  # noqa: E402
from embeddings.providers import EmbeddingProvider, get_provider  # noqa: E402
from embeddings.search import MODES, search  # noqa: E402
from embeddings.services import generate_embeddings  # noqa: E402
from oppspot.management.commands.demo import SAMPLE  # noqa: E402

K = 10
LEAST, MOST = 10, 300  # companies that have a tag


def ndcg(ranked: Sequence[str], relevant: set[str]) -> float:
    """Normalised discounted cumulative gain at `K`, with binary relevance."""
    gain = sum(1 / math.log2(place + 2) for place, key in enumerate(ranked[:K]) if key in relevant)
    return gain / sum(1 / math.log2(place + 2) for place in range(min(K, len(relevant))))


def report(name: str, scores: Sequence[float], precisions: Sequence[float]) -> float:
    """Print the means with their intervals; returns the mean nDCG."""
    generator = np.random.default_rng(7)
    draws = generator.choice(np.asarray(scores), (1000, len(scores))).mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    mean = float(np.mean(scores))
    print(f"  {name:<28} nDCG@10 {mean:.3f} [{low:.3f}, {high:.3f}]   precision@10 {np.mean(precisions):.3f}")
    return mean


def evaluate(name: str, queries: dict[str, set[str]], find: Callable[[str], Sequence[str]]) -> float:
    """nDCG@10 and precision@10 of `find` over all queries."""
    found = {query: find(query) for query in queries}
    scores = [ndcg(found[query], relevant) for query, relevant in queries.items()]
    precisions = [len(set(found[query][:K]) & relevant) / K for query, relevant in queries.items()]
    return report(name, scores, precisions)


def start_ups(folder: Path, provider: EmbeddingProvider) -> None:
    rows = [json.loads(line) for line in (folder / "yc_companies.jsonl").open(encoding="utf-8")]
    Business.objects.bulk_create(
        Business(
            name=row["name"],
            name_normalised=normalise_name(row["name"]),
            description=f"{row['one_liner']} {row['long_description']}".strip()[:20_000],
            source=row["id"],
        )
        for row in rows
    )
    generate_embeddings(provider=provider)
    tagged: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        for tag in row["tags"]:
            tagged[tag].add(row["id"])
    queries = {tag: ids for tag, ids in sorted(tagged.items()) if LEAST <= len(ids) <= MOST}
    keys = dict(Business.objects.values_list("pk", "source"))
    print(f"\nstart-ups: {len(rows)} companies, {len(queries)} tags as queries")
    for mode in MODES:

        def find(query: str, mode: str = mode) -> list[str]:
            return [keys[hit.business.pk] for hit in search(query, mode=mode, limit=K, threshold=0).hits]

        evaluate(mode, queries, find)
    empty, precisions = 0, []
    for query, relevant in queries.items():
        hits = search(query, mode="semantic", limit=100).hits
        empty += not hits
        if hits:
            precisions.append(sum(keys[hit.business.pk] in relevant for hit in hits) / len(hits))
    print(
        f"  default threshold {provider.default_threshold}: {empty} of {len(queries)} queries without a hit, "
        f"precision of all hits {np.mean(precisions):.3f}"
    )


def trades(folder: Path, provider: EmbeddingProvider) -> None:
    with SAMPLE.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    by_code: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        for code in row["sic_codes"].split(";"):
            by_code[code].add(row["name"])
    queries: dict[str, set[str]] = {}
    asked: Counter[str] = Counter()
    with (folder / "sic_2007_activity_index.csv").open(encoding="utf-8") as file:
        for line in csv.DictReader(file):
            code = line["sic_code"]
            if code in by_code and asked[code] < 5:
                asked[code] += 1
                queries[line["activity"]] = by_code[code]
    print(f"\ntrades: {len(rows)} companies, {len(queries)} activities as queries")
    described = [f"{row['name']}. {row['description']}" for row in rows]
    labels = [f"{titles_text(row['sic_codes'].split(';'))}. {row['categories'].replace(';', ', ')}" for row in rows]
    both = [f"{text} {label}" for text, label in zip(described, labels, strict=True)]
    first, second = (provider.embed_documents(texts).vectors for texts in (described, labels))
    ways = {
        "description alone": first,
        "labels alone": second,
        "one text": provider.embed_documents(both).vectors,
        "mean of two": (first + second) / np.linalg.norm(first + second, axis=1, keepdims=True),
    }
    names = [row["name"] for row in rows]
    asked_vectors = dict(zip(queries, provider.embed_documents(list(queries)).vectors, strict=True))
    for way, vectors in ways.items():

        def find(query: str, vectors: "np.ndarray[tuple[int, int], np.dtype[np.float32]]" = vectors) -> list[str]:
            return [names[place] for place in np.argsort(-(vectors @ asked_vectors[query]))[:K]]

        evaluate(way, queries, find)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    provider = get_provider()
    print(f"model {provider.model}")
    trades(folder, provider)
    start_ups(folder, provider)


if __name__ == "__main__":
    main()
