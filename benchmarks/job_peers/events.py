"""oppSpot: the event."""

from pydantic import BaseModel

from oppspot.jobs.registry import event


@event("benchmark/job.sent")
class Sent(BaseModel):
    sent_at: float
