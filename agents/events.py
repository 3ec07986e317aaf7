"""Events that agents act on, and those that begin their own work."""

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from oppspot.jobs.registry import event


@event("agent/research_gpt.run")
class ResearchGptRun(BaseModel):
    """Somebody wants a report on a company."""

    company_id: UUID
    depth: Literal["quick", "detailed"] = "quick"
    requested_by: str


class ExecutionRequested(BaseModel):
    """An execution waits for a worker. Each kind has an event of its own, `agents/<slug>.execute`."""

    execution_id: UUID
    agent_id: UUID


@event("agents/dry_run.request")
class DryRunRequested(BaseModel):
    """Somebody wants to know what an execution would come to. `input`: as the agent's kind has it."""

    agent_id: UUID
    input: dict[str, Any]


@event("agents/due.start")
class DueAgentsStart(BaseModel):
    """The clock: agents may be due."""


@event("agents/llm_calls.close")
class LLMCallsClose(BaseModel):
    """The clock: calls of language models may have been lost, and stored answers have expired."""


def execution_event(slug: str) -> str:
    """The name of the event that begins an execution of a kind."""
    return f"agents/{slug}.execute"
