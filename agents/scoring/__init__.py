"""How well companies fit what an organisation looks for, and whether now is the time: one formula for every agent."""
