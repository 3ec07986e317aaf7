"""Gaps of streams: noticed, bounded, asked for from a source that can still tell, and closed when it has told."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone

from businesses.events import SourcePullRun
from businesses.models import PullStatus, SourceGap, SourcePull, SourceState
from businesses.sources.pull import Selection
from businesses.sources.registry import source_class, source_names
from oppspot.jobs.services import emit

# The source that can fetch what a gap of another has lost, of the companies that are watched.
FETCHED_BY = {"companies_house_stream": "companies_house_api"}

logger = structlog.get_logger(__name__)


def record_gap(state: SourceState, note: str) -> None:
    """What follows the checkpoint is lost: the next pull starts without one."""
    after = state.checkpoint.get("timepoint")
    with transaction.atomic():
        SourceGap.objects.create(source=state.source, target=state.target, after=after, note=note[:1_000])
        SourceState.objects.filter(pk=state.pk).update(checkpoint={})
    logger.warning("source_gap", source=state.source, target=state.target, after=after)


def bound_gaps(state: SourceState, checkpoint: Mapping[str, Any]) -> None:
    """In the transaction of the first checkpoint after a gap: it ends here, and what it lost can be fetched."""
    until = checkpoint.get("timepoint")
    if until is None or state.checkpoint.get("timepoint") is not None:
        return
    if SourceGap.objects.filter(source=state.source, target=state.target, until=None).update(until=until):
        fetch_gaps(state.source)


def fetch_gaps(source: str) -> None:
    """Have what the open gaps of `source` lost fetched, once each; without the means, the gaps say what to set.

    Not before reading goes on: what happens until then would be in neither.
    """
    by = FETCHED_BY.get(source, "")
    hint = source_class(by)().missing() if by in source_names() else "No source can fetch what it lost."
    for gap in SourceGap.objects.filter(source=source, closed_at=None, until__isnull=False).order_by("pk"):
        if not hint:
            emit(SourcePullRun, SourcePullRun(source=by), dedupe_key=f"gap {gap.pk}", requested_by=source)
        elif hint not in gap.note:
            gap.note = f"{gap.note} Open: {hint}".strip()[:1_000]
            gap.save(update_fields=["note"])


def close_gaps(pull: SourcePull, selection: Selection) -> None:
    """After a pull of everything that is watched, without a failure: gaps that ended before it began are closed."""
    lossy = [source for source, by in FETCHED_BY.items() if by == pull.source]
    is_partial = selection.businesses is not None or selection.limit is not None or selection.names or selection.paths
    if not lossy or is_partial or pull.status != PullStatus.COMPLETED:
        return
    began_at = selection.not_since or pull.started_at
    failing = SourceState.objects.filter(source=pull.source, failures__gt=0, pulled_at__gte=began_at)
    if failing.exists():  # asked in an earlier part of this pull, and without an answer
        return
    for state in SourceState.objects.filter(source__in=lossy):
        since = state.checkpoint.get("since")
        if since is not None and datetime.fromisoformat(since) <= began_at:
            gaps = SourceGap.objects.filter(source=state.source, target=state.target, closed_at=None)
            gaps.exclude(until=None).update(closed_at=timezone.now())
