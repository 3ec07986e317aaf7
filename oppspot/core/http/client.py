"""Calls to other servers: guarded or not, always bounded in time, size and redirects.

Each call has its own connection, which nothing else uses: no state between calls, threads or forked processes. There
are no proxies, cookies or credentials of the environment.
"""

import ssl
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from http import HTTPStatus
from typing import TypeVar

import httpcore2
import httpx2
import stamina

from oppspot.core.errors import OppspotError, PermanentError, RetryableError
from oppspot.core.http.answers import Answer, decoded, media_type, refuse
from oppspot.core.http.bounds import BoundedStream, Deadline
from oppspot.core.http.errors import ForbiddenAddress, RefusedAnswer, TimedOut, TooLarge, WrongType
from oppspot.core.http.lines import lines_of
from oppspot.core.http.network import VettedBackend
from oppspot.core.http.outside import check_may_ask
from oppspot.core.http.policy import AddressPolicy
from oppspot.core.http.requests import (
    USER_AGENT,
    Auth,
    Outgoing,
    conditions,
    private_headers,
    public_headers,
)
from oppspot.core.http.urls import origin_of, port_of, vetted_url

T = TypeVar("T")
MAX_REDIRECTS = 3
REDIRECTS = {301, 302, 303, 307, 308}
MAX_SLEEP_S = 2.0  # between tries; whoever is asked to wait longer reschedules
MAX_BODY_BYTES = 2_000_000
SECONDS, CONNECT_SECONDS = 15.0, 5.0
EXCERPT_BYTES, EXCERPT_SECONDS, MAX_EXCERPT = 4_000, 1.0, 1_000  # of a refusal's body; the last in characters


@cache
def _default_tls() -> ssl.SSLContext:
    return httpx2.create_ssl_context(trust_env=False)  # reading the certificates takes a while


class Client:
    """Shared by threads. Errors are `RetryableError` or `PermanentError`, with the classes of `http.errors`."""

    def __init__(
        self, policy: AddressPolicy, *, elsewhere: AddressPolicy | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        """`elsewhere`: where an answer may redirect to, if not within its own origin; as `policy` without it. `tls`:
        whom to trust, if not the authorities that the system trusts."""
        self.policy, self._elsewhere, self._tls = policy, elsewhere or policy, tls

    def fetch(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        auth: Auth = None,
        max_bytes: int = MAX_BODY_BYTES,
        seconds: float = SECONDS,
        connect_seconds: float = CONNECT_SECONDS,
        content_types: Collection[str] | None = None,
        etag: str = "",
        last_modified: str = "",
        user_agent: str = USER_AGENT,
        tries: int = 1,
    ) -> Answer:
        """GET, through at most three redirects, all of it within `seconds`: tries, names, headers, body.

        `max_bytes` bounds the body as sent and as decompressed. `content_types` are media types as `text/html`; others
        are refused before the body is read. `headers` and `auth` go to the origin of `url` and to no other.
        """
        deadline = Deadline(seconds)
        outgoing = Outgoing(
            "GET",
            vetted_url(url, self.policy),
            public_headers(user_agent=user_agent, content_types=content_types)
            | conditions(etag=etag, last_modified=last_modified),
            private_headers(headers, auth),
        )

        def once() -> Answer:
            return self._follow(outgoing, deadline, connect_seconds, max_bytes, content_types)

        return _with_tries(once, tries, seconds)

    def post(
        self,
        url: str,
        content: bytes,
        *,
        content_type: str,
        headers: Mapping[str, str] | None = None,
        auth: Auth = None,
        max_bytes: int = MAX_BODY_BYTES,
        seconds: float = SECONDS,
        connect_seconds: float = CONNECT_SECONDS,
        content_types: Collection[str] | None = None,
        user_agent: str = USER_AGENT,
    ) -> Answer:
        """POST, once: a redirect is refused. With `max_bytes=0` the answer's body does not matter and is not read."""
        outgoing = Outgoing(
            "POST",
            vetted_url(url, self.policy),
            public_headers(user_agent=user_agent, content_types=content_types, content_type=content_type),
            private_headers(headers, auth),
            content,
        )
        deadline = Deadline(seconds)
        with self._opened(outgoing, deadline, connect_seconds) as answer:
            return _read(answer, outgoing, deadline, max_bytes, content_types)

    @contextmanager
    def stream_lines(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        auth: Auth = None,
        seconds_idle: float = 60.0,
        max_line_bytes: int = MAX_BODY_BYTES,
        connect_seconds: float = CONNECT_SECONDS,
        user_agent: str = USER_AGENT,
    ) -> Iterator[Iterator[bytes]]:
        """The lines of a body that need not end, without their ends, as they arrive; those that are empty, too.

        An answer other than 2xx is `RefusedAnswer`, and redirects are not followed. While reading: `TimedOut` after
        `seconds_idle` without a byte or without the end of a line that is begun, `TooLarge` for a line,
        `RetryableError` when the connection is cut or the body ends within a line, which is then not given.
        """
        public = public_headers(user_agent=user_agent, content_types=None, encoding="identity")
        outgoing = Outgoing("GET", vetted_url(url, self.policy), public, private_headers(headers, auth))
        deadline = Deadline(seconds_idle + connect_seconds)
        with self._opened(outgoing, deadline, connect_seconds, idle=seconds_idle) as answer:
            found = httpx2.Headers(answer.headers)
            refuse(answer.status, found, outgoing.host)
            if found.get("content-encoding", "identity") != "identity":
                raise WrongType(f"{outgoing.host} compressed a stream that was asked for as it is.")
            deadline.lift()
            lines = lines_of(answer.iter_stream(), max_line_bytes, outgoing.host, seconds_idle)
            yield _translating(lines, outgoing, seconds_idle)

    def _follow(
        self,
        outgoing: Outgoing,
        deadline: Deadline,
        connect_seconds: float,
        max_bytes: int,
        content_types: Collection[str] | None,
    ) -> Answer:
        policy, home = self.policy, origin_of(outgoing.url)
        for _ in range(MAX_REDIRECTS + 1):
            with self._opened(outgoing, deadline, connect_seconds, policy=policy) as answer:
                location = httpx2.Headers(answer.headers).get("location")
                if answer.status not in REDIRECTS or location is None:
                    return _read(answer, outgoing, deadline, max_bytes, content_types)
            url = vetted_url(location.strip(), self.policy, base=outgoing.url)
            policy = self.policy if origin_of(url) == home else self._elsewhere
            if policy is not self.policy:
                url = vetted_url(location.strip(), policy, base=outgoing.url)
            if outgoing.url.scheme == "https" and url.scheme != "https":
                raise ForbiddenAddress(f"{outgoing.host} redirects from https to http.")
            outgoing = outgoing.redirected(url)
        raise PermanentError(f"{outgoing.host} redirects more than {MAX_REDIRECTS} times.")

    @contextmanager
    def _opened(
        self,
        outgoing: Outgoing,
        deadline: Deadline,
        connect_seconds: float,
        *,
        policy: AddressPolicy | None = None,
        idle: float | None = None,
    ) -> Iterator[httpcore2.Response]:
        """The answer when its headers have come. `idle`: seconds that a single read may take."""
        check_may_ask(outgoing.host)
        url = outgoing.url
        target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=port_of(url), target=url.raw_path)
        connection = httpcore2.HTTPConnection(
            target.origin,
            ssl_context=self._tls or _default_tls(),
            network_backend=VettedBackend(policy or self.policy, deadline),
        )
        request = httpcore2.Request(
            outgoing.method,
            target,
            headers=outgoing.headers(),
            content=outgoing.content,
            extensions={"timeout": {"connect": connect_seconds, "read": idle}},
        )
        try:
            with _translated(outgoing, deadline.seconds):
                answer = connection.handle_request(request)
            yield answer
        finally:
            connection.close()


def _read(
    answer: httpcore2.Response,
    outgoing: Outgoing,
    deadline: Deadline,
    max_bytes: int,
    content_types: Collection[str] | None,
) -> Answer:
    headers, host = httpx2.Headers(answer.headers), outgoing.host
    try:
        refuse(answer.status, headers, host)
    except RefusedAnswer as error:
        error.excerpt = _excerpt(answer, headers, outgoing, deadline) if max_bytes else ""
        raise
    url, body = str(outgoing.url), b""
    if max_bytes and answer.status not in {HTTPStatus.NOT_MODIFIED, HTTPStatus.NO_CONTENT}:
        if content_types is not None and media_type(headers) not in {each.lower() for each in content_types}:
            raise WrongType(f"{host} did not answer with {' or '.join(content_types)}.")
        too_large = TooLarge(f"The answer of {host} is larger than {max_bytes:,} bytes.")
        if int(headers.get("content-length", "0")) > max_bytes:
            raise too_large
        stream = BoundedStream(answer.stream, max_bytes=max_bytes, deadline=deadline.moment, too_large=too_large)
        whole = bytearray()
        with _translated(outgoing, deadline.seconds):
            for piece in decoded(stream, headers.get("content-encoding", ""), host):
                whole += piece
                if len(whole) > max_bytes:
                    raise too_large
        body = bytes(whole)
    return Answer(answer.status, url, headers, body)


def _excerpt(answer: httpcore2.Response, headers: httpx2.Headers, outgoing: Outgoing, deadline: Deadline) -> str:
    """How the body of a refusal begins, as far as it comes at once: it tells people why, and is not waited for."""
    body = bytearray()
    with suppress(OppspotError), deadline.within(EXCERPT_SECONDS), _translated(outgoing, EXCERPT_SECONDS):
        for piece in decoded(answer.iter_stream(), headers.get("content-encoding", ""), outgoing.host):
            body += piece
            if len(body) >= EXCERPT_BYTES:
                break
    line = " ".join(bytes(body[:EXCERPT_BYTES]).decode(errors="replace").split())
    return "".join(each for each in line if each.isprintable())[:MAX_EXCERPT]


@contextmanager
def _translated(outgoing: Outgoing, seconds: float) -> Iterator[None]:
    """The errors of the network as those that say what a caller should do."""
    host = outgoing.host
    try:
        yield
    except OppspotError:
        raise
    except (TimeoutError, httpx2.TimeoutException):
        raise TimedOut(f"{host} did not answer within {seconds:g} s.") from None
    except ssl.SSLCertVerificationError as error:
        raise PermanentError(f"The certificate of {host} is not valid: {error.verify_message}") from None
    except (OSError, httpcore2.NetworkError) as error:
        raise RetryableError(f"The connection to {host} failed: {error}") from error
    except httpcore2.RemoteProtocolError as error:
        raise RetryableError(f"{host} sent only a part of its answer, or none in HTTP: {error}") from error
    except httpcore2.LocalProtocolError:  # its message may quote a header
        raise PermanentError(f"What should be sent to {host} is not HTTP.") from None


def _translating(lines: Iterator[bytes], outgoing: Outgoing, seconds: float) -> Iterator[bytes]:
    while True:
        with _translated(outgoing, seconds):
            line = next(lines, None)
        if line is None:
            return
        yield line


def _with_tries(once: Callable[[], T], tries: int, seconds: float) -> T:
    """Try again what may pass in a moment: connections that fail, and servers that do."""

    def is_brief(error: Exception) -> bool | float:
        if not isinstance(error, RetryableError) or isinstance(error, TimedOut):
            return False
        if isinstance(error, RefusedAnswer) and error.answer_status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return False
        if error.retry_after is None:
            return True
        return error.retry_after if error.retry_after <= MAX_SLEEP_S else False

    for attempt in stamina.retry_context(
        is_brief, attempts=max(1, tries), timeout=seconds, wait_initial=0.1, wait_max=MAX_SLEEP_S, wait_jitter=0.4
    ):
        with attempt:
            return once()
    raise AssertionError("unreachable: the last failure is raised")
