"""Reading answers: how long to wait, in which charset, and what was compressed."""

import gzip
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oppspot.core.errors import PermanentError, RetryableError
from oppspot.core.http import Answer, WrongType, retry_after
from oppspot.core.http.answers import PIECE_BYTES, decoded

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("2", 2.0), ("1.5", 1.5), (" 2 ", 2.0), ("0", None), ("-3", None), ("nan", None), ("inf", None),
        ("soon", None), ("", None), ("2, 3", None), ("99999999999999999999", 86_400), ("1e400", None),
        ("Tue, 01 Jan 2030 00:00:20 GMT", 20.0), ("Mon, 31 Dec 2029 23:59:00 GMT", None),
        ("Tuesday, 01-Jan-30 00:00:20 GMT", 20.0), ("Tue Jan  1 00:00:20 2030", None),
        ("Tue, 99 Jan 2030 00:00:20 GMT", None), ("Tue, 01 Jan 2030 00:00:20 -0000", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400), ("Tue, 01 Jan 2030 00:00:20 +99999999", None),
        ("2030-01-01T00:00:20Z", None),
    ],
)  # fmt: skip
def test_retry_after_in_any_form(header: str, seconds: float | None) -> None:
    assert retry_after(httpx2.Headers({"Retry-After": header}), now=NOW) == seconds


@given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_retry_after_of_garbage(header: str) -> None:
    seconds = retry_after({"retry-after": header}, now=NOW)
    assert seconds is None or 0 < seconds <= 86_400


def answer(body: bytes, type_: str = "") -> Answer:
    return Answer(200, "http://company.test/", httpx2.Headers({"Content-Type": type_} if type_ else {}), body)


@pytest.mark.parametrize(
    ("body", "type_", "text"),
    [
        ("Grüße".encode(), "text/html; charset=utf-8", "Grüße"),
        ("Grüße".encode("latin-1"), "text/html; charset=ISO-8859-1", "Grüße"),
        (b"\x80 5", "text/html; charset=iso-8859-1", "€ 5"),
        (b"\x80 5", "text/html; charset=us-ascii", "€ 5"),
        ("Привет".encode("cp1251"), 'text/html; CharSet="windows-1251"', "Привет"),
        ("日本".encode("shift_jis"), "text/html;charset=Shift_JIS;x=y", "日本"),
        ("Grüße".encode(), "text/html", "Grüße"),
        ("Grüße".encode("cp1252"), "text/html", "Grüße"),
        ("Grüße".encode(), "", "Grüße"),
        ("Grüße".encode("utf-8-sig"), "text/html; charset=iso-8859-1", "Grüße"),
        (b"\xff\xfe" + "Grüße".encode("utf-16-le"), "text/html", "Grüße"),
        (b"\xfe\xff" + "Grüße".encode("utf-16-be"), "text/html; charset=utf-8", "Grüße"),
        (b"Gr\xfc\xdfe", "text/html; charset=utf-8", "Gr\ufffd\ufffde"),
        (b"a\0b\0", "text/html; charset=utf-8", "a\ufffdb\ufffd"),
        (b"\xed\xa0\x80", "text/html; charset=utf-8", "\ufffd\ufffd\ufffd"),
        (b"a\xff", "text/html; charset=no-such-charset", "aÿ"),
        (b"\\ud800", "text/html; charset=unicode_escape", "\\ud800"),
        (b"\\ud800", "text/html; charset=raw-unicode-escape", "\\ud800"),
        (b"+2AA-", "text/html; charset=utf-7", "+2AA-"),
        (b"eJwD", "text/html; charset=zlib_codec", "eJwD"),
        (b"6869", "text/html; charset=hex", "6869"),
        (b"uryyb", "text/html; charset=rot13", "uryyb"),
        (b"a", "text/html; charset=", "a"),
        (b"a", "text/html; charset=\0", "a"),
        (b"a", "text/html; charset=" + "x" * 100_000, "a"),
        (b"a", "text/html; charset*=utf-8''%00", "a"),
        (b"", "text/html; charset=utf-16", ""),
        (b"\x00", "text/html; charset=utf-16", "\ufffd"),
    ],
)
def test_text(body: bytes, type_: str, text: str) -> None:
    assert answer(body, type_).text() == text


@given(st.binary(max_size=60), st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30))
def test_any_body_has_a_text_that_can_be_stored(body: bytes, charset: str) -> None:
    for type_ in (f"text/html; charset={charset}", charset):
        text = answer(body, type_).text()
        assert "\0" not in text
        text.encode()  # no lone surrogates


def pieces(body: bytes, size: int) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


def read(body: bytes, size: int = 1_000, encoding: str = "gzip") -> bytes:
    return b"".join(decoded(pieces(body, size), encoding, "company.test"))


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.integers(1, 50), st.sampled_from([0, 1, 9]))
def test_gzip_in_chunks_and_parts(parts: list[bytes], size: int, level: int) -> None:
    body = b"".join(gzip.compress(part, level, mtime=0) for part in parts)
    assert read(body, size) == b"".join(parts)
    assert read(body, size, " X-GZIP") == b"".join(parts)
    assert read(body, size, "identity") == body
    assert read(body + b"\0trailing", size) == b"".join(parts)


@given(st.binary(min_size=1, max_size=300), st.integers(1, 50), st.data())
def test_half_of_it_is_noticed(body: bytes, size: int, data: st.DataObject) -> None:
    compressed = gzip.compress(body, mtime=0)
    with pytest.raises(RetryableError):
        read(compressed[: data.draw(st.integers(1, len(compressed) - 1))], size)


def test_a_large_body_comes_in_small_pieces() -> None:
    """So that a bomb is noticed before it is in memory."""
    bomb = gzip.compress(bytes(10_000_000), mtime=0)
    sizes = [len(piece) for piece in decoded([bomb], "gzip", "company.test")]
    assert max(sizes) <= PIECE_BYTES
    assert sum(sizes) == 10_000_000


def test_a_body_of_very_many_parts_is_read_in_part() -> None:
    assert read(gzip.compress(b"a", mtime=0) * 1_000, 100_000) == b"a" * 100


@pytest.mark.parametrize("body", [b"plain text", zlib.compress(b"abc"), gzip.compress(b"abc", mtime=0)[:-8] + bytes(8)])
def test_what_is_not_gzip(body: bytes) -> None:
    with pytest.raises(PermanentError, match=r"company\.test sent a body that cannot be decompressed"):
        read(body)


def test_an_empty_body_need_not_be_compressed() -> None:
    assert read(b"") == b""


def test_no_other_encoding() -> None:
    with pytest.raises(WrongType):
        read(b"abc", encoding="br")
