"""Schedules: declared in `oppspot/schedules.py`, their dates kept in rows, started by whichever worker comes first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from oppspot.jobs.cron import check_cron, next_slot
from oppspot.jobs.models import TERMINAL, Schedule
from oppspot.jobs.registry import get_event
from oppspot.jobs.services import emit

MAX_COUNTED = 200  # missed slots that are counted one by one

logger = structlog.get_logger(__name__)


class Overlap(StrEnum):
    """What becomes of a slot while runs of the one before are still at work."""

    SKIP = "skip"
    ALLOW = "allow"


@dataclass(frozen=True)
class Scheduled:
    """An event that is emitted when a cron expression is due in a time zone. Slots that nobody was there for are made
    up for by one event. Raises `InvalidCron`."""

    name: str
    cron: str
    event: str
    data: Mapping[str, Any] = field(default_factory=dict)
    time_zone: str = "Europe/London"
    overlap: Overlap = Overlap.SKIP

    def __post_init__(self) -> None:
        check_cron(self.cron, self.time_zone)


@lru_cache(maxsize=1)
def declared() -> dict[str, Scheduled]:
    """By name. Raises `ValueError` for two of one name, and what `validated` raises for data that does not fit."""
    found: dict[str, Scheduled] = {}
    for one in import_string(settings.JOBS_SCHEDULES):
        if one.name in found:
            raise ValueError(f"Two schedules are named {one.name!r}.")
        get_event(one.event).validated(one.data)
        found[one.name] = one
    return found


@dataclass(frozen=True)
class Synced:
    """Names of schedules, by what became of their rows."""

    added: list[str]
    changed: list[str]
    removed: list[str]


def sync_schedules() -> Synced:
    """Make the rows agree with the code. A schedule whose times are unchanged keeps its next slot."""
    added, changed = [], []
    now = timezone.now()
    with transaction.atomic():
        rows = {row.name: row for row in Schedule.objects.select_for_update()}
        for name, one in declared().items():
            row = rows.pop(name, None)
            terms = {"cron": one.cron, "time_zone": one.time_zone, "event_name": one.event}
            if row is None:
                Schedule.objects.create(name=name, next_slot_at=next_slot(one.cron, one.time_zone, now), **terms)
                added.append(name)
            elif any(getattr(row, key) != value for key, value in terms.items()):
                for key, value in terms.items():
                    setattr(row, key, value)
                row.next_slot_at = next_slot(one.cron, one.time_zone, now)
                row.save()
                changed.append(name)
        Schedule.objects.filter(name__in=rows).delete()
    return Synced(added, changed, sorted(rows))


def start_due(now: datetime | None = None) -> list[str]:
    """Emit the events of the schedules that are due, once however many processes ask; returns their names."""
    now = now or timezone.now()
    if not Schedule.objects.filter(next_slot_at__lte=now).exists():
        return []
    started = []
    with transaction.atomic():
        for row in Schedule.objects.select_for_update(skip_locked=True).filter(next_slot_at__lte=now):
            one = declared().get(row.name)
            if one is None:
                continue  # another version's; whoever has that code, or the next sync, deals with it
            if _start(row, one, now):
                started.append(row.name)
    return started


def _start(row: Schedule, one: Scheduled, now: datetime) -> bool:
    slot, missed = row.next_slot_at, 0
    following = next_slot(one.cron, one.time_zone, slot)
    while following <= now and missed < MAX_COUNTED:
        slot, missed = following, missed + 1
        following = next_slot(one.cron, one.time_zone, slot)
    if following <= now:
        following = next_slot(one.cron, one.time_zone, now)
    busy = (
        one.overlap == Overlap.SKIP
        and row.last_event is not None
        and row.last_event.runs.exclude(status__in=TERMINAL).exists()
    )
    if busy:
        row.skipped += 1
        logger.warning("schedule_skipped", schedule=row.name, slot=slot.isoformat())
    else:
        row.last_event = emit(one.event, one.data, dedupe_key=f"schedule:{one.name}:{slot.isoformat()}").event
    row.missed += missed
    row.last_slot_at, row.next_slot_at = slot, following
    row.save()
    return not busy
