"""Durable jobs: typed events, functions with steps, and their runs, which are rows of Postgres."""
