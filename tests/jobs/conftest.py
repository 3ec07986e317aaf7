"""Help for tests of jobs: functions of a test, and running them here."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pydantic import BaseModel

from oppspot.jobs import queue, registry
from oppspot.jobs.context import Context
from oppspot.jobs.execution import drain
from oppspot.jobs.heartbeat import Heart
from oppspot.jobs.models import Run
from oppspot.jobs.registry import Backoff, function
from tests.jobs.sample.events import Work

Register = Callable[..., str]


@pytest.fixture
def listen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Register]:
    """`listen(body, **terms)`: a function on `Work` for this test alone, in place of the sample's; returns its name."""
    listeners = registry.get_event("sample/work.do").listeners
    before = list(listeners)
    listeners.clear()
    monkeypatch.setattr(registry, "_functions", dict(registry._functions))

    def add(body: Callable[[Context, Any], Any], *, on: type[BaseModel] = Work, **terms: Any) -> str:
        name = terms.pop("name", f"test.{body.__name__}")
        function(on=on, name=name, **({"backoff": Backoff(0.1, 0.2)} | terms))(body)
        return str(name)

    yield add
    listeners[:] = before


def work_off(limit: int | None = None) -> int:
    """Run what is ready, in this process; returns how many runs were started."""
    return drain(Heart("default"), limit=limit)


def let_time_pass() -> None:
    """As if all that waits for its time had waited long enough."""
    Run.all_orgs.filter(waiting_for="time").update(run_after=timezone.now() - timedelta(seconds=1))
    queue.promote()
