"""Admin of agents: set up, run, watched, and what they cost."""

from agents.admin import agents, executions, ledger  # noqa: F401  registers them
