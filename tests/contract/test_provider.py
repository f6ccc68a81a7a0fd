"""What the package tells Airflow of itself, held against its code and against Airflow's own schemas."""

from __future__ import annotations

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
from airflow.sdk import DAG, BaseHook, BaseOperator, BaseSensorOperator
from airflow.triggers.base import BaseTrigger

import airflow_provider_videoretalk
from airflow_provider_videoretalk.hooks.connection_settings import NAMES as LIMITS
from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook
from airflow_provider_videoretalk.provider_info import get_provider_info

try:
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime as ProvidersManager
except ImportError:
    # Airflow 3.1.
    from airflow.providers_manager import ProvidersManager

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
    for name in ("integrations", "hooks", "operators", "sensors", "triggers", "connection-types", "task-decorators"):
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
    hook = ProvidersManager().hooks["dashscope"]
    assert hook is not None
    assert hook.hook_class_name == f"{DashScopeHook.__module__}.{DashScopeHook.__qualname__}"
    assert (hook.connection_id_attribute_name, hook.hook_name) == (
        DashScopeHook.conn_name_attr,
        DashScopeHook.hook_name,
    )
    fields = INFO["connection-types"][0]["conn-fields"]
    of_endpoint = importlib.import_module(DashScopeHook.__module__)._ENDPOINT_EXTRAS
    assert set(fields) == {*of_endpoint, *LIMITS, "prices", "allow_private"}
    # The form stores its defaults. A stored limit binds all operators.
    assert [name for name in LIMITS if "default" in fields[name]["schema"]] == []
    documented = re.findall(r"extra `(\w+)`", (ROOT / "docs" / "connection.md").read_text())
    assert set(fields) <= set(documented)


def test_the_configuration_is_documented() -> None:
    documented = (ROOT / "docs" / "installation.md").read_text()
    for section, description in INFO["config"].items():
        for option in description["options"]:
            assert f"| `[{section}] {option}` |" in documented
            assert f"AIRFLOW__{section}__{option}=".upper() in documented


@pytest.mark.parametrize("kind", KINDS)
def test_every_public_module_is_listed(kind: str) -> None:
    modules = {f"{PACKAGE.name}.{kind}.{path.stem}" for path in (PACKAGE / kind).glob("[!_]*.py")}
    helpers = {
        "operators.base",
        "operators.output_folder",
        "operators.plan_limits",
        "operators.render_forecast",
        "operators.batch_settings",
        "operators.batch_sources",
        "operators.catalog_model",
        "operators.destination_path",
        "operators.glossary",
        "operators.job",
        "operators.job_audit",
        "operators.job_lineage",
        "operators.job_submission",
        "operators.job_wait",
        "operators.job_wait_operator",
        "operators.lip_check",
        "operators.location_fields",
        "operators.media_marks",
        "operators.photo_check",
        "operators.publish_source",
        "operators.publish_subtitles",
        "operators.recording_parts",
        "operators.row_outputs",
        "operators.speaking_voice",
        "operators.speech_result",
        "operators.speech_store",
        "operators.spoken_track",
        "operators.template_values",
        "operators.transcript_download",
        "operators.transcript_files",
        "operators.translation_answers",
        "operators.translation_job",
        "operators.translation_memory",
        "operators.video_pieces",
        "operators.wait_requirements",
        "hooks.connection_settings",
        "hooks.shared_look_up",
        "triggers.client",
        "triggers.single_event",
    }
    shared = {f"{PACKAGE.name}.{name}" for name in helpers}
    assert set(listed(kind)) == modules - shared
    for module in listed(kind):
        assert len(public_classes(module, KINDS[kind])) == 1, f"{module} holds one noun"


DECORATORS = {entry["name"]: entry["class-name"] for entry in INFO["task-decorators"]}


def test_every_decorator_is_listed() -> None:
    modules = {f"{PACKAGE.name}.decorators.{path.stem}" for path in (PACKAGE / "decorators").glob("[!_]*.py")}
    helpers = {f"{PACKAGE.name}.decorators.returned_fields"}
    assert {path.rpartition(".")[0] for path in DECORATORS.values()} == modules - helpers


@pytest.mark.parametrize("name", DECORATORS)
def test_airflow_finds_a_decorator_by_its_operators_name(name: str) -> None:
    from airflow.sdk import task

    function = getattr(task, name)
    assert f"{function.__module__}.{function.__qualname__}" == DECORATORS[name]
    with DAG("dag", schedule=None):
        decorated = function(task_id="one")(lambda: None)().operator
    (operator,) = [kind for kind in OPERATORS if isinstance(decorated, kind)]
    words = "".join(part.title() for part in name.split("_"))
    assert operator.__name__.lower() == f"{words}Operator".lower()
    assert decorated.operator_name == f"@task.{name}"


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
            "version": 1,
            "dashscope_conn_id": "c",
            "dashscope_task_id": "t",
            "submitted_at": 1.5,
            "request_id": None,
            "poll_policy": {"poll_interval": 1.0, "queue_timeout": None},
            "cancel_on_kill": False,
        },
        "AdmissionTrigger": {
            "version": 1,
            "dashscope_conn_id": "c",
            "model": "m",
            "held_since": 1.5,
            "limit": 60.0,
            "expected_seconds": None,
            "deadline": 2.5,
        },
        "RetryLaterTrigger": {"moment": 2.5, "note": {"refusals": 1, "since": 1.0}, "version": 1},
    }
    triggers = [trigger for module in listed("triggers") for trigger in public_classes(module, BaseTrigger)]
    assert {trigger.__name__ for trigger in triggers} == set(samples)
    for trigger in triggers:
        path, arguments = trigger(**samples[trigger.__name__]).serialize()
        assert arguments == samples[trigger.__name__]
        assert path == f"{trigger.__module__}.{trigger.__qualname__}"
        assert Trigger._decrypt_kwargs(Trigger.encrypt_kwargs(arguments)) == arguments
