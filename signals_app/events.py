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


@event("signals/detection.run")
class DetectionRun(BaseModel):
    """What happened to the companies that an organisation watches is to be looked at; without one, each in turn."""

    org_id: UUID | None = None


@event("signals/scores.refresh")
class ScoresRefresh(BaseModel):
    """A new day: signals are a day older, and some are over."""


@event("signals/logs.tidy")
class LogsTidy(BaseModel):
    """Alerts, deliveries and accounts of detection passes that are long over are to be deleted."""
