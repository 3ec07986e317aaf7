"""API of agents, their executions, and what they found."""
