"""Airflow connections, as environment variables."""

from __future__ import annotations

import json

import pytest

API_KEY = "sk-test-0123456789abcdef"
"""The key of every connection in these tests; some search for it where it must not be."""


def connect(
    monkeypatch: pytest.MonkeyPatch, *, host: str | None, password: str | None = API_KEY, **extra: object
) -> None:
    """Makes ``dashscope_default`` what it says."""
    value = {"conn_type": "dashscope", "host": host, "password": password, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_DASHSCOPE_DEFAULT", json.dumps(value))
