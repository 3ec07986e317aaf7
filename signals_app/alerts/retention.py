"""How long alerts and the log of deliveries are kept. What waits, or is still tried, stays."""

from datetime import timedelta
from typing import Any

import structlog
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from signals_app.alerts.models import Alert, Attempt, Carried, Delivery, State

KEPT = timedelta(days=90)  # as accounts of pulls: a quarter of a year can be looked back on
DELETED = 1_000  # rows of one transaction, without those that belong to them

logger = structlog.get_logger(__name__)


def delete_old_alerts(*, older_than: timedelta = KEPT, batch_size: int = DELETED) -> dict[str, int]:
    """Delete deliveries that ended long ago, with their tries, and alerts that none carries any more; how many."""
    before = timezone.now() - older_than
    tried_lately = Attempt.all_orgs.filter(delivery=OuterRef("pk"), started_at__gte=before)  # it was sent again
    ended = Delivery.all_orgs.filter(~Exists(tried_lately), created_at__lt=before).exclude(state=State.PENDING)
    carried = Carried.all_orgs.filter(alert=OuterRef("pk"))
    told = Alert.all_orgs.filter(~Exists(carried), created_at__lt=before, told_at__isnull=False)
    counts = {str(rows.model._meta.verbose_name_plural): _delete(rows, batch_size) for rows in (ended, told)}
    logger.info("old_alerts_deleted", **counts)
    return counts


def _delete(rows: QuerySet[Any], batch_size: int) -> int:
    total, deleted = 0, batch_size
    while deleted == batch_size:
        ids = list(rows.order_by("pk").values_list("pk", flat=True)[:batch_size])
        deleted = rows.filter(pk__in=ids).delete()[1].get(rows.model._meta.label, 0)
        total += deleted
    return total
