"""Inputs as they are found, what comes of them, and what it costs."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from media_files import image, video, wav

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.dashscope.task import Task
from airflow_provider_videoretalk.inputs.cost_estimate import CostEstimate
from airflow_provider_videoretalk.inputs.priced_result import stored_estimate_of, with_cost
from airflow_provider_videoretalk.inputs.retalk_inputs import RetalkInputs
from airflow_provider_videoretalk.model_catalog.price import Price

PRICE = Price(per_second=Decimal("0.5"), currency="CNY", as_of=date(2026, 11, 1))
UNTIL = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    video(folder / "video.mp4", seconds=4)
    contents = {
        "short.wav": wav(seconds=3),
        "long.wav": wav(seconds=9),
        "face.png": image("png", width=300, height=300),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in ("video.mp4", *contents)}


def inputs(files: dict[str, Path], sound: str, **given: Any) -> RetalkInputs:
    return RetalkInputs.from_locations(video=files["video.mp4"], audio=files[sound], **given)


@pytest.mark.parametrize(
    ("sound", "extended", "seconds"), [("short.wav", False, 3.0), ("long.wav", False, 4.0), ("long.wav", True, 9.0)]
)
def test_estimate(files: dict[str, Path], sound: str, extended: bool, seconds: float) -> None:
    report = inputs(files, sound, video_extension=extended).preflight(price=PRICE, mode="warn")
    assert (report.estimate.seconds, report.estimate.exact) == (seconds, True)
    assert report.expected_seconds == seconds
    assert report.stored_estimate["estimated_cost"] == seconds / 2
    assert report.stored_estimate["price"] == {"per_second": "0.5", "currency": "CNY", "as_of": "2026-11-01"}


@pytest.mark.parametrize(("stated", "expected"), [(7.5, 7.57), (None, None)])
def test_without_a_look_only_the_speech_may_be_known(
    files: dict[str, Path], stated: float | None, expected: float | None
) -> None:
    unseen = inputs(files, "long.wav", audio_seconds=stated)
    assert unseen.preflight(price=PRICE, mode="off").expected_seconds == expected


def test_what_a_person_reads(files: dict[str, Path]) -> None:
    report = inputs(files, "long.wav", ref_image=files["face.png"]).preflight(price=PRICE)
    sentences = list(report.sentences)
    assert sentences[0].startswith(f"video_url: file://{files['video.mp4']} (mp4, h264, ")
    assert sentences[2].startswith(f"ref_image_url: file://{files['face.png']} (png, 300x300, ")
    assert sentences[3] == "video_extension: False, query_face_threshold: 170"
    assert sentences[4].startswith("refused: audio_url: audio duration is 9 s, allowed is 4 s")
    assert sentences[-1] == "estimate: 4 s of output, 2 CNY (0.5 CNY a second as of 2026-11-01)"
    report_json = json.loads(json.dumps(report.to_json()))
    assert report_json["media"]["video_url"]["codec"] == "h264"
    assert report_json["inputs"]["audio_url"] == f"file://{files['long.wav']}"
    assert len(report_json["findings"]) == 1


def test_a_url_that_expires_in_the_queue(files: dict[str, Path]) -> None:
    end = UNTIL - timedelta(minutes=1)
    url = f"https://h.invalid/a.wav?Expires={end.timestamp():.0f}&Signature=secret"
    expiring = RetalkInputs.from_locations(video=files["video.mp4"], audio=url)
    with pytest.raises(
        InputError, match=r"^audio_url: its URL expires at 2026-11-22T11:59.*, allowed is 2026-11-22T12"
    ):
        expiring.preflight(price=PRICE, until=UNTIL).inspection.check()
    valid = expiring.preflight(price=PRICE, until=end)
    assert not valid.inspection.findings
    assert "secret" not in "".join(valid.sentences)


def test_identity_is_of_all_that_is_sent(files: dict[str, Path]) -> None:
    given: list[dict[str, Any]] = [
        {},
        {"video_extension": True},
        {"query_face_threshold": 180},
        {"ref_image": files["face.png"]},
    ]
    identities = {json.dumps(inputs(files, "short.wav", **each).content_identity(), sort_keys=True) for each in given}
    assert len(identities) == len(given)


def test_request(files: dict[str, Path]) -> None:
    given = inputs(files, "short.wav", ref_image="https://h/face.png", video_extension=True, query_face_threshold=180)
    urls = given.urls(until=UNTIL, upload=lambda content: f"oss://dashscope-instant/{content.name}")
    body: Any = given.request(urls).body
    assert body["input"] == {
        "video_url": "oss://dashscope-instant/video.mp4",
        "audio_url": "oss://dashscope-instant/short.wav",
        "ref_image_url": "https://h/face.png",
    }
    assert body["parameters"] == {"video_extension": True, "query_face_threshold": 180}


def test_a_threshold_out_of_range(files: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="query_face_threshold is 201, allowed is 120 to 200"):
        inputs(files, "short.wav", query_face_threshold=201)


@pytest.mark.parametrize(("billed", "cost"), [(4.0, 2.0), (0.00011, 0.0001), (None, None)])
def test_cost(files: dict[str, Path], billed: float | None, cost: float | None) -> None:
    usage = {} if billed is None else {"video_duration": billed}
    task = Task.parse(
        {"output": {"task_id": "t", "task_status": "SUCCEEDED", "video_url": "https://h/v.mp4"}, "usage": usage}
    )
    stored = inputs(files, "short.wav").preflight(price=PRICE).stored_estimate
    result = with_cost(task.result(), {**stored, "task_id": "another"})
    assert (result["task_id"], result["cost"], result["currency"]) == ("t", cost, "CNY")
    assert result["estimated_seconds"] == 3.0
    assert "cost" not in with_cost(task.result(), {})


def test_stored_estimates_are_json() -> None:
    stored = stored_estimate_of(CostEstimate(seconds=3, exact=True, price=PRICE), inputs={"video_url": "v"})
    assert json.loads(json.dumps(stored)) == stored
    assert Price.parse(stored["price"]) == PRICE
