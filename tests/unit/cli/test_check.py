from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from media_files import video, wav

from airflow_provider_videoretalk.cli.command import main

SCHEMA = json.loads((files("airflow_provider_videoretalk") / "cli" / "check.schema.json").read_text())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    video(Path("video.mp4"), seconds=4)
    Path("speech.wav").write_bytes(wav(seconds=6))
    return tmp_path


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """What the command prints, held against the schema, where every object is to name all of its fields."""
    code = main(["check", "--json", *arguments])
    printed = capsys.readouterr()
    result: dict[str, Any] = json.loads(printed.out)
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(result, closed(SCHEMA), cls=jsonschema.Draft202012Validator)
    assert (result["exit_code"], printed.err) == (code, "")
    return result


def closed(schema: Any) -> Any:
    """The schema without room for fields that it does not name."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    shut = {"additionalProperties": False} if "required" in schema else {}
    return {name: closed(value) for name, value in schema.items()} | shut


def test_what_may_be_submitted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "video.mp4", str(folder / "speech.wav"), "--video-extension", "--max-cost", "0.48"]) == 0
    printed = capsys.readouterr()
    assert f"video_url: file://{folder}/video.mp4 (mp4, h264," in printed.out
    assert "estimate: 6 s of output, 0.48 CNY" in printed.out
    assert printed.err == ""


REFUSED = [
    (["video.mp4", "speech.wav"], "allowed is 4 s"),
    (["video.mp4", "speech.wav", "--video-extension", "--max-cost", "0.47"], "allowed is at most 0.47 CNY"),
    (["video.mp4", "none.wav"], "none.wav"),
    (["video.mp4", "speech.wav", "video.mp4"], "ref_image_url"),
    (["http://127.0.0.1:9/v.mp4", "speech.wav"], "has no public address"),
    (["nonsense://b/v.mp4", "speech.wav"], "nonsense"),
]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("arguments", "said"), REFUSED)
def test_what_may_not(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    assert main(["check", *arguments]) == 1
    assert said in capsys.readouterr().err
    result = as_json(capsys, *arguments)
    assert (result["outcome"], result["exit_code"]) == ("refused", 1)
    assert said in result["error"]["message"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("location", ["http://127.0.0.1:9/v.mp4", "oss://dashscope-instant/v.mp4"])
def test_what_could_not_be_looked_at(capsys: pytest.CaptureFixture[str], location: str) -> None:
    arguments = [location, "speech.wav", "--allow-private"]
    assert main(["check", *arguments]) == 3
    printed = capsys.readouterr()
    assert "not checked: video_url: nothing was checked" in printed.out
    assert "video_url could not be read" in printed.err
    result = as_json(capsys, *arguments)
    assert result["outcome"] == "unavailable"
    assert result["inputs"]["video_url"]["media"] is None
    assert result["inputs"]["audio_url"]["media"]["seconds"] == 6
    assert len(result["not_checked"]) == 1


def test_accepted_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = as_json(capsys, "video.mp4", "speech.wav", "--video-extension", "--max-cost", "1")
    assert (result["schema"], result["outcome"], result["exit_code"], result["error"]) == (1, "accepted", 0, None)
    assert result["inputs"]["video_url"]["location"].startswith(f"file://{folder}/video.mp4")
    assert result["inputs"]["video_url"]["media"]["codec"] == "h264"
    assert result["parameters"]["video_extension"] is True
    assert (result["estimate"]["cost"], result["estimate"]["price"]["currency"], result["max_cost"]) == (0.48, "CNY", 1)


@pytest.mark.usefixtures("folder")
def test_findings_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    result = as_json(capsys, "speech.wav", "speech.wav")
    assert {finding["field"] for finding in result["findings"]} == {"video_url"}
    assert result["findings"][0]["code"] == result["error"]["code"] == "InvalidFile.Format"


@pytest.mark.parametrize("amount", ["lots", "-1", "nan", "inf"])
def test_an_amount_that_is_none(capsys: pytest.CaptureFixture[str], amount: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", "video.mp4", "speech.wav", f"--max-cost={amount}"])
    assert ended.value.code == 2
    assert f"{amount!r} is not a number of 0 or more" in capsys.readouterr().err
