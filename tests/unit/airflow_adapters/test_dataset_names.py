"""How media files are named in lineage."""

from __future__ import annotations

import pytest

from airflow_provider_videoretalk.airflow_adapters.dataset_names import dataset_name


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("s3://aws_default@Clips/presenter one.mp4#1c2b", ("s3://Clips", "presenter one.mp4")),
        ("oss://oss_default@videos/de/a.mp4", ("oss://videos", "de/a.mp4")),
        ("gs://bucket/a", ("gs://bucket", "a")),
        ("file:///srv/clips/a%20b.mp4#1c2b", ("file", "/srv/clips/a b.mp4")),
        ("https://me:secret@media.example.com:8443/a.mp4?sig=x#1", ("https://media.example.com:8443", "/a.mp4")),
        ("https://media.example.com/a.mp4", ("https://media.example.com", "/a.mp4")),
        ("/srv/clips/a.mp4", None),
        ("https:///a", None),
        ("https://[::1/a", None),
        ("https://host:port/a", None),
        ("", None),
    ],
)
def test_names(location: str, named: tuple[str, str] | None) -> None:
    assert dataset_name(location) == named
