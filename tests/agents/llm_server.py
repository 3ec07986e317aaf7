"""A local server that speaks OpenAI's chat completions, well, badly or as a villain, and keeps its own bill.

Also a program, for worker processes: `python -m tests.agents.llm_server --port 8123 --fail 0.3 --seed 7`, which
answers `GET /bill` with its books.
"""

import argparse
import json
import random
import re
import time
from collections import Counter, deque
from collections.abc import Callable
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

Json = dict[str, Any]
Behaviour = Callable[["Exchange"], None]
Handler = Callable[[Json], Json | str]  # the request's JSON to the answer's content

MILLION = 1_000_000
INJECTION = re.compile(r"IGNORE (?:ALL )?PREVIOUS[^\n]*", re.IGNORECASE)
CANARY = re.compile(r"code of this conversation is (\w+)")
FORMATS = {"date": "2024-01-31", "date-time": "2024-01-31T12:00:00Z", "uuid": "00000000-0000-7000-8000-000000000000",
           "email": "someone@example.com", "uri": "https://example.com/"}  # fmt: skip


def instance(schema: Json, definitions: Json | None = None, *, text: str = "") -> Any:
    """The least value that fits a JSON schema; `text` goes into every string that has room for it."""
    definitions = schema.get("$defs", {}) if definitions is None else definitions
    if "$ref" in schema:
        return instance(definitions[schema["$ref"].rpartition("/")[2]], definitions, text=text)
    for key in ("const", "default"):
        if key in schema and not text:
            return schema[key]
    if "enum" in schema:
        return schema["enum"][0]
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return instance(options[0], definitions, text=text)
    made = MAKERS.get(schema.get("type", ""))
    return made(schema, definitions, text) if made else None


def _object(schema: Json, definitions: Json, text: str) -> Json:
    return {name: instance(part, definitions, text=text) for name, part in schema.get("properties", {}).items()}


def _array(schema: Json, definitions: Json, text: str) -> list[Any]:
    count = max(schema.get("minItems", 0), 1 if text else 0)
    return [instance(schema.get("items", {}), definitions, text=text) for _ in range(count)]


def _string(schema: Json, _: Json, text: str) -> str:
    return FORMATS.get(schema.get("format", "")) or text or "x" * schema.get("minLength", 0)


def _number(schema: Json, _: Json, text: str) -> Any:
    lowest = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
    return schema.get("maximum", 10**6) if text else lowest


MAKERS: dict[str, Callable[[Json, Json, str], Any]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "number": _number,
    "integer": _number,
    "boolean": lambda *_: False,
}


class Exchange:
    """One request, and the means to answer it."""

    def __init__(self, server: "LLMServer", handler: BaseHTTPRequestHandler, body: Json) -> None:
        self.server, self.handler, self.body = server, handler, body

    @property
    def text(self) -> str:
        return "\n".join(message["content"] for message in self.body["messages"])

    @property
    def schema(self) -> tuple[str, Json]:
        form = self.body.get("response_format", {}).get("json_schema")
        if form:
            return form["name"], form["schema"]
        found = re.search(r"JSON schema of the answer:\n(.*)", self.text)
        return "", json.loads(found[1]) if found else {"type": "object"}

    def content(self) -> str:
        name, schema = self.schema
        injected = INJECTION.search(self.body["messages"][1]["content"])
        if self.server.is_evil and injected:
            canary = CANARY.search(self.text)
            leak = f" {canary[1]}" if canary and self.server.leaks else ""
            return json.dumps(instance(schema, text=f"{injected[0]} [s999]{leak}"))
        made = self.server.handlers[name](self.body) if name in self.server.handlers else instance(schema)
        return made if isinstance(made, str) else json.dumps(made)

    def answer(self, content: str | None = None, *, finish: str = "stop", refusal: str | None = None) -> Json:
        content = self.content() if content is None else content
        read = len(self.text) // 4 + 1
        written = min(len(content) // 4 + 1, self.body["max_tokens"])
        return {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": self.body["model"],
            "choices": [{"index": 0, "finish_reason": finish, "logprobs": None,
                         "message": {"role": "assistant", "content": content, "refusal": refusal}}],
            "usage": {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written},
        }  # fmt: skip

    def send(self, content: bytes, *, status: int = 200, type_: str = "application/json", **headers: str) -> None:
        self.handler.send_response(status)
        headers = {"Content-Type": type_, "Content-Length": str(len(content)), "x-request-id": "req_1"} | headers
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.end_headers()
        self.handler.wfile.write(content)

    def send_json(self, answer: Json, **options: Any) -> None:
        """An answer that the client surely gets and can read: it is on the bill before it is sent."""
        self.server.book(answer.get("usage"), self.body["model"])
        self.send(json.dumps(answer).encode(), **options)


def well(exchange: Exchange) -> None:
    exchange.send_json(exchange.answer())


def error(status: int, code: str | None = None, message: str = "no", **headers: str) -> Behaviour:
    def behave(exchange: Exchange) -> None:
        body = {"error": {"message": message, "type": "some_error", "param": None, "code": code}}
        exchange.send(json.dumps(body).encode(), status=status, **headers)

    return behave


def says(content: str, *, finish: str = "stop", refusal: str | None = None) -> Behaviour:
    """A well-formed answer with this content."""

    def behave(exchange: Exchange) -> None:
        exchange.send_json(exchange.answer(content, finish=finish, refusal=refusal))

    return behave


def changed(change: Callable[[Json], object]) -> Behaviour:
    """A good answer after `change`."""

    def behave(exchange: Exchange) -> None:
        answer = exchange.answer()
        change(answer)
        exchange.send_json(answer)

    return behave


malformed = says('{"half": ')
invalid = says('{"nothing": "of this was asked for"}')
empty = says("")
truncated = says('{"summary": "and so on and', finish="length")
refuses = says("", refusal="I would rather not.")
says_nothing = changed(lambda answer: answer.update(choices=[]))
no_usage = changed(lambda answer: answer.pop("usage"))


def html(exchange: Exchange) -> None:
    exchange.send(b"<html><body>All is well</body></html>", type_="text/html")


def cut(exchange: Exchange) -> None:
    """More bytes are promised than come."""
    exchange.send(b'{"choices": [', Content_Length="1000")
    exchange.handler.close_connection = True


def huge(exchange: Exchange) -> None:
    exchange.send(json.dumps(exchange.answer("x" * 1_000_000)).encode())


def silent(seconds: float) -> Behaviour:
    """Nothing for so long; then it is too late."""

    def behave(exchange: Exchange) -> None:
        time.sleep(seconds)
        exchange.handler.close_connection = True

    return behave


def trickling(seconds: float) -> Behaviour:
    """A good answer, a byte at a time: the time-out of a single read never comes."""

    def behave(exchange: Exchange) -> None:
        body = json.dumps(exchange.answer()).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        exchange.handler.wfile.write(head)
        for byte in body[: int(seconds / 0.05)]:
            exchange.handler.wfile.write(bytes([byte]))
            exchange.handler.wfile.flush()
            time.sleep(0.05)
        exchange.handler.close_connection = True

    return behave


FAULTS: tuple[Behaviour, ...] = (
    error(429), error(429, Retry_After="0.01"), error(500), error(503), html, cut, malformed, invalid, no_usage,
)  # fmt: skip


def failing(share: float, seed: int, faults: tuple[Behaviour, ...] = FAULTS) -> Behaviour:
    """Of all requests, about `share` meet one of `faults`."""
    dice, lock = random.Random(seed), Lock()

    def behave(exchange: Exchange) -> None:
        with lock:
            fails, fault = dice.random() < share, dice.choice(faults)
        (fault if fails else well)(exchange)

    return behave


class LLMServer:
    """`with LLMServer() as server: server.then(error(500)) …`; `always` once `then` is used up."""

    def __init__(self, *, port: int = 0, prices: dict[str, tuple[str, str]] | None = None) -> None:
        self.prices = prices or {"gpt-4.1-mini": ("0.40", "1.60")}  # US dollars a million tokens read and written
        self.requests: list[Json] = []  # the JSON of each, with "authorization" added
        self.keeps_requests = True
        self.counts: Counter[str] = Counter()  # requests, billed_answers
        self.billed = Decimal(0)  # for answers that told what they cost
        self.handlers: dict[str, Handler] = {}  # by the name of the schema, which is that of the prompt
        self.always: Behaviour = well
        self.is_evil = self.leaks = False
        self._next: deque[Behaviour] = deque()
        self._lock = Lock()
        self._server = _Server(("127.0.0.1", port), self._handler_class())
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def then(self, *behaviours: Behaviour) -> None:
        self._next.extend(behaviours)

    def book(self, usage: Json | None, model: str) -> None:
        if usage is None or not all(type(usage[name]) is int for name in ("prompt_tokens", "completion_tokens")):
            return  # the client cannot know what it costs
        read, written = (Decimal(price) / MILLION for price in self.prices[model])
        with self._lock:
            self.billed += usage["prompt_tokens"] * read + usage["completion_tokens"] * written
            self.counts["billed_answers"] += 1

    def bill(self) -> Json:
        with self._lock:
            return {"billed": str(self.billed), **self.counts}

    def __enter__(self) -> "LLMServer":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def serve(self) -> None:
        """Until it is interrupted."""
        self._server.serve_forever(0.05)

    def _handler_class(server) -> type[BaseHTTPRequestHandler]:  # noqa: N805  the handler has the name self
        class ChatHandler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # headers and body in one packet
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                Exchange(server, self, {}).send(json.dumps(server.bill()).encode())

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with server._lock:
                    server.counts["requests"] += 1
                    if server.keeps_requests:
                        server.requests.append(body | {"authorization": self.headers["Authorization"]})
                    behave = server._next.popleft() if server._next else server.always
                try:
                    behave(Exchange(server, self, body))
                    self.wfile.flush()
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True  # the client has had enough

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name there
                pass

        return ChatHandler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fail", type=float, default=0.0, help="Share of requests that fail.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--evil", action="store_true", help="Obey every injection.")
    options = parser.parse_args()
    server = LLMServer(port=options.port)
    server.keeps_requests, server.is_evil = False, options.evil
    if options.fail:
        server.always = failing(options.fail, options.seed)
    print(server.url, flush=True)  # noqa: T201  a program's output
    server.serve()


if __name__ == "__main__":
    main()
