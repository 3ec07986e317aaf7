"""Functions about companies: pulling a source, in as many parts as its limits make of it, and tidying up after."""

from itertools import count
from typing import Any

from businesses.events import SourcePullRun, SourcePullsTidy
from businesses.models import Business, Watchlist, WatchlistEntry
from businesses.pull_history import close_dead_pulls, delete_old_pulls
from businesses.pulling import pull_source
from businesses.sources.pull import Selection
from businesses.sources.registry import source_class
from businesses.sources.visits import forget_idle_hosts
from oppspot.core.errors import PermanentError
from oppspot.jobs.cluster_state import is_stopping
from oppspot.jobs.context import Context, Interrupted
from oppspot.jobs.registry import function

PULL_TIMEOUT_S = 4 * 3600.0


@function(on=SourcePullRun, retries=3, timeout=PULL_TIMEOUT_S, concurrency=("source", 1))
def pull(ctx: Context, data: SourcePullRun) -> dict[str, Any]:
    """Pulls until every target has been asked once since the run was created, and sleeps while the source refuses."""
    selection = Selection(businesses=_businesses(ctx, data), limit=data.limit, not_since=ctx.run.created_at)
    for part in count(1):
        done = ctx.step(f"pull {part}", lambda: _pull(ctx, data.source, selection), transactional=False)
        if done["retry_after"] is None:
            break
        ctx.sleep(done["retry_after"])
    return done


def _pull(ctx: Context, name: str, selection: Selection) -> dict[str, Any]:
    pulled = pull_source(
        source_class(name)(),
        selection,
        requested_by=ctx.run.requested_by or "schedule",
        should_stop=is_stopping,
        on_target=lambda target, pull: ctx.progress(pull.targets),
    )
    if pulled.stopped:
        raise Interrupted("released")  # what was read is written: whoever goes on finds the rest
    pull = pulled.pull
    return {
        "pull": pull.pk, "status": pull.status, "targets": pull.targets, "items": pull.items, "new": pull.new,
        "failed": pull.failed, "retry_after": pulled.retry_after,
    }  # fmt: skip


def _businesses(ctx: Context, data: SourcePullRun) -> Any:
    """None: all that are watched. A watchlist must be of the run's own organisation."""
    if data.watchlist_id is None:
        return None
    watchlist = Watchlist.objects.for_org(ctx.org).filter(pk=data.watchlist_id).first()
    if watchlist is None:
        raise PermanentError("There is no such watchlist.")
    entries = WatchlistEntry.objects.for_org(ctx.org).filter(watchlist=watchlist)
    return Business.objects.filter(pk__in=entries.values("business_id"))


@function(on=SourcePullsTidy)
def tidy_pulls(ctx: Context, data: SourcePullsTidy) -> dict[str, int]:
    return {"closed": close_dead_pulls(), "deleted": delete_old_pulls(), "hosts": forget_idle_hosts()}
