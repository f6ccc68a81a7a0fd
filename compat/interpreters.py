"""Finds the Python interpreters of this machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from compat.commands import UV, UV_ENVIRONMENT


def find_all(versions: Sequence[str]) -> dict[str, Path]:
    """The interpreter of each version that is installed."""
    found = {version: next(_candidates(version), None) for version in versions}
    return {version: path for version, path in found.items() if path}


def identify(commands: Sequence[str]) -> dict[str, Path]:
    """The given interpreters, by version.

    :raises SystemExit: an interpreter cannot be run
    """
    found = {}
    for command in commands:
        path = next((folder / command for folder in _path_folders() if (folder / command).is_file()), Path(command))
        version = _version_of(path)
        if version is None:
            raise SystemExit(f"PYTHONS: {command} cannot be run as a Python interpreter")
        found[version] = path
    return found


def _candidates(version: str) -> Iterator[Path]:
    for folder in _path_folders():
        path = folder / f"python{version}"
        if path.is_file() and _version_of(path) == version:
            yield path
    found = subprocess.run(
        [*UV, "python", "find", version], capture_output=True, text=True, env=UV_ENVIRONMENT, check=False
    )
    if found.returncode == 0 and _version_of(Path(found.stdout.strip())) == version:
        yield Path(found.stdout.strip())


def _path_folders() -> list[Path]:
    return [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]


def _version_of(path: Path) -> str | None:
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([str(path), "-c", program], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
