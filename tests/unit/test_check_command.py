from __future__ import annotations

from pathlib import Path

import pytest
from media_files import video, wav

from airflow_provider_videoretalk.__main__ import main


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    video(Path("video.mp4"), seconds=4)
    Path("speech.wav").write_bytes(wav(seconds=6))
    return tmp_path


def test_what_may_be_submitted(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "video.mp4", str(files / "speech.wav"), "--video-extension", "--max-cost", "0.48"]) == 0
    printed = capsys.readouterr()
    assert f"video_url: file://{files}/video.mp4 (mp4, h264," in printed.out
    assert "estimate: 6 s of output, 0.48 CNY" in printed.out
    assert printed.err == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["video.mp4", "speech.wav"], "allowed is 4 s"),
        (["video.mp4", "speech.wav", "--video-extension", "--max-cost", "0.47"], "allowed is at most 0.47 CNY"),
        (["video.mp4", "speech.wav", "--video-extension", "--max-cost", "lots"], "max_cost is 'lots'"),
        (["video.mp4", "none.wav"], "none.wav"),
        (["video.mp4", "speech.wav", "video.mp4"], "ref_image_url"),
        (["http://127.0.0.1:9/v.mp4", "speech.wav"], "has the address 127.0.0.1"),
        (["nonsense://b/v.mp4", "speech.wav"], "nonsense"),
    ],
)
def test_what_may_not(files: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    assert main(["check", *arguments]) == 1
    assert said in capsys.readouterr().err
