"""Reads media files that the package did not write: their location, their bytes by ranges, and their headers."""
