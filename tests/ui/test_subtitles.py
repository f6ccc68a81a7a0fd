"""The player of a published video has its subtitles."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from video_rows import finished_run

DAG = "videoretalk_quickstart"
Runs = Callable[..., None]
Login = Callable[..., TestClient]

VTT = "WEBVTT\n\n00:00:00.500 --> 00:00:02.000\n你好\n".encode()


def here() -> str:
    return f"/videoretalk/dags/{DAG}/runs/one/tasks/retalk/-1"


@pytest.fixture
def publication(tmp_path: Path) -> dict[str, Any]:
    """The return value of a publish task, whose files are there."""
    uri = (tmp_path / "a b.mp4").as_uri()
    fields = {"uri": uri, "sha256": "0", "size": 5, "task_id": "t", "request_id": "request-t"}
    fields["subtitles"] = {"vtt": (tmp_path / "a b.vtt").as_uri()}
    (tmp_path / "a b.mp4").write_bytes(b"video")
    (tmp_path / "a b.mp4.json").write_text(json.dumps(fields))
    (tmp_path / "a b.vtt").write_bytes(VTT)
    return fields


def test_they_are_a_track_of_the_player(runs: Runs, login: Login, publication: dict[str, Any]) -> None:
    runs(DAG, one=finished_run("t", published=publication))
    page = login(DAG).get(here()).text
    assert f'<track kind="subtitles" src="{here()}/media/subtitles" label="Subtitles"' in page
    reply = login(DAG).get(f"{here()}/media/subtitles")
    assert (reply.status_code, reply.content) == (200, VTT)
    assert reply.headers["content-type"].partition(";")[0] == "text/vtt"
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_a_video_without_them_has_no_track(runs: Runs, login: Login, publication: dict[str, Any]) -> None:
    runs(DAG, one=finished_run("t", published=publication | {"subtitles": {"srt": "s3://a/b.srt"}}))
    client = login(DAG)
    assert "<track" not in client.get(here()).text
    assert client.get(f"{here()}/media/subtitles").status_code == 404


def test_who_may_not_see_the_video_may_not_read_them(runs: Runs, login: Login, publication: dict[str, Any]) -> None:
    runs(DAG, one=finished_run("t", published=publication))
    assert login("another").get(f"{here()}/media/subtitles").status_code == 403


def test_a_forged_return_value_opens_no_other_file(
    runs: Runs, login: Login, publication: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    runs(DAG, one=finished_run("t", published=publication | {"subtitles": {"vtt": (tmp_path / "secret").as_uri()}}))
    assert login(DAG).get(f"{here()}/media/subtitles").content == VTT


def test_those_of_a_video_that_was_replaced_are_not_shown(
    runs: Runs, login: Login, publication: dict[str, Any], tmp_path: Path
) -> None:
    runs(DAG, one=finished_run("t", published=publication))
    (tmp_path / "a b.mp4").write_bytes(b"another video")
    reply = login(DAG).get(f"{here()}/media/subtitles")
    assert reply.status_code == 404
    assert "was replaced by another file" in reply.text


def test_a_track_whose_file_is_gone(runs: Runs, login: Login, publication: dict[str, Any], tmp_path: Path) -> None:
    runs(DAG, one=finished_run("t", published=publication))
    (tmp_path / "a b.vtt").unlink()
    assert login(DAG).get(f"{here()}/media/subtitles").status_code == 404
