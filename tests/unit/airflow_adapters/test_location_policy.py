"""The configuration of Airflow and an operator's own argument together."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from airflow.configuration import conf
from airflow.providers_manager import ProvidersManager

from airflow_provider_videoretalk.airflow_adapters import shared_disk
from airflow_provider_videoretalk.airflow_adapters.location_policy import LocationPolicy
from airflow_provider_videoretalk.airflow_adapters.shared_disk import warn_of_local_disk
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError, InputError
from airflow_provider_videoretalk.provider_info import get_provider_info

SOURCES = "AIRFLOW__VIDEORETALK__ALLOWED_SOURCES"


def test_airflow_knows_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    # Airflow 3.1 reads the settings of providers only then.
    ProvidersManager().initialize_providers_configuration()
    known = {}
    for name in get_provider_info()["config"]["videoretalk"]["options"]:
        monkeypatch.delenv(f"AIRFLOW__VIDEORETALK__{name.upper()}", raising=False)
        known[name] = conf.get("videoretalk", name)
    assert known == {
        "allowed_sources": "remote",
        "allowed_destinations": "remote",
        "aigc_content_producer": "",
        "content_credentials_conn_id": "",
    }


def test_by_default_no_file_is_allowed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(SOURCES)
    policy = LocationPolicy(setting="allowed_sources")
    policy.check("video_url", "s3://any@bucket/a.mp4")
    with pytest.raises(InputError) as refused:
        policy.check("video_url", tmp_path / "a.mp4")
    assert str(refused.value) == (
        f"video_url is '{tmp_path}/a.mp4', allowed is every URL and store, by [videoretalk] allowed_sources of "
        f"Airflow's configuration. Use such a location, or add file://{tmp_path}/ to [videoretalk] allowed_sources of "
        f"Airflow's configuration ({SOURCES})."
    )


def test_an_operator_narrows_and_does_not_widen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SOURCES, "https://a.example/, s3://conn@bucket/")
    policy = LocationPolicy(setting="allowed_sources", own=["https://a.example/videos/", "https://b.example/"])
    policy.check("video_url", "https://a.example/videos/1.mp4")
    with pytest.raises(InputError, match=r"by the task's allowed_sources\. .* in its DAG file"):
        policy.check("video_url", "https://a.example/1.mp4")
    with pytest.raises(InputError, match=r"by \[videoretalk\] allowed_sources"):
        policy.check("video_url", "https://b.example/1.mp4")
    assert LocationPolicy(setting="allowed_sources", own="https://a.example/, s3://").allows("s3://conn@bucket/1.mp4")
    assert not LocationPolicy(setting="allowed_sources", own=[]).allows("https://a.example/1.mp4")


@pytest.mark.parametrize("value", ["/srv/videos/", "*", "s3://b/?x"])
def test_a_setting_that_cannot_be_read_allows_nothing(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = LocationPolicy(setting="allowed_sources", own=value)
    assert not policy.allows("https://a.example/")
    with pytest.raises(ConfigurationError, match="the task's allowed_sources cannot be used: "):
        policy.check("video_url", "https://a.example/")
    monkeypatch.setenv(SOURCES, value)
    with pytest.raises(ConfigurationError, match=r"\[videoretalk\] allowed_sources of Airflow's configuration cannot"):
        LocationPolicy(setting="allowed_sources").check("video_url", "https://a.example/")
    monkeypatch.setenv(SOURCES, "")
    with pytest.raises(InputError, match="allowed is nothing"):
        LocationPolicy(setting="allowed_sources").check("video_url", "https://a.example/")


def test_a_refusal_shows_no_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SOURCES, "s3://b/")
    with pytest.raises(InputError) as refused:
        LocationPolicy(setting="allowed_sources").check(
            "video_url", "https://u:secret@a.example/1.mp4?Signature=secret"
        )
    assert "'https://a.example/1.mp4'" in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("executor", "warned"),
    [
        ("LocalExecutor", False),
        ("airflow.executors.local_executor.LocalExecutor", False),
        ("team:LocalExecutor", False),
        ("CeleryExecutor", True),
        ("LocalExecutor,KubernetesExecutor", True),
        ("LocalExecutor;team1=CeleryExecutor", True),
        ("LocalExecutor;team1=LocalExecutor", False),
    ],
)
def test_a_disk_that_workers_may_not_share(
    executor: str, warned: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shared_disk, "_warned", set())
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    with caplog.at_level(logging.WARNING):
        warn_of_local_disk("/srv/a.mp4")
    assert [record.getMessage().partition(" of the worker")[0] for record in caplog.records] == (
        ["destination /srv/a.mp4 is on the disk"] if warned else []
    )


def test_a_pod_shares_no_disk_whatever_its_template_names(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The template of a pod often has the LocalExecutor, which runs the one task of the pod."""
    monkeypatch.setattr(shared_disk, "_warned", set())
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "LocalExecutor")
    monkeypatch.setenv("AIRFLOW_IS_K8S_EXECUTOR_POD", "True")
    with caplog.at_level(logging.WARNING):
        # Of each folder once, however many files a batch writes to it.
        for name in ("a/1.mp4", "a/2.mp4", "b/3.mp4"):
            warn_of_local_disk(f"/srv/{name}")
    named = [record.getMessage().split(" is on the disk")[0] for record in caplog.records]
    assert named == ["destination /srv/a/1.mp4", "destination /srv/b/3.mp4"]
    assert "With KubernetesExecutor, other workers" in caplog.text
