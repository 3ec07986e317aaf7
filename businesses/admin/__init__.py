"""Admin: the register, what organisations watch and tell, and how sources stand."""

from businesses.admin import exclusions, register, sources, watchlists

__all__ = ["exclusions", "register", "sources", "watchlists"]
