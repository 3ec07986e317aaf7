"""Admin of agents: set up, run, watched, what they found, and what they cost."""

from agents.admin import agents, executions, ledger, results  # noqa: F401  registers them
