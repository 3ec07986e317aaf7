"""A database server of a test's own, to be stopped, and a process that works in it and answers questions."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings

from tests.jobs.clusters import PATIENCE_S
from tests.jobs.test_outages import Server, environment_of

# Reads lines of Python and answers each with its value.
CLIENT = """
import sys, json, django
django.setup()
from django.db import connection
from tests.agents.fault_cases import *
from tests.agents.fault_rounds import *
for line in sys.stdin:
    print(json.dumps(eval(line), default=str), flush=True)
    connection.close()
"""
Ask = Callable[[str], Any]


@contextmanager
def own_server() -> Iterator[Server]:
    """A server with an empty database, its tables made."""
    directory = Path(tempfile.mkdtemp(prefix="faults-"))  # short and open, as the server's account must enter it
    directory.chmod(0o755)
    made = Server(directory)
    try:
        migrate = [sys.executable, "manage.py", "migrate", "--run-syncdb", "--verbosity=0"]
        subprocess.run(migrate, cwd=settings.BASE_DIR, env=environment_of(made), check=True, timeout=PATIENCE_S)
        yield made
    finally:
        made.stop()
        shutil.rmtree(directory)


@contextmanager
def asked(server: Server) -> Iterator[Ask]:
    """`ask("all_ended()")`: what an expression comes to in the server's database."""
    with subprocess.Popen(
        [sys.executable, "-c", CLIENT],
        env=environment_of(server),
        cwd=settings.BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def ask(expression: str) -> Any:
            stdin.write(expression + "\n")
            stdin.flush()
            return json.loads(stdout.readline())

        yield ask
        process.kill()
