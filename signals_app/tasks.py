"""Functions about signals: detecting for each organisation, and what a new day changes."""

from functools import partial
from typing import Any

from oppspot.jobs.context import Context
from oppspot.jobs.registry import function
from oppspot.organizations.models import Organization
from signals_app.events import DetectionRun, LogsTidy, ScoresRefresh
from signals_app.scoring import refresh_scores
from signals_app.services import expire_signals
from signals_app.watching import delete_old_passes, detect_for_watched

DETECTION_TIMEOUT_S = 3_600.0


@function(on=DetectionRun, retries=3, timeout=DETECTION_TIMEOUT_S, concurrency=("org_id", 1))
def detect(ctx: Context, data: DetectionRun) -> dict[str, Any]:
    """Of one organisation; or one run for each that there is."""
    if data.org_id is None:
        ids = list(Organization.objects.order_by("pk").values_list("pk", flat=True))
        ctx.emit_many(DetectionRun, [DetectionRun(org_id=pk) for pk in ids])
        return {"organizations": len(ids)}
    org = Organization.objects.filter(pk=data.org_id).first()
    if org is None:
        return {"result": "gone"}
    made = detect_for_watched(org, on_batch=ctx.progress)
    return {"businesses": made.businesses, "new": made.new, "renewed": made.renewed, "cleared": made.cleared}


@function(on=ScoresRefresh, retries=3, timeout=DETECTION_TIMEOUT_S)
def refresh(ctx: Context, data: ScoresRefresh) -> dict[str, Any]:
    """Close what is over and count ages anew, one organisation after the other."""
    organizations = list(Organization.objects.order_by("pk"))
    for done, org in enumerate(organizations, start=1):
        ctx.step(f"expire {org.pk}", partial(expire_signals, org), transactional=False)
        ctx.step(f"scores {org.pk}", partial(refresh_scores, org))
        ctx.progress(done, len(organizations))
    return {"organizations": len(organizations)}


@function(on=LogsTidy)
def tidy_passes(ctx: Context, data: LogsTidy) -> dict[str, int]:
    return {"detection passes": delete_old_passes()}
