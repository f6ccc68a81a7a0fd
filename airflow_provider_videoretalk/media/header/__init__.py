"""Readers of media file headers. Each reads a few kilobytes, in Python alone."""
