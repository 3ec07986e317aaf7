"""Celery, on Redis."""

import os

from celery import Celery

from benchmarks.job_peers import note

app = Celery("peers", broker=os.environ["CELERY_BROKER"])
app.conf.task_ignore_result = True
app.conf.broker_connection_retry_on_startup = True


@app.task(name="no_op")  # type: ignore[untyped-decorator]
def no_op(sent_at: float) -> None:
    note(sent_at)
