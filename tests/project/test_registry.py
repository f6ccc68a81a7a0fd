"""``.airflow-registry.yaml`` lists the classes in the modules of the provider info."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest
import yaml
from airflow.sdk import BaseHook, BaseOperator, BaseSensorOperator
from airflow.triggers.base import BaseTrigger
from project_files import PYPROJECT, ROOT

from airflow_provider_videoretalk.provider_info import get_provider_info

REGISTRY: dict[str, Any] = yaml.safe_load((ROOT / ".airflow-registry.yaml").read_text())
KINDS = {"operators": BaseOperator, "hooks": BaseHook, "sensors": BaseSensorOperator, "triggers": BaseTrigger}


@pytest.mark.parametrize("kind", KINDS)
def test_it_names_every_class(kind: str) -> None:
    modules = [module for entry in get_provider_info()[kind] for module in entry["python-modules"]]
    classes = {
        f"{module}.{name}"
        for module in modules
        for name, member in vars(importlib.import_module(module)).items()
        if inspect.isclass(member) and issubclass(member, KINDS[kind]) and member.__module__ == module
    }
    named = [entry["module"] for entry in REGISTRY[kind]]
    assert (set(named), len(named)) == (classes, len(classes))
    assert all(set(entry) == {"module", "description"} for entry in REGISTRY[kind])
    assert all(entry["description"].endswith(".") for entry in REGISTRY[kind])


def test_it_names_this_project() -> None:
    about = {name: value for name, value in REGISTRY.items() if name not in KINDS}
    assert set(about) == {"package-name", "display-name", "description", "logo", "docs-url", "source-url"}
    assert about["package-name"] == PYPROJECT["project"]["name"]
    urls = PYPROJECT["project"]["urls"]
    assert (about["docs-url"], about["source-url"]) == (urls["Documentation"], urls["Source"])
    raw = urls["Source"].replace("https://github.com/", "https://raw.githubusercontent.com/")
    assert (ROOT / about["logo"].removeprefix(f"{raw}/main/")).is_file()
