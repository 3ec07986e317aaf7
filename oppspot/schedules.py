"""What happens by the clock. `manage.py sync_schedules`, and every worker that starts, make the rows agree."""

from oppspot.jobs.scheduling import Scheduled

SCHEDULES: list[Scheduled] = [
    # What imports changed, and edits whose own run failed.
    Scheduled("nightly embeddings", "30 2 * * *", "embeddings/request.generate", {"generate_all": True}),
    Scheduled("hourly signal detection", "20 * * * *", "signals/detection.run"),
    # Ages are counted in days of UTC.
    Scheduled("daily signal scores", "5 0 * * *", "signals/scores.refresh", time_zone="UTC"),
    Scheduled("alert digests", "* * * * *", "signals/alert_digests.start"),
    Scheduled("due agents", "* * * * *", "agents/due.start"),
    Scheduled("lost language model calls", "*/5 * * * *", "agents/llm_calls.close"),
    Scheduled("expired idempotency keys", "7 * * * *", "jobs/idempotent_requests.delete"),
    Scheduled("accounts of pulls", "20 4 * * *", "source/pulls.tidy"),
    Scheduled("old alerts and passes", "50 4 * * *", "signals/logs.tidy"),
    # Sources, each at a time of its own: what is watched, and no more often than it changes.
    Scheduled("companies house", "15 */6 * * *", "source/pull.run", {"source": "companies_house_api"}),
    Scheduled("news feeds", "*/30 * * * *", "source/pull.run", {"source": "news_feeds"}),
    Scheduled("job postings", "40 4 * * *", "source/pull.run", {"source": "job_postings"}),
    Scheduled("company websites", "10 3 * * *", "source/pull.run", {"source": "company_website"}),
]
