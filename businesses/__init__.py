"""The company register: companies, where their facts come from, and what changed."""
