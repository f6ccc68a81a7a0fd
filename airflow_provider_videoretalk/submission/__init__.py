"""Submits one paid render job for one intent, and finds it again after retries, clears and crashes."""
