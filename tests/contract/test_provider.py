"""What the package tells Airflow of itself, held against its code and against Airflow's own schemas."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
from importlib.metadata import distribution, entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from airflow.models.trigger import Trigger
from airflow.sdk import BaseHook, BaseOperator, BaseSensorOperator
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime
from airflow.triggers.base import BaseTrigger

import airflow_provider_videoretalk
from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook
from airflow_provider_videoretalk.provider_info import get_provider_info

ROOT = Path(__file__).parents[2]
PACKAGE = Path(airflow_provider_videoretalk.__file__).parent
INFO = get_provider_info()
KINDS = {"hooks": BaseHook, "operators": BaseOperator, "sensors": BaseSensorOperator, "triggers": BaseTrigger}


def listed(kind: str) -> list[str]:
    return [module for entry in INFO[kind] for module in entry["python-modules"]]


def public_classes(module_name: str, kind: type) -> list[type]:
    module = importlib.import_module(module_name)
    return [
        member
        for member in vars(module).values()
        if inspect.isclass(member) and issubclass(member, kind) and member.__module__ == module_name
    ]


OPERATORS = [
    operator
    for kind in ("operators", "sensors")
    for module in listed(kind)
    for operator in public_classes(module, KINDS[kind])
]


def test_by_airflows_schemas() -> None:
    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())
    jsonschema.validate(INFO, schema)
    strict = json.loads(files("airflow").joinpath("provider.yaml.schema.json").read_text())
    for name in ("integrations", "hooks", "operators", "sensors", "triggers", "connection-types"):
        jsonschema.validate(INFO[name], strict["properties"][name])


def test_the_installed_distribution_announces_it() -> None:
    (entry,) = [
        entry
        for entry in entry_points(group="apache_airflow_provider")
        if entry.dist and entry.dist.name == INFO["package-name"]
    ]
    assert entry.load() is get_provider_info
    assert distribution(INFO["package-name"]).version == airflow_provider_videoretalk.__version__
    assert (PACKAGE / "py.typed").exists()


def test_airflow_finds_the_connection_type() -> None:
    hook = ProvidersManagerTaskRuntime().hooks["dashscope"]
    assert hook is not None
    assert hook.hook_class_name == f"{DashScopeHook.__module__}.{DashScopeHook.__qualname__}"
    assert (hook.connection_id_attribute_name, hook.hook_name) == (
        DashScopeHook.conn_name_attr,
        DashScopeHook.hook_name,
    )
    fields = INFO["connection-types"][0]["conn-fields"]
    of_inputs = {"prices", "allow_private"}
    assert set(fields) == {*importlib.import_module(DashScopeHook.__module__)._EXTRAS, *of_inputs}


@pytest.mark.parametrize("kind", KINDS)
def test_every_public_module_is_listed(kind: str) -> None:
    modules = {f"{PACKAGE.name}.{kind}.{path.stem}" for path in (PACKAGE / kind).glob("[!_]*.py")}
    shared = {f"{PACKAGE.name}.operators.{name}" for name in ("base", "job", "values")}
    assert set(listed(kind)) == modules - shared
    for module in listed(kind):
        assert len(public_classes(module, KINDS[kind])) == 1, f"{module} holds one noun"


# An operator's dry_run is a method of Airflow's own.
_ARGUMENTS = {"is_dry_run": "dry_run"}


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.__name__)
def test_template_fields_are_arguments_and_attributes(operator: Any) -> None:
    arguments = {
        name
        for kind in inspect.getmro(operator)
        if kind.__module__.startswith(PACKAGE.name)
        for name in inspect.signature(kind.__init__).parameters
    }
    named = {field: _ARGUMENTS.get(field, field) for field in operator.template_fields}
    assert set(named.values()) <= arguments
    source = "".join(
        inspect.getsource(kind) for kind in inspect.getmro(operator) if kind.__module__.startswith(PACKAGE.name)
    )
    for field, argument in named.items():
        assert f"self.{field} = {argument}\n" in source, f"Airflow wants {field} assigned as it is"


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.__name__)
def test_arguments_are_keyword_only_and_documented(operator: Any) -> None:
    for name, parameter in inspect.signature(operator.__init__).parameters.items():
        if name in ("self", "kwargs"):
            continue
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert f":param {name}:" in "".join(kind.__doc__ or "" for kind in inspect.getmro(operator)), name


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.__name__)
def test_every_operator_is_in_the_readme_and_has_an_example(operator: Any) -> None:
    assert f"`{operator.__name__}`" in (ROOT / "README.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "operators.md").read_text(), re.DOTALL)
    assert any(f"{operator.__name__}(" in example for example in examples)


def test_every_trigger_survives_airflows_serialisation() -> None:
    samples: dict[str, dict[str, Any]] = {
        "DashScopeTaskTrigger": {
            "dashscope_conn_id": "c",
            "dashscope_task_id": "t",
            "submitted_at": 1.5,
            "request_id": None,
            "patience": {"poll_interval": 1.0, "queue_timeout": None},
            "cancel_on_kill": False,
        },
        "DelayTrigger": {"moment": 2.5, "note": {"refusals": 1, "since": 1.0}},
    }
    triggers = [trigger for module in listed("triggers") for trigger in public_classes(module, BaseTrigger)]
    assert {trigger.__name__ for trigger in triggers} == set(samples)
    for trigger in triggers:
        path, arguments = trigger(**samples[trigger.__name__]).serialize()
        assert arguments == samples[trigger.__name__]
        assert path == f"{trigger.__module__}.{trigger.__qualname__}"
        assert Trigger._decrypt_kwargs(Trigger.encrypt_kwargs(arguments)) == arguments


# Each room may import from itself and from the rooms named here.
ROOMS: dict[str, set[str]] = {
    "dashscope": {"limits"},
    "media": {"limits", "dashscope"},
    "publishing": {"limits", "dashscope"},
    "waiting": {"limits", "dashscope"},
    "hooks": {"dashscope"},
    "fs": {"dashscope"},
    "triggers": {"dashscope", "hooks", "waiting", "audit", "task_state"},
    "sensors": {"dashscope", "media", "hooks", "triggers", "waiting", "links"},
    "operators": {
        "limits",
        "dashscope",
        "media",
        "publishing",
        "fs",
        "hooks",
        "triggers",
        "waiting",
        "audit",
        "task_state",
        "variable_store",
        "links",
    },
    "ui": {"limits", "dashscope", "media", "publishing", "fs", "hooks", "links"},
    # A house of its own, that shares no more with the client than what the vendor's page says.
    "emulator": {"limits"},
    "emulator/engine": {"limits"},
    "emulator/service": set(),
    "emulator/work": {"limits", "emulator/engine", "emulator/service"},
    "emulator/api": {"limits", "emulator/engine", "emulator/service", "emulator/work"},
}
SHARED = ("emulator.settings", "emulator.faults")
WITHOUT_AIRFLOW = {"media", "publishing", "dashscope", "waiting", "emulator"}


def imported_by(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_imports_run_one_way(room: str) -> None:
    allowed = [f"{PACKAGE.name}.{name.replace('/', '.')}" for name in ROOMS[room] | {room}]
    allowed += [f"{PACKAGE.name}.{name}" for name in SHARED if room.startswith("emulator")]
    for path in (PACKAGE / room).rglob("*.py"):
        for module in imported_by(path):
            if module.startswith(f"{PACKAGE.name}."):
                assert module.startswith(tuple(allowed)), f"{path.name} imports {module}"
            if room.partition("/")[0] in WITHOUT_AIRFLOW:
                assert module.split(".")[0] != "airflow", f"{path.name} imports {module}"
