"""Sources for tests of what is around them."""

from collections.abc import Iterator
from typing import Any

from businesses.sources.pull import Checkpoint, Item, PullSource, Selection, Target


class Fine(PullSource):
    """A source that can be used and has nothing to say."""

    name, label = "fine", "Fine news"

    def targets(self, selection: Selection) -> Iterator[Target]:
        yield Target("stream")

    def pull(self, target: Target) -> Iterator[Item]:
        yield Checkpoint({})


class Unset(Fine):
    """A source that needs a key."""

    name, label = "unset", "Register by the hour"

    def missing(self) -> str:
        return "Set REGISTER_KEY."


SOURCES: dict[str, Any] = {"fine": Fine, "unset": Unset}
