"""Admin of agents: set up, run, watched, what they found and wrote, and what they cost."""

from agents.admin import (  # noqa: F401  registers them
    agents,
    drafts,
    executions,
    ledger,
    paths,
    reports,
    results,
    suppressions,
)
