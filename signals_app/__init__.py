"""Buying signals: what the register's events mean to one organisation."""
