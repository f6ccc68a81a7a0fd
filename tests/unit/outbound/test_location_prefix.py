"""Which locations lie below an allowed prefix, in every way of writing them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_videoretalk.outbound.location_prefix import LocationPrefixes, split_entries, with_connection

VIDEOS = "s3://clips@bucket/videos/"
WEB = "https://media.example/videos/"


@pytest.mark.parametrize(
    ("prefix", "location"),
    [
        (VIDEOS, "s3://clips@bucket/videos/a.mp4"),
        (VIDEOS, "S3://clips@bucket/videos/a b/c.mp4"),
        (VIDEOS, "s3://clips@bucket/videos//c.mp4"),
        (VIDEOS, "s3://clips@bucket/videos/100%.mp4"),
        (VIDEOS, "s3://clips@bucket/videos/what?#now.mp4"),
        (VIDEOS, "s3://clips@bucket/videos/"),
        ("s3://clips@bucket/videos", "s3://clips@bucket/videos"),
        ("s3://clips@bucket/videos", "s3://clips@bucket/videos/a.mp4"),
        ("s3://clips@bucket", "s3://clips@bucket/a.mp4"),
        ("s3://clips@", "s3://clips@other/a.mp4"),
        ("s3://", "s3://any@other/a.mp4"),
        (WEB, "https://media.example/videos/a.mp4?X-Amz-Signature=1#t"),
        (WEB, "HTTPS://MEDIA.Example:443/videos/a.mp4"),
        (WEB, "https://media.example./videos/a.mp4"),
        (WEB, "https://media.example/%76ideos/a.mp4"),
        (WEB, "  https://media.example/videos/a.mp4 "),
        ("https://bücher.example/", "https://xn--bcher-kva.example/a.mp4"),
        ("http://media.example:8080/", "http://media.example:8080/a.mp4"),
        ("https://", "https://any.example/a.mp4"),
        ("remote", "https://any.example/a.mp4"),
        ("remote", "sftp://any@host/a.mp4"),
        ("oss://dashscope-instant/", "oss://dashscope-instant/1/a.mp4"),
    ],
)
def test_allowed(prefix: str, location: str) -> None:
    assert LocationPrefixes.parse([prefix]).allow(location)


@pytest.mark.parametrize(
    ("prefix", "location"),
    [
        (VIDEOS, "s3://clips@bucket/videos-other/a.mp4"),
        (VIDEOS, "s3://clips@bucket/videos"),
        (VIDEOS, "s3://clips@bucket/Videos/a.mp4"),
        (VIDEOS, "s3://clips@bucket//videos/a.mp4"),
        (VIDEOS, "s3://clips@bucket/videos/../a.mp4"),
        (VIDEOS, "s3://clips@bucket/x/../videos/a.mp4"),
        (VIDEOS, "s3://clips@bucket/videos/./a.mp4"),
        (VIDEOS, "s3://clips@bucket/videos/%2e%2e/a.mp4"),
        (VIDEOS, "s3://clips@bucket/videos/..%2fa.mp4"),
        (VIDEOS, "s3://clips@bucket/videos/%252e%252e%252fa.mp4"),
        (VIDEOS, "s3://clips@bucket/videos\\..\\a.mp4"),
        (VIDEOS, "s3://clips@bucket/videos/.\t./a.mp4"),
        (VIDEOS, "s3://clips@bucket/videos/a::file:///etc/passwd"),
        (VIDEOS, "s3://clips@bucket/videos/\x00a.mp4"),
        (VIDEOS, "s3://bucket/videos/a.mp4"),
        (VIDEOS, "s3://other@bucket/videos/a.mp4"),
        (VIDEOS, "s3://clips@other@bucket/videos/a.mp4"),
        (VIDEOS, "s3://clips@bucket2/videos/a.mp4"),
        (VIDEOS, "s3://clips@Bucket/videos/a.mp4"),
        (VIDEOS, "s3a://clips@bucket/videos/a.mp4"),
        (VIDEOS, "s3://clips@bucket?/videos/a.mp4"),
        (VIDEOS, "filecache::s3://clips@bucket/videos/a.mp4"),
        ("s3://bucket/videos/", "s3://clips@bucket/videos/a.mp4"),
        ("s3://clips@", "s3://other@bucket/a.mp4"),
        (WEB, "https://media.example@evil.example/videos/a.mp4"),
        (WEB, "https://media.example:443@evil.example/videos/a.mp4"),
        (WEB, "https://user@media.example/videos/a.mp4"),
        (WEB, "https://evil.example\\@media.example/videos/a.mp4"),
        (WEB, "https://media.example.evil.example/videos/a.mp4"),
        (WEB, "https://evil.example/https://media.example/videos/a.mp4"),
        (WEB, "https://evil.example?https://media.example/videos/a.mp4"),
        (WEB, "https://evil.example#@media.example/videos/a.mp4"),
        (WEB, "http://media.example/videos/a.mp4"),
        (WEB, "https://media.example:8443/videos/a.mp4"),
        (WEB, "https://media.example/videos%2f..%2fa.mp4"),
        (WEB, "https://media.example/videos/%2e%2e/a.mp4"),
        (WEB, "https://media.example/videos/%252e%252e/a.mp4"),
        (WEB, "https://media.example/videos/..;/a.mp4"),
        (WEB, "https://media.example/videos%2Fa.mp4"),
        (WEB, "https://media.example//videos/a.mp4"),
        (WEB, "https://media.example/videos"),
        (WEB, "https://[bad/videos/a.mp4"),
        (WEB, "https://media.example:99999/videos/a.mp4"),
        (WEB, "//media.example/videos/a.mp4"),
        (WEB, ""),
        ("remote", "file:///etc/passwd"),
        ("remote", "FILE:///etc/passwd"),
        ("remote", "file:/etc/passwd"),
        ("remote", "local:///etc/passwd"),
        ("remote", "local:/etc/passwd"),
        ("remote", "/etc/passwd"),
        ("remote", "etc/passwd"),
        ("remote", "filecache::file:///etc/passwd"),
        ("remote", "s3://bucket/a::file:///etc/passwd"),
        ("file:///", "https://media.example/"),
    ],
)
def test_not_allowed(prefix: str, location: str) -> None:
    assert not LocationPrefixes.parse([prefix]).allow(location)


def test_a_file_lies_below_a_folder_when_links_are_followed(tmp_path: Path) -> None:
    folder, outside = tmp_path / "videos", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (folder / "out").symlink_to(outside)
    (tmp_path / "in").symlink_to(folder)
    (folder / "loop").symlink_to(folder / "loop")
    allowed = LocationPrefixes.parse([f"{folder.as_uri()}/"])
    for inside in (folder / "a.mp4", folder / "b" / "c.mp4", folder / "b" / ".." / "c.mp4", tmp_path / "in" / "a.mp4"):
        assert allowed.allow(inside), inside
    beside = (
        folder / ".." / "a.mp4",
        folder / "out" / "a.mp4",
        folder / "loop" / "a.mp4",
        tmp_path / "videos-other" / "a.mp4",
        Path("a.mp4"),
        Path("~/a.mp4"),
        Path("/proc/self/root/etc/passwd"),
        Path(f"{folder}/\x00"),
    )
    for outer in beside:
        assert not allowed.allow(outer), outer
    assert not allowed.allow((folder / "a.mp4").as_uri()), "a URI is read differently by different programs"


@given(path=st.text(max_size=30), conn=st.sampled_from(("clips@", "", "other@")))
def test_what_is_allowed_begins_with_the_prefix(path: str, conn: str) -> None:
    location = f"s3://{conn}bucket/{path}"
    if LocationPrefixes.parse([VIDEOS]).allow(location):
        assert location.startswith(VIDEOS)
        assert ".." not in location.removeprefix(VIDEOS).split("/")


@pytest.mark.parametrize(
    "entry",
    [
        "videos/",
        "/srv/videos/",
        "file://host/videos/",
        "file:/srv/",
        "file:///srv/../etc/",
        "s3://bucket/../",
        "https://host/a?b",
        "https://[bad/",
        "https:///videos/",
        "*",
        "REMOTE",
    ],
)
def test_an_entry_that_is_no_prefix(entry: str) -> None:
    with pytest.raises(ValueError, match=r"is not 'remote'|cannot be used|has a|invalid host"):
        LocationPrefixes.parse([entry])


def test_entries_are_a_list_or_a_text() -> None:
    assert list(split_entries("remote, s3://a/ ,\n\tfile:///b/\n")) == ["remote", "s3://a/", "file:///b/"]
    assert list(split_entries(["s3://a/", "s3://b/, s3://c/"])) == ["s3://a/", "s3://b/", "s3://c/"]
    assert list(split_entries("")) == []
    for value in (None, 3, {"a": 1}, ["a", 1]):
        with pytest.raises(ValueError, match="neither a text nor a list"):
            list(split_entries(value))


def test_the_connection_of_a_store() -> None:
    assert with_connection("s3://bucket/a@b", "mine") == "s3://mine@bucket/a@b"
    assert with_connection("s3://own@bucket/a", "mine") == "s3://own@bucket/a"
    assert with_connection("file:///a", "mine") == "file:///a"
    assert with_connection("s3://bucket/a", None) == "s3://bucket/a"
