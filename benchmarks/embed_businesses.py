"""How much of the model's own speed does `manage.py embed_businesses` keep?

    python -m benchmarks.embed_businesses [companies] [rounds]

On synthetic companies in a scratch database, with the configured provider. Each round times the whole command from
nothing: counts, claims, texts, vectors, writes, and the HNSW index at the end. Beside every batch of the command the
bare model gets the same texts, outside the command's time, so that whatever else the machine does slows both alike;
before and after it in turn, as the second is the faster one. The goal is 0.9 of the bare speed.
"""

import sys
import time
from collections.abc import Sequence
from io import StringIO
from random import Random
from statistics import median

from benchmarks.scratch import scratch_database

scratch_database("benchmark_embed_businesses")

from django.core.management import call_command  # noqa: E402  Django must be set up on the scratch database first
from django.db import connection  # noqa: E402

from businesses.models import Business  # noqa: E402
from businesses.sic import titles, titles_text  # noqa: E402
from embeddings.indexes import hnsw_index  # noqa: E402
from embeddings.providers import Embedded, EmbeddingProvider, get_provider  # noqa: E402

GOAL = 0.9
WITH_DESCRIPTION = 0.3
COUNT, ROUNDS = (int(argument) for argument in (sys.argv[1:] + ["2000", "5"][len(sys.argv) - 1 :]))
TOWNS = ("LEEDS", "YORK", "BRISTOL", "CARDIFF", "GLASGOW", "NORWICH", "EXETER", "BELFAST")


def synthetic(count: int) -> list[Business]:
    """Companies as the register has them: a name, one to three SIC codes, a town; some with a description."""
    random = Random(11)
    codes = list(titles())
    words = sorted({word for title in titles().values() for word in title.lower().replace(";", "").split()})
    companies = []
    for number in range(count):
        name = f"{' '.join(random.choices(words, k=2))} {number} limited".upper()
        sic_codes = random.choices(codes, k=random.randint(1, 3))
        described = random.random() < WITH_DESCRIPTION
        companies.append(
            Business(
                name=name,
                name_normalised=name.lower(),
                town=random.choice(TOWNS),
                sic_codes=sic_codes,
                sic_titles=titles_text(sic_codes),
                description=" ".join(random.choices(words, k=random.randint(10, 60))) if described else "",
            )
        )
    return companies


def timed(provider: EmbeddingProvider) -> tuple[int, float, float]:
    """The texts that a run from nothing sends, the seconds of the command, and those of the bare model."""
    call_command("flush", interactive=False, verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX IF EXISTS {hnsw_index(provider).name}")
    Business.objects.bulk_create(synthetic(COUNT))
    sent, bare, batches = 0, 0.0, 0
    embed_batch = provider.embed_batch

    def twice(texts: Sequence[str]) -> Embedded:
        nonlocal sent, bare, batches
        batches += 1
        if batches % 2:
            embedded = embed_batch(texts)
        started = time.perf_counter()
        embed_batch(texts)
        bare += time.perf_counter() - started
        if not batches % 2:
            embedded = embed_batch(texts)
        sent += len(texts)
        return embedded

    provider.embed_batch = twice  # type: ignore[method-assign]
    started = time.perf_counter()
    call_command("embed_businesses", stdout=StringIO())
    seconds = time.perf_counter() - started - bare
    provider.embed_batch = embed_batch  # type: ignore[method-assign]
    return sent, seconds, bare


def main() -> None:
    provider = get_provider()
    provider.embed_query("warm up")
    print(f"{COUNT:,} companies, {provider.name} {provider.model}, batches of {provider.max_batch_inputs}")
    ratios = []
    for number in range(1, ROUNDS + 1):
        texts, seconds, bare = timed(provider)
        ratios.append(bare / seconds)
        print(
            f"round {number}: {texts:,} texts; command {texts / seconds:.1f} texts/s"
            f" ({COUNT / seconds:.1f} companies/s), bare model {texts / bare:.1f} texts/s, ratio {ratios[-1]:.3f}"
        )
    ratio = median(ratios)
    print(f"median ratio {ratio:.3f} ({'reaches' if ratio >= GOAL else 'misses'} the goal of {GOAL})")


if __name__ == "__main__":
    main()
