"""What a kind of agent is: its parameters, its input, and the work. A kind is one module of `agents/kinds`."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from agents.models import Mode
from agents.references import ChannelId

if TYPE_CHECKING:
    from agents.context import ExecutionContext


class Params(BaseModel):
    """How an agent is set up. Subclasses add the kind's own fields; each has a `title` and a `description`, which
    the admin's form and the API's schema show."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    notify: Annotated[
        list[ChannelId],
        Field(title="Notify", description="Alert channels that are told when there is something new.", max_length=20),
    ] = []


class Input(BaseModel):
    """What one execution is given besides. Every field needs a default if the agent can run by the clock."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


P = TypeVar("P", bound=Params)
I = TypeVar("I", bound=Input)  # noqa: E741  stands for input, as P for params


@dataclass(frozen=True)
class Subject:
    """A company that an execution found worth the attention of the next agent."""

    business_id: UUID
    score: float | None = None  # 0 to 100
    evidence: int = 0  # pieces of it
    reason: str = ""  # one line
    opportunity_id: UUID | None = None


@dataclass(frozen=True)
class Outcome:
    """What an execution came to. With a `failure` it is stored as failed, its output kept."""

    output: Mapping[str, Any]  # JSON, small: counts and ids; the findings are rows of their own
    items_processed: int = 0
    mode: Mode = Mode.DETERMINISTIC
    subjects: Sequence[Subject] = ()  # handed on, the best first
    news: Sequence[str] = ()  # lines for the channels of `notify`; none: nobody is told
    failure: str = ""


class Kind(ABC, Generic[P, I]):
    """One kind of agent. What `run` does outside of steps is done again at each try."""

    slug: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str]  # one sentence, for those who set up an agent
    Params: ClassVar[type[Params]] = Params
    Input: ClassVar[type[Input]] = Input
    timeout_s: ClassVar[float] = 900.0  # of one start
    retries: ClassVar[int] = 4
    parallel: ClassVar[int] = 1  # executions of one agent at a time
    asks_no_more: ClassVar[bool] = False  # whether no answer of a language model leads to a further question

    @abstractmethod
    def run(self, ctx: "ExecutionContext[P, I]") -> Outcome:
        """Do the work in steps. Raises `PermanentError` when trying again is no use, `RetryableError` to be tried
        again; anything else is tried again, too."""

    def input_for_subject(self, subject: Subject) -> dict[str, Any] | None:
        """The input to work on what another agent hands over; None for a kind that takes nothing."""
        return None

    def input_for_event(self, name: str, data: Mapping[str, Any]) -> dict[str, Any] | None:
        """The input to work on an event that triggers it; None for one that it can make nothing of."""
        return {}


@dataclass(frozen=True)
class Evidence:
    """A stored fact that may be cited: everything that agents say rests on these."""

    id: str  # unique within a result: f1, s2, …
    text: str  # the fact in words, exactly as stored or rendered from it
    source: str  # companies_house_bulk, news_feeds, …
    url: str = ""
    on: str = ""  # ISO date of what it tells
    retrieved_at: str = ""  # ISO date
    reliability: float | None = None  # 0 to 1, None: unknown
    data: Mapping[str, Any] = field(default_factory=dict)  # the values that the text was made of

    def as_json(self) -> dict[str, Any]:
        shown = ("id", "text", "source", "url", "on", "retrieved_at", "reliability")
        return {name: getattr(self, name) for name in shown}
