"""Websites for tests: servers on 127.0.0.2, which stands for the public internet, and the real guarded client."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from businesses.models import Business, BusinessEvent, SourcePull, SourceState
from businesses.pulling import Pulled, pull_source
from businesses.sources.pull import PullSource, Selection
from oppspot.core.http import Client, guarded_by
from tests.core.http_stub import (
    ALLOWED,
    HOSTS,
    Behaviour,
    Names,
    Stub,
    canary,
    policy,
    raw,
    redirect,
    reply,
    was_reached,
)
from tests.factories import make_business

__all__ = ["HOSTS", "Site", "html", "raw", "redirect", "reply", "site", "was_reached"]


class Site(Stub):
    """A server under the names company.test, other.test and jobs.test; /robots.txt answers 404 unless it is set."""

    metadata: socket.socket  # where no guarded call may lead

    def show(self, path: str, body: str, **headers: Any) -> None:
        self.on(path, html(body, **headers))

    def company(self, name: str = "Acme Widgets Ltd", **fields: Any) -> Business:
        return make_business(name, website=self.url("/"), status="active", **fields)

    def asked(self) -> list[str]:
        """The paths that were asked for since the last time this was called."""
        paths = [each.target for each in self.received]
        self.received.clear()
        return paths

    def pull(self, source: PullSource, business: Business | None = None, **selection: Any) -> Pulled:
        if business is not None:
            selection["businesses"] = Business.objects.filter(pk=business.pk)
        return pull_source(source, Selection(**selection))


def html(body: str, **headers: Any) -> Behaviour:
    return reply(body.encode(), **headers)


@contextmanager
def site() -> Iterator[Site]:
    names = Names(company_test=[[ALLOWED]], other_test=[[ALLOWED]], jobs_test=[[ALLOWED]], inside_test=[["127.0.0.1"]])
    server = Site()
    try:
        with canary() as server.metadata, guarded_by(Client(policy(server.port, addresses_of=names))):
            yield server
    finally:
        server.close()


def payloads(kind: str) -> Sequence[dict[str, Any]]:
    return [event.payload for event in BusinessEvent.objects.filter(kind=kind).order_by("id")]


def checkpoint(source: str) -> Any:
    return SourceState.objects.get(source=source).checkpoint


def reasons(pull: SourcePull) -> str:
    return " | ".join(f"{failure['where']}: {failure['reason']}" for failure in pull.failures)
