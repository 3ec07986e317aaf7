"""A local server that speaks OpenAI's embeddings protocol, well or badly.

A text's vector is derived from the text, so that a vector that ends up with another text is noticed.
"""

import json
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

import numpy as np
import numpy.typing as npt

Answer = dict[str, Any]
Behaviour = Callable[["Exchange"], None]


def vector_of(text: str, dimensions: int) -> npt.NDArray[np.float32]:
    """The vector the stub gives for `text`, of length 1."""
    seed = int.from_bytes(sha256(text.encode()).digest()[:8], "big")
    vector = np.random.default_rng(seed).normal(size=dimensions)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


class Exchange:
    """One request, and the means to answer it."""

    def __init__(self, handler: BaseHTTPRequestHandler, body: Answer, dimensions: int) -> None:
        self.handler, self.body, self.dimensions = handler, body, dimensions
        self.texts: list[str] = body["input"]

    def answer(self, rows: list[npt.NDArray[np.float32]] | None = None) -> Answer:
        rows = [vector_of(text, self.dimensions) for text in self.texts] if rows is None else rows
        data = [
            {"object": "embedding", "index": index, "embedding": b64encode(row.astype("<f4").tobytes()).decode()}
            for index, row in enumerate(rows)
        ]
        tokens = sum(len(text.split()) for text in self.texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "model": self.body["model"], "data": data, "usage": usage}

    def send(self, content: bytes, *, status: int = 200, type_: str = "application/json", **headers: str) -> None:
        self.handler.send_response(status)
        headers = {"Content-Type": type_, "Content-Length": str(len(content))} | headers
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.end_headers()
        self.handler.wfile.write(content)

    def send_json(self, answer: Answer, **options: Any) -> None:
        self.send(json.dumps(answer).encode(), **options)


def well(exchange: Exchange) -> None:
    exchange.send_json(exchange.answer())


def error(status: int, code: str | None = None, message: str = "no", **headers: str) -> Behaviour:
    def behave(exchange: Exchange) -> None:
        body = {"error": {"message": message, "type": "some_error", "param": None, "code": code}}
        exchange.send_json(body, status=status, **headers)

    return behave


def changed(change: Callable[[Answer], None]) -> Behaviour:
    """A good answer after `change`."""

    def behave(exchange: Exchange) -> None:
        answer = exchange.answer()
        change(answer)
        exchange.send_json(answer)

    return behave


def vectors(value: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]) -> Behaviour:
    """A good answer whose last vector went through `value`."""

    def behave(exchange: Exchange) -> None:
        rows = [vector_of(text, exchange.dimensions) for text in exchange.texts]
        rows[-1] = value(rows[-1])
        exchange.send_json(exchange.answer(rows))

    return behave


def as_lists(exchange: Exchange) -> None:
    answer = exchange.answer()
    for item, text in zip(answer["data"], exchange.texts, strict=True):
        item["embedding"] = [float(number) for number in vector_of(text, exchange.dimensions)]
    exchange.send_json(answer)


def html(exchange: Exchange) -> None:
    exchange.send(b"<html><body>All is well</body></html>", type_="text/html")


def truncated(exchange: Exchange) -> None:
    exchange.send(json.dumps(exchange.answer()).encode()[:-40])


def hangs_up(exchange: Exchange) -> None:
    """More bytes are promised than come."""
    exchange.send(b'{"data": [', Content_Length="1000")
    exchange.handler.close_connection = True


def silent(seconds: float) -> Behaviour:
    def behave(exchange: Exchange) -> None:
        time.sleep(seconds)
        exchange.send_json(exchange.answer())

    return behave


def trickling(seconds: float, *, headers: bool = False) -> Behaviour:
    """A good answer, a byte at a time; with `headers` these trickle already."""

    def behave(exchange: Exchange) -> None:
        body = json.dumps(exchange.answer()).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        if not headers:
            exchange.handler.wfile.write(head)
        pause = 0.05
        for byte in (head if headers else body)[: int(seconds / pause)]:
            exchange.handler.wfile.write(bytes([byte]))
            exchange.handler.wfile.flush()
            time.sleep(pause)
        exchange.handler.close_connection = True

    return behave


def endless(exchange: Exchange) -> None:
    exchange.handler.send_response(200)
    exchange.handler.end_headers()
    exchange.handler.close_connection = True
    while True:
        exchange.handler.wfile.write(b" " * 1_000_000)


def limited(*, per_text: int, per_request: int, message: str = "") -> Behaviour:
    """Answers unless a text, or all together, have more characters than that."""

    def behave(exchange: Exchange) -> None:
        sizes = [len(text) for text in exchange.texts]
        if sum(sizes) > per_request:
            said = f"Requested {sum(sizes)} tokens, max {per_request} tokens per request"
            error(400, "max_tokens_per_request", said)(exchange)
        elif max(sizes) > per_text:
            error(400, None, message or f"This model's maximum context length is {per_text} tokens")(exchange)
        else:
            well(exchange)

    return behave


def refuses(word: str) -> Behaviour:
    """Rejects a request in which a text contains `word`."""

    def behave(exchange: Exchange) -> None:
        if any(word in text for text in exchange.texts):
            error(400, "invalid_input", f"bad input {word}")(exchange)
        else:
            well(exchange)

    return behave


class StubOpenAI:
    """`with StubOpenAI(dimensions=8) as stub: stub.then(error(500)) …`; well-behaved once `then` is used up."""

    def __init__(self, dimensions: int = 1536) -> None:
        self.dimensions = dimensions
        self.requests: list[Answer] = []  # the JSON of each, with "authorization" added
        self.always: Behaviour = well
        self._next: deque[Behaviour] = deque()
        self._lock = Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler_class())
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def texts(self) -> list[str]:
        """Every text that was sent, repeats included."""
        return [text for request in self.requests for text in request["input"]]

    def then(self, *behaviours: Behaviour) -> None:
        self._next.extend(behaviours)

    def __enter__(self) -> "StubOpenAI":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler_class(stub) -> type[BaseHTTPRequestHandler]:  # noqa: N805  the handler has the name self
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with stub._lock:
                    stub.requests.append(body | {"authorization": self.headers["Authorization"]})
                    behave = stub._next.popleft() if stub._next else stub.always
                try:
                    behave(Exchange(self, body, stub.dimensions))
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True  # the client has had enough

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name there
                pass

        return Handler
