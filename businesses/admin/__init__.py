"""Admin: the register, what organisations watch and tell, and how sources stand."""

from businesses.admin import register, sources, watchlists

__all__ = ["register", "sources", "watchlists"]
