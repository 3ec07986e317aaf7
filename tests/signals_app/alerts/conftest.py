"""A receiver of messages on this machine, which the guarded client may call, and a channel to it."""

from collections.abc import Callable, Iterator

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from oppspot.core.http import ANYWHERE, Client
from oppspot.core.http.shared import guarded_by
from oppspot.organizations.models import Organization
from signals_app.alerts.models import Channel
from tests.signals_app.alert_factories import make_channel


@pytest.fixture(scope="session")
def httpserver_listen_address() -> tuple[str, int]:
    return "127.0.0.1", 0


@pytest.fixture
def receiver(httpserver: HTTPServer) -> Iterator[HTTPServer]:
    with guarded_by(Client(ANYWHERE)):
        yield httpserver


@pytest.fixture
def webhook(org_a: Organization, receiver: HTTPServer) -> Channel:
    return make_channel(org_a, address=receiver.url_for("/hook?token=canary-token"))


@pytest.fixture
def answering(receiver: HTTPServer) -> Callable[..., None]:
    """`answering(500, 200)`: with one status after the other, from then on with the last."""

    def answer(*statuses: int, **headers: str) -> None:
        waiting = list(statuses)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}

        def behave(request: Request) -> Response:
            status = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            return Response(f"said {status}", status, headers=sent)

        receiver.expect_request("/hook", method="POST").respond_with_handler(behave)

    return answer
