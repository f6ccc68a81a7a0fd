"""What media files say of themselves, read from a few of their bytes, in Python alone."""
