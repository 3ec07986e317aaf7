"""Fixtures of the jobs' tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jobs.clusters import Clusters, database_url


@pytest.fixture
def clusters(transactional_db: None, tmp_path: Path) -> Iterator[Clusters]:
    """Starts workers on the test database; ends them before it is emptied, and prints what they said."""
    made = Clusters(tmp_path, database_url())
    yield made
    made.end()
    print(made.logs())  # noqa: T201  shown when the test failed
