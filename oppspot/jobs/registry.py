"""Which events exist, with the schema of their data, and which functions listen to them. Code, found at start-up.

@event("company/embedding.generate")
class EmbeddingGenerate(BaseModel):
    company_id: UUID

@function(on=EmbeddingGenerate, retries=4, timeout=120, concurrency=("org", 4))
def generate_embedding(ctx: Context, data: EmbeddingGenerate) -> None: ...
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from oppspot.core.errors import InvalidInput
from oppspot.jobs.models import Priority

Body = TypeVar("Body", bound=Callable[..., Any])
Schema = TypeVar("Schema", bound=type[BaseModel])
Key = str | Callable[[Any], Any]  # "org", the name of a field of the data, or a function of the data

_NAME = re.compile(r"^[a-z][a-z0-9_]*/[a-z][a-z0-9_.]*$")
DEFAULT_RETRIES = 3
DEFAULT_TIMEOUT_S = 300.0
MIN_BATCH, MAX_BATCH = 2, 10_000


class UnknownEvent(InvalidInput):
    """No event of this name is registered."""

    code = "unknown_event"


class InvalidEventData(InvalidInput):
    """The data does not fit the event's schema."""

    code = "invalid_event_data"


class Concurrency(NamedTuple):
    """At most `limit` runs of the same `key` at a time; the others wait in line."""

    key: Key
    limit: int


class RateLimit(NamedTuple):
    """At most `limit` starts in `period` seconds for the same `key`, evenly spaced."""

    key: Key
    limit: int
    period: float


class Debounce(NamedTuple):
    """A burst of events of the same `key` is one run, on the last of them: `wait` seconds after it, and at most
    `max_wait` after the first."""

    key: Key
    wait: float
    max_wait: float = 60.0


class Batch(NamedTuple):
    """Up to `size` events of the same `key` are one run, `wait` seconds after the first, given as a list."""

    key: Key
    size: int
    wait: float


class Backoff(NamedTuple):
    """Seconds before the next try: doubled each time up to `longest`, then anything from half of that to all of it."""

    first: float = 2.0
    longest: float = 900.0

    def delay(self, attempt: int) -> float:
        """After the try number `attempt`, from 1."""
        full = min(self.longest, self.first * 2.0 ** min(attempt - 1, 30))
        return full * random.uniform(0.5, 1.0)  # noqa: S311  jitter, not a secret


DEFAULT_BACKOFF = Backoff()


@dataclass(frozen=True)
class EventType:
    name: str
    schema: type[BaseModel]
    listeners: "list[Function]" = field(default_factory=list)

    def validated(self, data: Any) -> BaseModel:
        """The data as the schema has it. Raises `InvalidEventData` with messages by field."""
        try:
            return data if isinstance(data, self.schema) else self.schema.model_validate(data)
        except ValidationError as error:
            fields: dict[str, list[str]] = {}
            for problem in error.errors(include_url=False):
                fields.setdefault(".".join(map(str, problem["loc"])) or "data", []).append(problem["msg"])
            name, messages = next(iter(fields.items()))
            raise InvalidEventData(f"{self.name}: {name}: {messages[0]}", fields=fields) from error


@dataclass(frozen=True)
class Function:
    """A function and how its runs are treated."""

    name: str
    body: Callable[..., Any]
    event: EventType
    retries: int = DEFAULT_RETRIES
    backoff: Backoff = DEFAULT_BACKOFF
    timeout: float = DEFAULT_TIMEOUT_S
    priority: Priority | Callable[[Any], Priority] = Priority.NORMAL
    concurrency: Concurrency | None = None
    rate_limit: RateLimit | None = None
    debounce: Debounce | None = None
    batch: Batch | None = None
    idempotency: Key | None = None
    queue: str = "default"

    @property
    def max_attempts(self) -> int:
        return self.retries + 1

    @property
    def label(self) -> str:
        """Its name for people: `generate embedding`."""
        return self.name.rpartition(".")[2].replace("_", " ")

    def priority_of(self, data: BaseModel) -> Priority:
        return self.priority if isinstance(self.priority, Priority) else Priority(self.priority(data))


_events: dict[str, EventType] = {}
_functions: dict[str, Function] = {}


def event(name: str) -> Callable[[Schema], Schema]:
    """Register a pydantic model as the schema of the event `name` (`app/noun.verb`)."""

    def register(schema: Schema) -> Schema:
        if not _NAME.match(name):
            raise ValueError(f"{name!r} is not the name of an event: write app/noun.verb.")
        known = _events.get(name)
        if known is not None and known.schema.__qualname__ != schema.__qualname__:
            raise ValueError(f"The event {name} is registered twice.")
        _events[name] = EventType(name, schema)
        schema.event_name = name  # type: ignore[attr-defined]
        return schema

    return register


def function(
    *,
    on: str | type[BaseModel],
    retries: int = DEFAULT_RETRIES,
    backoff: Backoff | tuple[float, float] = DEFAULT_BACKOFF,
    timeout: float = DEFAULT_TIMEOUT_S,
    priority: Priority | Callable[[Any], Priority] = Priority.NORMAL,
    concurrency: Concurrency | tuple[Key, int] | None = None,
    rate_limit: RateLimit | tuple[Key, int, float] | None = None,
    debounce: Debounce | tuple[Key, float] | tuple[Key, float, float] | None = None,
    batch: Batch | tuple[Key, int, float] | None = None,
    idempotency: Key | None = None,
    queue: str = "default",
    name: str = "",
) -> Callable[[Body], Body]:
    """Have a function run for each event `on` (the name, or its schema).

    `retries` after a failure, `backoff` apart. `timeout`: seconds of one start. `priority`: one, or a function of the
    data. `idempotency`: a second event of the same key starts no run, ever (as long as the first is kept).
    The other limits are described at their classes. Raises `ValueError` for what cannot be meant.
    """

    def register(body: Body) -> Body:
        event_name = _name_of(on)
        known = _events.get(event_name)
        if known is None:
            raise ValueError(f"{body.__name__} listens to {event_name}, which is not registered.")
        made = Function(
            name=name or f"{body.__module__.removesuffix('.tasks')}.{body.__name__}",
            body=body,
            event=known,
            retries=retries,
            backoff=Backoff(*backoff),
            timeout=timeout,
            priority=priority,
            concurrency=concurrency and Concurrency(*concurrency),
            rate_limit=rate_limit and RateLimit(*rate_limit),
            debounce=debounce and Debounce(*debounce),
            batch=batch and Batch(*batch),
            idempotency=idempotency,
            queue=queue,
        )
        _check(made)
        if made.name in _functions:
            raise ValueError(f"There are two functions named {made.name}.")
        _functions[made.name] = made
        known.listeners.append(made)
        return body

    return register


def _check(made: Function) -> None:
    problems = [
        (made.retries < 0, "retries is below zero"),
        (made.timeout <= 0, "timeout is not above zero"),
        (made.concurrency is not None and made.concurrency.limit < 1, "concurrency: the limit is below one"),
        (
            made.rate_limit is not None and (made.rate_limit.limit < 1 or made.rate_limit.period <= 0),
            "rate_limit: limit and period must be above zero",
        ),
        (made.debounce is not None and made.batch is not None, "debounce and batch exclude each other"),
        (
            made.batch is not None and not MIN_BATCH <= made.batch.size <= MAX_BATCH,
            f"batch: {MIN_BATCH} to {MAX_BATCH} events",
        ),
        (
            made.idempotency is not None and (made.debounce is not None or made.batch is not None),
            "idempotency goes with neither debounce nor batch, which join events of a key",
        ),
    ]
    for wrong, message in problems:
        if wrong:
            raise ValueError(f"{made.name}: {message}.")


def _name_of(event: str | type[BaseModel]) -> str:
    return event if isinstance(event, str) else getattr(event, "event_name", event.__qualname__)


def get_event(event: str | type[BaseModel]) -> EventType:
    """By its name or by the schema registered for it. Raises `UnknownEvent`."""
    name = _name_of(event)
    try:
        return _events[name]
    except KeyError:
        known = ", ".join(sorted(_events)) or "none"
        raise UnknownEvent(f"No event is named {name!r}; there are: {known}.", fields={"name": ["Unknown."]}) from None


def get_function(name: str) -> Function | None:
    """None for a function that this version of the code does not have."""
    return _functions.get(name)


def all_events() -> list[EventType]:
    return [_events[name] for name in sorted(_events)]


def all_functions() -> list[Function]:
    return [_functions[name] for name in sorted(_functions)]


def key_of(key: Key, data: BaseModel, org_id: Any) -> str:
    """The text of a key for this data: the organisation's id where it is "org"."""
    if callable(key):
        return str(key(data))
    if key == "org":
        return f"org:{org_id}"
    return str(getattr(data, key))
