"""A data directory for tests that start servers of their own."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from oppspot.core.database.server import EmbeddedServer


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """Shared by a module's tests, since making a database takes a second; its server is stopped at the end.

    Not below pytest's own directory, which every run closes to other accounts: that of the server, under root.
    """
    path = Path(tempfile.mkdtemp(prefix="oppspot-", dir="/tmp"))
    yield path
    EmbeddedServer(path / "postgres").stop()
    shutil.rmtree(path)
