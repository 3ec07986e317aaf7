"""Programs in the foreground: several side by side, and one that ends well when it is told to."""

import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

STOP_TIMEOUT_S = 35  # gunicorn gives requests 30 seconds to finish
POLL_S = 0.2


@dataclass
class Supervisor:
    """Programs that live and die together: when one ends, or a signal comes, the rest are stopped and waited for.

    They stay in this process group, so that a Ctrl-C at the terminal reaches all of them.
    """

    commands: Sequence[Sequence[str]]
    children: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    stopping: bool = False

    def run(self) -> int:
        """Run until stopped; 0 after a signal, 1 when a program ended by itself."""
        previous = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            for command in self.commands:
                self.children.append(subprocess.Popen(command))  # noqa: S603  fixed programs of this project
            while not self.stopping and all(child.poll() is None for child in self.children):
                time.sleep(POLL_S)
            asked = self.stopping
        finally:
            self._stop()
            for number, handler in previous.items():
                signal.signal(number, handler)
        return 0 if asked else 1

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def _stop(self) -> None:
        for child in self.children:
            if child.poll() is None:
                child.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for child in self.children:
            try:
                child.wait(timeout=max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """A list that is no longer empty once the process was asked to stop; asking twice stops it at once."""
    received: list[int] = []
    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
