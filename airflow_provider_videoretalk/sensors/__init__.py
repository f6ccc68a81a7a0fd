"""Sensors: waits for render jobs."""
