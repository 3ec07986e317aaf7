"""API of alerts: channels, rules, what was raised, and what was sent."""
