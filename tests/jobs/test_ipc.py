"""`forking_ipc.py`, in a process of its own: one that has had threads, as this one has of models and pools, may leave a
forked child a lock that nobody frees. A cluster is forked from a process that has none."""

import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).with_name("forking_ipc.py")


@pytest.mark.slow
@pytest.mark.alone
def test_what_processes_share_in_processes_that_are_forked() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", str(CASES)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert ended.returncode == 0, ended.stdout[-5000:]
    assert " passed" in ended.stdout
