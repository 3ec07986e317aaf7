"""A function's work without a run: to see what it would do, in a transaction that somebody rolls back."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NoReturn

from oppspot.core.errors import PermanentError
from oppspot.core.ids import uuid7
from oppspot.jobs.context import Context, storable
from oppspot.jobs.models import Priority
from oppspot.jobs.queue import Claimed
from oppspot.organizations.models import Organization


class CannotRehearse(PermanentError):
    """The function does what only a run can do."""


class Rehearsal(Context):
    """Steps are done as ever, by the same rules, and noted nowhere; it never sleeps. The only try, so the last."""

    def __init__(self, org: Organization) -> None:
        super().__init__(
            Claimed(
                id=uuid7(), function="rehearsal", event_id=uuid7(), event_ids=[], org_id=org.pk, parent_id=None,
                fence=1, attempt=1, max_attempts=1, priority=Priority.NORMAL, concurrency_key="",
                concurrency_limit=None, rate_key="", event_name="", data={},
            )
        )  # fmt: skip
        self._of = org
        self.logged: list[str] = []

    @property
    def org(self) -> Organization:
        return self._of

    @property
    def run(self) -> NoReturn:
        raise CannotRehearse("There is no run in a rehearsal.")

    def _note(self, name: str, value: Any, started: datetime, on_done: Callable[[Any], object] | None) -> Any:
        return storable(value, f"The output of step {name!r}")

    def sleep(self, duration: float | timedelta | datetime, name: str = "") -> None:
        pass

    def emit(self, *args: Any, **options: Any) -> NoReturn:
        raise CannotRehearse("Nothing is emitted in a rehearsal.")

    def emit_many(self, *args: Any, **options: Any) -> NoReturn:
        raise CannotRehearse("Nothing is emitted in a rehearsal.")

    def wait_for_children(self, name: str = "") -> NoReturn:
        raise CannotRehearse("There are no children in a rehearsal.")

    def progress(self, done: int, total: int | None = None) -> None:
        pass

    def log(self, message: str, **fields: Any) -> None:
        self.logged.append(message)
