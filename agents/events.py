"""Events that agents act on."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from oppspot.jobs.registry import event


@event("agent/research_gpt.run")
class ResearchGptRun(BaseModel):
    """Somebody wants a report on a company."""

    company_id: UUID
    depth: Literal["quick", "detailed"] = "quick"
    requested_by: str
