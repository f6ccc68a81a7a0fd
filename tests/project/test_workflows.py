"""The workflows call existing targets, use the versions of the metadata, and have minimal permissions."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from packaging.version import Version
from project_files import PYPROJECT, ROOT

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS: dict[str, dict[Any, Any]] = {path.stem: yaml.safe_load(path.read_text()) for path in FOLDER.glob("*.yml")}
JOBS = [(name, job) for workflow in WORKFLOWS.values() for name, job in workflow["jobs"].items()]
TARGETS = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
CLASSIFIERS = PYPROJECT["project"]["classifiers"]
# YAML 1.1 reads the key "on" as a boolean.
ON = True


def classified(kind: str) -> list[str]:
    """The versions in the classifiers."""
    found = [re.fullmatch(rf"{kind} :: (\d+\.\d+)", text) for text in CLASSIFIERS]
    return sorted((match[1] for match in found if match), key=Version)


def steps() -> list[dict[str, Any]]:
    return [step for _, job in JOBS for step in job.get("steps", [])]


def test_there_are_two() -> None:
    assert set(WORKFLOWS) == {"ci", "release"}


def test_every_target_exists() -> None:
    called = {target for step in steps() for target in re.findall(r"\bmake ([a-z][\w-]*)", step.get("run", ""))}
    called |= set(WORKFLOWS["ci"]["jobs"]["system"]["strategy"]["matrix"]["target"])
    assert called >= {"check", "test", "demo", "test-system", "compat"}
    assert called <= TARGETS


def test_pythons_are_those_of_the_classifiers() -> None:
    pythons = classified("Programming Language :: Python")
    assert WORKFLOWS["ci"]["jobs"]["test"]["strategy"]["matrix"]["python"] == pythons
    assert f">={pythons[0]}" == PYPROJECT["project"]["requires-python"]
    named = {step["with"]["python-version"] for step in steps() if "setup-python" in step.get("uses", "")}
    assert named - {"${{ matrix.python }}"} <= set(pythons)


def test_surroundings_are_those_of_make_compat() -> None:
    cells = WORKFLOWS["ci"]["jobs"]["compat"]["strategy"]["matrix"]["include"]
    known = re.findall(r"Surroundings\(\s*name=\"([^\"]+)\"", (ROOT / "compat" / "cells.py").read_text())
    assert {cell["surroundings"] for cell in cells} == set(known)
    assert {cell["python"] for cell in cells} <= set(classified("Programming Language :: Python"))


def test_airflows_are_those_that_the_metadata_allow() -> None:
    cells = WORKFLOWS["ci"]["jobs"]["compat"]["strategy"]["matrix"]["include"]
    minors = {int(line[1]) for cell in cells if (line := re.match(r"3\.(\d+)", cell["surroundings"]))}
    # The lowest version differs by Python.
    required = [text for text in PYPROJECT["project"]["dependencies"] if re.match(r"apache-airflow[^\w-]", text)]
    bounds = [re.match(r"[\w-]+>=3\.(\d+)\S*,<3\.(\d+)", text) for text in required]
    assert all(bounds)
    assert minors == {minor for bound in bounds if bound for minor in range(int(bound[1]), int(bound[2]))}


@pytest.mark.parametrize(("name", "job"), JOBS, ids=[name for name, _ in JOBS])
def test_rights(name: str, job: dict[str, Any]) -> None:
    allowed = {"id-token": "write"} if name == "publish" else None
    assert job.get("permissions") == allowed
    assert "timeout-minutes" in job or "uses" in job
    for step in job.get("steps", []):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
        assert "secrets." not in str(step)
        # Values that others can choose, such as branch names, must not be part of a shell command.
        assert "${{ github." not in step.get("run", "")


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_a_workflow_reads_only(workflow: str) -> None:
    assert WORKFLOWS[workflow]["permissions"] == {"contents": "read"}


def test_actions_are_pinned() -> None:
    used = {step["uses"] for step in steps() if "uses" in step}
    used |= {job["uses"] for _, job in JOBS if "uses" in job}
    for action in used:
        assert re.fullmatch(r"\./.+\.yml|[\w-]+/[\w-]+@(v\d+(\.\d+)*|[0-9a-f]{40}|release/v\d+)", action), action


def test_only_tested_distributions_are_published() -> None:
    release = WORKFLOWS["release"]
    assert release[ON] == {"push": {"tags": ["v*"]}}
    publish = release["jobs"]["publish"]
    assert (publish["needs"], publish["environment"]) == ("ci", "pypi")
    assert release["jobs"]["ci"]["uses"] == "./.github/workflows/ci.yml"
    assert "workflow_call" in WORKFLOWS["ci"][ON]
    uploads = [step for step in WORKFLOWS["ci"]["jobs"]["distribution"]["steps"] if "upload-artifact" in str(step)]
    assert uploads[0]["with"]["name"] == publish["steps"][0]["with"]["name"]


def test_build_tools_are_pinned() -> None:
    (install,) = [step["run"] for step in WORKFLOWS["ci"]["jobs"]["distribution"]["steps"] if "twine==" in str(step)]
    assert all("==" in requirement for requirement in install.split("install ")[1].split())
