"""The command, as a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.resources import files

import jsonschema
import pytest
from project_files import ROOT

from airflow_provider_videoretalk import __version__
from airflow_provider_videoretalk.cli.exit_code import ExitCode

LOADED = """
import runpy, sys
sys.argv = ["x", "--version"]
try:
    runpy.run_module("airflow_provider_videoretalk", run_name="__main__")
except SystemExit as end:
    assert not end.code
print(sorted(name for name in sys.modules if name.startswith("airflow_provider_videoretalk.")))
print({"airflow", "requests", "aiohttp", "av", "numpy", "pydantic"} & set(sys.modules))
"""


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    process = [sys.executable, "-m", "airflow_provider_videoretalk", *arguments]
    return subprocess.run(process, capture_output=True, text=True, timeout=60, check=False)


def test_version() -> None:
    done = command("--version")
    assert (done.returncode, done.stdout) == (0, f"airflow-provider-videoretalk {__version__}\n")


def test_version_loads_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, timeout=60, check=True)
    _, own, heavy = done.stdout.splitlines()
    assert heavy == "set()"
    assert re.findall(r"videoretalk\.(\w+)", own.replace(".cli.", ".cli_")) == [
        "cli",
        "cli_check",
        "cli_command",
        "cli_copy_dags",
        "cli_doctor",
        "cli_exit_code",
    ]


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["check"], ["dags"]])
def test_wrong_usage(arguments: list[str]) -> None:
    assert command(*arguments).returncode == ExitCode.USAGE


@pytest.mark.parametrize("arguments", [[], ["check"], ["dags"], ["doctor"]])
def test_help_explains_every_exit_code(arguments: list[str]) -> None:
    explained = re.findall(r"^  (\d)  ", command(*arguments, "--help").stdout, re.MULTILINE)
    assert [int(code) for code in explained] == list(ExitCode)


def test_the_documented_exit_codes_are_these() -> None:
    page = (ROOT / "docs" / "command.md").read_text()
    assert [int(code) for code in re.findall(r"^\| (\d) \|", page, re.MULTILINE)] == list(ExitCode)


def test_the_documented_result_is_of_the_schema() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "command.md").read_text(), re.DOTALL)
    schema = files("airflow_provider_videoretalk") / "cli" / "check.schema.json"
    jsonschema.validate(json.loads(example), json.loads(schema.read_text()), cls=jsonschema.Draft202012Validator)
