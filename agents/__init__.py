"""Agents that turn facts, signals and search into work done for an organisation."""
