"""The lines of a body that comes in chunks of any size."""

import time
from collections.abc import Iterable, Iterator

from oppspot.core.errors import RetryableError
from oppspot.core.http.errors import TooLarge


def lines_of(chunks: Iterable[bytes], max_line_bytes: int, host: str, seconds: float) -> Iterator[bytes]:
    """Whole lines without their ends. Raises `TooLarge`, `RetryableError` for a body that ends within a line, and
    `TimeoutError` for a line that does not end within `seconds`, though bytes keep coming."""
    begun, began = bytearray(), 0.0
    for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for end in ended:
            begun += end
            _check(begun, max_line_bytes, host)
            yield bytes(begun).removesuffix(b"\r")
            begun.clear()
        now = time.monotonic()
        if not begun:
            began = now
        elif now - began > seconds:
            raise TimeoutError
        begun += rest
        _check(begun, max_line_bytes, host)
    if begun:
        raise RetryableError(f"{host} ended its stream within a line.")


def _check(line: bytearray, max_line_bytes: int, host: str) -> None:
    if len(line) > max_line_bytes:
        raise TooLarge(f"A line of {host} is longer than {max_line_bytes:,} bytes.")
