"""A server on sockets, so that it can answer in ways that no library would, and names that lead where a test says."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from ipaddress import ip_address
from threading import Thread

from oppspot.core.http import AddressPolicy
from oppspot.core.http.addresses import Address, is_public

ALLOWED = "127.0.0.2"  # stands for the public internet; 127.0.0.1 is where nothing may be seen
HOSTS = ["127.0.0.1", ALLOWED]
HTML = "text/html; charset=utf-8"

Behaviour = Callable[[socket.socket], None]


@dataclass
class Received:
    method: str
    target: str
    headers: Message
    body: bytes


@dataclass
class Stub:
    """Answers by path; all that arrives is kept in `received`."""

    host: str = ALLOWED
    tls: ssl.SSLContext | None = None
    routes: dict[str, Behaviour] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listener = socket.create_server((self.host, 0))
        self.port: int = self.listener.getsockname()[1]
        Thread(target=self._serve, daemon=True).start()

    def url(self, path: str = "/", host: str = "company.test", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def on(self, path: str, *behaviours: Behaviour) -> None:
        """Answer `path` with one after the other, and from then on with the last."""
        waiting = list(behaviours)

        def behave(connection: socket.socket) -> None:
            (waiting.pop(0) if len(waiting) > 1 else waiting[0])(connection)

        self.routes[path] = behave

    def close(self) -> None:
        self.listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as lines:
                first = lines.readline().decode("latin-1").split(" ")
                if len(first) != 3:  # came and went, or speaks TLS
                    return
                method, target, _ = first
                head = b"".join(iter(lines.readline, b"\r\n"))
                headers = BytesParser().parsebytes(head)
                body = lines.read(int(headers.get("content-length", "0")))
                self.received.append(Received(method, target, headers, body))
                self.routes.get(target.partition("?")[0], reply(status=404))(connection)


def reply(body: bytes = b"", status: int = 200, type_: str = HTML, **headers: str) -> Behaviour:
    """An answer with its length."""
    fields = {"Content-Type": type_, "Content-Length": str(len(body))} | headers
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items() if value)
    return raw(f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode("latin-1") + body)


def raw(data: bytes) -> Behaviour:
    return lambda connection: connection.sendall(data)


def redirect(location: str, status: int = 302) -> Behaviour:
    return reply(status=status, Location=location)


def trickle(head: bytes, tail: bytes = b" " * 200, pause: float = 0.05) -> Behaviour:
    """`head` at once and `tail` byte by byte."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(head)
        for byte in tail:
            connection.sendall(bytes([byte]))
            time.sleep(pause)

    return behave


class Names:
    """A resolver: each name's answers, one after the other, the last for ever."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self.answers = {name.replace("_", "."): list(given) for name, given in answers.items()}
        self.asked: list[str] = []

    def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        try:
            given = self.answers[host]
        except KeyError:
            raise socket.gaierror(socket.EAI_NONAME, "unknown") from None
        return given.pop(0) if len(given) > 1 else given[0]


def names() -> Names:
    return Names(company_test=[[ALLOWED]], other_test=[[ALLOWED]])


def policy(*ports: int, addresses_of: Callable[[str], Sequence[str]] | None = None) -> AddressPolicy:
    """The real policy, but for ALLOWED and `ports`."""

    def allows(address: Address) -> bool:
        return is_public(address) or address == ip_address(ALLOWED)

    return AddressPolicy(
        allows=allows, ports=frozenset({80, 443, *ports}), addresses_of=addresses_of if addresses_of else names()
    )


@contextmanager
def canary() -> Iterator[socket.socket]:
    """A listener on 127.0.0.1 that accepts nothing: who connects stays in its queue."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


def was_reached(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True
