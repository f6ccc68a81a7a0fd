"""The project's own files: what is tracked, and what pyproject.toml says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())


def is_checkout() -> bool:
    """Whether this is a git checkout; an unpacked sdist is none."""
    return (ROOT / ".git").exists()


def tracked_files() -> set[str]:
    """All files that git tracks or would, by their paths from the root. A symbolic link is one of them."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    # A file that was deleted is still tracked until the next commit.
    return {path for path in done.stdout.split("\0") if path and (ROOT / path).exists()}
