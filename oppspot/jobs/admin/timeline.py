"""The time line of a run: its starts and steps as bars on one axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from oppspot.jobs.admin.durations import in_words

MIN_WIDTH = 0.5  # percent: a bar that can be seen
TICKS = 4  # parts of the axis


@dataclass(frozen=True)
class Span:
    """Something that took time; without `finished` it goes on."""

    label: str
    kind: str
    started: datetime
    finished: datetime | None
    note: str = ""
    is_part: bool = False


@dataclass(frozen=True)
class Bar:
    """A span with its place on the axis; `left` and `width` in percent of it."""

    span: Span
    left: float
    width: float
    took: str


@dataclass(frozen=True)
class Tick:
    left: float
    text: str


@dataclass(frozen=True)
class TimeLine:
    bars: list[Bar]
    ticks: list[Tick]


def lay_out(spans: Sequence[Span], now: datetime) -> TimeLine:
    """The axis begins with the earliest span and ends with the latest end, or `now` if a span goes on.

    Every bar lies within 0 to 100 percent and is at least `MIN_WIDTH` wide, in the order of `spans`.
    """
    if not spans:
        return TimeLine([], [])
    begin = min(span.started for span in spans)
    ends = [max(span.finished or now, span.started) for span in spans]
    whole = max(max(ends) - begin, timedelta(milliseconds=1))
    bars = []
    for span, end in zip(spans, ends, strict=True):
        width = max(100 * ((end - span.started) / whole), MIN_WIDTH)
        left = min(100 * ((span.started - begin) / whole), 100 - width)
        bars.append(Bar(span, round(left, 3), round(width, 3), in_words((end - span.started).total_seconds())))
    step = whole.total_seconds() / TICKS
    ticks = [Tick(100 * place / TICKS, in_words(place * step) if place else "0") for place in range(TICKS + 1)]
    return TimeLine(bars, ticks)
