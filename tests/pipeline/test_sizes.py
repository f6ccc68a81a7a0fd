"""What one video leaves in Airflow's database and in its folder is what docs/sizing.md says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sizing import stated
from sqlalchemy import text
from variable_rows import VariableRows

from airflow_provider_videoretalk.airflow_adapters.variable_store import HAS_KEYS
from airflow_provider_videoretalk.emulator.server import Emulator

from .conftest import load

QUICKSTART = Path(__file__).parents[2] / "dags" / "videoretalk_quickstart.py"
SCRIPT = "Good morning, and welcome to the morning news. The weather is warm and the people are happy."
_VARIABLE = "SELECT length(key) + length(val) + length(description) FROM variable WHERE key LIKE '{}%'"
LEFT = {
    "DAG run": "SELECT length(CAST(conf AS TEXT)) FROM dag_run WHERE run_id = :run",
    "asset event": "SELECT length(CAST(extra AS TEXT)) FROM asset_event WHERE source_run_id = :run",
    "task instances": "SELECT 0 FROM task_instance WHERE run_id = :run",
    "rendered fields": "SELECT length(CAST(rendered_fields AS TEXT)) FROM rendered_task_instance_fields "
    "WHERE run_id = :run",
    "XComs": "SELECT length(CAST(value AS TEXT)) FROM xcom WHERE run_id = :run",
    "task state": "SELECT length(value) FROM task_state_store WHERE run_id = :run",
    "submission record, a Variable": _VARIABLE.format("dashscope_submission_"),
    "facts of the job history, Variables": _VARIABLE.format("dashscope_history_"),
}


def sizes(query: str, **values: Any) -> list[int]:
    from airflow.utils.session import create_session

    with create_session() as session:
        return [int(size) for (size,) in session.execute(text(query), values)]


@pytest.mark.skipif(not HAS_KEYS, reason="Airflow 3.1 and 3.2 keep no task state, and no Variables of this package")
def test_one_video(
    run_dag: Callable[..., Any], emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_VIDEORETALK_FOLDER", f"{tmp_path.as_uri()}/")
    VariableRows().delete_history()
    before = set(sizes("SELECT id FROM variable WHERE key LIKE 'dashscope_submission_%'"))
    jobs = len(emulator.state.jobs)
    run = run_dag(load(QUICKSTART.read_text(), name="videoretalk_quickstart"), script=SCRIPT)
    assert run.state == "success"
    # On a machine that is very busy, the emulator drops a job as too old, and a retry submits another.
    again = len(emulator.state.jobs) - jobs - 1
    more = {"submission record, a Variable": again, "facts of the job history, Variables": 2 * again}
    for what, query in LEFT.items():
        # Records of other tests' jobs may still be there.
        mine = f"{query} AND id NOT IN ({', '.join(map(str, before)) or '0'})" if "submission" in what else query
        found = sizes(mine, run=run.run_id) if ":run" in query else sizes(mine)
        rows, most = stated(what)
        assert len(found) == rows + more.get(what, 0), (what, found)
        assert sum(found) <= most * (1 + more.get(what, 0)), (what, found)
    metadata = [path.stat().st_size for path in tmp_path.rglob("*.json")]
    rows, most = stated("metadata of the video, a file")
    assert (len(metadata), sum(metadata) <= most) == (rows, True), metadata
