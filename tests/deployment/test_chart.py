"""Airflow's Helm chart with ``deploy/values.yaml``, rendered by Helm's own library; and ``deploy/compose.yaml`` by its
schema. ``make test-deployment`` installs what this needs.
"""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from project_files import ROOT

helm = pytest.importorskip("helm_python", reason="make test-deployment installs Helm's library")
kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="make test-deployment installs it")

DEPLOY = ROOT / "deploy"
VALUES: dict[str, Any] = yaml.safe_load((DEPLOY / "values.yaml").read_text())
IMAGE = f"{VALUES['defaultAirflowRepository']}:{VALUES['defaultAirflowTag']}"
# The oldest that the chart supports, and the newest whose schema is at hand.
KUBERNETES = ("1.30", "1.37")

Manifests = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The chart in the version that the documentation installs."""
    given = os.environ.get("HELM_CHART")
    version = re.findall(r"--version (\S+) --values", (ROOT / "docs" / "kubernetes.md").read_text())[0]
    if not given:
        folder = tmp_path_factory.mktemp("chart")
        helm.pull("airflow", repo_url="https://airflow.apache.org", version=version, destination=str(folder))
        given = str(next(folder.iterdir()))
    with helm.Chart.load(given) as loaded:
        assert (loaded.name, loaded.version) == ("airflow", version)
        yield loaded


@pytest.fixture(scope="module")
def manifests(chart: Any) -> Manifests:
    """All manifests, by kind and name."""
    rendered = chart.render(VALUES, name="airflow", namespace="airflow")
    texts = [text for name, text in rendered.items() if name.endswith(".yaml")]
    found = [manifest for text in texts for manifest in yaml.safe_load_all(text) if manifest]
    return {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in found}


@pytest.fixture(scope="module")
def config_map(manifests: Manifests) -> dict[str, str]:
    data: dict[str, str] = manifests["ConfigMap", "airflow-config"]["data"]
    return data


@pytest.fixture(scope="module")
def worker(config_map: dict[str, str]) -> dict[str, Any]:
    """The template of worker pods."""
    pod: dict[str, Any] = yaml.safe_load(config_map["pod_template_file.yaml"])
    return pod


def containers(manifests: Manifests) -> dict[tuple[str, str], dict[str, Any]]:
    """Those that run Airflow, by the manifest's name and their own."""
    found = {}
    for (kind, name), manifest in manifests.items():
        if kind in ("Deployment", "StatefulSet", "Job"):
            pod = manifest["spec"]["template"]["spec"]
            found |= {(name, one["name"]): one for one in [*pod["containers"], *pod.get("initContainers", ())]}
    return {place: one for place, one in found.items() if place[0] != "airflow-statsd"}


def environment(container: dict[str, Any]) -> set[str]:
    return {one["name"] for one in container.get("env", ())}


def test_the_values_suit_the_chart(chart: Any) -> None:
    chart.validate_schema(VALUES)
    with pytest.raises(helm.HelmError):
        chart.validate_schema(VALUES | {"executor": 3})


def test_every_value_is_one_of_the_chart(chart: Any) -> None:
    """The schema allows unknown names in some places. ``config`` takes any section."""

    def unknown(given: Any, known: Any, path: str) -> list[str]:
        if not isinstance(given, dict) or not isinstance(known, dict) or not known:
            return []
        names = [f"{path}{name}" for name in given if name not in known]
        return names + [
            found for name in given if name in known for found in unknown(given[name], known[name], f"{path}{name}.")
        ]

    values = {name: value for name, value in VALUES.items() if name != "config"}
    assert unknown(values, chart.values, "") == []


@pytest.mark.parametrize("version", KUBERNETES)
def test_manifests_are_valid(manifests: Manifests, worker: dict[str, Any], version: str) -> None:
    job = yaml.safe_load((DEPLOY / "pool-job.yaml").read_text())
    for manifest in [*manifests.values(), worker, job]:
        # The chart writes empty lists and objects as null, which Kubernetes takes, and the strict schema does not.
        kubernetes_validate.validate(without_nulls(manifest), version, strict=True)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(one) for name, one in value.items() if one is not None}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value


def test_one_image_everywhere(manifests: Manifests, worker: dict[str, Any], config_map: dict[str, str]) -> None:
    images = {one["image"] for one in containers(manifests).values()}
    assert images == {IMAGE}
    assert [one["image"] for one in worker["spec"]["containers"]] == [IMAGE]
    config = configuration(config_map)["kubernetes_executor"]
    assert f"{config['worker_container_repository']}:{config['worker_container_tag']}" == IMAGE


def configuration(config_map: dict[str, str]) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(config_map["airflow.cfg"])
    return parser


def test_the_configuration_is_airflows(config_map: dict[str, str]) -> None:
    config = configuration(config_map)
    assert config["core"]["executor"] == "KubernetesExecutor"
    assert config["logging"]["remote_logging"] == "True"
    assert config["videoretalk"]["allowed_destinations"] == "s3://aws_default@example-videos/"
    assert "airflow.providers.git.bundles.git.GitDagBundle" in config["dag_processor"]["dag_bundle_config_list"]


def test_the_key_reaches_three_components(manifests: Manifests, worker: dict[str, Any]) -> None:
    key = "AIRFLOW_CONN_DASHSCOPE_DEFAULT"
    having = {place[1] for place, one in containers(manifests).items() if key in environment(one)}
    # The container that waits for the database's migrations has the environment of the one that follows it.
    assert having - {"wait-for-airflow-migrations"} == {"api-server", "triggerer"}
    assert key in environment(worker["spec"]["containers"][0])


def test_a_worker_has_room_and_time(worker: dict[str, Any]) -> None:
    spec = worker["spec"]
    assert spec["terminationGracePeriodSeconds"] == 600
    (container,) = spec["containers"]
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    assert {"name": "TMPDIR", "value": mounts["working-copies"]} in container["env"]
    assert "working-copies" in {one["name"] for one in spec["volumes"]}


def test_no_manifest_holds_a_password_of_the_chart(manifests: Manifests) -> None:
    secrets = {name for kind, name in manifests if kind == "Secret"}
    # Of Redis, which KubernetesExecutor does not start.
    assert secrets <= {"airflow-broker-url", "airflow-redis-password"}
    assert ("Job", "airflow-create-user") not in manifests


def test_compose_suits_its_schema(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]

    def check(file: Path) -> int:
        return subprocess.run([*command, str(file)], capture_output=True, check=False).returncode

    assert check(DEPLOY / "compose.yaml") == 0
    wrong = tmp_path / "compose.yaml"
    wrong.write_text("services: {one: {image: 3}}\n")
    assert check(wrong) != 0
