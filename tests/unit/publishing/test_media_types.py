"""The content type decides whether a browser plays an object, and the suffix what another program makes of it."""

from __future__ import annotations

import pytest

from airflow_provider_videoretalk.publishing.expected_media import ExpectedMedia
from airflow_provider_videoretalk.publishing.media_types import (
    MEDIA_TYPES,
    kind_of_name,
    media_type_of_name,
    suffix_of_type,
)

TABLE = [
    ("mp4", "video", "video/mp4", (".mp4", ".m4v")),
    ("mov", "video", "video/quicktime", (".mov",)),
    ("avi", "video", "video/x-msvideo", (".avi",)),
    ("matroska", "video", "video/x-matroska", (".mkv",)),
    ("webm", "video", "video/webm", (".webm",)),
    ("3gp", "video", "video/3gpp", (".3gp",)),
    ("flv", "video", "video/x-flv", (".flv",)),
    ("asf", "video", "video/x-ms-asf", (".wmv", ".asf")),
    ("mpeg", "video", "video/mpeg", (".mpg", ".mpeg")),
    ("m4a", "audio", "audio/mp4", (".m4a",)),
    ("wav", "audio", "audio/wav", (".wav",)),
    ("mp3", "audio", "audio/mpeg", (".mp3",)),
    ("mpeg-audio", "audio", "audio/mpeg", (".mp2",)),
    ("aac", "audio", "audio/aac", (".aac",)),
    ("ogg", "audio", "audio/ogg", (".ogg", ".opus")),
    ("flac", "audio", "audio/flac", (".flac",)),
    ("amr", "audio", "audio/amr", (".amr",)),
    ("pcm", "audio", "application/octet-stream", (".pcm",)),
    ("jpeg", "image", "image/jpeg", (".jpg", ".jpeg")),
    ("png", "image", "image/png", (".png",)),
    ("webp", "image", "image/webp", (".webp",)),
    ("bmp", "image", "image/bmp", (".bmp",)),
    ("gif", "image", "image/gif", (".gif",)),
    ("tiff", "image", "image/tiff", (".tif", ".tiff")),
    ("heif", "image", "image/heif", (".heic", ".heif")),
    ("avif", "image", "image/avif", (".avif",)),
    ("json", "json", "application/json", (".json",)),
]


@pytest.mark.parametrize(("container", "kind", "content_type", "suffixes"), TABLE)
def test_each_format(container: str, kind: str, content_type: str, suffixes: tuple[str, ...]) -> None:
    found = MEDIA_TYPES[container]
    assert (found.kind, found.content_type, found.suffixes) == (kind, content_type, suffixes)
    for suffix in suffixes:
        assert kind_of_name(f"a{suffix.upper()}") == kind
        assert media_type_of_name(f"a{suffix}") is found


def test_no_format_is_missing_here() -> None:
    assert MEDIA_TYPES.keys() == {container for container, *_ in TABLE}


@pytest.mark.parametrize(
    ("content_type", "suffix"),
    [("video/mp4", ".mp4"), ("audio/mpeg", ".mp3"), ("image/jpeg", ".jpg"), ("text/html", ""), ("", "")],
)
def test_the_usual_suffix_of_a_content_type(content_type: str, suffix: str) -> None:
    assert suffix_of_type(content_type) == suffix


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        (ExpectedMedia(), "a video or audio or an image"),
        (ExpectedMedia(kinds=("audio",)), "audio"),
        (ExpectedMedia(kinds=("json", "image")), "a JSON document or an image"),
    ],
)
def test_in_words(expected: ExpectedMedia, words: str) -> None:
    assert str(expected) == words
