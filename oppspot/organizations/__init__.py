"""Organisations, their members and API keys, and the scoping that keeps their rows apart."""
