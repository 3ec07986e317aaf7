"""Fixtures of the jobs' tests: functions of a test, and clusters of real workers."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from oppspot.jobs import registry
from oppspot.jobs.context import Context
from oppspot.jobs.registry import Backoff, function
from tests.jobs.clusters import Clusters, database_url
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


@pytest.fixture
def clusters(transactional_db: None, tmp_path: Path) -> Iterator[Clusters]:
    """Starts workers on the test database; ends them before it is emptied, and prints what they said."""
    made = Clusters(tmp_path, database_url())
    yield made
    made.end()
    print(made.logs())  # noqa: T201  shown when the test failed
