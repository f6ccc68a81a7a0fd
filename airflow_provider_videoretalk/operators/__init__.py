"""Operators: speech, video, publishing."""
