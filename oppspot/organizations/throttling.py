"""A limit on the requests of an organisation, so that one cannot slow the others down.

One statement counts a request, whatever number of processes serve: DRF's own throttles read, then write, and let
concurrent requests through. The table is unlogged: a crash forgets the minute, and no request waits for a disk.
"""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from oppspot.core.ids import uuid7

# The database's clock, which all servers share.
COUNT = """
    INSERT INTO organization_requests AS counted (id, org_id, window_started, requests)
    VALUES (%s, %s, date_trunc('minute', clock_timestamp()), 1)
    ON CONFLICT (org_id) DO UPDATE SET
        requests = CASE WHEN counted.window_started = excluded.window_started THEN counted.requests + 1 ELSE 1 END,
        window_started = excluded.window_started
    RETURNING requests, ceil(extract(epoch FROM window_started + interval '1 minute' - clock_timestamp()))::int
"""


class OrgThrottle(BaseThrottle):
    """`THROTTLE_REQUESTS_PER_MINUTE` requests a clock minute for an organisation; 0 for no limit."""

    def allow_request(self, request: Request, view: Any) -> bool:
        limit: int = settings.THROTTLE_REQUESTS_PER_MINUTE
        org = getattr(request, "org", None)
        if not limit or org is None:
            return True
        with connection.cursor() as cursor:
            cursor.execute(COUNT, [uuid7(), org.pk])
            requests, self.reset = map(int, cursor.fetchone())
        # For the middleware below: the response does not exist yet.
        request._request.rate_limit = (limit, max(0, limit - requests), self.reset)  # type: ignore[attr-defined]
        allowed: bool = requests <= limit
        return allowed

    def wait(self) -> float:
        return self.reset


class RateLimitHeadersMiddleware:
    """`RateLimit-Limit`, `-Remaining` and `-Reset` (seconds), on each response that counted."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if counted := getattr(request, "rate_limit", None):
            for name, value in zip(("Limit", "Remaining", "Reset"), counted, strict=True):
                response[f"RateLimit-{name}"] = str(value)
        return response
