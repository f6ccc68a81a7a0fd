"""Copies of results, in stores of the user's own: verified, and whole or not at all."""
