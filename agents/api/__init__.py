"""API of agents and what they find."""
