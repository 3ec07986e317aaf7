"""What has to happen to the queue now and then, done by whichever worker comes first."""

import time
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from oppspot.jobs import execution, queue, scheduling
from oppspot.jobs.models import Worker
from oppspot.jobs.services import trim

LOCK = 0x6F70_7370_6F74_0002  # an advisory lock: one process tidies at a time
RETIRE_AFTER = timedelta(hours=1)  # a worker that was not seen is forgotten
TRIM_EVERY_S = 300.0

logger = structlog.get_logger(__name__)
_trimmed_at = 0.0


def tidy(*, may_reap: bool = True) -> None:
    """Let due runs in, give up lost ones, start due schedules; rarely, delete what is old."""
    queue.promote()
    if may_reap:
        execution.reap()
    scheduling.start_due()
    _trim_rarely()


def _trim_rarely() -> None:
    global _trimmed_at  # noqa: PLW0603  this process' last time
    if _trimmed_at and time.monotonic() - _trimmed_at < TRIM_EVERY_S:
        return
    _trimmed_at = time.monotonic()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if cursor.fetchone()[0]:
            Worker.objects.filter(seen_at__lt=timezone.now() - RETIRE_AFTER).delete()
            if deleted := trim(older_than=timedelta(days=settings.JOBS_RETENTION_DAYS)):
                logger.info("jobs_trimmed", count=deleted)
