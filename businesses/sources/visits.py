"""Visiting websites politely: by robots.txt, and one request a second to a host from all processes together."""

import time
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.db import connection
from django.utils import timezone

from businesses.sources.html_pages import HTML_TYPES
from businesses.sources.plain_text import plain
from businesses.sources.robots import MAX_BYTES, delay_of, is_allowed
from oppspot.core.errors import PermanentError, RetryableError
from oppspot.core.http import Answer, RefusedForGood, guarded_client
from oppspot.jobs.models import RateBucket

PAUSE_S = 1.0  # between two requests to one host
MAX_WAIT_S = 30.0  # for one's turn; a longer queue is for later
KEY = "web:"  # before the host, in the table of limits
IDLE = timedelta(days=1)  # after which a host's turn says nothing
MAX_KEPT = 32_000  # characters of a robots.txt that a checkpoint keeps for the day

# The next free moment of a host, moved on by the pause, unless the queue is too long (then no row comes back).
TAKE_TURN = """
    INSERT INTO jobs_ratebucket AS bucket (key, next_at) VALUES (%(key)s, clock_timestamp() + %(pause)s::interval)
    ON CONFLICT (key) DO UPDATE SET next_at = greatest(bucket.next_at, clock_timestamp()) + %(pause)s::interval
    WHERE bucket.next_at < clock_timestamp() + %(longest)s::interval
    RETURNING extract(epoch FROM next_at - %(pause)s::interval - clock_timestamp())
"""


class NotAllowed(PermanentError):
    """robots.txt asks programs to stay away."""


class Visits:
    """Requests on behalf of one target. `kept` is for its checkpoint: each host's robots.txt of the day."""

    def __init__(self, kept: Any, *, pause_s: float = PAUSE_S) -> None:
        today = timezone.now().date().isoformat()
        held = kept if isinstance(kept, Mapping) else {}
        self.today, self.pause_s = today, pause_s
        self.kept: dict[str, dict[str, str]] = {
            host: dict(found)
            for host, found in held.items()
            if isinstance(found, Mapping) and found.get("day") == today
        }
        self._large: dict[str, str] = {}

    def page(self, url: str, *, etag: str = "", last_modified: str = "", types: Collection[str] = HTML_TYPES) -> Answer:
        """Raises `NotAllowed`, and what the client raises. A page that a redirect led to must be allowed as well."""
        self._check(url)
        self._wait(url)
        answer = guarded_client().fetch(url, etag=etag, last_modified=last_modified, content_types=types)
        if answer.is_unchanged and not (etag or last_modified):
            raise PermanentError(f"{_host(url)} answered that nothing changed, although nothing was compared.")
        if answer.url != url:
            self._check(answer.url)
        return answer

    def _check(self, url: str) -> None:
        if not is_allowed(self._robots(url), url):
            raise NotAllowed(f"robots.txt of {_host(url)} does not allow the page.")

    def _robots(self, url: str) -> str:
        host = _host(url)
        if host in self._large:
            return self._large[host]
        if host not in self.kept:
            text = self._fetch_robots(url)
            if len(text) > MAX_KEPT:
                self._large[host] = text
                return text
            self.kept[host] = {"day": self.today, "robots": text}
        return self.kept[host].get("robots", "")

    def _fetch_robots(self, url: str) -> str:
        """Empty when the host has none. Raises `RetryableError` as long as it is unknown (RFC 9309, 2.3.1)."""
        parts = urlsplit(url)
        self._take_turn(url, self.pause_s)
        try:
            answer = guarded_client().fetch(
                urlunsplit((parts.scheme, parts.netloc, "/robots.txt", "", "")), max_bytes=MAX_BYTES
            )
        except RefusedForGood:
            return ""
        except RetryableError as error:
            raise RetryableError(f"robots.txt: {error}", retry_after=error.retry_after) from error
        if answer.media_type in HTML_TYPES:  # a page that answers to every path
            return ""
        return "\n".join(plain(line, 2_000) for line in answer.text().splitlines())

    def _wait(self, url: str) -> None:
        robots = self._robots(url)
        self._take_turn(url, max(self.pause_s, delay_of(robots)))

    def _take_turn(self, url: str, pause_s: float) -> None:
        host = _host(url)
        given = {"key": f"{KEY}{host}"[:200], "pause": f"{pause_s} s", "longest": f"{MAX_WAIT_S} s"}
        with connection.cursor() as cursor:
            cursor.execute(TAKE_TURN, given)
            row = cursor.fetchone()
        if row is None:
            raise RetryableError(f"Too many requests wait for {host}.", retry_after=MAX_WAIT_S)
        if (wait := float(row[0])) > 0:
            time.sleep(wait)


def forget_idle_hosts(*, idle: timedelta = IDLE) -> int:
    """Delete the turns of hosts that were not visited for long; returns how many."""
    deleted, _ = RateBucket.objects.filter(key__startswith=KEY, next_at__lt=timezone.now() - idle).delete()
    return deleted


def _host(url: str) -> str:
    """With the port: another port is another server."""
    return urlsplit(url).netloc.lower()
