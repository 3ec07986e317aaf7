"""Functions of the housekeeping."""

from oppspot.jobs.context import Context
from oppspot.jobs.events import IdempotentRequestsDelete
from oppspot.jobs.registry import function
from oppspot.organizations.idempotency import delete_expired_idempotent_requests


@function(on=IdempotentRequestsDelete)
def delete_idempotent_requests(ctx: Context, data: IdempotentRequestsDelete) -> dict[str, int]:
    return {"deleted": delete_expired_idempotent_requests()}
