"""Kinds of agents for tests of the framework."""
