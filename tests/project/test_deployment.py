"""The files in ``deploy/`` agree with the package, with Airflow and with each other, and hold no secret."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from airflow.cli.cli_parser import get_parser
from airflow.configuration import retrieve_configuration_description
from airflow.dag_processing.bundles.local import LocalDagBundle
from cryptography.fernet import Fernet
from local_airflow import FOLDER, POOL, PRESENTER
from project_files import PYPROJECT, ROOT, is_checkout

from airflow_provider_videoretalk.emulator import __main__ as emulator
from airflow_provider_videoretalk.outbound.location_prefix import LocationPrefixes, split_entries
from airflow_provider_videoretalk.provider_info import get_provider_info

DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
VALUES: dict[str, Any] = yaml.safe_load((DEPLOY / "values.yaml").read_text())
JOB: dict[str, Any] = yaml.safe_load((DEPLOY / "pool-job.yaml").read_text())
DOCUMENTED = (ROOT / "docs" / "kubernetes.md").read_text()
INSTALLATION = (ROOT / "docs" / "installation.md").read_text()

SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ENVIRONMENT: dict[str, str] = COMPOSE["x-airflow"]["environment"]
POOL_CONTAINER = JOB["spec"]["template"]["spec"]["containers"][0]
WORKER = VALUES["workers"]["kubernetes"]
EXTRAS = set(PYPROJECT["project"]["optional-dependencies"])

# Of providers that this environment does not have; of the celery provider 3.24 and the cncf.kubernetes provider 10.20.
PROVIDERS = {
    "celery": {"broker_url", "result_backend", "worker_concurrency"},
    "kubernetes_executor": {"delete_worker_pods_on_failure", "worker_pods_creation_batch_size"},
}
SECRETS = {"API_SECRET_KEY", "FERNET_KEY", "JWT_SECRET", "POSTGRES_PASSWORD", "REDIS_PASSWORD"}
# A value of compose.yaml that has to be set by .env.
REQUIRED = re.compile(r"\$\{(\w+):\?[^}]*\}")


def argument(name: str) -> str:
    """The default of a build argument of the Dockerfile."""
    return re.findall(rf"^ARG {name}=(\S+)$", DOCKERFILE, re.MULTILINE)[0]


AIRFLOW = argument("AIRFLOW_VERSION")
TAG = f"{AIRFLOW}-{PYPROJECT['project']['version']}"


def options() -> dict[str, set[str]]:
    """The options of Airflow's configuration and of this package's, by section."""
    described = retrieve_configuration_description(include_providers=False) | get_provider_info()["config"]
    return {section: set(content["options"]) for section, content in described.items()} | PROVIDERS


def scripts() -> list[str]:
    """The commands of the one-shot containers, one a line."""
    texts = [SERVICES["init"]["command"][-1], POOL_CONTAINER["args"][-1]]
    return [command for text in texts for command in text.split(" && ")]


def parsed(command: str) -> Any:
    """What Airflow reads of a command line; exits if it does not know the command."""
    program, *words = shlex.split(command)
    assert program == "airflow"
    return get_parser().parse_args(words)


def test_versions_are_those_of_the_documentation() -> None:
    assert VALUES["airflowVersion"] == AIRFLOW
    assert f"apache-airflow=={AIRFLOW}" in (ROOT / "requirements" / "constraints.txt").read_text().splitlines()
    assert set(re.findall(r"^AIRFLOW_VERSION=(\S+)$", INSTALLATION, re.MULTILINE)) == {AIRFLOW}
    assert set(re.findall(r"^PYTHON_VERSION=(\S+)$", INSTALLATION, re.MULTILINE)) == {argument("PYTHON_VERSION")}
    assert f"Programming Language :: Python :: {argument('PYTHON_VERSION')}" in PYPROJECT["project"]["classifiers"]


def test_wheels_are_named_by_the_version() -> None:
    version = PYPROJECT["project"]["version"]
    assert f'__version__ = "{version}"' in (ROOT / "airflow_provider_videoretalk" / "__init__.py").read_text()
    assert set(re.findall(r"airflow_provider_videoretalk-(\d[\w.]*)-py3", INSTALLATION)) == {version}


def test_images_have_one_tag() -> None:
    texts = [DOCKERFILE, DOCUMENTED, *((DEPLOY / name).read_text() for name in ("compose.yaml", "pool-job.yaml"))]
    assert {tag for text in texts for tag in re.findall(r"airflow-videoretalk:(\S+)", text)} == {TAG}
    assert VALUES["defaultAirflowTag"] == TAG
    assert POOL_CONTAINER["image"] == f"{VALUES['defaultAirflowRepository']}:{TAG}"
    for service in SERVICES.values():
        assert re.fullmatch(r"[\w./-]+:\d[\w.-]*", service.get("image", COMPOSE["x-airflow"]["image"]))


def test_the_image_is_airflows_own_and_not_root() -> None:
    images = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert images == ["apache/airflow:${AIRFLOW_VERSION}-python${PYTHON_VERSION}"] * 2
    assert not re.search(r"^USER", DOCKERFILE, re.MULTILINE)
    assert '"apache-airflow==${AIRFLOW_VERSION}"' in DOCKERFILE
    assert '--constraint "${HOME}/constraints.txt"' in DOCKERFILE
    pod = JOB["spec"]["template"]["spec"]["securityContext"]
    assert (pod["runAsNonRoot"], pod["runAsUser"]) == (True, 50000)


def test_extras_exist() -> None:
    built = SERVICES["folders"]["build"]["args"]["EXTRAS"]
    named = [argument("EXTRAS"), built, *re.findall(r"EXTRAS=([\w,]+)", DOCKERFILE + DOCUMENTED)]
    assert {extra for text in named for extra in text.split(",")} <= EXTRAS - {"espeak"}
    assert "emulator" in built.split(",")


def test_the_image_is_built_of_what_the_wheel_needs(tmp_path: Path) -> None:
    ignored, *rules = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()[1:]
    assert ignored == "*"
    kept = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    for name in kept:
        (tmp_path / name).symlink_to(ROOT / name)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_settings_exist() -> None:
    known = options()
    names = [*ENVIRONMENT, *(one["name"] for one in POOL_CONTAINER["env"])]
    settings = [match for name in names if (match := re.fullmatch(r"AIRFLOW__([A-Z_]+?)__([A-Z_]+)", name))]
    assert len(settings) > 10
    found = [(match[1].lower(), match[2].lower()) for match in settings]
    found += [(section, option) for section, content in VALUES["config"].items() for option in content]
    assert [one for one in found if one[1] not in known.get(one[0], ())] == []
    assert set(VALUES["config"]["videoretalk"]) == {"allowed_sources", "allowed_destinations"}


def test_every_other_variable_has_a_meaning() -> None:
    others = {name for name in ENVIRONMENT if not name.startswith("AIRFLOW__")}
    variables = {f"AIRFLOW_VAR_{name.upper()}" for name in (FOLDER, PRESENTER)}
    assert others == {"AIRFLOW_CONN_DASHSCOPE_DEFAULT"} | variables
    assert {one["name"] for one in VALUES["env"]} <= variables


def test_commands_are_airflows() -> None:
    for name in ("api-server", "scheduler", "dag-processor", "triggerer"):
        assert SERVICES[name]["command"] == name
        assert parsed(f"airflow {name}").subcommand == name
    # The celery provider's; this environment does not have it.
    assert SERVICES["worker"]["command"] == "celery worker"
    assert [parsed(command).subcommand for command in scripts()] == ["migrate", "set", "check-migrations", "set"]


@pytest.mark.parametrize("command", [line for line in scripts() if "pools" in line])
def test_the_pool_is_the_examples_pool(command: str) -> None:
    pool = parsed(command)
    assert (pool.pool, int(pool.slots), pool.include_deferred) == (POOL["name"], POOL["slots"], True)
    assert command in INSTALLATION
    used = {name for file in (ROOT / "dags").glob("*.py") for name in re.findall(r'pool="(\w+)"', file.read_text())}
    assert used == {pool.pool}


def test_services_need_services_that_exist() -> None:
    for service in [*SERVICES.values(), COMPOSE["x-airflow"]]:
        assert set(service.get("depends_on", ())) <= set(SERVICES)
        mounted = [volume.partition(":")[0] for volume in service.get("volumes", ())]
        assert set(mounted) <= set(COMPOSE["volumes"])
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), "a service that needs no login is open to other machines"
    hosts = re.findall(r"(?:@|http://)([a-z-]+)[:/]", " ".join(ENVIRONMENT.values()))
    assert set(hosts) - {"localhost"} == {"api-server", "emulator", "postgres", "redis"}


def test_the_emulator_is_where_the_connection_says() -> None:
    _, flag, module, *arguments = SERVICES["emulator"]["entrypoint"]
    assert (flag, f"{module}.__main__") == ("-m", emulator.__name__)
    settings = emulator.parse(arguments)
    connection = json.loads(ENVIRONMENT["AIRFLOW_CONN_DASHSCOPE_DEFAULT"])
    assert connection["conn_type"] == "dashscope"
    assert connection["host"] == f"http://emulator:{settings.port}/api/v1"
    assert connection["extra"] == {"allow_private": True}
    assert urlsplit(ENVIRONMENT["AIRFLOW_VAR_VIDEORETALK_PRESENTER"]).netloc == f"emulator:{settings.port}"
    assert settings.host == "0.0.0.0"


def test_the_examples_may_publish() -> None:
    folder = ENVIRONMENT["AIRFLOW_VAR_VIDEORETALK_FOLDER"]
    path = urlsplit(folder).path.rstrip("/")
    assert f"videos:{path}" in COMPOSE["x-airflow"]["volumes"]
    assert path in SERVICES["folders"]["entrypoint"]
    allowed = LocationPrefixes.parse(split_entries(ENVIRONMENT["AIRFLOW__VIDEORETALK__ALLOWED_DESTINATIONS"]))
    assert allowed.allow(Path(path, "en.mp4"))
    (variable,) = VALUES["env"]
    for setting in ("allowed_destinations", "allowed_sources"):
        allowed = LocationPrefixes.parse(split_entries(VALUES["config"]["videoretalk"][setting]))
        assert allowed.allow(f"{variable['value']}en.mp4")
        assert not allowed.allow(Path("/tmp/en.mp4"))


def secrets_of(env: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Variable -> name and key of the Secret."""
    references = {one["name"]: one["valueFrom"]["secretKeyRef"] for one in env if "valueFrom" in one}
    return {name: (reference["name"], reference["key"]) for name, reference in references.items()}


def test_connections_reach_the_components_that_open_them() -> None:
    service, store = ("dashscope", "connection"), ("object-store", "connection")
    git = ("dags-git", "connection")
    opened = {"AIRFLOW_CONN_DASHSCOPE_DEFAULT": service, "AIRFLOW_CONN_AWS_DEFAULT": store}
    assert secrets_of(VALUES["apiServer"]["env"]) == opened
    assert secrets_of(VALUES["triggerer"]["env"]) == opened
    assert secrets_of(WORKER["env"]) == opened | {"AIRFLOW_CONN_DAGS_GIT": git}
    assert secrets_of(VALUES["dagProcessor"]["env"]) == {"AIRFLOW_CONN_DAGS_GIT": git}
    assert "secret" not in VALUES
    assert VALUES["config"]["logging"]["remote_log_conn_id"] == "aws_default"
    assert {urlsplit(one["value"]).username for one in VALUES["env"]} == {"aws_default"}


def test_bundles_are_airflows() -> None:
    team, examples = VALUES["dagProcessor"]["dagBundleConfigList"]
    # Of the git provider; this environment does not have it.
    assert team["classpath"] == "airflow.providers.git.bundles.git.GitDagBundle"
    assert team["kwargs"]["git_conn_id"] == "dags_git"
    assert examples["classpath"] == f"{LocalDagBundle.__module__}.{LocalDagBundle.__name__}"
    bundle = LocalDagBundle(name=examples["name"], **examples["kwargs"])
    assert str(bundle.path) == "/opt/airflow/dags"
    assert 'videoretalk dags "${AIRFLOW_HOME}/dags"' in DOCKERFILE


def test_every_secret_is_made_as_documented() -> None:
    made: dict[str, set[str]] = {}
    for command in re.findall(r"^kubectl create secret generic (.+(?:\n  .+)*)", DOCUMENTED, re.MULTILINE):
        made[command.split()[0]] = set(re.findall(r"--from-literal=([\w-]+)=", command))
    used = {VALUES["data"]["metadataSecretName"]: {"connection"}}
    used[VALUES["jwtSecretName"]] = {"fernet-key", "api-secret-key", "jwt-secret"}
    assert VALUES["fernetKeySecretName"] == VALUES["apiSecretKeySecretName"] == VALUES["jwtSecretName"]
    for component in (WORKER, VALUES["dagProcessor"]):
        used |= {name: {key} for name, key in secrets_of(component["env"]).values()}
    assert made == used
    assert all(key in made[name] for name, key in secrets_of(POOL_CONTAINER["env"]).values())


def test_working_copies_have_a_volume() -> None:
    (volume,), (mount,) = WORKER["extraVolumes"], WORKER["extraVolumeMounts"]
    assert {"name": "TMPDIR", "value": mount["mountPath"]} in WORKER["env"]
    assert volume["name"] == mount["name"]
    limit = int(volume["emptyDir"]["sizeLimit"].removesuffix("Gi"))
    assert limit < int(WORKER["resources"]["limits"]["ephemeral-storage"].removesuffix("Gi"))
    assert f"The volume has {limit} GiB" in DOCUMENTED


def test_no_file_holds_a_secret() -> None:
    named = re.compile("KEY|SECRET|PASSWORD|CONN_|_CONN$|URL|BACKEND")
    held = {name: value for name, value in ENVIRONMENT.items() if named.search(name)}
    connection = json.loads(held.pop("AIRFLOW_CONN_DASHSCOPE_DEFAULT"))
    assert connection["password"] == emulator.EXAMPLE_KEY
    secret = {name for name in held if REQUIRED.search(held[name])}
    assert set(held) - secret == {"AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "AIRFLOW__API__BASE_URL"}
    assert set(REQUIRED.findall((DEPLOY / "compose.yaml").read_text())) == SECRETS
    for name in ("values.yaml", "pool-job.yaml"):
        assert not re.search(r"sk-|[A-Za-z0-9+/_-]{40}|password:", (DEPLOY / name).read_text())
    assert VALUES["createUserJob"] == {"enabled": False}


def test_secrets_are_new_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = []
    for name in ("one", "two"):
        script = tmp_path / name / "make_env.py"
        script.parent.mkdir()
        script.write_text((DEPLOY / "make_env.py").read_text())
        runpy.run_path(str(script), run_name="__main__")
        target = script.with_name(".env")
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        made.append(dict(line.split("=", 1) for line in target.read_text().splitlines()))
        before = target.read_text()
        runpy.run_path(str(script), run_name="__main__")
        assert target.read_text() == before
    assert "was not changed" in capsys.readouterr().out
    one, two = made
    assert set(one) == SECRETS
    assert not set(one.values()) & set(two.values())
    Fernet(one["FERNET_KEY"])
    # They stand in URLs, and no value is expanded.
    assert all(re.fullmatch(r"[0-9a-f]{64}", value) for name, value in one.items() if name != "FERNET_KEY")


@pytest.mark.skipif(not is_checkout(), reason="an unpacked sdist has no git")
def test_git_ignores_the_secrets() -> None:
    assert subprocess.run(["git", "check-ignore", "--quiet", "deploy/.env"], cwd=ROOT, check=False).returncode == 0
