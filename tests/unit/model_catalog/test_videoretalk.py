from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK, check_face_threshold

VALID: dict[str, Any] = {"video_url": "https://media.example/a.mp4", "audio_url": "http://media.example/a.wav"}


def test_body() -> None:
    request = VIDEORETALK.submit_request(urls=VALID, parameters={})
    assert request.creates
    assert request.body == {
        "model": "videoretalk",
        "input": VALID,
        "parameters": {},
    }
    assert "X-DashScope-OssResourceResolve" not in request.headers
    full = VIDEORETALK.submit_request(
        urls=VALID | {"ref_image_url": "oss://k/f.png"},
        parameters={"video_extension": True, "query_face_threshold": 120},
    )
    assert full.body["input"]["ref_image_url"] == "oss://k/f.png"  # type: ignore[index]
    assert full.body["parameters"] == {"video_extension": True, "query_face_threshold": 120}  # type: ignore[index]
    assert full.headers["X-DashScope-OssResourceResolve"] == "enable"


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("https://h/有声 书.wav".replace(" ", ""), "https://h/%E6%9C%89%E5%A3%B0%E4%B9%A6.wav"),
        ("https://h/%E6%9C%89.wav?Signature=a%2Bb%3D&x=1", "https://h/%E6%9C%89.wav?Signature=a%2Bb%3D&x=1"),
        ("https://bücher.example:8443/a.wav", "https://xn--bcher-kva.example:8443/a.wav"),
        ("  https://h/a.wav\n", "https://h/a.wav"),
    ],
)
def test_urls_are_percent_encoded_once(given: str, sent: str) -> None:
    request = VIDEORETALK.submit_request(urls=VALID | {"audio_url": given}, parameters={})
    assert request.body["input"]["audio_url"] == sent  # type: ignore[index]


@pytest.mark.parametrize(
    "bad",
    ["", "a.mp4", "/data/a.mp4", "ftp://h/a.mp4", "s3://b/a.mp4", "https://", "http://h/a b", "http://[", None, 7],
)
@pytest.mark.parametrize("field", ["video_url", "audio_url", "ref_image_url"])
def test_refused_urls(field: str, bad: object) -> None:
    with pytest.raises(InputError, match=rf"^{field} is .*allowed is an http, https or oss URL.*\. Give a URL"):
        VIDEORETALK.submit_request(urls=VALID | {field: bad}, parameters={})


@pytest.mark.parametrize("threshold", [119, 201, -1])
def test_refused_threshold(threshold: int) -> None:
    with pytest.raises(InputError, match=rf"query_face_threshold is {threshold}, allowed is 120 to 200"):
        check_face_threshold(threshold)
