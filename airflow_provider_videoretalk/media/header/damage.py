"""A file that contradicts its own format."""

from __future__ import annotations


class DamageError(Exception):
    """What is wrong, as a clause about "it". Never leaves :func:`~.reader.read_facts`."""
