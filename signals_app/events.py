"""Events of buying signals."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from oppspot.jobs.registry import event


@event("signals/buying_signal.detected")
class BuyingSignalDetected(BaseModel):
    """A detector saw a sign that a company may soon buy; `signal_data` is what it saw."""

    company_id: UUID
    signal_type: str = Field(min_length=1)
    signal_data: dict[str, Any]
    signal_id: UUID | None = None
