"""django-q2 as a pool of processes and nothing more: `oppspot.jobs.checks` insists on these settings."""

from typing import Any


def q_cluster(workers: int) -> dict[str, Any]:
    """The value of `Q_CLUSTER` for so many worker processes."""
    return {
        "name": "default",
        "broker_class": "oppspot.jobs.broker.JobsBroker",
        "workers": workers,
        "scheduler": False,
        "timeout": 2_000_000_000,  # never: each function has its own
        "retry": 2_100_000_000,
        "ack_failures": True,
        "max_attempts": 1,
        "save_limit": -1,
        "bulk": 1,
        "catch_up": False,
        "recycle": 0,
    }
