"""All DAGs that people copy have retries, since any task of Airflow can fail for a moment."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import DAG, Param
from airflow.sdk.exceptions import ParamValidationError
from documents import ROOT, Block, blocks

DAG_FILES = sorted((ROOT / "dags").rglob("*.py"))
EXAMPLES = [block for block in blocks("python") if "with DAG(" in block.code or "@dag" in block.code]


def check(names: dict[str, Any]) -> None:
    dags = [value for value in names.values() if isinstance(value, DAG)]
    assert dags
    for task in (task for dag in dags for task in dag.tasks):
        assert task.retries == 3, task.task_id
        assert task.retry_delay >= timedelta(seconds=5), task.task_id


def run(code: str, name: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "example", "__doc__": ""}
    found: list[DAG] = []
    entered = DAG.__enter__

    def enter(dag: DAG) -> DAG:
        found.append(dag)
        return entered(dag)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DAG, "__enter__", enter)
        exec(compile(code, name, "exec"), names)
    return {dag.dag_id: dag for dag in found}


def forms() -> dict[str, DAG]:
    """The example DAGs whose forms have fields, by their ids."""
    found = {}
    for path in DAG_FILES:
        found |= run(path.read_text(), str(path))
    return {dag_id: dag for dag_id, dag in found.items() if dag.params}


FORMS = forms()
LONG_SCRIPT = "Guten Morgen, und willkommen. " * 200
SYSTEM_VOICES = ["longanyang", "longanhuan", "loongabby_v3", "loongemily_v3", "loongtomoka_v3", "loongkyong_v3"]


@pytest.mark.parametrize("path", DAG_FILES, ids=lambda path: path.stem)
def test_example_dags(path: Path) -> None:
    check(run(path.read_text(), str(path)))


@pytest.mark.trap(11)
def test_a_question_whose_answer_was_lost_is_asked_again() -> None:
    dag = run((ROOT / "dags" / "videoretalk_batch.py").read_text(), "videoretalk_batch")["videoretalk_batch"]
    questions = {task.task_id: task for task in dag.tasks if isinstance(task, HITLOperator)}
    assert set(questions) == {"approve", "video.review"}
    assert all(task.retries > 0 for task in questions.values())


@pytest.mark.parametrize("block", EXAMPLES, ids=lambda block: block.name)
def test_documented_dags(block: Block) -> None:
    check(run(block.code, block.name))


@pytest.mark.parametrize("dag_id", FORMS)
def test_each_form_has_a_dry_run_and_a_highest_cost(dag_id: str) -> None:
    dag = FORMS[dag_id]
    assert dag.params.get_param("dry_run").schema["type"] == "boolean"
    assert dag.params["dry_run"] is False
    assert dag.params.get_param("max_cost").schema["maximum"] > dag.params["max_cost"] > 0


@pytest.mark.parametrize("dag_id", FORMS)
def test_a_form_has_no_clip_of_others(dag_id: str) -> None:
    """An empty field stands for the Variable, so that an Airflow on the emulator shows the emulator's presenter."""
    assert FORMS[dag_id].params["video"] is None
    fields = [str(getattr(task, "video_url", "") or getattr(task, "defaults", "")) for task in FORMS[dag_id].tasks]
    fields += [str(getattr(task, "partial_kwargs", {}).get("video_url")) for task in FORMS[dag_id].tasks]
    assert any("{{ params.video or var.value.get('videoretalk_presenter', 'https://" in field for field in fields)


@pytest.mark.parametrize(
    ("dag_id", "field"),
    [
        (dag_id, field)
        for dag_id, dag in FORMS.items()
        for field in dag.params
        if "string" in dag.params.get_param(field).schema["type"]
    ],
)
def test_no_message_of_a_form_has_a_whole_script(dag_id: str, field: str) -> None:
    """Airflow's own message for a value that the schema refuses has all of it. The tasks cut what they name."""
    assert LONG_SCRIPT not in said_of(FORMS[dag_id].params.get_param(field), LONG_SCRIPT)


def said_of(field: Param, value: object) -> str:
    """Airflow's message for a value of a form; nothing for one that it takes."""
    try:
        field.resolve(value)
    except ParamValidationError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("dag_id", ["videoretalk_quickstart", "videoretalk_batch"])
def test_voices_and_languages_are_offered_and_any_other_is_taken(dag_id: str) -> None:
    voice, language = (FORMS[dag_id].params.get_param(name) for name in ("voice", "language"))
    assert set(SYSTEM_VOICES) <= set(voice.schema["examples"])
    assert "Japanese: loongtomoka_v3" in voice.schema["description_md"]
    assert {"zh", "en", "de", "ja", "ko", "es"} <= set(language.schema["examples"])
    assert voice.resolve("cosyvoice-v3-flash-mine-0123") == "cosyvoice-v3-flash-mine-0123"
    assert language.resolve("English") == "English"
    assert voice.resolve(None) is None
