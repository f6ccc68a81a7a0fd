"""Triggers: the waits that run on the triggerer."""
