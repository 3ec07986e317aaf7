"""A local server that speaks the register's REST protocol: its key, its pages, its limit, and its bad days."""

import json
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "a-key"
TOTALS = {"filing-history": "total_count", "charges": "total_count"}
Fault = Callable[["Handler"], None]


class StubRegister:
    """Serves `companies`: by number, "" for the profile, a path for a list of items or any object.

    `faults` are taken in order by the requests whose path has their text in it.
    """

    def __init__(self, *, capacity: int = 600, window_s: float = 300.0) -> None:
        self.companies: dict[str, dict[str, Any]] = {}
        self.faults: deque[tuple[str, Fault]] = deque()
        self.asked: list[str] = []
        self.accepted: list[int] = []  # requests let through, by window
        self.refused = 0
        self.page_size = 100
        self.etag = ""
        self.tells_limit = True
        self.capacity, self.window_s = capacity, window_s
        self.window_ends, self.left = 0.0, 0
        self.lock, self.ended = Lock(), Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.stub = self  # type: ignore[attr-defined]
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def paths(self) -> list[str]:
        """What was asked for, without the queries."""
        return [urlsplit(path).path for path in self.asked]

    def once(self, part: str, fault: Fault) -> None:
        self.faults.append((part, fault))

    def admit(self) -> dict[str, str] | None:
        """Count a request; its headers, or None when the window has no more."""
        with self.lock:
            now = time.time()
            if now >= self.window_ends:
                self.window_ends, self.left = now + self.window_s, self.capacity
                self.accepted.append(0)
            if self.left == 0:
                self.refused += 1
                return None
            self.left -= 1
            self.accepted[-1] += 1
            return self.headers()

    def headers(self) -> dict[str, str]:
        if not self.tells_limit:
            return {}
        return {
            "X-Ratelimit-Limit": str(self.capacity),
            "X-Ratelimit-Remain": str(self.left),
            "X-Ratelimit-Reset": str(int(self.window_ends)),
            "X-Ratelimit-Window": "5m",
        }

    def fault_of(self, path: str) -> Fault | None:
        with self.lock:
            for place, (part, fault) in enumerate(self.faults):
                if part in path:
                    del self.faults[place]
                    return fault
        return None

    @contextmanager
    def running(self) -> Iterator["StubRegister"]:
        self._thread.start()
        try:
            yield self
        finally:
            self.ended.set()
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    @property
    def stub(self) -> StubRegister:
        found: StubRegister = self.server.stub  # type: ignore[attr-defined]
        return found

    def do_GET(self) -> None:
        self.stub.asked.append(self.path)
        fault = self.stub.fault_of(self.path)
        try:
            if fault is not None:
                fault(self)
            else:
                self.serve()
        except OSError:  # the client has gone, as it should from some of these
            self.close_connection = True

    def serve(self) -> None:
        if self.headers["Authorization"] != "Basic " + b64encode(f"{KEY}:".encode()).decode():
            self.send({"error": "Invalid Authorization", "type": "ch:service"}, status=401)
            return
        limit = self.stub.admit()
        if limit is None:
            self.send({}, self.stub.headers(), status=429)
            return
        url = urlsplit(self.path)
        _, _, number, *rest = url.path.split("/")
        found = self.stub.companies.get(number, {}).get("/".join(rest))
        if found is None:
            self.send({"errors": [{"error": "not-found"}]}, limit, status=404)
        elif isinstance(found, list):
            self.send(self.page(found, rest[0], parse_qs(url.query)), limit)
        elif self.stub.etag and not rest and self.headers["If-None-Match"] == self.stub.etag:
            self.send(b"", limit, status=304)
        else:
            self.send(found, limit | ({"ETag": self.stub.etag} if self.stub.etag and not rest else {}))

    def page(self, items: list[Any], path: str, query: dict[str, list[str]]) -> dict[str, Any]:
        start, size = int(query["start_index"][0]), min(int(query["items_per_page"][0]), self.stub.page_size)
        counts = {TOTALS.get(path, "total_results"): str(len(items))}
        if path == "charges":
            satisfied = [each for each in items if isinstance(each, dict) and each.get("satisfied_on")]
            counts |= {"satisfied_count": str(len(satisfied)), "part_satisfied_count": "0"}
        return {"items": items[start : start + size], "start_index": start, **counts}

    def send(self, body: Any, headers: Mapping[str, str] | None = None, *, status: int = 200) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response_only(status)
        for name, value in (
            {"Content-Type": "application/json", "Content-Length": str(len(content))} | dict(headers or {})
        ).items():
            self.send_header(name, value)
        self.send_header("Date", formatdate(usegmt=True))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        """Nothing: the tests' output is theirs."""


def status(code: int, **headers: str) -> Fault:
    return lambda handler: handler.send({"error": "no"}, headers, status=code)


def body(content: bytes) -> Fault:
    """An answer of this content."""
    return lambda handler: handler.send(content)


def cut_off(handler: Handler) -> None:
    """Half of a body, then the end."""
    handler.send_response_only(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"items": [{"name": "SMI')
    handler.wfile.flush()
    handler.close_connection = True


def trickle(handler: Handler) -> None:
    """A byte now and then, for ever."""
    handler.send_response_only(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    while not handler.stub.ended.wait(0.05):
        handler.wfile.write(b" ")
        handler.wfile.flush()


def flood(handler: Handler) -> None:
    """50 MB."""
    handler.send_response_only(200)
    handler.end_headers()
    for _ in range(50):
        handler.wfile.write(b" " * 1_000_000)
