"""Pulling a source: its targets one after the other, what was read and the checkpoint in one transaction each time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import DataError, IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from businesses.facts import Written, write_items
from businesses.gaps import bound_gaps, close_gaps, record_gap
from businesses.models import Business, PullStatus, SourcePull, SourceState, WatchlistEntry
from businesses.sources.pull import (
    BudgetSpent,
    Checkpoint,
    Gap,
    Item,
    Office,
    Profile,
    PullSource,
    Seen,
    Selection,
    Target,
    Unreadable,
)
from oppspot.core.errors import NotConfigured, OutsideCallError

MAX_BATCH = 2_000  # items a source may yield before a checkpoint; more are written without one
MAX_FAILURES = 100  # kept of one pull

logger = structlog.get_logger(__name__)


class Superseded(Exception):
    """Another pull of this target has written its checkpoint meanwhile."""


@dataclass(frozen=True)
class Pulled:
    """How a pull ended. `retry_after`: seconds until the source allows more; the targets left are pulled then.
    `stopped`: it was told to, before the end."""

    pull: SourcePull
    retry_after: float | None = None
    stopped: bool = False


def watched_businesses() -> QuerySet[Business]:
    """Companies on any organisation's watchlist. Which organisation watches which is not told."""
    entries = WatchlistEntry.all_orgs.filter(business=OuterRef("pk")).order_by()
    return Business.objects.filter(Exists(entries))


def pull_source(
    source: PullSource,
    selection: Selection,
    *,
    requested_by: str = "",
    should_stop: Callable[[], bool] = lambda: False,
    on_target: Callable[[Target, SourcePull], Any] = lambda target, pull: None,
    ignore_unknown: bool = False,
) -> Pulled:
    """Pull the targets of `selection`. What fails is recorded with its reason, and the others go on.

    Raises `NotConfigured` (also recorded). `should_stop` is asked between targets and after each checkpoint. With
    `ignore_unknown`, facts about companies that the register does not have are counted and no failures.
    """
    pull = SourcePull.objects.create(source=source.name, requested_by=requested_by)
    work = _Work(source, pull, should_stop, ignore_unknown)
    try:
        source.require()
        for target in source.targets(selection):
            if should_stop():
                work.end(PullStatus.PARTIAL, "stopped before the end")
                return Pulled(pull, stopped=True)
            work.one(target)
            on_target(target, pull)
    except NotConfigured as error:
        work.end(PullStatus.NOT_CONFIGURED, str(error))
        raise
    except BudgetSpent as error:
        work.end(PullStatus.PARTIAL, str(error))
        return Pulled(pull, error.retry_after or 60.0)
    except BaseException as error:
        work.end(PullStatus.FAILED, f"{type(error).__name__}: {error}"[:1_000])
        raise
    finally:
        source.close()
    work.end(PullStatus.PARTIAL if pull.failed else PullStatus.COMPLETED, "" if pull.targets else "nothing to pull")
    close_gaps(pull, selection)
    return Pulled(pull)


class _Work:
    """One pull and its account."""

    def __init__(
        self, source: PullSource, pull: SourcePull, should_stop: Callable[[], bool], ignore_unknown: bool
    ) -> None:
        self.source, self.pull, self.should_stop = source, pull, should_stop
        self.ignore_unknown, self.unknown = ignore_unknown, 0

    def one(self, target: Target) -> None:
        """Pull a target; an error of the outside world is its own, unless no target can be asked."""
        state, _ = SourceState.objects.get_or_create(
            source=self.source.name, target=target.key, defaults={"business": target.business}
        )
        self.pull.targets += 1
        try:
            self._read(state, target)
        except Gap as gap:
            record_gap(state, str(gap))  # what lies between is for another source to fetch
            self._note(target.key, f"gap: {gap}")
        except Superseded:
            self._note(target.key, "another pull reads it")
        except BudgetSpent:
            self._save()
            raise
        except OutsideCallError as error:
            self._note(target.key, str(error))
            self._mark(state, error=str(error)[:1_000])
            return
        else:
            self._mark(state)
        self._save()

    def _read(self, state: SourceState, target: Target) -> None:
        waiting: list[Item] = []
        for item in self.source.pull(target):
            if isinstance(item, Checkpoint):
                self._write(state, waiting, item)
                waiting = []
                if self.should_stop():
                    return
            else:
                waiting.append(item)
                if len(waiting) >= MAX_BATCH:
                    self._write(state, waiting, None)
                    waiting = []
        if waiting:
            self._write(state, waiting, None)

    def _write(self, state: SourceState, items: list[Item], checkpoint: Checkpoint | None) -> None:
        with transaction.atomic():
            stored = SourceState.objects.select_for_update(no_key=True).get(pk=state.pk)
            if stored.checkpoint != state.checkpoint:
                raise Superseded
            written = self._written(items)
            if checkpoint is not None:
                bound_gaps(state, checkpoint.value)
                state.checkpoint = dict(checkpoint.value)
                state.save(update_fields=["checkpoint"])
        self._count(written)
        self._save()

    def _written(self, items: list[Item]) -> Written:
        """An item that the database refuses does not take the others along: halves are tried, down to it alone."""
        try:
            with transaction.atomic():
                return write_items(items, source=self.source.name, ignore_unknown=self.ignore_unknown)
        except (DataError, IntegrityError) as error:
            if len(items) == 1:
                return Written(failures=[Unreadable(_place(items[0]), f"refused by the database: {error}")])
        middle = len(items) // 2
        return self._written(items[:middle]) + self._written(items[middle:])

    def _mark(self, state: SourceState, *, error: str = "") -> None:
        now = timezone.now()
        values: dict[str, Any] = {"pulled_at": now, "error": error}
        values |= {"failures": F("failures") + 1} if error else {"failures": 0, "succeeded_at": now}
        SourceState.objects.filter(pk=state.pk).update(**values)

    def _count(self, written: Written) -> None:
        self.pull.items += written.items
        self.pull.new += written.new
        self.unknown += written.unknown
        for failure in written.failures:
            self._add(failure)

    def _note(self, where: str, reason: str) -> None:
        self._add(Unreadable(where, reason))
        self._save()

    def _add(self, failure: Unreadable) -> None:
        self.pull.failed += 1
        if len(self.pull.failures) < MAX_FAILURES:
            self.pull.failures.append({"where": failure.where[:200], "reason": failure.reason[:500]})

    def _save(self) -> None:
        self.pull.seen_at = timezone.now()
        self.pull.save(update_fields=["targets", "items", "new", "failed", "failures", "seen_at"])

    def end(self, status: PullStatus, note: str) -> None:
        if self.unknown:
            note = f"{note}; ".lstrip("; ") + f"{self.unknown:,} facts about companies that the register does not have"
        self.pull.status, self.pull.note, self.pull.finished_at = status, note, timezone.now()
        self.pull.save()
        logger.info(
            "source_pulled", source=self.source.name, status=status.value, targets=self.pull.targets,
            items=self.pull.items, new=self.pull.new, failed=self.pull.failed, note=note,
        )  # fmt: skip


def _place(item: Item) -> str:
    return f"{item.company.by} {item.company.value}" if isinstance(item, Seen | Office | Profile) else ""
