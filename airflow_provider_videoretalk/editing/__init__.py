"""Joining, subtitles, marking: media that this package writes."""
