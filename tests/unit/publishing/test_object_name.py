"""The name of an object in a folder never leads to another folder."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from object_store import place

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.publishing.expected_media import expected_media
from airflow_provider_videoretalk.publishing.object_name import name_in_folder, object_in_folder

URL = "https://host/a/out.mp4?Signature=x"


def name(source: dict[str, Any]) -> str:
    url = next(source[field] for field in ("video_url", "audio_url", "video_location", "url") if source.get(field))
    return name_in_folder(source, url, expected_media(source, url))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            {"video_url": URL, "task_id": "86ecf553-d340-4e21-af6e-a0c6a421c010"},
            "86ecf553-d340-4e21-af6e-a0c6a421c010.mp4",
        ),
        ({"video_url": URL, "task_id": "a.b_c"}, "a.b_c.mp4"),
        ({"video_url": URL, "task_id": 7}, "7.mp4"),
        ({"video_url": "https://host/OUT.MP4", "task_id": "t"}, "t.mp4"),
        ({"video_url": "https://host/out.py", "task_id": "t", "cost": 1}, "t.mp4"),
        ({"video_url": "https://host/out.png", "task_id": "t", "cost": 1}, "t.mp4"),
        ({"video_url": "https://host/out.py", "task_id": "t"}, "t"),
        ({"video_url": "https://host/", "task_id": "t", "billed_seconds": 3.0}, "t.mp4"),
        ({"video_url": "https://host/a.png", "task_id": "t"}, "t.png"),
        ({"audio_url": "https://host/a.wav", "request_id": "r"}, "r.wav"),
        ({"audio_url": "https://host/a", "request_id": "r", "format": "mp3"}, "r.mp3"),
        ({"audio_url": "https://host/a", "request_id": "r", "format": "/../x"}, "r"),
        ({"audio_url": "https://host/a.wav", "task_id": None, "request_id": "r"}, "r.wav"),
        ({"video_location": "s3://bucket/joined", "task_id": "t"}, "t.mp4"),
        ({"url": "https://host/clip.webm"}, "clip.webm"),
        ({"url": "https://host/report.v2.mp4"}, "report.v2.mp4"),
        ({"url": "https://host/clip.mp4.py"}, "clip.mp4"),
        ({"url": "https://host/..%2f..%2fpwn.mp4"}, "pwn.mp4"),
    ],
)
def test_names(source: dict[str, Any], expected: str) -> None:
    assert name(source) == expected


@pytest.mark.parametrize(
    "hostile",
    [
        "../pwn",
        "..",
        ".",
        ".hidden",
        "-rf",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "a\0b",
        "a\nb",
        "a\n",
        "%2e%2e%2fpwn",
        "a b",
        "\u2025/x",
        "\uff0e\uff0e\uff0fx",
        "\u202egpj",
        "ü",
        "C:x",
        "s3://other/x",
        "x" * 129,
        ["a"],
        {"a": 1},
        True,
        1.5,
    ],
)
@pytest.mark.parametrize("field", ["task_id", "request_id"])
def test_ids_that_are_no_names(field: str, hostile: object) -> None:
    with pytest.raises(InputError, match=f"source's {field} is .*Name the object in destination") as caught:
        name({"video_url": URL, field: hostile})
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("task_id", "shown"), [("/" * 58, f"'{'/' * 58}',"), ("/" * 59, f"'{'/' * 59}..., which cannot name")]
)
def test_sixty_characters_of_an_id_are_shown(task_id: str, shown: str) -> None:
    with pytest.raises(InputError) as caught:
        name({"video_url": URL, "task_id": task_id})
    assert caught.value.message.startswith(f"source's task_id is {shown}")


@pytest.mark.parametrize("length", [1, 128])
def test_an_id_of_128_characters_is_a_name(length: int) -> None:
    assert name({"video_url": URL, "task_id": "x" * length}) == f"{'x' * length}.mp4"


@pytest.mark.parametrize("last", ["", "%2e%2e", "..%2f..", "%252e%252e%252fpwn.mp4", ".mp4", "%00.mp4", "ü.mp4"])
def test_urls_that_give_no_name(last: str) -> None:
    with pytest.raises(InputError, match="the name in source's URL is"):
        name({"url": f"https://host/{last}"})


@given(st.text(max_size=30), st.text(alphabet="./%\\2eEfF5cx:\0", max_size=30))
def test_an_object_in_a_folder_is_in_the_folder(task_id: str, path: str) -> None:
    for source in ({"video_url": f"https://host/{path}", "task_id": task_id}, {"url": f"https://host/{path}"}):
        try:
            found = name(source)
        except InputError:
            continue
        for folder in ("file:///videos/en/", "s3://mine@bucket/en/", "/videos/"):
            parent = place(folder)
            assert object_in_folder(parent, found).parent.path.rstrip("/") == parent.path.rstrip("/")


@pytest.mark.parametrize("hostile", ["../x", "/etc/passwd", "a/b", ".", ".."])
def test_a_path_outside_of_the_folder_is_refused(hostile: str) -> None:
    with pytest.raises(InputError, match=r"is not a name in the folder .*\. Name the object in destination"):
        object_in_folder(place("file:///videos/"), hostile)
