"""A server that speaks the register's streaming protocol, breaks and refusals included, and lines for it."""

import json
import random
import socket
import struct
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

HEARTBEAT_S = 0.05
RESET = struct.pack("ii", 1, 0)  # for SO_LINGER: what was not sent yet is thrown away, and the other side is told


class Hung(Exception):
    """The server is to close, and the connection with it."""


class Connection:
    """A request for a stream, and what can be answered."""

    def __init__(self, handler: BaseHTTPRequestHandler, closing: Event) -> None:
        self._handler, self._closing = handler, closing
        parts = urlsplit(handler.path)
        self.stream = parts.path.strip("/")
        found = parse_qs(parts.query).get("timepoint")
        self.timepoint = int(found[0]) if found else None
        self.authorization = handler.headers.get("Authorization", "")

    def refuse(self, status: int, **headers: str) -> None:
        body = b'{"error":"no"}'
        self._handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self._handler.send_header(name.replace("_", "-"), value)
        self._handler.end_headers()
        self._handler.wfile.write(body)

    def begin(self) -> None:
        self._handler.send_response(200)
        self._handler.send_header("Content-Type", "application/json")
        self._handler.send_header("Transfer-Encoding", "chunked")
        self._handler.end_headers()

    def send(self, data: bytes) -> None:
        """As one chunk."""
        if data:
            self._handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def end(self) -> None:
        """As servers do that are shut down in order."""
        self._handler.wfile.write(b"0\r\n\r\n")

    def cut(self, *, reset: bool = False) -> None:
        """As the network does."""
        if reset:
            self._handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._handler.connection.shutdown(socket.SHUT_WR)

    def wait(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            raise Hung

    def stay(self) -> None:
        """Nothing but signs of life, until the server closes."""
        while True:
            self.send(b"\n")
            self.wait(HEARTBEAT_S)


Behaviour = Callable[[Connection], None]


class StreamServer:
    """Answers each connection with the next of its behaviours, and from then on with the last."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self.behaviours = list(behaviours)
        self.connections: list[Connection] = []
        self.asked_at: list[float] = []
        self.closing = Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.close_connection = True
                connection = Connection(self, server.closing)
                server.connections.append(connection)
                server.asked_at.append(time.monotonic())
                behave = server.behaviours.pop(0) if len(server.behaviours) > 1 else server.behaviours[0]
                with suppress(OSError, Hung):
                    behave(connection)

            def log_message(self, *args: Any) -> None:
                """Nothing: the tests look at `connections`."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def timepoints(self) -> list[int | None]:
        return [connection.timepoint for connection in self.connections]


@contextmanager
def serving(*behaviours: Behaviour) -> Iterator[StreamServer]:
    server = StreamServer(*behaviours)
    try:
        yield server
    finally:
        server.close()


def refusing(status: int, **headers: str) -> Behaviour:
    return lambda connection: connection.refuse(status, **headers)


def sending(*lines: bytes, then: Callable[[Connection], None] = Connection.stay) -> Behaviour:
    """Whole lines, and what happens after them."""

    def behave(connection: Connection) -> None:
        connection.begin()
        connection.send(b"".join(line + b"\n" for line in lines))
        then(connection)

    return behave


def envelope(timepoint: Any, kind: str, uri: str, data: Any, **event: Any) -> bytes:
    """A line as the register writes it."""
    told = {"timepoint": timepoint, "published_at": "2026-11-20T10:00:00Z", "type": "changed", **event}
    line = {
        "resource_kind": kind, "resource_uri": uri, "resource_id": uri.rpartition("/")[2], "data": data, "event": told,
    }  # fmt: skip
    return json.dumps(line).encode()


def filing(timepoint: int, number: str, transaction: str, **event: Any) -> bytes:
    uri = f"/company/{number}/filing-history/{transaction}"
    data = {
        "transaction_id": transaction, "type": "AA", "category": "accounts", "date": "2026-11-20",
        "description": "accounts-with-accounts-type-micro-entity", "description_values": {"made_up_date": "2026-03-31"},
        "links": {"self": uri},
    }  # fmt: skip
    return envelope(timepoint, "filing-history", uri, data, **event)


@dataclass
class Told:
    """A line of a feed. `event`: company and transaction, if it tells of one."""

    timepoint: int
    line: bytes
    event: tuple[str, str] | None = None


def feed_of(count: int, numbers: Sequence[str], *, strangers: Sequence[str] = (), seed: int) -> list[Told]:
    """Mostly filings; of a hundred some were told before, are garbage, of no use, deleted or of companies not ours."""
    chance = random.Random(seed)
    told: list[Told] = []
    timepoint = 1_000
    for place in range(count):
        timepoint += chance.randint(1, 3)
        luck, number, transaction = chance.random(), chance.choice(numbers), f"T{place}"
        if luck < 0.05 and told:  # published again: another time point, the same filing
            number, transaction = chance.choice(told[-100:]).event or (number, transaction)
        elif luck < 0.06 and strangers:
            told.append(Told(timepoint, filing(timepoint, chance.choice(strangers), transaction)))
            continue
        elif luck < 0.07:
            told.append(Told(timepoint, filing(timepoint, number, transaction, type="deleted")))
            continue
        elif luck < 0.08:
            told.append(Told(timepoint, envelope(timepoint, "company-exemptions", f"company/{number}/exemptions", {})))
            continue
        elif luck < 0.0805:
            told.append(Told(timepoint, filing(timepoint, number, transaction)[: chance.randint(1, 60)]))
            continue
        told.append(Told(timepoint, filing(timepoint, number, transaction), (number, transaction)))
    return told


@dataclass
class Feed:
    """A register with a bad line: serves `told` from the time point asked for, and breaks off as `seed` has it."""

    told: list[Told]
    seed: int
    refusals: Sequence[int] = ()
    longest: int = 12_000  # lines of a connection
    lost: list[tuple[int, int]] = field(default_factory=list)  # time points asked for, and sent first thereafter
    answers: dict[str, int] = field(default_factory=dict)
    pause_s: float = 0.0  # after each 100 lines

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._places = [each.timepoint for each in self.told]
        self._oldest = 0

    def __call__(self, connection: Connection) -> None:
        status = self._chance.choice([0, 0, *self.refusals])
        at_end = connection.timepoint == self._places[-1]
        if status == 416 and (connection.timepoint is None or at_end):
            status = 0
        if status:
            self._count(str(status))
            if status == 416:
                self._forget(connection.timepoint)
            connection.refuse(status)
            return
        self._serve(connection)

    def _forget(self, timepoint: int | None) -> None:
        """What comes next is gone; who starts anew gets what comes after it."""
        assert timepoint is not None
        place = bisect_right(self._places, timepoint) + self._chance.randint(1, 200)
        self._oldest = min(place, len(self.told) - 1)
        self.lost.append((timepoint, self._places[self._oldest]))

    def _serve(self, connection: Connection) -> None:
        if connection.timepoint is None:
            start, again = self._oldest, []
        else:
            start = bisect_right(self._places, connection.timepoint)
            again = self.told[max(start - 50, self._oldest) : start]  # out of order, and known already
            self._chance.shuffle(again)
        end = start + self._chance.randint(1, self.longest) if self.refusals else len(self.told)
        connection.begin()
        lines = [*again, *self.told[start:end]]
        for first in range(0, len(lines), 100):
            text = b"\n".join(each.line for each in lines[first : first + 100]) + b"\n"
            connection.send(text + b"\n\r\n" * (self._chance.random() < 0.2))
            if self.pause_s:
                connection.wait(self.pause_s)
        if end >= len(self.told):
            connection.stay()
        how = self._chance.choice(["ended", "cut", "reset", "half a line"])
        self._count(how)
        if how == "ended":
            connection.end()
            return
        if how == "half a line":
            connection.send(self.told[end].line[:-20])
        connection.cut(reset=how == "reset")

    def _count(self, what: str) -> None:
        self.answers[what] = self.answers.get(what, 0) + 1

    def expected(self) -> set[tuple[str, str]]:
        """Events that were not lost: a filing that was published again after its loss is not."""
        return {
            each.event
            for each in self.told
            if each.event is not None and not any(after < each.timepoint < until for after, until in self.lost)
        }
