"""Procrastinate, on the same database."""

import os

from procrastinate import App, PsycopgConnector

from benchmarks.job_peers import note

app = App(connector=PsycopgConnector(conninfo=os.environ["DATABASE_URL"]))


@app.task(name="no_op")  # type: ignore[untyped-decorator]
async def no_op(sent_at: float) -> None:
    note(sent_at)
