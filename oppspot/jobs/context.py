"""What a function is given besides its data: steps that are not done twice, sleep, children, progress, a log."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import structlog
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from pydantic import BaseModel

from oppspot.core.errors import PermanentError
from oppspot.jobs import queue
from oppspot.jobs.models import Event, Priority, Run, RunLog, Step
from oppspot.jobs.queue import Claimed
from oppspot.jobs.services import Emitted, emit, emit_many
from oppspot.organizations.models import Organization

T = TypeVar("T")
MAX_LOGS = 1_000  # of one start
PROGRESS_EVERY_S = 0.5

logger = structlog.get_logger(__name__)


class StepError(PermanentError):
    """A step was used in a way that cannot work."""


class Interrupted(BaseException):
    """The run must stop now: it was cancelled, ran out of time, or belongs to somebody else."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Suspended(BaseException):
    """The run goes on later. Raised by `sleep` and `wait_for_children`; not for functions to catch."""

    def __init__(self, *, until: datetime | None = None, children: bool = False) -> None:
        self.until = until
        self.children = children
        super().__init__("suspended")


class Context:
    """One start of a run. Its methods are for the function's own thread."""

    def __init__(self, claimed: Claimed) -> None:
        self._claimed = claimed
        self._done: dict[str, Any] = {}
        if claimed.fence > 1:  # the first start has done nothing before
            self._done = dict(Step.objects.filter(run_id=claimed.id).values_list("name", "output"))
        self._used: set[str] = set()
        self._inside: str | None = None
        self._count: dict[str, int] = {}
        self._logged = 0
        self._progress_at = 0.0
        self._run: Run | None = None

    @property
    def run_id(self) -> UUID:
        return self._claimed.id

    @property
    def attempt(self) -> int:
        """Which try this is, from 1."""
        return self._claimed.attempt

    @property
    def is_last_attempt(self) -> bool:
        return self._claimed.attempt >= self._claimed.max_attempts

    @property
    def org_id(self) -> UUID | None:
        return self._claimed.org_id

    @property
    def org(self) -> Organization | None:
        """The organisation the run works for; None for the system's own."""
        return self.run.org

    @property
    def run(self) -> Run:
        if self._run is None:
            self._run = Run.all_orgs.select_related("org").get(pk=self._claimed.id)
        return self._run

    def step(
        self,
        name: str,
        body: Callable[[], T],
        *,
        transactional: bool = True,
        on_done: Callable[[Any], object] | None = None,
    ) -> T:
        """`body()`, once: what it returned is stored, and given back when the run is started again.

        Its writes and the note that it is done are one transaction, which is rolled back if the run was given to
        somebody else meanwhile. For a call to the outside, say `transactional=False`: no transaction is then open
        while it takes, and a crash between the call and the note repeats the call. `on_done` is given the output in the
        transaction of the note. The output must be JSON; it comes back as JSON, the first time too. Raises `StepError`
        for a name used twice, a step within a step, or an output that cannot be stored.
        """
        if self._inside is not None:
            raise StepError(f"Step {name!r} is inside step {self._inside!r}; steps cannot hold steps.")
        if name in self._used:
            raise StepError(f"There are two steps named {name!r} in one run; number them.")
        self._used.add(name)
        if name in self._done:
            output: T = self._done[name]
            return output
        started = timezone.now()
        self._inside = name
        try:
            if transactional:
                with transaction.atomic():
                    output = self._note(name, body(), started, on_done)
            else:
                value = body()
                with transaction.atomic():
                    output = self._note(name, value, started, on_done)
        finally:
            self._inside = None
        self._done[name] = output
        return output

    def _note(self, name: str, value: Any, started: datetime, on_done: Callable[[Any], object] | None) -> Any:
        output = storable(value, f"The output of step {name!r}")
        if not queue.hold(self._claimed):
            raise Interrupted("lease_lost")
        Step.objects.create(
            run_id=self.run_id, name=name, fence=self._claimed.fence, output=output, started_at=started,
            finished_at=Now(),
        )  # fmt: skip
        if on_done is not None:
            on_done(output)
        return output

    def sleep(self, duration: float | timedelta | datetime, name: str = "") -> None:
        """Go on after `duration` (seconds, or until a time), without a worker meanwhile. Not within a step."""
        if self._inside is not None:
            raise StepError(f"Step {self._inside!r} sleeps; sleep between steps.")
        name = name or self._numbered("sleep")
        if isinstance(duration, datetime):
            until = duration
        else:
            pause = duration if isinstance(duration, timedelta) else timedelta(seconds=duration)
            until = timezone.now() + pause
        until = datetime.fromisoformat(self.step(name, until.isoformat))
        if until > timezone.now():
            raise Suspended(until=until)

    def emit(
        self,
        event: type[BaseModel] | str,
        data: BaseModel | Mapping[str, Any],
        *,
        priority: Priority | None = None,
        run_after: datetime | None = None,
        key: str = "",
    ) -> Emitted:
        """Emit an event, once however often the run is started; the runs it causes are this one's children.

        The place among the run's calls tells it from others; give a `key` if that may differ from start to start.
        """
        return emit(
            event,
            data,
            org=self.org,
            dedupe_key=f"{self.run_id}:{key or self._numbered('emit')}",
            priority=priority,
            run_after=run_after,
            requested_by=self.run.requested_by,
            caused_by=self.run,
        )

    def emit_many(
        self, event: type[BaseModel] | str, items: Sequence[BaseModel | Mapping[str, Any]], *, key: str = ""
    ) -> list[Event]:
        """Like `emit`, for many of one name by a few statements."""
        prefix = f"{self.run_id}:{key or self._numbered('emit')}"
        return emit_many(
            event, items, org=self.org, dedupe_prefix=prefix, priority=Priority(self._claimed.priority),
            requested_by=self.run.requested_by, caused_by=self.run,
        )  # fmt: skip

    def wait_for_children(self, name: str = "") -> dict[str, int]:
        """Go on when every run that this one caused has ended, without a worker meanwhile; how many ended how."""
        if self._inside is not None:
            raise StepError(f"Step {self._inside!r} waits for children; wait between steps.")
        counts: dict[str, int] = {}
        for status in Run.all_orgs.filter(parent=self.run_id).values_list("status", flat=True):
            counts[status] = counts.get(status, 0) + 1
        if counts.keys() & {"queued", "running"}:
            raise Suspended(children=True)
        return self.step(name or self._numbered("children"), lambda: counts)

    def progress(self, done: int, total: int | None = None) -> None:
        """Say how far the work is. Written at most twice a second, the end always."""
        now = time.monotonic()
        if now - self._progress_at < PROGRESS_EVERY_S and done != total:
            return
        self._progress_at = now
        values: dict[str, int] = {"progress_done": done}
        if total is not None:
            values["progress_total"] = total
        Run.all_orgs.filter(pk=self.run_id, fence=self._claimed.fence, status="running").update(**values)

    def log(self, message: str, **fields: Any) -> None:
        """A line in the run's own log and in the process'."""
        logger.info(message, run=str(self.run_id), function=self._claimed.function, **fields)
        self._logged += 1
        if self._logged <= MAX_LOGS:
            text = message if self._logged < MAX_LOGS else "… more was logged than is kept"
            RunLog.objects.create(
                run_id=self.run_id, fence=self._claimed.fence, message=text, fields=storable(fields, "A log line"),
                logged_at=Now(),
            )  # fmt: skip

    def _numbered(self, kind: str) -> str:
        self._count[kind] = self._count.get(kind, 0) + 1
        return f"{kind}-{self._count[kind]}"


def storable(value: Any, what: str) -> Any:
    """`value` as JSON gives it back. Raises `StepError` for what JSON or Postgres cannot hold."""
    try:
        text = json.dumps(value, cls=DjangoJSONEncoder, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise StepError(f"{what} is not JSON: {error}") from error
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise StepError(f"{what} has a lone surrogate, which cannot be stored.") from error
    stored = json.loads(text)
    if "\\u0000" in text and _has_nul(stored):
        raise StepError(f"{what} has a NUL character, which cannot be stored.")
    return stored


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_has_nul(key) or _has_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(map(_has_nul, value))
