"""Companies House's streams: what changes in the register, within seconds. `manage.py stream_companies_house` reads.

A target is a stream, its checkpoint the last time point read. Lines come at least once, as the register sends them
again after every break; facts carry what tells them apart. Limits and errors as
developer-specs.company-information.service.gov.uk/streaming-api has them: 416 for a time point that is gone, 429 for
too many connections, nightly breaks, empty lines as a sign of life.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.utils import timezone

from businesses.models import SourceState
from businesses.sources.companies_house_stream_values import Line, line_of
from businesses.sources.pull import (
    BudgetSpent,
    Checkpoint,
    Gap,
    Item,
    PullSource,
    Selection,
    Target,
)
from businesses.sources.reading_ahead import ReadAhead
from oppspot.core.errors import InvalidInput, NotConfigured
from oppspot.core.http import RefusedAnswer, plain_client

STREAMS = (
    "companies", "filings", "officers", "persons-with-significant-control", "charges", "insolvency-cases",
    "disqualified-officers", "company-exemptions", "persons-with-significant-control-statements",
)  # fmt: skip
BATCH_LINES, BATCH_S = 500, 1.0
POLL_S = 0.2
HEARD_S = 30.0  # between checkpoints while there is nothing but signs of life
IDLE_S = 90.0  # without a byte: the connection is dead, though nobody said so
REFUSED_S = 60.0  # to wait after a 429, or the address is blocked
MAX_LINE_BYTES = 1_000_000


class CompaniesHouseStream(PullSource):
    name, label = "companies_house_stream", "Companies House streaming API"

    def __init__(
        self,
        *,
        should_stop: Callable[[], bool] = lambda: False,
        idle_s: float = IDLE_S,
        refused_s: float = REFUSED_S,
    ) -> None:
        """`should_stop` is asked several times a second; then what was read is written and the pull ends."""
        self._should_stop, self._idle_s, self._refused_s = should_stop, idle_s, refused_s

    def missing(self) -> str:
        if settings.COMPANIES_HOUSE_STREAM_KEY:
            return ""
        return "Set COMPANIES_HOUSE_STREAM_KEY to a key for streams; those for the API are of another kind."

    def targets(self, selection: Selection) -> Iterator[Target]:
        """The streams named; none without a name, as one never ends by itself."""
        if unknown := [name for name in selection.names if name not in STREAMS]:
            raise InvalidInput(f"There is no stream {unknown[0]!r}; there are: {', '.join(STREAMS)}.")
        states = SourceState.objects.filter(source=self.name, target__in=selection.names)
        held = dict(states.values_list("target", "checkpoint"))
        for name in selection.names:
            yield Target(name, held.get(name, {}))

    def pull(self, target: Target) -> Iterator[Item]:
        """Until the connection ends. A batch is 500 lines, or those of a second: of a slow stream few, but soon."""
        position = _Position.of(target.checkpoint)
        asked_from = position.timepoint
        ahead = ReadAhead(lambda: self._connect(target.key, asked_from), name=f"stream {target.key}")
        batch = _Batch()
        try:
            for raw in ahead.lines(poll_s=POLL_S, should_stop=self._should_stop):
                if raw:
                    line = line_of(raw, stream=target.key, today=timezone.now().date())
                    is_first = position.timepoint is None and line.timepoint is not None
                    position.pass_(line)
                    batch.add(line)
                    if is_first:  # the first time point after a gap, for the record
                        yield from batch.end(position)
                elif raw is not None:
                    position.heard_at = timezone.now()
                if batch.is_due or (raw is not None and batch.is_stale and position.timepoint is not None):
                    yield from batch.end(position)
            if batch.lines:
                yield from batch.end(position)
        finally:
            ahead.close()
        if ahead.failure is not None:
            raise self._meaning(ahead.failure, asked_from) from ahead.failure

    def _connect(self, stream: str, timepoint: int | None) -> AbstractContextManager[Iterator[bytes]]:
        url = f"{settings.COMPANIES_HOUSE_STREAM_URL.rstrip('/')}/{quote(stream)}"
        return plain_client().stream_lines(
            url if timepoint is None else f"{url}?timepoint={timepoint}",
            auth=(settings.COMPANIES_HOUSE_STREAM_KEY, ""),
            seconds_idle=self._idle_s,
            max_line_bytes=MAX_LINE_BYTES,
        )

    def _meaning(self, error: Exception, timepoint: int | None) -> Exception:
        """What the caller should do about an answer that is not a stream."""
        status = error.answer_status if isinstance(error, RefusedAnswer) else None
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return NotConfigured(
                f"{self.label}: the key was refused with status {status}.",
                hint="Set COMPANIES_HOUSE_STREAM_KEY to a valid key for streams.",
            )
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            asked = getattr(error, "retry_after", None) or 0.0
            return BudgetSpent(f"{self.label}: too many connections (429).", retry_after=max(self._refused_s, asked))
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and timepoint is not None:
            return Gap(f"The register no longer has what follows time point {timepoint}.")
        return error


@dataclass
class _Position:
    """Where a stream is read to, and how it does: what the checkpoint holds.

    `timepoint`: the highest read; `published_at`, `read_at`: of the last line; `heard_at`: of the last line or sign of
    life; `since`: when reading began that has gone on without a gap; `left_out`: lines about what is not read.
    """

    timepoint: int | None = None
    published_at: str | None = None
    read_at: str | None = None
    lag_s: float | None = None
    since: str | None = None
    left_out: int = 0
    heard_at: datetime | None = None

    @classmethod
    def of(cls, checkpoint: Mapping[str, Any]) -> "_Position":
        names = ("timepoint", "published_at", "read_at", "lag_s", "since", "left_out")
        return cls(**{name: checkpoint[name] for name in names if name in checkpoint})

    def pass_(self, line: Line) -> None:
        """Lines that come again have lower time points: the place stays."""
        now = self.heard_at = timezone.now()
        self.left_out += line.is_left_out
        if line.timepoint is None:
            return
        self.since = self.since or now.isoformat()
        if self.timepoint is None or line.timepoint >= self.timepoint:
            self.timepoint, self.read_at = line.timepoint, now.isoformat()
            if line.published_at is not None:
                self.published_at = line.published_at.isoformat()
                self.lag_s = round((now - line.published_at).total_seconds(), 3)

    def checkpoint(self) -> Checkpoint:
        values = {**vars(self), "heard_at": self.heard_at.isoformat() if self.heard_at else None}
        return Checkpoint({name: value for name, value in values.items() if value is not None})


class _Batch:
    """What was read since the last checkpoint."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.lines, self.began_at = 0, time.monotonic()
        self._items: list[Item] = []

    def add(self, line: Line) -> None:
        if not self.lines:
            self.began_at = time.monotonic()
        self.lines += 1
        self._items += line.items

    @property
    def is_due(self) -> bool:
        return self.lines >= BATCH_LINES or (self.lines > 0 and time.monotonic() - self.began_at >= BATCH_S)

    @property
    def is_stale(self) -> bool:
        return time.monotonic() - self.began_at >= HEARD_S

    def end(self, position: _Position) -> Iterator[Item]:
        """Its items and the checkpoint."""
        yield from self._items
        self._clear()
        yield position.checkpoint()
