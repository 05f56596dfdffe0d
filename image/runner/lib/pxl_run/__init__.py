"""Runs a pipeline as a job of the platform. Standard library only: it shares no environment."""
