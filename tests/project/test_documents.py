"""The Markdown files without running their code: links have targets, and each code block has a label that is tested."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import subprocess
import sys
from importlib.metadata import metadata
from typing import Any

import pytest
import yaml
from documents import BLOCKS, PAGES, ROOT, Block, Page, blocks
from packaging.requirements import Requirement

from airflow_provider_videoretalk.operators.catalog_model import CatalogModelOperator
from airflow_provider_videoretalk.operators.dashscope import DashScopeTaskOperator
from airflow_provider_videoretalk.operators.plan_videos import PlanVideosOperator
from airflow_provider_videoretalk.operators.proofread import ProofreadOperator
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.segment_speech import SegmentSpeechOperator
from airflow_provider_videoretalk.operators.speech import TextToSpeechOperator
from airflow_provider_videoretalk.operators.talking_photo import TalkingPhotoOperator
from airflow_provider_videoretalk.operators.transcribe import TranscribeOperator
from airflow_provider_videoretalk.operators.translate import TranslateOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.operators.voice import VoiceOperator
from airflow_provider_videoretalk.sensors.dashscope import DashScopeTaskSensor

NAME = "airflow-provider-videoretalk/airflow-provider-videoretalk"
ABSOLUTE = (
    f"https://github.com/{NAME}/blob/main/",
    f"https://github.com/{NAME}/tree/main/",
    f"https://raw.githubusercontent.com/{NAME}/main/",
)
"""The beginnings of absolute links into this repository: to a page, a folder, a picture."""

RUNNERS = {
    "python": "tests/pipeline/test_documented_code.py runs it: DAGs by dag.test(), tests by pytest, else as a script",
    "shell": "tests/pipeline/test_documented_commands.py runs it",
    "json": "parsed here",
    "yaml": "parsed here; a values file for Helm needs a cluster",
    "dockerfile": "its instructions are checked here; to build it needs Docker and an index",
    "requirements": "parsed here; installing it needs a package index",
    "text": "not run: a message or an output",
}
"""The test of a block, by the label of its fence. A label that is not here has no test, and fails."""

_INSTRUCTIONS = ("FROM", "COPY", "RUN", "USER", "ENV", "ARG")


def by_name(item: Block | Page) -> str:
    return item.name


@pytest.mark.parametrize("block", BLOCKS, ids=by_name)
def test_each_block_has_a_runner(block: Block) -> None:
    assert block.label in RUNNERS, f"a block is labelled {block.label!r}; known are {', '.join(RUNNERS)}"
    assert block.code.strip()


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_all_code_is_fenced(page: Page) -> None:
    assert page.indented_code == [], "code that is indented has no label: fence it"
    assert page.text.count("```") == 2 * len(page.blocks), "a fence is not closed, or does not begin its line"


@pytest.mark.parametrize("block", blocks("json"), ids=by_name)
def test_json(block: Block) -> None:
    json.loads(block.code)


@pytest.mark.parametrize("block", blocks("yaml"), ids=by_name)
def test_yaml(block: Block) -> None:
    assert isinstance(yaml.safe_load(block.code), dict)


@pytest.mark.parametrize("block", blocks("dockerfile"), ids=by_name)
def test_dockerfile(block: Block) -> None:
    lines = block.code.replace("\\\n", " ").splitlines()
    instructions = [line.split()[0] for line in lines if line and not line.startswith("#")]
    assert instructions[0] == "FROM"
    assert set(instructions) <= set(_INSTRUCTIONS)
    assert "airflow_provider_videoretalk-*.whl" in block.code


@pytest.mark.parametrize("block", blocks("requirements"), ids=by_name)
def test_requirements(block: Block) -> None:
    for line in block.code.splitlines():
        if not line.startswith(("#", "--constraint ")):
            assert Requirement(line).name


def _path_of(link: str, page: Page) -> str | None:
    """The file of this repository that a link points to; ``None`` for any other link."""
    for begin in ABSOLUTE:
        if link.startswith(begin):
            return link.removeprefix(begin)
    if "://" in link or link.startswith("mailto:"):
        return None
    path = (page.path.parent / link.partition("#")[0]) if not link.startswith("#") else page.path
    return f"{path.resolve().relative_to(ROOT)}#{link.partition('#')[2]}"


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_links(page: Page) -> None:
    anchors = {other.name: other.anchors for other in PAGES}
    for link in page.links:
        target = _path_of(link, page)
        if target is None:
            continue
        path, _, anchor = target.partition("#")
        assert (ROOT / path).exists(), f"{link}: there is no {path}"
        if anchor:
            assert anchor in anchors[path], f"{link}: {path} has no heading of that name"


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_links_by_name(page: Page) -> None:
    if page.definitions:
        assert page.references == set(page.definitions)


def test_the_readme_suits_a_package_index() -> None:
    (readme,) = [page for page in PAGES if page.name == "README.md"]
    assert [link for link in readme.links if "://" not in link] == []
    assert len(readme.text.splitlines()) - len(readme.definitions) <= 110


def test_the_table_of_extras_is_complete() -> None:
    (page,) = [page for page in PAGES if page.name == "docs/installation.md"]
    documented = re.findall(r"^\| `(\w+)` \|", page.text.partition("## Extras")[2].partition("\n## ")[0], re.MULTILINE)
    assert sorted(documented) == sorted(metadata("airflow-provider-videoretalk").get_all("Provides-Extra") or [])


_PYTEST = ".venv/bin/python -m pytest "


@pytest.mark.parametrize(
    "command", [line for block in blocks("text") for line in block.code.splitlines() if line.startswith(_PYTEST)]
)
def test_pytest_commands_select_tests(command: str) -> None:
    selection = shlex.split(command.removeprefix(_PYTEST))
    options = ["--collect-only", "-q", "-p", "no:cacheprovider"]
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *selection], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert collected.returncode == 0, collected.stdout + collected.stderr


SECTIONS: dict[Any, str] = {
    VideoRetalkOperator: "Video: `VideoRetalkOperator`",
    TextToSpeechOperator: "Speech: `TextToSpeechOperator`",
    VoiceOperator: "Voices: `VoiceOperator`",
    TalkingPhotoOperator: "A photo that speaks: `TalkingPhotoOperator`",
    ProofreadOperator: "Proofreading: `ProofreadOperator`",
    SegmentSpeechOperator: "The speech of a dub: `SegmentSpeechOperator`",
    TranscribeOperator: "Transcription: `TranscribeOperator`",
    TranslateOperator: "Translation: `TranslateOperator`",
    PublishMediaOperator: "Publishing: `PublishMediaOperator`",
    DashScopeTaskSensor: "Waiting: `DashScopeTaskSensor`",
    PlanVideosOperator: "Many videos: `PlanVideosOperator`",
    DashScopeTaskOperator: "Any other model: `DashScopeTaskOperator`",
}


def _section_of(operator: Any) -> str:
    (page,) = [page for page in PAGES if page.name == "docs/operators.md"]
    return page.prose.partition(f"\n## {SECTIONS[operator]}\n")[2].partition("\n## ")[0]


def _own_parameters(operator: Any) -> set[str]:
    """The parameters of an operator and of its bases in this package."""
    return {
        name
        for kind in inspect.getmro(operator)
        if kind.__module__.startswith("airflow_provider_videoretalk.")
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


@pytest.mark.parametrize("operator", [kind for kind in SECTIONS if kind is not DashScopeTaskOperator])
def test_the_table_of_parameters_is_complete(operator: Any) -> None:
    cells = re.findall(r"^\| (`[^|]+) \|", _section_of(operator), re.MULTILINE)
    documented = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert _own_parameters(operator) - documented == set()


def test_the_number_of_parameters() -> None:
    (page,) = [page for page in PAGES if page.name == "docs/operators.md"]
    assert f"`VideoRetalkOperator` has {len(_own_parameters(VideoRetalkOperator))} parameters" in page.prose


@pytest.mark.parametrize("operator", SECTIONS)
def test_the_templated_fields_are_complete(operator: Any) -> None:
    sentence = _section_of(operator).partition("Templated fields: ")[2].partition(".\n")[0]
    documented = set(re.findall(r"`(\w+)`", sentence))
    if issubclass(operator, CatalogModelOperator):
        # Airflow's BaseOperator has a method dry_run, so the attribute of that parameter has another name.
        documented -= {"dry_run"}
    assert documented == set(operator.template_fields)
