"""Answers: what they hold, and what a caller should do about those that are not what was asked for."""

import codecs
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx2

from oppspot.core.errors import PermanentError, RetryableError
from oppspot.core.http.errors import RefusedForGood, RefusedForNow, WrongType

MAX_RETRY_AFTER_S = 86_400.0
RETRYABLE = {408, 425, 429}  # … and all from 500
PIECE_BYTES = 65_536
GZIP_WBITS = zlib.MAX_WBITS | 16
MAX_GZIP_PARTS = 100  # each is cheap to send and costs as much as a large one
# What pages are written in, as Python's names; other codecs are transformations, or decode to what is no text.
CHARSETS = {
    "utf-8", "utf-16", "utf-16-le", "utf-16-be", "ascii", "iso8859-1", "big5", "big5hkscs", "euc_jp", "euc_kr",
    "gb18030", "gb2312", "gbk", "iso2022_jp", "koi8-r", "koi8-u", "mac-roman", "mac-cyrillic", "shift_jis", "cp932",
    "cp949", "cp866", "cp874", "tis-620",
    *(f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16)),
    *(f"cp{page}" for page in range(1250, 1259)),
}  # fmt: skip
LATIN = {"ascii", "iso8859-1"}  # where Windows-1252 is meant: encoding.spec.whatwg.org
BOMS = [(codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")]


@dataclass(frozen=True)
class Answer:
    """An answer with a status from 200 to 299, or 304."""

    status: int
    url: str  # that answered in the end, after redirects
    headers: Mapping[str, str]  # names in any case
    body: bytes  # decompressed

    @property
    def is_unchanged(self) -> bool:
        """What the caller has, by its `etag` or `last_modified`, is still what there is."""
        return self.status == HTTPStatus.NOT_MODIFIED

    @property
    def media_type(self) -> str:
        """In lower case and without parameters; empty if the answer names none."""
        return media_type(self.headers)

    def text(self) -> str:
        """The body by its byte order mark or declared charset, else as UTF-8 or, when it is not, Windows-1252.

        What cannot be decoded, and NUL, which Postgres does not store, becomes U+FFFD.
        """
        mark = next((mark for mark, _ in BOMS if self.body.startswith(mark)), b"")
        charset = dict(BOMS).get(mark) or _charset(self.headers) or self._guess()
        return self.body[len(mark) :].decode(charset, errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")

    def _guess(self) -> str:
        try:
            self.body.decode("utf-8")
        except UnicodeDecodeError:
            return "cp1252"
        return "utf-8"


def media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _charset(headers: Mapping[str, str]) -> str | None:
    message = Message()
    message["content-type"] = " ".join(headers.get("content-type", "").split())
    declared = message.get_param("charset")
    try:
        name = codecs.lookup(str(declared).strip(" '\"")).name
    except (LookupError, ValueError):
        return None
    return "cp1252" if name in LATIN else name if name in CHARSETS else None


def refuse(status: int, headers: httpx2.Headers, host: str) -> None:
    """Raise what an answer other than 2xx and 304 means."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES or status == HTTPStatus.NOT_MODIFIED:
        return
    said = f"{host} answered with status {status}."
    lowered = {name.lower(): value for name, value in headers.items()}
    if status in RETRYABLE or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise RefusedForNow(said, status=status, headers=lowered, retry_after=retry_after(headers))
    raise RefusedForGood(said, status=status, headers=lowered)


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Seconds to wait, at most a day, from `Retry-After` as seconds or as a date; None when absent, past or garbage."""
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(text) - (now or datetime.now(UTC))).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(seconds, MAX_RETRY_AFTER_S) if 0 < seconds < float("inf") else None


def decoded(chunks: Iterable[bytes], encoding: str, host: str) -> Iterator[bytes]:
    """The body as it is meant, in pieces of 64 kB at most when it was compressed: a bomb is noticed before it bursts.

    Only gzip is asked for, so that nothing else is accepted (`WrongType`).
    """
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        yield from chunks
    elif encoding in {"gzip", "x-gzip"}:
        yield from _inflated(chunks, host)
    else:
        raise WrongType(f"{host} encoded its answer in a way that was not asked for.")


def _inflated(chunks: Iterable[bytes], host: str) -> Iterator[bytes]:
    inflate = zlib.decompressobj(GZIP_WBITS)
    is_begun, parts = False, 1
    for chunk in chunks:
        data = chunk
        is_begun = is_begun or bool(chunk)
        while True:
            try:
                piece = inflate.decompress(data, PIECE_BYTES)
            except zlib.error:
                raise PermanentError(f"{host} sent a body that cannot be decompressed.") from None
            if piece:
                yield piece
            data = inflate.unconsumed_tail
            if inflate.eof and inflate.unused_data.startswith(b"\x1f") and parts < MAX_GZIP_PARTS:
                parts += 1
                data, inflate = inflate.unused_data, zlib.decompressobj(GZIP_WBITS)
            elif inflate.eof or (not data and len(piece) < PIECE_BYTES):
                break
    if is_begun and not inflate.eof:
        raise RetryableError(f"{host} sent only a part of its answer.")
