"""How the sources stand: whether each can be used, when it is asked, how its last pull went, and what lags behind."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Min, Q

from businesses.events import SourcePullRun
from businesses.models import SourceGap, SourcePull, SourceState
from businesses.sources.registry import source_class, source_names
from oppspot.jobs.cron import describe
from oppspot.jobs.models import Schedule
from oppspot.jobs.registry import get_event
from oppspot.jobs.scheduling import declared


@dataclass(frozen=True)
class Standing:
    """One source. `oldest` is when the target that waits longest was pulled; `never` counts those that were not."""

    name: str
    label: str
    missing: str  # what to set before it can be used; empty: nothing
    times: tuple[str, ...]  # when it is asked, in words
    next_at: datetime | None
    last: SourcePull | None
    targets: int
    failing: int
    never: int
    oldest: datetime | None
    gaps: int

    @property
    def is_configured(self) -> bool:
        return not self.missing


def standings() -> list[Standing]:
    """Every registered source, by name; a handful of queries however many there are."""
    names = source_names()
    last, figures, gaps = _last_pulls(names), _figures(names), _open_gaps(names)
    schedules = _schedules()
    due = dict(Schedule.objects.filter(name__in=[one for own in schedules.values() for one in own]).values_list(
        "name", "next_slot_at"
    ))  # fmt: skip
    found = []
    for name in names:
        own = schedules.get(name, {})
        slots = [due[one] for one in own if one in due]
        found.append(
            Standing(
                name=name,
                label=source_class(name).label,
                missing=_missing(name),
                times=tuple(own.values()),
                next_at=min(slots, default=None),
                last=last.get(name),
                gaps=gaps.get(name, 0),
                **figures.get(name, {"targets": 0, "failing": 0, "never": 0, "oldest": None}),
            )
        )
    return found


def _missing(name: str) -> str:
    source = source_class(name)()
    try:
        return source.missing()
    finally:
        source.close()


def _last_pulls(names: list[str]) -> dict[str, SourcePull]:
    """The latest pull of each source: an index look-up a source, in one statement."""
    each = [SourcePull.objects.filter(source=name).order_by("-id")[:1] for name in names]
    if not each:
        return {}
    return {pull.source: pull for pull in each[0].union(*each[1:], all=True)}


def _figures(names: list[str]) -> dict[str, dict[str, Any]]:
    states = SourceState.objects.filter(source__in=names).order_by().values("source")
    rows: Any = states.annotate(
        targets=Count("pk"),
        failing=Count("pk", filter=Q(failures__gt=0)),
        never=Count("pk", filter=Q(pulled_at=None)),
        oldest=Min("pulled_at"),
    )
    shown = ("targets", "failing", "never", "oldest")
    return {row["source"]: {name: row[name] for name in shown} for row in rows}


def _open_gaps(names: list[str]) -> Mapping[str, int]:
    gaps = SourceGap.objects.filter(source__in=names, closed_at=None).order_by().values_list("source")
    return dict(gaps.annotate(Count("pk")))


def _schedules() -> dict[str, dict[str, str]]:
    """By source, the names of its schedules and their times in words."""
    event = get_event(SourcePullRun).name
    found: dict[str, dict[str, str]] = {}
    for one in declared().values():
        if one.event == event:
            found.setdefault(one.data["source"], {})[one.name] = describe(one.cron, one.time_zone)
    return found
