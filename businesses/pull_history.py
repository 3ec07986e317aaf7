"""The accounts of past pulls: old ones go, and those whose process died are closed."""

from datetime import timedelta

import structlog
from django.db.models import Max
from django.utils import timezone

from businesses.models import PullStatus, SourcePull

KEPT = timedelta(days=90)
DEAD_AFTER = timedelta(hours=1)  # a pull writes with every target and checkpoint
DELETED = 1_000  # rows of one statement

logger = structlog.get_logger(__name__)


def close_dead_pulls(*, silent_for: timedelta = DEAD_AFTER) -> int:
    """Pulls that say they are running and have not written for long are failed; returns how many.

    One that is alive after all writes its own end over this one.
    """
    now = timezone.now()
    silent = SourcePull.objects.filter(status=PullStatus.RUNNING, seen_at__lt=now - silent_for)
    closed = silent.update(status=PullStatus.FAILED, note="died", finished_at=now)
    if closed:
        logger.warning("source_pulls_died", count=closed)
    return closed


def delete_old_pulls(*, older_than: timedelta = KEPT, batch_size: int = DELETED) -> int:
    """Delete what ended long ago, a batch a statement, but the latest of each source; returns how many rows."""
    latest = SourcePull.objects.order_by().values("source").annotate(latest=Max("pk")).values_list("latest", flat=True)
    old = (
        SourcePull.objects.filter(started_at__lt=timezone.now() - older_than)
        .exclude(status=PullStatus.RUNNING)
        .exclude(pk__in=list(latest))
        .order_by("pk")
    )
    total, deleted = 0, batch_size
    while deleted == batch_size:
        deleted, _ = SourcePull.objects.filter(pk__in=old.values("pk")[:batch_size]).delete()
        total += deleted
    logger.info("source_pulls_deleted", count=total)
    return total
