"""Each part that needs an optional library says which, and how it is installed, before it does anything else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import distribution, requires
from pathlib import Path
from typing import get_args

import pytest
from media_files import wav
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from airflow_provider_videoretalk.optional_dependencies import DISTRIBUTION, MODULES, Extra

PRELUDE = """
import runpy, sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

BLOCKED = set(sys.argv.pop(1).split(","))
sys.meta_path.insert(0, Block())
"""
RUN_MODULE = "sys.argv[0] = name = sys.argv.pop(1); runpy.run_module(name, run_name='__main__', alter_sys=True)"
EMULATOR = "airflow_provider_videoretalk.emulator"
COMMAND = "airflow_provider_videoretalk"


def run(program: str, *arguments: str, without: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Runs a program in a process where the named modules cannot be imported."""
    return subprocess.run(
        [sys.executable, "-c", PRELUDE + program, ",".join(without), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | {"AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"},
    )


def error_of(statements: str, *arguments: str, without: Sequence[str]) -> str:
    """The ``ConfigurationError`` that the statements raise, as text."""
    program = f"""
from airflow_provider_videoretalk.dashscope.errors import ConfigurationError
try:
{statements}
except ConfigurationError as error:
    print("ConfigurationError:", error)
"""
    done = run(program, *arguments, without=without)
    assert done.stdout.startswith("ConfigurationError:"), done.stdout + done.stderr
    return done.stdout


def requirements_of(extra: str) -> set[str]:
    parsed = [Requirement(text) for text in requires(DISTRIBUTION) or ()]
    return {
        canonicalize_name(requirement.name)
        for requirement in parsed
        if requirement.marker
        and requirement.marker.evaluate({"extra": extra})
        and not requirement.marker.evaluate({"extra": ""})
    }


@pytest.mark.parametrize("extra", get_args(Extra))
def test_the_modules_of_an_extra_are_what_it_installs(extra: Extra) -> None:
    # Not packages_distributions(): on Python 3.10 it knows only what has a top_level.txt.
    brought = {
        module: {canonicalize_name(name) for name in requirements_of(extra) if module in modules_of(name)}
        for module in MODULES[extra]
    }
    assert all(len(names) == 1 for names in brought.values())
    assert set().union(*brought.values()) == requirements_of(extra)


def modules_of(name: str) -> set[str]:
    return {file.parts[0].partition(".")[0] for file in distribution(name).files or ()}


def test_every_extra_is_known() -> None:
    markers = " ".join(requires(DISTRIBUTION) or ())
    assert set(re.findall(r"extra == ['\"]([a-z0-9]+)['\"]", markers)) == set(get_args(Extra))


@pytest.mark.parametrize("module", MODULES["emulator"])
def test_the_emulator_does_not_start_without_its_extra(module: str) -> None:
    done = run(RUN_MODULE, EMULATOR, "--port", "0", without=[module])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"the emulator needs {module}, which is not installed. "
        "Install it: pip install 'airflow-provider-videoretalk[emulator]'\n"
    )


def test_the_emulator_in_a_program_does_not_start_either() -> None:
    said = error_of(f"    from {EMULATOR}.server import Emulator; Emulator()", without=["av", "PIL"])
    assert "needs av, PIL, which are not installed" in said


@pytest.mark.parametrize("module", MODULES["oss"])
def test_oss(module: str) -> None:
    statements = "    from airflow_provider_videoretalk.airflow_adapters.oss_filesystem import get_fs; get_fs(None)"
    said = error_of(statements, without=[module])
    assert f"oss:// needs {module}, which is not installed" in said
    assert "pip install 'airflow-provider-videoretalk[oss]'" in said


# Airflow's provider for the store, which is not among this project's test requirements, and its library.
STORES = {
    "s3": ("s3fs", "apache-airflow-providers-amazon[s3fs]"),
    "gs": ("gcsfs", "apache-airflow-providers-google"),
    "abfs": ("adlfs", "apache-airflow-providers-microsoft-azure"),
}


@pytest.mark.parametrize("scheme", STORES)
def test_an_input_in_a_store_without_its_library(scheme: str, tmp_path: Path) -> None:
    module, requirement = STORES[scheme]
    speech = tmp_path / "speech.wav"
    speech.write_bytes(wav(seconds=3))
    done = run(RUN_MODULE, COMMAND, "check", "--json", f"{scheme}://b/v.mp4", str(speech), without=[module])
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["type"]) == (3, "ConfigurationError")
    assert error["message"].startswith("video_url: it is in a store")
    assert f"{scheme}:// needs airflow.providers." in error["message"]
    assert module in error["message"]
    assert error["remedy"] == f"Install it: pip install '{requirement}'"


@pytest.mark.parametrize("scheme", STORES)
def test_a_destination_in_a_store_without_its_library(scheme: str) -> None:
    module, requirement = STORES[scheme]
    statements = f"""
    from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
    PublishMediaOperator(task_id="p", source="http://127.0.0.1:9/v.mp4", destination="{scheme}://b/v.mp4").execute({{}})
"""
    said = error_of(statements, without=[module])
    assert f"destination is in a store ({scheme}) that cannot be opened: {scheme}:// needs" in said
    assert f"pip install '{requirement}'" in said


def test_a_voice(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from {EMULATOR}.engine.speech_synthesis import SpeechUnavailableError, speak
try:
    speak(text="你好", voice="a", output=Path({str(tmp_path / "a.wav")!r}))
except SpeechUnavailableError as error:
    print(error)
"""
    done = run(program, without=["espeakng_loader"])
    assert "pip install 'airflow-provider-videoretalk[espeak]'" in done.stdout, done.stderr
