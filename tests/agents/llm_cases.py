"""What the tests of language models share: a schema, its template, and an execution to charge."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from django.db.models import Sum
from pydantic import BaseModel, Field

from agents.budgets import this_month
from agents.context import ExecutionContext
from agents.llm import LLM
from agents.models import AgentExecution, LLMCall, LLMMonth
from oppspot.organizations.models import Organization

PROMPT = "probe_summary"
TEMPLATE = """\
version = "3"
system = "You sum up what is known of a company."
user = "Sum up {name}, an example being {\\"summary\\": \\"…\\"}."
"""


class Summary(BaseModel):
    summary: str
    quote: Annotated[str, Field(max_length=400)] = ""
    tone: Literal["calm", "keen"] = "calm"


class FakeContext(ExecutionContext[Any, Any]):
    """An execution's context without the job behind it."""

    def __init__(self, execution: AgentExecution, *, is_last: bool = False) -> None:
        self.execution = execution
        self.step_name = "summarise"
        self.is_last = is_last

    @property
    def is_last_attempt(self) -> bool:
        return self.is_last


def write_template(folder: Path, text: str = TEMPLATE, name: str = PROMPT) -> None:
    (folder / f"{name}.toml").write_text(text)


def ask(execution: AgentExecution, name: str = "Acme Ltd", *, is_last: bool = False, **values: Any) -> Any:
    return LLM(FakeContext(execution, is_last=is_last)).ask(PROMPT, Summary, facts={"name": name}, **values)


def calls_of(org: Organization) -> list[LLMCall]:
    return list(LLMCall.objects.for_org(org).order_by("pk"))


def check_books(org: Organization) -> None:
    """The month and the executions are the sums of the ledger."""
    calls = LLMCall.objects.for_org(org)
    spent = calls.aggregate(sum=Sum("cost", default=Decimal(0)))["sum"]
    reserved = calls.filter(state="reserved").aggregate(sum=Sum("reserved_cost", default=Decimal(0)))["sum"]
    month = LLMMonth.objects.for_org(org).filter(month=this_month()).first()
    assert (month.spent, month.reserved) == (spent, reserved) if month else not calls.exists()
    for execution in AgentExecution.objects.for_org(org):
        own = calls.filter(execution=execution)
        sums = own.aggregate(cost=Sum("cost", default=Decimal(0)), read=Sum("tokens_in", default=0),
                             written=Sum("tokens_out", default=0))  # fmt: skip
        assert execution.cost == sums["cost"]
        assert execution.tokens_used == sums["read"] + sums["written"]
        assert execution.api_calls == own.filter(is_cached=False).exclude(state="reserved").count()
