"""The two clients that everybody uses."""

from collections.abc import Iterator
from contextlib import contextmanager

from oppspot.core.http.client import Client
from oppspot.core.http.policy import ANYWHERE, PUBLIC

_clients = {"guarded": Client(PUBLIC), "plain": Client(ANYWHERE, elsewhere=PUBLIC)}


def guarded_client() -> Client:
    """For URLs that users or data supplied: leads to public addresses only."""
    return _clients["guarded"]


def plain_client() -> Client:
    """For hosts that the code or its settings name; what these redirect to is their word, and must be public."""
    return _clients["plain"]


@contextmanager
def guarded_by(client: Client) -> Iterator[None]:
    """Let `guarded_client` be another, in all threads of the process."""
    before = _clients["guarded"]
    _clients["guarded"] = client
    try:
        yield
    finally:
        _clients["guarded"] = before
