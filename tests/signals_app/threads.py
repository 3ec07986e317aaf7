"""Several at once, each with a connection of its own; for tests with `django_db(transaction=True)`."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connections


def at_once(*deeds: Callable[[], Any]) -> list[Any]:
    """What each of `deeds` returns; they begin together."""
    ready = threading.Barrier(len(deeds))

    def act(deed: Callable[[], Any]) -> Any:
        try:
            ready.wait()
            return deed()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(deeds)) as pool:
        return list(pool.map(act, deeds))
