"""Airflow 3.1 and 3.2 have no retry policies."""

from __future__ import annotations

import importlib
import sys

import pytest

MODULE = "airflow_provider_videoretalk.retry_policy"


def test_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "airflow.sdk.definitions.retry_policy", None)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    with pytest.raises(ImportError, match=r"needs Airflow 3\.3 or newer"):
        importlib.import_module(MODULE)
