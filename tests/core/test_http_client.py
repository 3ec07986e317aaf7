"""Calls to a server that answers well, badly, slowly, or without end."""

import gzip
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import stamina
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oppspot.core.errors import InvalidInput, OutsideCallError, PermanentError, RetryableError
from oppspot.core.http import (
    AddressPolicy,
    Client,
    ForbiddenAddress,
    RefusedAnswer,
    TimedOut,
    TooLarge,
    WrongType,
    guarded_by,
    guarded_client,
    plain_client,
)
from tests.core.http_stub import (
    ALLOWED,
    HOSTS,
    HTML,
    Behaviour,
    Names,
    Stub,
    names,
    policy,
    raw,
    redirect,
    reply,
    trickle,
)

pytestmark = pytest.mark.allow_hosts(HOSTS)

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
SECRET = "canary-secret"


@pytest.fixture
def stub() -> Iterator[Stub]:
    server = Stub()
    yield server
    server.close()


@pytest.fixture
def client(stub: Stub) -> Client:
    return Client(policy(stub.port))


def test_a_page(stub: Stub, client: Client) -> None:
    stub.on("/a", reply("<p>Grüße".encode(), ETag='"7"'))
    answer = client.fetch(stub.url("/a?q=1#part"), content_types=["text/html", "text/plain"])
    assert (answer.status, answer.url, answer.text()) == (200, stub.url("/a?q=1"), "<p>Grüße")
    assert (answer.media_type, answer.headers["etag"], answer.is_unchanged) == ("text/html", '"7"', False)
    (request,) = stub.received
    assert (request.method, request.target) == ("GET", "/a?q=1")
    assert {name.lower(): value for name, value in request.headers.items()} == {
        "host": f"company.test:{stub.port}",
        "user-agent": "oppSpot/0.1",
        "accept": "text/html, text/plain",
        "accept-encoding": "gzip",
        "connection": "close",
    }


def test_the_environment_counts_for_nothing(stub: Stub, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxies, and no cookies from one call to the next."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    stub.on("/", reply(b"1", Set_Cookie="session=1"))
    for _ in range(2):
        client.fetch(stub.url())
    assert not any("cookie" in request.headers for request in stub.received)


def test_what_has_not_changed(stub: Stub, client: Client) -> None:
    stub.on("/", reply(status=304, ETag='"7"'))
    answer = client.fetch(stub.url(), etag='"7"', last_modified="Mon, 01 Jan 2024 00:00:00 GMT", content_types=["a/b"])
    assert (answer.is_unchanged, answer.body) == (True, b"")
    headers = stub.received[0].headers
    assert (headers["if-none-match"], headers["if-modified-since"]) == ('"7"', "Mon, 01 Jan 2024 00:00:00 GMT")


def test_a_condition_that_cannot_be_sent_is_left_out(stub: Stub, client: Client) -> None:
    stub.on("/", reply(b"1"))
    client.fetch(stub.url(), etag='"7"\r\nX: y', last_modified="ü")
    assert not {"if-none-match", "if-modified-since", "x"} & {name.lower() for name in stub.received[0].headers}


@pytest.mark.parametrize(
    ("auth", "is_sent"), [(("user", "pass"), "Basic dXNlcjpwYXNz"), (("key", ""), "Basic a2V5Og=="), ("t", "Bearer t")]
)
def test_credentials(stub: Stub, client: Client, auth: Any, is_sent: str) -> None:
    stub.on("/", reply(b"1"))
    client.fetch(stub.url(), auth=auth)
    assert stub.received[0].headers["authorization"] == is_sent


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_credentials_stay_with_their_origin(stub: Stub, client: Client, status: int) -> None:
    other = Stub()
    other.on("/", redirect(stub.url("/end")))
    stub.on("/", redirect("/same", status))
    stub.on("/same", redirect(stub.url("/other", host="other.test"), status))
    stub.on("/other", reply(b"there"))
    answer = client.fetch(stub.url(), headers={"X-Api-Key": SECRET}, auth=("u", SECRET))
    assert (answer.body, answer.url) == (b"there", stub.url("/other", host="other.test"))
    with_key = [bool(request.headers["x-api-key"]) for request in stub.received]
    with_auth = [bool(request.headers["authorization"]) for request in stub.received]
    assert with_key == with_auth == [True, True, False]

    both = Client(policy(stub.port, other.port))
    stub.on("/end", reply(b"end"))
    both.fetch(other.url(), auth=SECRET)  # the same name, another port
    assert other.received[0].headers["authorization"]
    assert not stub.received[-1].headers["authorization"]
    other.close()


def test_redirects_are_few(stub: Stub, client: Client) -> None:
    for number in range(4):
        stub.on(f"/{number}", redirect(f"{number + 1}"))
    stub.on("/4", reply(b"end"))
    assert client.fetch(stub.url("/1")).body == b"end"
    stub.received.clear()
    with pytest.raises(PermanentError, match="more than 3 times"):
        client.fetch(stub.url("/0"))
    assert len(stub.received) == 4


def test_redirects_in_circles(stub: Stub, client: Client) -> None:
    stub.on("/", redirect("/"))
    with pytest.raises(PermanentError, match="more than 3 times"):
        client.fetch(stub.url())


@pytest.mark.parametrize("answer", [reply(status=302), reply(status=300), reply(status=305, Location="/")])
def test_redirects_that_are_none(stub: Stub, client: Client, answer: Behaviour) -> None:
    stub.on("/", answer)
    with pytest.raises(RefusedAnswer):
        client.fetch(stub.url())


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 416, 418, 422, 451])
def test_refused_for_good(stub: Stub, client: Client, status: int) -> None:
    stub.on("/", reply(b"because", status, X_Reason="no"))
    with pytest.raises(PermanentError, match=rf"company\.test answered with status {status}") as caught:
        client.fetch(stub.url(), tries=3)
    assert isinstance(caught.value, RefusedAnswer)
    assert (caught.value.answer_status, caught.value.headers["x-reason"]) == (status, "no")
    assert caught.value.status == 502  # what our own API would say
    assert len(stub.received) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 529])
def test_refused_for_now(stub: Stub, client: Client, status: int) -> None:
    stub.on("/", reply(status=status, Retry_After="17"))
    with pytest.raises(RetryableError) as caught:
        client.fetch(stub.url(), tries=3)
    assert isinstance(caught.value, RefusedAnswer)
    assert (caught.value.answer_status, caught.value.retry_after) == (status, 17)
    assert len(stub.received) == 1


def test_retry_after_as_a_date(stub: Stub, client: Client) -> None:
    stub.on("/", reply(status=429, Retry_After=format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)))
    with pytest.raises(RetryableError) as caught:
        client.fetch(stub.url())
    assert caught.value.retry_after is not None
    assert 60 < caught.value.retry_after <= 90


def test_what_may_pass_is_tried_again(stub: Stub, client: Client) -> None:
    with stamina.set_testing(True, attempts=3, cap=True):
        stub.on("/", reply(status=503), raw(b""), reply(b"1"))
        assert client.fetch(stub.url(), tries=3).body == b"1"
        stub.on("/", reply(status=503))
        with pytest.raises(RetryableError):
            client.fetch(stub.url(), tries=3)
        with pytest.raises(RetryableError):
            client.fetch(stub.url())
        stub.on("/", reply(status=429))
        with pytest.raises(RetryableError):
            client.fetch(stub.url(), tries=3)
    assert len(stub.received) == 3 + 3 + 1 + 1


def test_waiting_between_tries_is_brief(stub: Stub, client: Client) -> None:
    stub.on("/", reply(status=503, Retry_After="0.3"), reply(b"1"))
    started = time.monotonic()
    assert client.fetch(stub.url(), tries=2).body == b"1"
    assert 0.3 <= time.monotonic() - started < 3


def test_tries_share_the_deadline(stub: Stub, client: Client) -> None:
    stub.on("/", reply(status=503))
    started = time.monotonic()
    with pytest.raises(RetryableError):
        client.fetch(stub.url(), tries=50, seconds=0.6)
    assert time.monotonic() - started < 2


def interim(connection: socket.socket) -> None:
    for _ in range(100):
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        time.sleep(0.02)


SLOW: dict[str, Behaviour] = {
    "silent": lambda connection: time.sleep(2),
    "headers": trickle(b"HTTP/1.1 200 OK\r\nX: "),
    "interim answers": interim,
    "body": trickle(OK + b"Content-Length: 1000\r\n\r\n"),
    "chunks": trickle(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n" * 30),
    "compressed": trickle(OK + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(bytes(range(256)))),
    "body until the end": trickle(OK + b"\r\n"),
}


@pytest.mark.parametrize(
    ("body", "headers", "excerpt"),
    [
        (b'{"error":"no\x00 such\r\n\x1b[31m hook"}', {}, '{"error":"no such [31m hook"}'),
        ("Grüße".encode() + b"\xff", {}, "Grüße\N{REPLACEMENT CHARACTER}"),
        (b"x" * 100_000, {}, "x" * 1_000),
        (gzip.compress(b"squeezed", mtime=0), {"Content-Encoding": "gzip"}, "squeezed"),
        (gzip.compress(b"\x20" * 10_000_000, mtime=0), {"Content-Encoding": "gzip"}, ""),
        (b"not compressed", {"Content-Encoding": "gzip"}, ""),
        (b"", {}, ""),
    ],
)
def test_a_refusal_tells_how_its_body_begins(
    stub: Stub, client: Client, body: bytes, headers: dict[str, str], excerpt: str
) -> None:
    stub.on("/", reply(body, status=422, **headers))
    with pytest.raises(RefusedAnswer) as caught:
        client.post(stub.url(), b"{}", content_type="application/json")
    assert caught.value.excerpt == excerpt
    assert caught.value.message == "company.test answered with status 422."
    with pytest.raises(RefusedAnswer) as caught:
        client.post(stub.url(), b"{}", content_type="application/json", max_bytes=0)
    assert caught.value.excerpt == ""


def test_the_body_of_a_refusal_is_not_waited_for(stub: Stub, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oppspot.core.http.client.EXCERPT_SECONDS", 0.2)
    stub.on("/", trickle(b"HTTP/1.1 503 Busy\r\nRetry-After: 17\r\n\r\nbusy, "))
    started = time.monotonic()
    with pytest.raises(RefusedAnswer) as caught:
        client.fetch(stub.url(), seconds=10)
    assert time.monotonic() - started < 8
    assert isinstance(caught.value, RetryableError)
    assert caught.value.retry_after == 17
    assert caught.value.excerpt.startswith("busy")


@pytest.mark.parametrize("behaviour", SLOW.values(), ids=SLOW)
def test_the_deadline_covers_everything(stub: Stub, client: Client, behaviour: Behaviour) -> None:
    stub.on("/", behaviour)
    before = threading.active_count()
    started = time.monotonic()
    with pytest.raises(TimedOut, match=r"company\.test did not answer within 0\.4 s"):
        client.fetch(stub.url(), seconds=0.4, tries=50)
    assert 0.35 < time.monotonic() - started < 8  # of one deadline, not of fifty, on a busy machine
    assert threading.active_count() <= before + 1  # the stub's own: nothing of ours goes on


def test_the_deadline_covers_resolving(stub: Stub) -> None:
    slow = policy(stub.port, addresses_of=lambda host: [time.sleep(1.5) or "1.1.1.1"])  # type: ignore[func-returns-value]
    started = time.monotonic()
    with pytest.raises(TimedOut):
        Client(slow).fetch(stub.url(), seconds=0.2)
    assert time.monotonic() - started < 1.3
    started = time.monotonic()
    with pytest.raises(TimedOut):
        Client(slow).fetch(stub.url(), connect_seconds=0.2)
    assert time.monotonic() - started < 1.3


def test_the_deadline_covers_redirects(stub: Stub, client: Client) -> None:
    def slowly(connection: socket.socket) -> None:
        time.sleep(0.3)
        redirect("/")(connection)

    stub.on("/", slowly)
    started = time.monotonic()
    with pytest.raises(TimedOut):
        client.fetch(stub.url(), seconds=0.5)
    assert time.monotonic() - started < 2


def test_the_deadline_covers_what_is_sent(client: Client, stub: Stub) -> None:
    """A server that reads nothing of a large body."""
    with socket.create_server((stub.host, 0)) as deaf:
        started = time.monotonic()
        with pytest.raises(TimedOut):
            Client(policy(deaf.getsockname()[1])).post(
                f"http://company.test:{deaf.getsockname()[1]}/", b"x" * 50_000_000, content_type="a/b", seconds=0.4
            )
        assert time.monotonic() - started < 1.5


def endless(head: bytes, piece: bytes) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(piece)

    return behave


LARGE = {
    "by its length": raw(OK + b"Content-Length: 50000000\r\n\r\n"),
    "50 MB": reply(b"x" * 50_000_000, Content_Length=""),
    "endless": endless(OK + b"\r\n", b"x" * 65_536),
    "endless chunks": endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1ff\r\n" + b"x" * 511 + b"\r\n"),
    "gzip": reply(gzip.compress(bytes(2_000_001), mtime=0), Content_Encoding="gzip"),
    "bomb": reply(gzip.compress(bytes(200_000_000), 1, mtime=0), Content_Encoding="gzip"),
    "gzip of noise": reply(gzip.compress(bytes(range(256)) * 100_000, 0), Content_Encoding="x-gzip"),
}


@pytest.mark.parametrize("behaviour", LARGE.values(), ids=LARGE)
def test_bodies_are_bounded(stub: Stub, client: Client, behaviour: Behaviour) -> None:
    stub.on("/", behaviour)
    started = time.monotonic()
    with pytest.raises(TooLarge, match=r"company\.test is larger than 2,000,000 bytes"):
        client.fetch(stub.url())
    assert time.monotonic() - started < 3


def test_a_body_of_just_that_size(stub: Stub, client: Client) -> None:
    stub.on("/", reply(b"x" * 10))
    assert client.fetch(stub.url(), max_bytes=10).body == b"x" * 10
    with pytest.raises(TooLarge):
        client.fetch(stub.url(), max_bytes=9)


PARTIAL = {
    "nothing": raw(b""),
    "a part of the headers": raw(b"HTTP/1.1 200 OK\r\nContent-"),
    "less than its length": raw(OK + b"Content-Length: 10\r\n\r\n123"),
    "chunks without an end": raw(OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
    "half of a gzip body": raw(OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"abc" * 50, mtime=0)[:-9]),
    "not HTTP": raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "endless headers": raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000),
    "two lengths": raw(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
}


@pytest.mark.parametrize("behaviour", PARTIAL.values(), ids=PARTIAL)
def test_partial_answers_may_be_asked_for_again(stub: Stub, client: Client, behaviour: Behaviour) -> None:
    stub.on("/", behaviour)
    with pytest.raises(RetryableError, match=r"company\.test"):
        client.fetch(stub.url())


HEADS = [b"", b"HTTP/1.1 200 OK\r\n", OK + b"\r\n", OK + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08",
         OK + b"Transfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 302 Found\r\nLocation: "]  # fmt: skip


@given(head=st.sampled_from(HEADS), rest=st.binary(max_size=60), is_ended=st.booleans())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_an_answer_or_an_error_of_ours(
    stub: Stub, client: Client, head: bytes, rest: bytes, is_ended: bool
) -> None:
    stub.on("/", raw(head + rest + b"\r\n\r\n" * is_ended))
    with suppress(RetryableError, PermanentError):
        client.fetch(stub.url(), seconds=5).text().encode()


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.2", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(RetryableError, match=r"connection to company\.test failed"):
        Client(policy(port)).fetch(f"http://company.test:{port}/")


@pytest.mark.parametrize("type_", ["application/pdf", "", "text/htmlx", "html", "text/html2; charset=utf-8"])
def test_other_types_are_refused_before_their_body(stub: Stub, client: Client, type_: str) -> None:
    stub.on("/", raw(f"HTTP/1.1 200 OK\r\nContent-Type: {type_}\r\nContent-Length: 1000\r\n\r\n".encode()))
    with pytest.raises(WrongType, match=r"did not answer with text/html"):
        client.fetch(stub.url(), content_types=["text/html"], seconds=5)


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd", "compress", "gzip, identity"])
def test_encodings_that_were_not_asked_for(stub: Stub, client: Client, encoding: str) -> None:
    stub.on("/", reply(b"abc", Content_Encoding=encoding))
    with pytest.raises(WrongType):
        client.fetch(stub.url())


def test_post(stub: Stub, client: Client) -> None:
    stub.on("/hook", reply(b"thanks", 202))
    answer = client.post(stub.url("/hook"), b'{"a": 1}', content_type="application/json", headers={"x-signature": "s"})
    assert (answer.status, answer.body) == (202, b"thanks")
    (request,) = stub.received
    assert (request.method, request.body, request.headers["content-type"]) == ("POST", b'{"a": 1}', "application/json")
    assert (request.headers["content-length"], request.headers["x-signature"]) == ("8", "s")


def test_post_of_nothing(stub: Stub, client: Client) -> None:
    stub.on("/", reply(status=204))
    assert client.post(stub.url(), b"", content_type="text/plain").status == 204
    assert stub.received[0].headers["content-length"] == "0"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_post_is_not_redirected(stub: Stub, client: Client, status: int) -> None:
    stub.on("/", redirect("/other", status))
    with pytest.raises(RefusedAnswer) as caught:
        client.post(stub.url(), b"{}", content_type="application/json")
    assert isinstance(caught.value, PermanentError)
    assert len(stub.received) == 1


def test_post_need_not_read_the_answer(stub: Stub, client: Client) -> None:
    stub.on("/", trickle(OK + b"Content-Length: 9000000\r\n\r\n"))
    answer = client.post(stub.url(), b"{}", content_type="application/json", max_bytes=0, seconds=5)
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize(
    "headers",
    [{"X": "a\r\nY: b"}, {"X\r\nY": "b"}, {"X": "a\nb"}, {"X": "ü"}, {"X": "a\0"}, {"": "a"}, {"X:": "a"}, {"X": " a"},
     {"Host": "127.0.0.1"}, {"content-length": "1"}, {"Transfer-Encoding": "chunked"}, {"CONNECTION": "x"}],
)  # fmt: skip
def test_headers_hold_nothing_but_themselves(stub: Stub, client: Client, headers: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        client.fetch(stub.url(), headers=headers)
    with pytest.raises(InvalidInput):
        client.fetch(stub.url(), auth="a\r\nb")
    with pytest.raises(InvalidInput):
        client.fetch(stub.url(), user_agent="a\r\nb")
    assert stub.received == []


def test_no_secret_is_told(stub: Stub, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """Not by messages, nor by any library's log at its most talkative."""
    caplog.set_level("DEBUG")
    stub.on(f"/{SECRET}", redirect(f"/next?k={SECRET}"))
    stub.on("/next", reply(status=500), reply(b"1", type_="a/b"), raw(OK + b"Content-Length: 9\r\n\r\n"), raw(b""))
    calls: list[Callable[[], object]] = [
        lambda: client.fetch(
            stub.url(f"/{SECRET}?k={SECRET}"),
            auth=("u", SECRET),
            headers={"X-Api-Key": SECRET},
            content_types=["text/html"],
        )
    ] * 4
    calls += [
        lambda: client.fetch(f"http://u:{SECRET}@company.test/"),
        lambda: client.fetch(stub.url(), headers={"X": f"{SECRET}\n"}),
        lambda: client.fetch(f"http://company.test:x{SECRET}/"),
        lambda: client.fetch(f"http://company.test:22/{SECRET}"),
    ]
    with structlog.testing.capture_logs() as logs:
        for call in calls:
            with pytest.raises((OutsideCallError, InvalidInput)) as caught:
                call()
            assert SECRET not in str(caught.value)
            assert SECRET not in str(caught.value.__cause__)
    assert SECRET not in caplog.text + str(logs)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of company.test, and its key, in one file."""
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=company.test", "-addext", "subjectAltName=DNS:company.test", "-keyout", path, "-out",
         path.with_suffix(".crt")],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[Stub]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = Stub(tls=context)
    yield server
    server.close()


@pytest.fixture
def secure_client(secure: Stub, stub: Stub, certificate: Path) -> Client:
    return Client(policy(secure.port, stub.port), tls=ssl.create_default_context(cafile=str(certificate)))


def test_tls_by_name(secure: Stub, secure_client: Client) -> None:
    seen: list[str] = []
    assert secure.tls is not None
    secure.tls.sni_callback = lambda _socket, name, _context: seen.append(name)
    secure.on("/", reply(b"safe"))
    for host in ("company.test", "company.test."):
        assert secure_client.fetch(secure.url(scheme="https", host=host)).body == b"safe"
    assert seen == ["company.test", "company.test"]


def test_certificates_are_checked(secure: Stub, secure_client: Client) -> None:
    secure.on("/", reply(b"safe"))
    with pytest.raises(PermanentError, match=r"certificate of other\.test is not valid"):
        secure_client.fetch(secure.url(scheme="https", host="other.test"))
    with pytest.raises(PermanentError, match=r"certificate of company\.test is not valid"):
        Client(policy(secure.port)).fetch(secure.url(scheme="https"))


def test_never_from_https_to_http(secure: Stub, stub: Stub, secure_client: Client) -> None:
    secure.on("/", redirect(stub.url()))
    stub.on("/", redirect(secure.url("/end", scheme="https")))
    secure.on("/end", reply(b"safe"))
    with pytest.raises(ForbiddenAddress, match="from https to http"):
        secure_client.fetch(secure.url(scheme="https"))
    assert stub.received == []
    assert secure_client.fetch(stub.url()).body == b"safe"


def test_the_deadline_covers_the_handshake(secure_client: Client) -> None:
    with socket.create_server(("127.0.0.2", 0)) as mute:
        port = mute.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(TimedOut):
            Client(policy(port)).fetch(f"https://company.test:{port}/", seconds=0.3)
        assert time.monotonic() - started < 2


def test_tls_to_a_server_without(stub: Stub, client: Client) -> None:
    with pytest.raises(RetryableError):
        client.fetch(stub.url(scheme="https"))


def test_the_shared_clients(stub: Stub) -> None:
    local = Stub("127.0.0.1")
    local.on("/", reply(b"ours"))
    url = local.url(host="127.0.0.1")
    assert plain_client().fetch(url).body == b"ours"
    with pytest.raises(ForbiddenAddress):
        guarded_client().fetch(url)
    other = Client(AddressPolicy(allows=lambda address: True, ports=None, addresses_of=names()))
    with guarded_by(other):
        assert guarded_client() is other
        assert guarded_client().fetch(url).body == b"ours"
    assert guarded_client() is not other
    local.close()


@pytest.mark.parametrize(
    "location", ["http://169.254.169.254/latest/", "http://127.0.0.1:{other}/", "http://localhost/"]
)
def test_a_host_of_our_own_choice_does_not_lead_further_into_the_network(location: str) -> None:
    ours, other = Stub("127.0.0.1"), Stub("127.0.0.1")
    ours.on("/", redirect("/moved"))
    ours.on("/moved", redirect(location.format(other=other.port)))
    other.on("/", reply(b"secret"))
    with pytest.raises(ForbiddenAddress):
        plain_client().fetch(ours.url(host="127.0.0.1"))
    assert [each.target for each in ours.received] == ["/", "/moved"]
    assert other.received == []
    ours.on("/moved", reply(b"here"))
    assert plain_client().fetch(ours.url(host="127.0.0.1")).body == b"here"
    ours.close()
    other.close()


def test_a_name_that_leads_into_the_network_is_not_followed_either(stub: Stub) -> None:
    inner = Stub("127.0.0.1")
    stub.on("/", redirect(inner.url(host="inside.test")))
    found = Names(company_test=[[ALLOWED]], inside_test=[["127.0.0.1"]])
    anywhere = AddressPolicy(allows=lambda address: True, ports=None, addresses_of=found)
    with pytest.raises(ForbiddenAddress):
        Client(anywhere, elsewhere=policy(inner.port, addresses_of=found)).fetch(stub.url())
    assert inner.received == []
    inner.close()


def test_threads_share_a_client(stub: Stub, client: Client) -> None:
    for number in range(20):
        stub.on(f"/{number}", reply(str(number).encode(), type_=HTML))
    found: dict[int, bytes] = {}

    def fetch(number: int) -> None:
        found[number] = client.fetch(stub.url(f"/{number}")).body

    threads = [threading.Thread(target=fetch, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: str(number).encode() for number in range(20)}
