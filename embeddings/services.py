"""Giving companies their vectors."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID
from zlib import crc32

import numpy as np
import structlog
from django.db import Error, connection
from django.db.models import Q
from django.utils import timezone
from pgvector.psycopg import register_vector
from psycopg import Cursor

from businesses.models import Business
from businesses.querysets import BusinessQuerySet
from embeddings.providers import Embedded, EmbeddingProvider, Vectors
from embeddings.providers.base import MIN_NORM, InvalidAnswer
from embeddings.template import TEMPLATE, company_parts
from oppspot.core.errors import OutsideCallError, PermanentError, RetryableError, SkipItemError

log = structlog.get_logger(__name__)

# Companies claimed at a time, an advisory lock each; Postgres has room for some 6,000 by default, all runs together.
WINDOW = 1024
TEXT_FIELDS = ("name", "description", "sic_titles", "categories", "town", "domain")
PROBE = "Example Company Limited"
PAUSE_S = 30.0  # when the provider does not say how long to wait
POLL_S = 0.2


@dataclass(frozen=True)
class Failure:
    """A company that the provider does not take, and what it says."""

    business_id: UUID
    name: str
    reason: str


@dataclass
class GenerationReport:
    """What a run did. In a dry run `tokens` and `cost` are estimates, rather too high than too low."""

    model: str
    selected: int = 0  # companies that needed a vector at the start
    unchanged: int = 0  # companies that had a current one and were left alone
    embedded: int = 0
    superseded: int = 0  # edited or deleted while their vector was made, which was then dropped
    elsewhere: int = 0  # another run was at work on them
    failures: list[Failure] = field(default_factory=list)
    texts: int = 0  # sent to the provider
    tokens: int = 0
    cost: Decimal = Decimal(0)
    seconds: float = 0.0
    remaining: int = 0  # companies that need a vector at the end
    cancelled: bool = False
    error: OutsideCallError | None = None  # what ended the run early; what was written before is kept

    @property
    def texts_per_second(self) -> float:
        return self.texts / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Company:
    """A company as it was read: the texts to embed, and the hash that says which text that was."""

    id: UUID
    name: str
    text_hash: str
    parts: tuple[str, ...]


@dataclass(frozen=True)
class CompanyVector:
    """A company's vector, and the hash of the text that it was made from."""

    id: UUID
    text_hash: str
    vector: Vectors
    tokens: int


def generate_embeddings(
    *,
    provider: EmbeddingProvider,
    queryset: BusinessQuerySet | None = None,
    limit: int | None = None,
    batch_size: int | None = None,
    force: bool = False,
    dry_run: bool = False,
    patience_s: float = 0.0,
    progress: Callable[[int, int], object] = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> GenerationReport:
    """Embed the companies of `queryset` (default: all) that need it, at most `limit`; running again resumes.

    `batch_size` texts go to the provider at a time. `force` renews current vectors as well. `progress` is told how many
    companies are done and how many there are; `should_stop` is asked after each batch. A company the provider does not
    take is reported and the others go on; an error that concerns all of them ends the run and is in the report. An
    error that may pass is waited out, `patience_s` seconds in a row at most. Raises `NotConfigured`.

    Any number of runs may work at a time: a company is claimed by an advisory lock of the session (gone with its
    process; a pooler must not swap sessions between statements), then read, embedded, and written only if its text is
    still the one that was read. No transaction is open while the provider works.
    """
    run = _Run(
        provider=provider,
        queryset=Business.objects.all() if queryset is None else queryset,
        batch_size=min(batch_size or provider.max_batch_inputs, provider.max_batch_inputs),
        force=force,
        patience_s=patience_s,
        progress=progress,
        should_stop=should_stop,
    )
    report = run.report
    started = time.monotonic()
    try:
        if dry_run:
            run.estimate(limit)
        else:
            run.work(limit)
    except (RetryableError, PermanentError) as error:
        report.error = error
    report.cost = provider.cost_of(report.tokens)
    report.seconds = time.monotonic() - started
    report.remaining = run.pending.count()
    return report


class _Run:
    """One run over the companies that need a vector, window by window in the order of their ids."""

    def __init__(
        self,
        *,
        provider: EmbeddingProvider,
        queryset: BusinessQuerySet,
        batch_size: int,
        force: bool,
        patience_s: float,
        progress: Callable[[int, int], object],
        should_stop: Callable[[], bool],
    ) -> None:
        self.provider, self.batch_size, self.patience_s = provider, batch_size, patience_s
        self.progress, self.should_stop = progress, should_stop
        queryset = queryset.order_by()
        self.pending = queryset.needing_embedding(provider.model, TEMPLATE)
        if force:  # what was renewed since the start is not renewed again, by this run or another
            old = Q(embedding_generated_at=None) | Q(embedding_generated_at__lt=timezone.now())
            self.pending = self.pending | queryset.filter(old)
        selected = self.pending.count()
        self.report = GenerationReport(provider.model, selected, unchanged=queryset.count() - selected)
        self._done = 0
        self._known: dict[str, tuple[Vectors, int]] = {}  # vectors and tokens of this window's texts

    def work(self, limit: int | None) -> None:
        """Embed window by window."""
        for ids in self._windows(limit):
            with _claimed(ids, self.provider.model) as claimed:
                # Read under the claim: another run may have embedded one between the look and the claim.
                companies = _read(self.pending.filter(pk__in=claimed))
                self._known.clear()
                for batch in self._batches(companies):
                    self._embed(batch)
                    self._advance(len(batch), limit)
                    if self.should_stop():
                        self.report.cancelled = True
                        return
            self.report.elsewhere += len(ids) - len(claimed)
            self._advance(len(ids) - len(companies), limit)

    def estimate(self, limit: int | None) -> None:
        """Count what a run would send, without sending it."""
        for ids in self._windows(limit):
            companies = _read(self.pending.filter(pk__in=ids))
            texts = {part for company in companies for part in company.parts}
            self.report.texts += len(texts)
            for text in texts:
                self.report.tokens += min(self.provider.estimate_tokens(text), self.provider.max_input_tokens)
            self._advance(len(ids), limit)
            if self.should_stop():
                self.report.cancelled = True
                return

    def _advance(self, companies: int, limit: int | None) -> None:
        self._done += companies
        selected = self.report.selected
        self.progress(self._done, selected if limit is None else min(limit, selected))

    def _windows(self, limit: int | None) -> Iterator[list[UUID]]:
        """Ids of pending companies, each once, at most `limit` of them."""
        after: UUID | None = None
        left = sys.maxsize if limit is None else limit
        while left > 0:
            rest = self.pending if after is None else self.pending.filter(pk__gt=after)
            ids = list(rest.order_by("pk").values_list("pk", flat=True)[: min(WINDOW, left)])
            if not ids:
                return
            after, left = ids[-1], left - len(ids)
            yield ids

    def _batches(self, companies: list[Company]) -> Iterator[list[Company]]:
        """One call of the provider each, if a company's own texts fit one; of similar length, since a model works as
        long on the shortest text of a batch as on the longest."""
        batch: list[Company] = []
        texts: set[str] = set()
        tokens = 0
        for company in sorted(companies, key=lambda company: max(map(len, company.parts))):
            more = set(company.parts) - texts
            size = sum(map(self.provider.estimate_tokens, more))
            too_many = len(texts) + len(more) > self.batch_size or tokens + size > self.provider.max_batch_tokens
            if batch and too_many:
                yield batch
                batch, texts, tokens = [], set(), 0
            batch.append(company)
            texts.update(company.parts)
            tokens += size
        if batch:
            yield batch

    def _embed(self, batch: list[Company], *, suspect: bool = False) -> None:
        """Embed and write a batch; one that is rejected is halved until the companies to blame are found."""
        try:
            self._learn(batch)
        except (SkipItemError, InvalidAnswer) as error:
            if not suspect:
                self._blame_the_texts(error)
            if len(batch) == 1:
                (company,) = batch
                self.report.failures.append(Failure(company.id, company.name, error.message))
                log.warning("embedding_failed", business=str(company.id), reason=error.message)
            else:
                middle = len(batch) // 2
                self._embed(batch[:middle], suspect=True)
                self._embed(batch[middle:], suspect=True)
        else:
            self._write(batch)

    def _blame_the_texts(self, error: OutsideCallError) -> None:
        """Raise unless the provider takes a harmless text: then it is the provider that is broken, not a company."""
        try:
            self._patiently([PROBE], harmless=True)
        except SkipItemError:
            raise PermanentError(f"The embedding provider rejects every text: {error.message}") from error

    def _learn(self, batch: list[Company]) -> None:
        """Have the texts of a batch embedded, each once in a window: companies of one industry share their labels."""
        texts = list(dict.fromkeys(part for company in batch for part in company.parts if part not in self._known))
        if not texts:
            return
        embedded = self._patiently(texts)
        self._known.update(zip(texts, zip(embedded.vectors, embedded.token_counts, strict=True), strict=True))
        self.report.texts += len(texts)
        self.report.tokens += sum(embedded.token_counts)

    def _patiently(self, texts: list[str], *, harmless: bool = False) -> Embedded:
        """Ask until it works or patience ends: a rate limit is no reason to give up a night's run.

        An invalid answer may be due to the texts, and is waited out only when these are `harmless`.
        """
        waited = 0.0
        while True:
            try:
                return self.provider.embed_documents(texts)
            except RetryableError as error:
                pause = error.retry_after or PAUSE_S
                if waited + pause > self.patience_s or (isinstance(error, InvalidAnswer) and not harmless):
                    raise
                log.warning("embedding_paused", seconds=pause, reason=error.message)
                self._pause(pause, error)
                waited += pause

    def _pause(self, seconds: float, error: RetryableError) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.should_stop():
                self.report.cancelled = True
                raise error
            time.sleep(POLL_S)

    def _write(self, batch: list[Company]) -> None:
        written = write_vectors(self.provider.model, [vector_of(company, self._known) for company in batch])
        self.report.embedded += written
        self.report.superseded += len(batch) - written


def pending_company(provider: EmbeddingProvider, business_id: UUID) -> Company | None:
    """The company, if there is one of this id that needs a vector of the provider's model."""
    found = _read(Business.objects.filter(pk=business_id).needing_embedding(provider.model, TEMPLATE))
    return found[0] if found else None


def embed_company(provider: EmbeddingProvider, company: Company) -> CompanyVector:
    """Ask the provider for one company's vector. Raises as the provider does."""
    embedded = provider.embed_documents(company.parts)
    answers = zip(embedded.vectors, embedded.token_counts, strict=True)
    return vector_of(company, dict(zip(company.parts, answers, strict=True)))


def vector_of(company: Company, known: Mapping[str, tuple[Vectors, int]]) -> CompanyVector:
    """The mean direction of the company's parts and the sum of their tokens, which `known` has for each."""
    vectors, tokens = zip(*(known[part] for part in company.parts), strict=True)
    mean = np.mean(vectors, axis=0)
    norm = float(np.linalg.norm(mean))
    vector = (mean / norm if norm > MIN_NORM else vectors[0]).astype(np.float32)
    return CompanyVector(company.id, company.text_hash, vector, sum(tokens))


def write_vectors(model: str, made: Sequence[CompanyVector]) -> int:
    """Write vectors of `model` by one statement; returns how many.

    A row whose text has changed since it was read keeps its state, and stays pending.
    """
    ids, hashes, tokens, vectors = zip(*((one.id, one.text_hash, one.tokens, one.vector) for one in made), strict=True)
    connection.ensure_connection()
    with connection.wrap_database_errors:
        # The driver's own cursor sends the vectors as they are: as text they take three times as long to write.
        register_vector(connection.connection)
        with Cursor(connection.connection) as cursor:
            columns = [list(column) for column in (ids, hashes, tokens, vectors)]
            cursor.execute(WRITE, [model, timezone.now(), TEMPLATE, *columns])
            return cursor.rowcount


WRITE = """
UPDATE businesses AS b
SET embedding = v.embedding, embedding_model = %s, embedding_generated_at = %s,
    embedding_hash = %s || ':' || v.text_hash, embedding_token_count = v.tokens
FROM unnest(%b::uuid[], %b::text[], %b::int4[], %b::vector[]) AS v (id, text_hash, tokens, embedding)
WHERE b.id = v.id AND b.text_hash = v.text_hash
"""


def _read(companies: BusinessQuerySet) -> list[Company]:
    return [
        Company(row["pk"], row["name"], row["text_hash"], company_parts(**{name: row[name] for name in TEXT_FIELDS}))
        for row in companies.values("pk", "text_hash", *TEXT_FIELDS)
    ]


@contextmanager
def _claimed(ids: list[UUID], model: str) -> Iterator[list[UUID]]:
    """Those of `ids` that no other run is at work on for this model; nobody else gets them until the end."""
    key = "hashtextextended(id::text, %s) FROM unnest(%s::uuid[]) AS id"
    seed = crc32(model.encode())
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id, pg_try_advisory_lock(key) FROM (SELECT id, {key}) AS keys (id, key)", [seed, ids])  # noqa: S608  a constant
        claimed = [id_ for id_, free in cursor.fetchall() if free]
        release = f"SELECT count(pg_advisory_unlock(key)) FROM (SELECT {key}) AS keys (key)"  # noqa: S608  a constant
        try:
            yield claimed
        except BaseException:
            with suppress(Error):  # an interrupt may have left the connection unusable, and is what to report
                cursor.execute(release, [seed, claimed])
            raise
        cursor.execute(release, [seed, claimed])
