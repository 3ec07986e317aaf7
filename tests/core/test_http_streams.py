"""Lines of a body that does not end, from a server that sends them in all the ways it may."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oppspot.core.errors import PermanentError, RetryableError
from oppspot.core.http import Client, RefusedAnswer, TimedOut, TooLarge, WrongType, plain_client
from oppspot.core.http.lines import lines_of
from tests.core.http_stub import Stub, raw, redirect, reply, trickle

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_THE_END = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.fixture
def stub() -> Iterator[Stub]:
    server = Stub("127.0.0.1")
    yield server
    server.close()


@pytest.fixture
def client() -> Client:
    return plain_client()


@pytest.fixture
def url(stub: Stub) -> str:
    return stub.url(host="127.0.0.1")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def test_lines_arrive_as_they_are_sent(stub: Stub, client: Client, url: str) -> None:
    go_on = threading.Event()

    def behave(connection: socket.socket) -> None:
        connection.sendall(CHUNKED + chunk(b'{"a": 1}\n{"b"') + chunk(b": 2}\r\n\n"))
        assert go_on.wait(5)
        connection.sendall(chunk(b"last\n") + chunk(b""))

    stub.on("/", behave)
    with client.stream_lines(url, auth=("key", ""), seconds_idle=5) as lines:
        assert [next(lines) for _ in range(3)] == [b'{"a": 1}', b'{"b": 2}', b""]
        go_on.set()
        assert list(lines) == [b"last"]
    headers = stub.received[0].headers
    assert (headers["authorization"], headers["accept-encoding"]) == ("Basic a2V5Og==", "identity")


@pytest.mark.parametrize(
    ("sent", "lines"),
    [
        (CHUNKED + chunk(b"one\ntw"), [b"one"]),
        (CHUNKED + chunk(b"one\n"), [b"one"]),
        (CHUNKED + b"20\r\none\ntwo", [b"one"]),
        (CHUNKED + chunk(b"one\ntw") + chunk(b""), [b"one"]),
        (UNTIL_THE_END + b"one\ntw", [b"one"]),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\none\n", [b"one"]),
    ],
)
def test_half_a_line_is_never_given(stub: Stub, client: Client, url: str, sent: bytes, lines: list[bytes]) -> None:
    stub.on("/", raw(sent))
    with client.stream_lines(url, seconds_idle=5) as stream:
        assert [next(stream) for _ in lines] == lines
        with pytest.raises(RetryableError, match=r"127\.0\.0\.1"):
            next(stream)


def test_a_body_that_ends_is_over(stub: Stub, client: Client, url: str) -> None:
    stub.on("/", raw(UNTIL_THE_END + b"one\ntwo\n"))
    with client.stream_lines(url) as lines:
        assert list(lines) == [b"one", b"two"]


def test_a_reset_is_an_interruption(stub: Stub, client: Client, url: str) -> None:
    def behave(connection: socket.socket) -> None:
        connection.sendall(CHUNKED + chunk(b"one\ntw"))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close by reset

    stub.on("/", behave)
    found: list[bytes] = []
    with pytest.raises(RetryableError), client.stream_lines(url) as lines:
        found.extend(lines)
    assert found in ([b"one"], [])


@pytest.mark.parametrize("start", [b"", b"one\n", b"on"])
def test_silence_ends_it(stub: Stub, client: Client, url: str, start: bytes) -> None:
    def behave(connection: socket.socket) -> None:
        connection.sendall(CHUNKED + (chunk(start) if start else b""))
        time.sleep(2)

    stub.on("/", behave)
    started = time.monotonic()
    with pytest.raises(TimedOut, match=r"within 0\.3 s"), client.stream_lines(url, seconds_idle=0.3) as lines:
        list(lines)
    assert time.monotonic() - started < 1.5


def test_a_line_that_trickles_and_never_ends_is_left(stub: Stub, client: Client, url: str) -> None:
    def behave(connection: socket.socket) -> None:
        connection.sendall(CHUNKED + chunk(b"one\n"))
        for _ in range(100):
            connection.sendall(chunk(b"x"))
            time.sleep(0.03)

    stub.on("/", behave)
    began = time.monotonic()
    with client.stream_lines(url, seconds_idle=0.3) as lines:
        assert next(lines) == b"one"
        with pytest.raises(TimedOut, match=r"did not answer within 0\.3 s"):
            next(lines)
    assert 0.3 <= time.monotonic() - began < 1.5


def test_it_may_last_longer_than_any_silence(stub: Stub, client: Client, url: str) -> None:
    stub.on("/", trickle(UNTIL_THE_END, b"abc\n" * 4, pause=0.05))
    with client.stream_lines(url, seconds_idle=0.4, connect_seconds=0.2) as lines:
        assert list(lines) == [b"abc"] * 4


def test_silence_before_the_answer(stub: Stub, client: Client, url: str) -> None:
    stub.on("/", trickle(b"HTTP/1.1 200 OK\r\nX: "))
    started = time.monotonic()
    with pytest.raises(TimedOut), client.stream_lines(url, seconds_idle=0.2, connect_seconds=0.2):
        pass
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize("end", [b"\n", b""])
def test_lines_are_bounded(stub: Stub, client: Client, url: str, end: bytes) -> None:
    stub.on("/", raw(UNTIL_THE_END + b"x" * 100 + b"\n" + b"x" * 200_000 + end))
    with client.stream_lines(url, max_line_bytes=100) as lines:
        assert next(lines) == b"x" * 100
        with pytest.raises(TooLarge):
            next(lines)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, PermanentError), (403, PermanentError), (416, PermanentError), (429, RetryableError), (503, RetryableError)],
)
def test_refused(stub: Stub, client: Client, url: str, status: int, kind: type[Exception]) -> None:
    stub.on("/", reply(status=status, Retry_After="60", X_Reason="no"))
    with pytest.raises(RefusedAnswer) as caught, client.stream_lines(url):
        pass
    assert isinstance(caught.value, kind)
    assert (caught.value.answer_status, caught.value.headers["x-reason"]) == (status, "no")


def test_streams_are_not_redirected(stub: Stub, client: Client, url: str) -> None:
    stub.on("/", redirect("/other"))
    with pytest.raises(RefusedAnswer), client.stream_lines(url):
        pass
    assert len(stub.received) == 1


def test_streams_are_not_compressed(stub: Stub, client: Client, url: str) -> None:
    stub.on("/", reply(b"one\n", Content_Encoding="gzip"))
    with pytest.raises(WrongType), client.stream_lines(url):
        pass


def test_what_the_caller_raises_is_the_callers(stub: Stub, client: Client, url: str) -> None:
    """An `OSError` of the code that handles a line says nothing of the connection."""
    stub.on("/", trickle(UNTIL_THE_END + b"one\n"))
    with pytest.raises(FileNotFoundError), client.stream_lines(url):
        raise FileNotFoundError


@given(st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"").rstrip(b"\r"))), st.integers(1, 30))
def test_lines_of_chunks_of_any_size(lines: list[bytes], size: int) -> None:
    body = b"".join(line + b"\r\n" for line in lines)
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    assert list(lines_of(chunks, 22, "company.test", 5.0)) == lines
