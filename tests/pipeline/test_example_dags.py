"""The example DAGs as a team would copy them, run by Airflow on the emulator: real speech, real video, real files."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import av
import pytest
from airflow.sdk import DAG
from connections import API_KEY
from recognition import heard_share

from airflow_provider_videoretalk.emulator.server import Emulator

from .conftest import load

DAGS = Path(__file__).parents[2] / "dags"
SCRIPT = "Good morning, and welcome to the morning news. The weather is warm and the people are happy."

RunDag = Callable[..., Any]


def example(name: str) -> DAG:
    dag = load((DAGS / f"{name}.py").read_text(), name=name)
    for task in dag.tasks:
        task.retry_delay = timedelta(0)
    return dag


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the DAGs publish, by their Variable."""
    monkeypatch.setenv("AIRFLOW_VAR_VIDEORETALK_FOLDER", f"{tmp_path.as_uri()}/")
    return tmp_path


def local(uri: str) -> Path:
    return Path(uri.removeprefix("file://"))


def check_video(path: Path) -> None:
    with av.open(str(path)) as container:
        assert {stream.type: stream.codec_context.name for stream in container.streams} == {
            "video": "h264",
            "audio": "aac",
        }
        assert sum(1 for _ in container.decode(video=0)) > 25


def test_quickstart(run_dag: RunDag) -> None:
    run = run_dag(example("videoretalk_quickstart"), script=SCRIPT)
    assert run.state == "success"
    published = run.xcom("publish")
    video = local(published["uri"])
    check_video(video)
    assert heard_share(video, SCRIPT) >= 0.6
    assert json.loads(local(published["metadata_uri"]).read_text())["script"] == SCRIPT
    assert published["billed_seconds"] == pytest.approx(run.xcom("speech")["seconds"], abs=0.1)
    retalk = run.xcom("retalk")
    assert run.xcom("retalk", key="dashscope_task_id") == retalk["task_id"] == published["task_id"]
    assert retalk["queue_seconds"] >= 0
    assert retalk["render_seconds"] > 0


def test_a_dry_run_of_the_quickstart_prices_the_presenter_of_the_variable(
    run_dag: RunDag, folder: Path, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    presenter = f"{emulator.url}/samples/presenter.mp4"
    monkeypatch.setenv("AIRFLOW_VAR_VIDEORETALK_PRESENTER", presenter)
    before = paid(emulator)
    run = run_dag(example("videoretalk_quickstart"), script=SCRIPT, language="en", voice="loongabby_v3", dry_run=True)
    assert (run.state, run.states("retalk"), run.states("publish")) == ("success", ["skipped"], ["skipped"])
    speech, report = run.xcom("speech"), run.xcom("retalk", key="dashscope_dry_run")
    assert speech["voice"] == "loongabby_v3"
    assert report["inputs"]["video_url"] == presenter
    assert report["exact"] is True
    assert report["estimated_seconds"] == pytest.approx(speech["seconds"], abs=0.05)
    assert paid(emulator) == before + 1
    assert not list(folder.iterdir())


def test_submit_and_sense(run_dag: RunDag, folder: Path) -> None:
    run = run_dag(example("videoretalk_submit_and_sense"))
    assert run.state == "success"
    submitted, result = run.xcom("submit"), run.xcom("wait")
    assert (submitted["task_id"], submitted["status"]) == (result["task_id"], "PENDING")
    assert result["inputs"] == submitted["inputs"]
    assert result["cost"] == pytest.approx(0.08 * result["billed_seconds"])
    check_video(folder / f"{result['task_id']}.mp4")


TABLE = f"""name,language,text
welcome,en,"{SCRIPT}"
welcome,zh,早上好，欢迎来到我们的春季系列。每一件都经久耐用，物有所值。
farewell,en,"{SCRIPT} Good night."
"""


def paid(emulator: Emulator) -> int:
    """How many render jobs and speeches the emulator was asked to make."""
    return sum(request["method"] == "POST" for request in emulator.state.requests)


def batch_page(run: Any) -> Any:
    """What the batch page says of a run."""
    from airflow.utils.session import create_session

    from airflow_provider_videoretalk.ui.batch_page import _found

    with create_session(scoped=False) as session:
        return _found(session, "videoretalk_batch", run.run_id).batch


def test_a_batch_makes_and_pays_only_for_what_changed(run_dag: RunDag, folder: Path, emulator: Emulator) -> None:
    def run(**form: Any) -> Any:
        # A DAG that has run once keeps the form's values.
        return run_dag(example("videoretalk_batch"), **form)

    before = paid(emulator)

    bad = run(table=TABLE + "short,fr/,Non.\n")
    assert (bad.state, bad.states("plan")) == ("failed", ["failed"])
    assert bad.xcom("plan", key="videoretalk_plan")["counts"] == {"make": 3, "keep": 0, "refuse": 1}
    text = next(folder.glob("batches/*/manifest.csv")).read_text(encoding="utf-8-sig")
    table = list(csv.DictReader(text.splitlines()))
    assert [row["state"] for row in table] == ["missing"] * 3 + ["refused"]
    assert "column language" in table[3]["problem"]
    assert paid(emulator) == before
    assert batch_page(bad).counts == {"missing": 3, "refused": 1}

    dry = run(table=TABLE, dry_run=True)
    assert (dry.state, dry.states("video.make")) == ("success", ["skipped"])
    assert batch_page(dry).counts == {"planned": 3}
    assert paid(emulator) == before

    first = run(table=TABLE)
    assert (first.state, first.states("video.publish")) == ("success", ["success"] * 3)
    sums = first.xcom("manifest", key="videoretalk_manifest")
    assert sums["counts"] == {"published": 3}
    made = {path.name: json.loads(path.with_name(f"{path.name}.json").read_text()) for path in folder.glob("*.mp4")}
    assert sorted(made) == ["farewell-en.mp4", "welcome-en.mp4", "welcome-zh.mp4"]
    assert sums["cost"] == pytest.approx(sum(metadata["cost"] for metadata in made.values()), abs=0.001)
    check_video(folder / "welcome-zh.mp4")
    assert heard_share(folder / "welcome-en.mp4", SCRIPT) >= 0.6
    page = batch_page(first)
    assert [(row.plan.label, row.step) for row in page.rows] == [
        ("welcome (en)", "Published"),
        ("welcome (zh)", "Published"),
        ("farewell (en)", "Published"),
    ]
    assert page.cost == pytest.approx(sums["cost"], abs=0.001)
    after_first = paid(emulator)
    assert after_first == before + 6

    second = run(table=TABLE)
    assert (second.state, second.states("video.make")) == ("success", ["skipped"])
    assert second.xcom("manifest", key="videoretalk_manifest")["counts"] == {"kept": 3}
    assert paid(emulator) == after_first

    changed = run(table=TABLE.replace("Good night.", "Good night, and see you tomorrow."))
    assert changed.state == "success"
    assert changed.xcom("manifest", key="videoretalk_manifest")["counts"] == {"kept": 2, "published": 1}
    assert paid(emulator) == after_first + 2
    assert [row.state for row in batch_page(changed).rows] == ["kept", "kept", "done"]
    again = json.loads((folder / "farewell-en.mp4.json").read_text())
    assert again["task_id"] != made["farewell-en.mp4"]["task_id"]


def test_a_row_of_a_batch_may_name_a_photo(run_dag: RunDag, folder: Path, emulator: Emulator) -> None:
    before = paid(emulator)
    table = f'name,language,text,photo\nhello,en,"{SCRIPT}",{emulator.url}/samples/portrait.png\n'
    run = run_dag(example("videoretalk_batch"), table=table)
    assert (run.state, run.states("video.publish")) == ("success", ["success"])
    metadata = json.loads((folder / "hello-en.mp4.json").read_text())
    assert metadata["photo_model"] == "liveportrait"
    assert metadata["cost"] == pytest.approx(0.02 * metadata["billed_seconds"] + 0.004, abs=0.0001)
    check_video(folder / "hello-en.mp4")
    # The speech, the check of the photo, and the render job.
    assert paid(emulator) == before + 3


def test_a_failing_run_keeps_the_key_to_itself(
    run_dag: RunDag, folder: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    run = run_dag(example("videoretalk_quickstart"), script=SCRIPT, video="http://127.0.0.1:9/none.mp4")
    assert run.states("retalk") == ["failed"]
    output = capfd.readouterr()
    said = output.out + output.err + caplog.text
    assert "InvalidURL" in said
    assert "ended FAILED" in said
    assert API_KEY not in said
    assert not list(folder.iterdir())
