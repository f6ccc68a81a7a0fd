"""Airflow connections, as environment variables."""

from __future__ import annotations

import json

import pytest

API_KEY = "sk-test-0123456789abcdef"
"""The key of every connection in these tests; some search for it where it must not be."""


def connect(
    monkeypatch: pytest.MonkeyPatch,
    *,
    host: str | None,
    password: str | None = API_KEY,
    name: str = "dashscope_default",
    **extra: object,
) -> None:
    """Makes the connection ``name`` what it says."""
    value = {"conn_type": "dashscope", "host": host, "password": password, "extra": extra}
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(value))
