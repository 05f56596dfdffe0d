"""Errors, events, names and redaction: what every layer may use; standard library only."""
