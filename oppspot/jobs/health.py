"""Health of the jobs, for monitors: whether somebody works, and whether work waits for too long."""

import math

from django.db import Error
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from oppspot.jobs import stats

WAIT_LIMIT_S = 60
RETRY_AFTER_S = 15


@require_safe
def jobs(request: HttpRequest) -> JsonResponse:
    """200 while a worker lives and no run has been ready for `WAIT_LIMIT_S`; 503 with the reason otherwise.

    Open to everyone: it tells no more than two figures of the whole installation.
    """
    try:
        workers, oldest = stats.workers_alive(), stats.oldest_ready_s()
    except Error:
        return _unwell("database unavailable")
    if not workers:
        return _unwell(f"no worker was seen for {stats.SEEN_WITHIN_S} s")
    if oldest is not None and oldest >= WAIT_LIMIT_S:
        return _unwell(f"the oldest job has waited for {math.floor(oldest)} s")
    return JsonResponse({"status": "ok", "oldest_ready_s": round(oldest or 0.0, 1), "workers": workers})


def _unwell(reason: str) -> JsonResponse:
    return JsonResponse({"status": reason}, status=503, headers={"Retry-After": str(RETRY_AFTER_S)})
