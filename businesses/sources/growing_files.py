"""Files that are written on: the same file again has nothing new, and one that has grown only its end."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, cast

from businesses.models import SourceState
from businesses.sources.lines import BOM, Lines
from businesses.sources.pull import Selection, Target
from oppspot.core.errors import PermanentError

CHUNK = 1 << 20
EVERY = 500  # items between two checkpoints


def file_targets(source: str, selection: Selection) -> Iterator[Target]:
    """The files of the selection in the order given, each once."""
    paths = dict.fromkeys(path.resolve() for path in selection.paths)
    states = SourceState.objects.filter(source=source, target__in=[str(path) for path in paths])
    held = {state.target: state for state in states}
    for path in list(paths)[: selection.limit]:
        state = held.get(str(path))
        pulled_at = state.pulled_at if state else None
        if selection.not_since is None or pulled_at is None or pulled_at < selection.not_since:
            yield Target(str(path), state.checkpoint if state else {}, path=path)


class GrowingFile:
    """A file from where it was read up to. `lines` are those that follow; `checkpoint()` stands after the last of them.

    A file whose beginning is another now is read from its start, as is one whose last line had no end and grew: what
    comes again is known by its identity.
    """

    def __init__(self, file: IO[bytes], checkpoint: Mapping[str, Any]) -> None:
        self._file, self._digest = file, blake2b(digest_size=16)
        self._at = 0
        self._is_ended = True
        number = 0
        if self._begins_as(checkpoint):
            number = checkpoint["line"]
        self.is_continued = self._at > 0
        self.lines = Lines(cast(IO[bytes], self))
        self.lines.number = number

    def _begins_as(self, checkpoint: Mapping[str, Any]) -> bool:
        """Whether the file still begins with what was read of it; if so it stands behind that, else at its start."""
        left = checkpoint.get("bytes", 0)
        while left and (piece := self._file.read(min(left, CHUNK))):
            self._digest.update(piece)
            left -= len(piece)
        rest = self._file.read(1)
        is_longer_line = bool(rest) and not checkpoint.get("is_ended", True) and rest != b"\n"
        if not left and self._digest.hexdigest() == checkpoint.get("digest") and not is_longer_line:
            self._at = checkpoint["bytes"]
            self._is_ended = checkpoint["is_ended"]
            self._file.seek(self._at)
            return self._at > 0
        self._file.seek(0)
        self._digest = blake2b(digest_size=16)
        return False

    def readline(self, limit: int) -> bytes:
        line = self._file.readline(limit)
        if line:
            self._at += len(line)
            self._digest.update(line)
            self._is_ended = line.endswith(b"\n")
        return line

    def first(self) -> bytes:
        """The first character that counts, before anything is read."""
        start = self._file.read(1_000).removeprefix(BOM).lstrip()[:1]
        self._file.seek(self._at)
        return start

    def checkpoint(self) -> dict[str, Any]:
        return {
            "bytes": self._at,
            "line": self.lines.number,
            "digest": self._digest.hexdigest(),
            "is_ended": self._is_ended,
        }


@contextmanager
def opened(path: Path, checkpoint: Mapping[str, Any]) -> Iterator[GrowingFile]:
    """Raises `PermanentError` for a file that cannot be read."""
    try:
        with path.open("rb") as file:
            yield GrowingFile(file, checkpoint)
    except OSError as error:
        raise PermanentError(f"{path} cannot be read: {error.strerror or error}.") from error
