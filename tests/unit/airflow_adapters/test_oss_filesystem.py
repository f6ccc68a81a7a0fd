"""``oss://`` in Airflow: the scheme, its connection, and the endpoint."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import get_fs as airflow_get_fs
from airflow.sdk.io import has_fs

from airflow_provider_videoretalk.airflow_adapters import oss_filesystem
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError
from airflow_provider_videoretalk.provider_info import get_provider_info

KEY = {"access_key_id": "the-key-id", "access_key_secret": "the-key-secret"}
needs_s3fs = pytest.mark.skipif(importlib.util.find_spec("s3fs") is None, reason="not installed: s3fs")


def options(monkeypatch: pytest.MonkeyPatch, **connection: Any) -> dict[str, Any]:
    """The arguments of s3fs."""
    passed: dict[str, Any] = {}
    monkeypatch.setattr("fsspec.get_filesystem_class", lambda _: lambda **options: passed.update(options))
    monkeypatch.setenv("AIRFLOW_CONN_OSS_DEFAULT", json.dumps({"conn_type": "oss"} | connection))
    oss_filesystem.get_fs(None)
    return passed


def test_airflow_finds_it() -> None:
    assert get_provider_info()["filesystems"] == [oss_filesystem.__name__]
    assert has_fs("oss")


@pytest.mark.parametrize("region", ["cn-hangzhou", "oss-cn-hangzhou"])
def test_the_alibaba_providers_connection(monkeypatch: pytest.MonkeyPatch, region: str) -> None:
    passed = options(monkeypatch, extra={"auth_type": "AK", "region": region, **KEY})
    assert (passed["key"], passed["secret"], passed["token"]) == ("the-key-id", "the-key-secret", None)
    assert passed["endpoint_url"] == "https://s3.oss-cn-hangzhou.aliyuncs.com"
    assert passed["client_kwargs"] == {"region_name": "cn-hangzhou"}
    assert passed["config_kwargs"]["s3"] == {"addressing_style": "virtual"}
    assert passed["config_kwargs"]["signature_version"] == "s3"
    assert passed["config_kwargs"]["request_checksum_calculation"] == "when_required"


def test_any_other_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"endpoint": "https://s3.oss-cn-beijing-internal.aliyuncs.com", "security_token": "the-token"}
    passed = options(monkeypatch, conn_type="generic", login="the-key-id", password="the-key-secret", extra=extra)
    assert (passed["key"], passed["secret"], passed["token"]) == ("the-key-id", "the-key-secret", "the-token")
    assert passed["endpoint_url"] == extra["endpoint"]
    assert passed["client_kwargs"] == {}


@pytest.mark.parametrize(
    ("connection", "missing"),
    [
        ({"extra": KEY}, "its region"),
        ({"extra": {"region": "cn-hangzhou"}}, "its access key's id .*, its access key's secret"),
        ({"login": "the-key-id", "extra": {"region": "cn-hangzhou"}}, "lacks its access key's secret"),
    ],
)
def test_a_connection_that_lacks_something(
    monkeypatch: pytest.MonkeyPatch, connection: dict[str, Any], missing: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"the connection oss_default lacks .*{missing}|{missing}") as caught:
        options(monkeypatch, **connection)
    assert "the-key" not in str(caught.value)


@needs_s3fs
def test_the_address_of_a_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {"conn_type": "oss", "extra": {"region": "cn-hangzhou", **KEY}}
    monkeypatch.setenv("AIRFLOW_CONN_OSS_DEFAULT", json.dumps(connection))
    url = airflow_get_fs("oss", None).sign("bucket/a/b.mp4")
    assert url.startswith("https://bucket.s3.oss-cn-hangzhou.aliyuncs.com/a/b.mp4?")


@pytest.mark.parametrize("user", ["", "mine@"])
def test_paths(monkeypatch: pytest.MonkeyPatch, user: str) -> None:
    oss_filesystem.register_paths()
    oss_filesystem.register_paths()
    path = ObjectStoragePath(f"oss://{user}bucket/a b/")
    path /= "en.mp4"
    assert (str(path), path.path) == (f"oss://{user}bucket/a b/en.mp4", "bucket/a b/en.mp4")
    assert path.name == "en.mp4"
    assert str(path.with_name("en.mp4.json")) == f"oss://{user}bucket/a b/en.mp4.json"
    assert str(path.parent) == f"oss://{user}bucket/a b"
    assert ObjectStoragePath(str(path)) == path


def test_it_is_lazy() -> None:
    """Airflow imports the module with all other file systems of a task that uses any."""
    source = Path(oss_filesystem.__file__).read_text()
    head = source.partition("def ")[0]
    assert "s3fs" not in "".join(line for line in head.splitlines() if line.startswith(("import", "from")))
