"""What a kind is given to work with: the agent, its input, steps, a language model, and a memory."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.utils import timezone

from agents.base import I, P
from agents.models import Agent, AgentExecution, ExecutionStep
from oppspot.core.errors import PermanentError
from oppspot.jobs.context import Context, storable
from oppspot.organizations.models import Organization

if TYPE_CHECKING:
    from agents.llm import LLM

T = TypeVar("T")


class ExecutionGone(PermanentError):
    """The agent, and this execution with it, was deleted."""


class ExecutionContext(Generic[P, I]):
    """One try of an execution. Built upon the job that does it: see `oppspot.jobs.context`."""

    def __init__(self, job: Context, execution: AgentExecution, params: P, given: I) -> None:
        self.job = job
        self.execution = execution
        self.params = params
        self.input = given
        self.step_name = ""  # of the step under way

    @property
    def agent(self) -> Agent:
        return self.execution.agent

    @property
    def org(self) -> Organization:
        return self.execution.org

    @property
    def is_dry(self) -> bool:
        """Whether this only shows what would come out: no question is answered, and nothing stays."""
        return False

    @property
    def is_last_attempt(self) -> bool:
        return self.job.is_last_attempt

    @cached_property
    def began_at(self) -> datetime:
        """When the execution began to be worked on; the same at every try."""
        return datetime.fromisoformat(self.job.step("began", lambda: timezone.now().isoformat()))

    @cached_property
    def llm(self) -> "LLM":
        """The language model, its calls charged to this execution. Only for steps that are not transactional."""
        from agents.llm import LLM  # the openai client takes a second to import

        return LLM(self)

    def step(
        self,
        name: str,
        body: Callable[[], T],
        *,
        inputs: Mapping[str, Any] | None = None,
        transactional: bool = True,
        unasked: T | None = None,
    ) -> T:
        """`body()`, once, as `oppspot.jobs.context.Context.step`; kept with its `inputs` and output for all to see.

        Steps that call a language model or anything outside say `transactional=False`; their writes then belong in a
        later step. A step that asks somebody outside says by `unasked` what a dry run, which asks nobody, is to go on
        with. Raises `ExecutionGone` if the agent was deleted meanwhile.
        """
        shown = storable(dict(inputs or {}), f"The inputs of step {name!r}")
        began: list[datetime] = []

        def timed() -> T:
            began.append(timezone.now())
            return body()

        def keep(output: Any) -> None:
            if not AgentExecution.objects.for_org(self.org).filter(pk=self.execution.pk).exists():
                raise ExecutionGone
            ExecutionStep.objects.for_org(self.org).create(
                org=self.org, execution_id=self.execution.pk, name=name, inputs=shown, output=output,
                attempt=self.job.attempt, started_at=began[0],
            )  # fmt: skip

        self.step_name = name
        try:
            return self.job.step(name, timed, transactional=transactional, on_done=keep)
        finally:
            self.step_name = ""

    def remember(self, **values: Any) -> None:
        """Merge `values` into what the agent remembers, within a transactional step: it stands or falls with that."""
        agent = Agent.objects.for_org(self.org).select_for_update().get(pk=self.agent.pk)
        agent.state = storable({**agent.state, **values}, "What the agent remembers")
        agent.save(update_fields=["state"])
        self.agent.state = agent.state

    def progress(self, done: int, total: int | None = None) -> None:
        self.job.progress(done, total)

    def log(self, message: str, **fields: Any) -> None:
        self.job.log(message, execution=str(self.execution.pk), **fields)
