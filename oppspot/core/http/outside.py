"""Asking nobody: a thread's calls to other servers are refused before they begin, as long as somebody wants it so."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from oppspot.core.errors import PermanentError

_refused: ContextVar[list[str] | None] = ContextVar("refused", default=None)


class NobodyAsked(PermanentError):
    """Nobody outside is asked here."""


@contextmanager
def asking_nobody() -> Iterator[list[str]]:
    """Refuse this thread's calls to other servers by `NobodyAsked`. Whom they were for is in the list that is given."""
    refused: list[str] = []
    token = _refused.set(refused)
    try:
        yield refused
    finally:
        _refused.reset(token)


def check_may_ask(whom: str) -> None:
    """To be called before anything is sent. Raises `NobodyAsked`."""
    refused = _refused.get()
    if refused is not None:
        if whom not in refused:
            refused.append(whom)
        raise NobodyAsked(f"Nobody outside is asked here, and so not {whom}.")
