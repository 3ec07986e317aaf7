"""Fixtures that every test may use: the cast, and clients that act for them."""
