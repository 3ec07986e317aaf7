"""Detection over what an organisation watches, from where the last one ended."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from businesses.models import Business, BusinessEvent, OrgEvent, WatchlistEntry
from oppspot.organizations.models import Organization
from signals_app.detection import detect_signals
from signals_app.models import DetectionPass

# Events are looked at again for so long after a pass began: one whose transaction was still open then is not missed.
# Detecting twice what was detected before changes nothing.
OVERLAP = timedelta(hours=6)
MAX_UNREADABLE = 50
KEPT = timedelta(days=90)  # of accounts of passes


def watched_with_news(org: Organization, *, since: datetime | None) -> list[Any]:
    """Ids of companies on `org`'s watchlists to which anything happened, or was told, since then."""
    entries = WatchlistEntry.objects.for_org(org).filter(business=OuterRef("pk"))
    watched = Business.objects.filter(Exists(entries))
    seen = Q() if since is None else Q(observed_at__gte=since)
    events = BusinessEvent.objects.filter(seen, business=OuterRef("pk"))
    own = OrgEvent.objects.for_org(org).filter(seen, business=OuterRef("pk"))
    added = WatchlistEntry.objects.for_org(org).filter(business=OuterRef("pk"), added_at__gte=since or timezone.now())
    is_news = Exists(events) | Exists(own) if since is None else Exists(events) | Exists(own) | Exists(added)
    return list(watched.filter(is_news).order_by("pk").values_list("pk", flat=True))


def detect_for_watched(org: Organization, *, on_batch: Callable[[int], Any] = lambda done: None) -> DetectionPass:
    """Detect what is new since the last pass that ended; a company that has just been put on a list, from its start."""
    passes = DetectionPass.objects.for_org(org)
    last = passes.filter(finished_at__isnull=False).order_by("-pk").first()
    this: DetectionPass = passes.create(org=org)
    ids = watched_with_news(org, since=last.started_at - OVERLAP if last else None)
    report = detect_signals(org=org, business_ids=ids, on_batch=on_batch)
    for name in ("businesses", "facts", "new", "renewed", "cleared"):
        setattr(this, name, getattr(report, name))
    this.unreadable = [{"fact": fact, "reason": reason[:300]} for fact, reason in report.unreadable[:MAX_UNREADABLE]]
    this.finished_at = timezone.now()
    this.save()
    return this


def delete_old_passes(*, older_than: timedelta = KEPT) -> int:
    """Delete the accounts of old passes, but the last that ended of each organisation, where the next goes on."""
    later = DetectionPass.all_orgs.filter(
        org=OuterRef("org"), started_at__gt=OuterRef("started_at"), finished_at__isnull=False
    )
    old = DetectionPass.all_orgs.filter(Exists(later), started_at__lt=timezone.now() - older_than)
    return old.delete()[0]
