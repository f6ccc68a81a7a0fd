"""Media as such: what VideoRetalk accepts of them, what they are, and how they are copied."""
