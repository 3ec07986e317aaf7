"""oppSpot: the function."""

from benchmarks.job_peers import note
from benchmarks.job_peers.events import Sent
from oppspot.jobs.context import Context
from oppspot.jobs.registry import function


@function(on=Sent)
def no_op(ctx: Context, data: Sent) -> None:
    note(data.sent_at)
