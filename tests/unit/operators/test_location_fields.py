"""What may be in another task's return value, which others than the DAG's author can change."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.operators.location_fields import location_of_output, permanent_fields, url_of_output


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ({"url": "https://h/c"}, "https://h/c"),
        ({"url": "https://h/c", "audio_url": "http://h/b"}, "http://h/b"),
        ({"url": "https://h/c", "audio_url": "https://h/b", "video_url": "https://h/a"}, "https://h/a"),
        ({"video_url": None, "audio_url": "", "url": "https://h/c"}, "https://h/c"),
    ],
)
def test_the_url_of_a_return_value(value: dict[str, Any], url: str) -> None:
    assert url_of_output("source", value) == url


def test_only_the_named_fields_are_looked_at() -> None:
    value = {"video_url": "https://h/a", "audio_url": "https://h/b"}
    assert url_of_output("audio_url", value, ("audio_url", "url")) == "https://h/b"
    with pytest.raises(InputError) as caught:
        url_of_output("audio_url", {"video_url": "https://h/a", "task_id": "t"}, ("audio_url", "url"))
    assert caught.value.message == (
        "audio_url is a mapping with the keys ['task_id', 'video_url'], allowed is one with audio_url or url"
    )


def test_a_return_value_names_nothing_in_the_services_store() -> None:
    """Nor in any other store, nor on a disk."""
    with pytest.raises(InputError) as caught:
        url_of_output("source", {"url": "oss://bucket/a.mp4?Signature=secret"})
    assert caught.value.message == (
        "source is a return value whose URL is 'oss://bucket/a.mp4', allowed is an http or https URL"
    )
    assert caught.value.remedy == "Pass a file or an object in a store as a text, and not in a mapping."


@pytest.mark.parametrize("url", ["/etc/passwd", "file:///etc/passwd", "s3://mine@bucket/a.mp4", 3])
def test_a_return_value_names_no_file_and_no_object(url: Any) -> None:
    with pytest.raises(InputError, match=r"^source is "):
        url_of_output("source", {"url": url})


def test_what_of_a_return_value_may_be_stored() -> None:
    value = {"task_id": "t", "video_url": "a", "audio_url": "b", "url": "c", "expires_at": "d", "cost": 0.1}
    assert permanent_fields(value) == {"task_id": "t", "cost": 0.1}


def test_no_signed_url_of_a_return_value_is_stored() -> None:
    """Also not one that lies deep in what a model without an operator of its own returned."""
    signed = "https://h.example/a.mp4?Expires=1900000000&OSSAccessKeyId=id&Signature=c2VjcmV0"
    value = {
        "task_id": "t",
        "output": {"results": [{"url": "https://h.example/a.mp4"}]},
        "result_urls": ["https://h.example/a.mp4"],
        "poster": "https://h.example/poster.png",
        "scripts": ["one", "two"],
        "inputs": {
            "video_url": "s3://conn@bucket/4f1c2d3e4b5a69788796a5b4c3d2e1f0.mp4#5d41402abc4b2a76b9719d911017c592"
        },
        "preview": signed,
        "parts": [{"name": "one", "link": f"see {signed}"}],
    }
    assert permanent_fields(value) == {
        "task_id": "t",
        "poster": "https://h.example/poster.png",
        "scripts": ["one", "two"],
        "inputs": {
            "video_url": "s3://conn@bucket/4f1c2d3e4b5a69788796a5b4c3d2e1f0.mp4#5d41402abc4b2a76b9719d911017c592"
        },
    }


@pytest.mark.parametrize(
    ("value", "location"),
    [
        ({"video_location": "s3://b/a.mp4"}, "s3://b/a.mp4"),
        ({"video_location": "s3://b/a.mp4", "video_url": None}, "s3://b/a.mp4"),
        ({"video_location": "s3://b/a.mp4", "url": "https://h/a.mp4"}, None),
        ({"task_id": "t"}, None),
    ],
)
def test_a_location_counts_if_there_is_no_url(value: dict[str, Any], location: str | None) -> None:
    assert location_of_output(value) == location
