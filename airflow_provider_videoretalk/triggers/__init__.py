"""What waits on the triggerer."""
