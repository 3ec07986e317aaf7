"""Vectors for companies: providers, generation and the search over them."""
