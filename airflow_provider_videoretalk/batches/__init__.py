"""A table of videos: reading it, planning what has to be made of it, and what became of it."""
