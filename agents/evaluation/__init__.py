"""How well each kind of agent does, offline and honestly: see `manage.py evaluate_agents` and docs/agents.md."""
