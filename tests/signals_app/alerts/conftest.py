"""A receiver of messages on this machine, which the guarded client may call."""

from collections.abc import Iterator

import pytest
from pytest_httpserver import HTTPServer

from oppspot.core.http import ANYWHERE, Client
from oppspot.core.http.shared import guarded_by


@pytest.fixture(scope="session")
def httpserver_listen_address() -> tuple[str, int]:
    return "127.0.0.1", 0


@pytest.fixture
def receiver(httpserver: HTTPServer) -> Iterator[HTTPServer]:
    with guarded_by(Client(ANYWHERE)):
        yield httpserver
