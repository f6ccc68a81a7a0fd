"""What system tests have to tell beside passing or failing."""

from __future__ import annotations

import pytest

REPORTS = pytest.StashKey[list[str]]()
"""Texts that are printed when the session ends."""
