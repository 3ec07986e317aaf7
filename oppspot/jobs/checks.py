"""System checks of jobs: what must hold for a worker to lose and double nothing."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

NEVER_S = 1_000_000_000
REQUIRED = {
    "broker_class": "oppspot.jobs.broker.JobsBroker",
    "scheduler": False,
    "ack_failures": True,
    "max_attempts": 1,
    "save_limit": -1,
    "bulk": 1,
    "catch_up": False,
    "recycle": 0,
}


@register
def check_cluster(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    configured = getattr(settings, "Q_CLUSTER", {})
    for name, value in REQUIRED.items():
        if configured.get(name) != value:
            found.append(
                Error(
                    f"Q_CLUSTER[{name!r}] is {configured.get(name)!r}, not {value!r}.",
                    hint="Jobs rely on it; see docs/adr/0007-jobs-in-postgres.md.",
                    id="oppspot.E020",
                )
            )
    if (configured.get("timeout") or 0) < NEVER_S:
        found.append(
            Error(
                f"Q_CLUSTER['timeout'] is {configured.get('timeout')!r}, not {NEVER_S} or more.",
                hint="Each function has its own; the cluster's would kill workers that are well.",
                id="oppspot.E021",
            )
        )
    if settings.JOBS_LEASE_S < 1:
        found.append(Error("JOBS_LEASE_S is below 1.", hint="Heartbeats need room.", id="oppspot.E022"))
    if settings.JOBS_WORKERS < 1:
        found.append(Error("JOBS_WORKERS is below 1.", hint="One process at least.", id="oppspot.E023"))
    return found
