"""Copies results into the user's stores. A copy is verified, and appears complete or not at all."""
