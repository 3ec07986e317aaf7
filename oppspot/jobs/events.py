"""Events of the housekeeping that schedules begin."""

from pydantic import BaseModel

from oppspot.jobs.registry import event


@event("jobs/idempotent_requests.delete")
class IdempotentRequestsDelete(BaseModel):
    """Delete the answers that are kept for an Idempotency-Key no longer."""
