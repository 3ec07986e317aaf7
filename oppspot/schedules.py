"""What happens by the clock. `manage.py sync_schedules`, and every worker that starts, make the rows agree."""

from oppspot.jobs.scheduling import Scheduled

SCHEDULES: list[Scheduled] = [
    # What imports changed, and edits whose own run failed.
    Scheduled("nightly embeddings", "30 2 * * *", "embeddings/request.generate", {"generate_all": True}),
    Scheduled("alert digests", "* * * * *", "signals/alert_digests.start"),
    Scheduled("expired idempotency keys", "7 * * * *", "jobs/idempotent_requests.delete"),
]
