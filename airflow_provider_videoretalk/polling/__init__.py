"""Waiting for render jobs with few requests."""
