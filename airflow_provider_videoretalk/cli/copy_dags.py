"""``dags``: copies the example DAGs into a folder."""

from __future__ import annotations

import argparse
import sys
from importlib.resources import files
from pathlib import Path

from airflow_provider_videoretalk.cli.exit_code import ExitCode

NAME = "dags"
HELP = "copy the example DAGs into a folder"
DESCRIPTION = "Copies the example DAGs into a folder. Does not overwrite a file with other content without --force."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", type=Path, help="such as Airflow's dags folder; created if missing")
    parser.add_argument("--force", action="store_true", help="overwrite files with other content")


def run(options: argparse.Namespace) -> ExitCode:
    """Writes all files, or none if a file would be overwritten. Prints the path of each file."""
    try:
        return _copy(options.folder, force=options.force)
    except OSError as error:
        print(
            f"{error.filename or options.folder} cannot be written: {error.strerror}. "
            "Give a folder with write permission.",
            file=sys.stderr,
        )
        return ExitCode.UNAVAILABLE


def _copy(folder: Path, *, force: bool) -> ExitCode:
    examples = {folder / name: content for name, content in _examples().items()}
    present = {path: path.read_bytes() for path in examples if path.exists()}
    different = [path for path, content in present.items() if content != examples[path]]
    if different and not force:
        for path in different:
            print(f"{path} has other content.", file=sys.stderr)
        print("Nothing was written. Give another folder, or --force to overwrite.", file=sys.stderr)
        return ExitCode.REFUSED
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in examples.items():
        if present.get(path) == content:
            print(f"unchanged {path}")
        else:
            path.write_bytes(content)
            print(f"wrote {path}")
    return ExitCode.OK


def _examples() -> dict[str, bytes]:
    folder = files("airflow_provider_videoretalk") / "example_dags"
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.name.endswith(".py")}
    return dict(sorted(found.items()))
