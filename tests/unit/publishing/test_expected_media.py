"""What a source should be follows from what its task says of it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_videoretalk.publishing.expected_media import ExpectedMedia, expected_media

ANY = ("video", "audio", "image")


@pytest.mark.parametrize(
    ("source", "kinds", "seconds"),
    [
        ({"video_url": "http://h/a.mp4", "cost": 0.5, "billed_seconds": 7.2}, ("video",), 7.2),
        ({"video_url": "http://h/a.json", "cost": None, "billed_seconds": None}, ("video",), None),
        ({"video_url": "http://h/a", "billed_seconds": 7.2}, ("video",), 7.2),
        ({"video_url": "http://h/a.mp4"}, ("video",), None),
        ({"video_url": "http://h/a.png", "billed_seconds": None, "usage": {"image_count": 1}}, ("image",), None),
        ({"video_url": "http://h/a.json", "billed_seconds": 12, "usage": {"duration": 12}}, ("json",), None),
        ({"video_url": "http://h/a.wav", "billed_seconds": 12}, ("audio",), None),
        ({"video_url": "http://h/a"}, ANY, None),
        # It bills the seconds of its input too.
        (
            {"video_url": "http://h/a", "billed_seconds": 10, "usage": {"output_video_duration": 5}},
            ("video",),
            5.0,
        ),
        ({"audio_url": "http://h/a.wav", "seconds": 3.5, "format": "wav"}, ("audio",), 3.5),
        ({"audio_url": "http://h/a.json", "seconds": None}, ("audio",), None),
        ({"video_location": "s3://b/a.mov", "seconds": 4.5, "billed_seconds": 6}, ("video",), 4.5),
        ({"video_location": "s3://b/a.wav", "billed_seconds": 6}, ("video",), 6.0),
        ({"url": "http://h/a.mp4"}, ANY, None),
        ({"url": "http://h/a.json?x=.mp4"}, (*ANY, "json"), None),
        ({"url": "http://h/a?x=.json"}, ANY, None),
    ],
)
def test_kinds(source: dict[str, Any], kinds: tuple[str, ...], seconds: float | None) -> None:
    url = next(source[name] for name in ("video_url", "audio_url", "video_location", "url") if source.get(name))
    found = expected_media(source, url)
    assert (found.kinds, found.seconds) == (kinds, seconds)


@pytest.mark.parametrize("odd", ["7.2", True, -1, 0, 1_000_000, float("nan"), float("inf"), 10**400, [7], None])
def test_odd_lengths_say_nothing(odd: object) -> None:
    source = {"video_url": "http://h/a.mp4", "cost": 1, "billed_seconds": odd, "usage": {"output_video_duration": odd}}
    assert expected_media(source, "http://h/a.mp4").seconds is None


@pytest.mark.parametrize(
    ("billed", "seconds", "right"),
    [
        (7.2, 7.2, True),
        (8, 7.04, True),
        (100, 97, True),
        (100, 103, True),
        (100, 96.9, False),
        (100, 103.1, False),
        (7.2, 5.9, False),
        (7.2, 14.4, False),
    ],
)
def test_a_second_and_two_percent_may_differ(billed: float, seconds: float, right: bool) -> None:
    assert ExpectedMedia(seconds=billed).has_length(seconds) == right


def test_only_speech_that_says_so_is_headerless() -> None:
    url = "http://h/a.pcm"
    assert expected_media({"audio_url": url, "format": "pcm"}, url).headerless
    assert not expected_media({"audio_url": url, "format": "wav"}, url).headerless
    assert not expected_media({"url": url}, url).headerless
