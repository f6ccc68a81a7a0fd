from __future__ import annotations

import os
from pathlib import Path

import pytest

from airflow_provider_videoretalk.cli.command import main

DAGS = {path.name: path.read_bytes() for path in (Path(__file__).parents[3] / "dags").glob("*.py")}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_new_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "ünd blanks" / "dags"
    assert main(["dags", str(folder)]) == 0
    assert contents(folder) == DAGS
    assert capsys.readouterr().out.splitlines() == [f"wrote {folder / name}" for name in sorted(DAGS)]
    assert main(["dags", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines() == [f"unchanged {folder / name}" for name in sorted(DAGS)]


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "videoretalk_review.py"
    mine.write_text("mine")
    assert main(["dags", str(tmp_path)]) == 1
    assert contents(tmp_path) == {mine.name: b"mine"}
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"{mine} has other content." in printed.err
    assert "--force" in printed.err
    assert main(["dags", "--force", str(tmp_path)]) == 0
    assert contents(tmp_path) == DAGS


def test_a_folder_that_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "file"
    path.touch()
    assert main(["dags", str(path)]) == 3
    assert f"{path} cannot be written: {os.strerror(17)}. Give a folder" in capsys.readouterr().err
