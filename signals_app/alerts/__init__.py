"""Alerts: what an organisation wants to be told of its signals, through which channels, and what came of telling."""
