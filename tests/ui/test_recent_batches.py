"""The batches on the board, also those that have submitted nothing yet."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from batch_rows import DAG, ask_about, failed, made, many_rows, plan_task, planned_row, set_run_state, task
from fastapi.testclient import TestClient
from video_rows import NOW, Row

from airflow_provider_videoretalk.ui import recent_batches

Runs = Callable[..., None]
Login = Callable[..., TestClient]

HERE = "/videoretalk/batches"
KEPT = {"state": "keep", "row": None, "ready_after": None}


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    recent_batches._count_once.cache.clear()


def shown(client: TestClient, query: str = "") -> dict[str, str]:
    """The text of each batch, by its run."""
    page = client.get(f"{HERE}{query}").text
    found = {}
    for item in page.split("<li ")[1:]:
        path, text = re.findall(r'<a href="([^"]+)"', item)[0], re.sub(r"<[^>]*>", " ", item.partition(">")[2])
        found[path.partition("/runs/")[2].partition("/")[0]] = " ".join(text.split()).partition(" UTC ")[2]
    return found


def test_how_many_videos_of_all_are_there(runs: Runs, login: Login) -> None:
    rows = [
        planned_row(2, name="made"),
        planned_row(3, name="failed"),
        planned_row(4, name="renders"),
        planned_row(5, name="kept", **KEPT),
        planned_row(6, name="refused", state="refuse", row=None, problem="line 6"),
        planned_row(7, name="marked", row=3),
        planned_row(8, name="unpublished", row=4),
        planned_row(9, name="marked at the end", row=5),
        planned_row(10, name="without a video", row=6),
        planned_row(11, name="published by another run", row=7),
        planned_row(12, name="skipped by a person", row=8),
    ]
    cost: dict[str, Any] = {"return_value": {}, "videoretalk_cost": {"cost": 0.6}}
    tasks = [
        *made(0),
        *failed(1),
        task("make", 2, "deferred"),
        task("publish", 2, None),
        task("make", 3, "success"),
        task("publish", 3, "success", return_value={}),
        task("make", 4, "success", **cost),
        task("publish", 4, "failed"),
        task("make", 5, "success", **cost),
        task("publish", 5, "success"),
        task("make", 6, "success", return_value={}),
        task("publish", 6, "success", return_value={}),
        task("make", 7, "skipped", videoretalk_cost={"kept": True}),
        task("publish", 7, "skipped"),
        task("make", 8, "skipped"),
        task("publish", 8, "skipped"),
    ]
    runs(DAG, one=[plan_task(rows), *tasks])
    set_run_state(DAG, "one", "running")
    client = login(DAG)
    assert shown(client) == {"one": "3 of 11 done, 1 of them kept."}
    page = client.get(f"/videoretalk/dags/{DAG}/runs/one/batch").text
    assert "<strong>3 of 11</strong> videos are there" in page, "the batch page says the same"
    text = client.get(HERE).text
    assert f'<a href="/videoretalk/dags/{DAG}/runs/one/batch" aria-label="spring, one">spring</a>' in text
    assert '<progress value="3" max="11" aria-hidden="true">' in text
    set_run_state(DAG, "one", "failed")
    assert shown(client) == {"one": "3 of 11 done, 1 of them kept, 8 missing."}
    assert f'data-load="{HERE}?' in client.get("/videoretalk/").text


def test_a_batch_for_which_nothing_was_submitted(runs: Runs, login: Login) -> None:
    kept = [planned_row(line, **KEPT) for line in (2, 3, 4)]
    rows = [planned_row(2), planned_row(3), planned_row(4, **KEPT)]
    never = [Row(task_id="video.make", state="skipped"), Row(task_id="video.publish", state="skipped")]
    ahead = [Row(task_id="video.make", state=None), Row(task_id="video.publish", state=None)]
    runs(
        DAG,
        kept=[plan_task(kept), *never],
        asks=[plan_task(rows), Row(task_id="approve", state="deferred"), *ahead],
        ended=[plan_task(rows), Row(task_id="approve", state="deferred"), *ahead],
        dry=[plan_task(rows, dry_run=True), *never],
        planning=[Row(task_id="plan", state="running")],
        queued=[Row(task_id="plan", state=None)],
        bad=[Row(task_id="plan", state="failed")],
        deleted=[Row(task_id="plan")],
    )
    for run_id in ("asks", "planning", "queued"):
        set_run_state(DAG, run_id, "running")
    set_run_state(DAG, "ended", "failed")
    ask_about("asks", task_id="approve", map_index=-1)
    ask_about("ended", task_id="approve", map_index=-1)
    found = shown(login(DAG))
    assert found == {
        "deleted": "The sums of the plan cannot be read.",
        "bad": "No plan: the log of its task says why.",
        "queued": "Not planned yet.",
        "planning": "Not planned yet.",
        "dry": "Dry run: 2 of 3 would be made, 1 kept.",
        "ended": "1 of 3 done, 1 of them kept, 2 missing.",
        "asks": "1 of 3 done, 1 of them kept. Waits for a person: Required Actions",
        "kept": "3 of 3 done, 3 of them kept.",
    }
    assert list(found)[-1] == "kept", "the newest run is first"
    page = login(DAG).get(HERE).text
    assert f'href="/dags/{DAG}/runs/asks/required_actions"' in page
    assert "grid" not in login(DAG).get("/videoretalk/").text.partition("No videos.")[0].partition("Latest")[2]


def test_a_run_that_is_cleared_is_counted_anew(runs: Runs, login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    runs(DAG, one=many_rows(3))
    client, counted = login(DAG), []
    count = recent_batches.count_made
    monkeypatch.setattr(recent_batches, "count_made", lambda *args, **named: counted.append(1) or count(*args, **named))
    for _ in range(3):
        assert shown(client) == {"one": "3 of 3 done."}
    assert len(counted) == 1, "what has ended does not change"
    set_run_state(DAG, "one", "running")
    for _ in range(2):
        shown(client)
    assert len(counted) == 3


def test_only_readers_of_the_dag_see_it_and_filters_apply(runs: Runs, login: Login) -> None:
    runs(DAG, one=many_rows(1))
    runs("videoretalk_quickstart", other=[Row(task_id="retalk", xcoms={"dashscope_task_id": "t"})])
    both, day = login(DAG, "videoretalk_quickstart"), NOW.date()
    for query, expected in {
        "": {"one"},
        f"?dag={DAG}": {"one"},
        "?dag=videoretalk_quickstart": set(),
        f"?day={day}": {"one"},
        f"?day={day - timedelta(days=1)}": set(),
        "?state=failed&q=zebra": {"one"},
    }.items():
        assert set(shown(both, query)) == expected, query
    assert login().get(HERE).status_code == 401
    for query in ("", f"?dag={DAG}", f"?dag={DAG}&dag_id=videoretalk_quickstart"):
        assert "spring" not in login("videoretalk_quickstart").get(HERE + query).text
    assert "No batches." in login("videoretalk_quickstart").get(HERE).text
    assert both.get(f"{HERE}?day=0001-01-01").status_code == 422


def test_what_a_plan_says_is_text_and_bounded(runs: Runs, login: Login) -> None:
    runs(DAG, one=[plan_task([planned_row(2)], batch="<b>x</b>\u202e" + "y" * 200), *made(0)])
    odd = {"version": 1, "batch": 5, "counts": {"make": -1, "keep": "9", "refuse": 2}, "dry_run": "yes"}
    runs(DAG, two=[Row(task_id="plan", xcoms={"videoretalk_plan": odd})])
    page = login(DAG).get(HERE).text
    assert "<b>" not in page
    assert "\u202e" not in page
    assert "&lt;b&gt;x" in page
    assert "y" * 100 not in page
    assert shown(login(DAG))["two"] == "0 of 2 done, 2 missing."
    assert f">{DAG}</a>" in page


def test_the_latest_are_shown_and_more_are_told(runs: Runs, login: Login) -> None:
    runs(DAG, **{f"run{number}": many_rows(1) for number in range(9)})
    client = login(DAG)
    assert list(shown(client)) == [f"run{number}" for number in range(8, 0, -1)]
    assert "Older batches: choose a DAG or a day." in client.get(HERE).text
    assert "Older batches" not in client.get(f"{HERE}?day={NOW.date() - timedelta(days=1)}").text
