"""The board: its pages, its filters, and its panels."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import batch_rows
import pytest
from fastapi.testclient import TestClient
from video_rows import NOW, Row, finished_run, result

from airflow_provider_videoretalk.ui import board
from airflow_provider_videoretalk.ui.board import Cursor
from airflow_provider_videoretalk.ui.service_status import QueueCounts

PAGE_SIZE = 24
DAG, OTHER = "videoretalk_quickstart", "videoretalk_submit_and_sense"

Runs = Callable[..., None]
Login = Callable[..., TestClient]


def shown(page: str) -> list[str]:
    """The runs whose videos are on a page."""
    return re.findall(r'<a href="/videoretalk/dags/[^/]+/runs/([^/]+)/', page.partition('class="grid"')[2])


def all_shown(client: TestClient, query: str = "") -> list[list[str]]:
    """The runs of all pages, page by page."""
    pages, address = [], f"/videoretalk/?{query}"
    while address:
        page = client.get(address).text
        pages.append(shown(page))
        older = re.search(r'href="([^"]+)" rel="next"', page)
        address = older[1].replace("&amp;", "&") if older else ""
    return pages


def clip(task_id: str, *, state: str = "success", **bill: Any) -> list[Row]:
    xcoms = {"return_value": result(task_id, **bill)} if state == "success" else {}
    return [Row(task_id="retalk", state=state, xcoms={"dashscope_task_id": task_id, "videoretalk_watch": "/", **xcoms})]


def test_pages_hold_every_video_once_the_latest_first(runs: Runs, login: Login) -> None:
    names = [f"run{number:03}" for number in range(2 * PAGE_SIZE + 5)]
    runs(DAG, **{name: clip(name) for name in names})
    pages = all_shown(login(DAG))
    assert [len(page) for page in pages] == [PAGE_SIZE, PAGE_SIZE, 5]
    assert [name for page in pages for name in page] == names[::-1]


def test_clips_of_one_mapped_run_are_paged_too(runs: Runs, login: Login) -> None:
    rows = [
        Row(task_id="video.make", map_index=index, xcoms={"dashscope_task_id": f"t{index}"})
        for index in range(PAGE_SIZE + 3)
    ]
    runs("videoretalk_batch", one=rows)
    assert [len(page) for page in all_shown(login("videoretalk_batch"))] == [PAGE_SIZE, 3]


def test_filters(runs: Runs, login: Login) -> None:
    runs(DAG, bad=clip("a", state="failed"), waits=clip("b", state="deferred"), good=clip("c"))
    runs(DAG, kept=[*clip("e"), Row(task_id="publish", state="failed")], dry=clip("f", state="skipped"))
    runs(OTHER, other=[Row(task_id="submit", xcoms={"dashscope_task_id": "d"})])
    everything = {"bad", "waits", "good", "kept", "dry", "other"}
    client = login(DAG, OTHER)
    day = NOW.date()
    for query, expected in {
        "": everything,
        f"dag={DAG}": everything - {"other"},
        "dag=none": set(),
        "state=failed": {"bad", "kept"},
        "state=skipped": {"dry"},
        "state=waiting": {"waits"},
        f"state=done&dag={OTHER}": {"other"},
        f"day={day}": everything,
        f"day={day - timedelta(days=1)}": set(),
        "dag=&state=&day=": everything,
    }.items():
        assert {name for page in all_shown(client, query) for name in page} == expected, query
    assert client.get("/videoretalk/?state=odd").status_code == 422


def test_search_by_name_and_script(runs: Runs, login: Login, published: Any) -> None:
    named = {"script": "Wir öffnen um neun.", "language": "de", "label": "Frühling (de)", "name": "frühling"}
    runs(DAG, spring=finished_run("a", published=published("a", b"0") | named))
    runs(DAG, autumn=finished_run("b", script="The shop CLOSES at nine. " * 50))
    runs(
        DAG, waits=[Row(task_id="retalk", state="deferred", xcoms={"dashscope_task_id": "c"}, fields={"text": "Soon."})]
    )
    runs(
        "videoretalk_batch", secret=[Row(task_id="video.make", xcoms={"dashscope_task_id": "d"}, fields={"label": "x"})]
    )
    client = login(DAG, OTHER)
    for query, expected in {
        "q=": {"spring", "autumn", "waits"},
        "q=fr%C3%BChling": {"spring"},
        "q=FRU%CC%88HLING": {"spring"},
        "q=(de)+neun": {"spring"},
        "q=fr%C3%BChling-de": {"spring"},
        "q=closes+shop": {"autumn"},
        "q=nine+neun": set(),
        "q=soon": {"waits"},
        "q=videoretalk_quickstart+closes": {"autumn"},
        "q=%25": set(),
        f"q=closes&dag={OTHER}": set(),
        "q=closes&state=waiting": set(),
        "q=closes&state=done": {"autumn"},
        "q=x": set(),
    }.items():
        assert {name for page in all_shown(client, query) for name in page} == expected, query
    assert 'name="q" value="&#34;&gt;&lt;b&gt;"' in client.get("/videoretalk/?q=%22%3E%3Cb%3E").text
    assert client.get("/videoretalk/?q=" + "x" * 201).status_code == 422


def test_a_search_goes_on_with_older_videos(runs: Runs, login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "SCAN_LIMIT", 30)
    runs(
        DAG,
        old=finished_run("old", script="The oldest."),
        **{f"run{number:02}": clip(f"t{number}") for number in range(40)},
    )
    client = login(DAG)
    first = client.get("/videoretalk/?q=oldest").text
    assert "None of the 30 videos that were searched matches the filters." in first
    assert "Search older videos" in first
    assert all_shown(client, "q=oldest") == [[], ["old"]]


def test_a_clip_of_a_large_run_is_made_of_its_own_rows(
    runs: Runs, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With those of all others, 600 clips of one run cost 360,000 rows, and seconds."""
    given: list[int] = []
    from_rows = board.TaskOutputs.from_rows

    def noted(viewed: Any, *, related: Any, rows: Any) -> Any:
        given.append(len(rows))
        return from_rows(viewed, related=related, rows=rows)

    monkeypatch.setattr(board.TaskOutputs, "from_rows", noted)
    runs(batch_rows.DAG, one=batch_rows.many_rows(40))
    page = login(batch_rows.DAG).get("/videoretalk/?q=clip").text
    assert page.count('<span class="badge done">Done</span>') == PAGE_SIZE
    assert given == [2] * 40, "the task that makes it, and the one that publishes it"


def test_a_cursor_survives_its_text() -> None:
    cursor = Cursor(run_number=7, task_id="group.task", map_index=-1)
    assert Cursor.parse(str(cursor)) == cursor
    assert Cursor.parse("nonsense") is None
    assert Cursor.parse(None) is None


def test_the_queue_shows_waiting_and_held_back_videos(runs: Runs, login: Login) -> None:
    held = {"dashscope_expected_start": NOW.timestamp()}
    runs(
        DAG,
        waits=clip("a", state="deferred"),
        held=[Row(task_id="retalk", state="deferred", xcoms=held)],
        good=clip("c"),
    )
    text = login(DAG).get("/videoretalk/queue").text
    assert "/runs/waits/" in text
    assert f"held back, expected to start {NOW:%Y-%m-%d} 12:00 UTC or later" in text
    assert "/runs/good/" not in text
    assert "All should be done" in text
    assert "/runs/" not in login(OTHER).get("/videoretalk/queue").text


def test_the_queue_shows_videos_of_sensors_and_of_retries(runs: Runs, login: Login) -> None:
    submission = {"task_id": "a", "request_id": "r", "status": "PENDING"}
    submitted = Row(task_id="submit", xcoms={"dashscope_task_id": "a", "return_value": submission})
    for state in ("running", "deferred", "up_for_reschedule"):
        runs(OTHER, **{state: [submitted, Row(task_id="wait", state=state, fields={"dashscope_task_id": submission})]})
    runs(OTHER, over=[submitted, Row(task_id="wait", fields={"dashscope_task_id": submission})])
    runs(DAG, again=clip("b", state="up_for_retry"))
    text = login(DAG, OTHER).get("/videoretalk/queue").text
    found = re.findall(r"/runs/(\w+)/", text)
    assert sorted(found) == ["again", "deferred", "running", "up_for_reschedule"]
    assert "and more" not in text


def test_a_long_queue_says_that_there_is_more(runs: Runs, login: Login) -> None:
    runs(DAG, **{f"run{number}": clip(f"t{number}", state="deferred") for number in range(51)})
    text = login(DAG).get("/videoretalk/queue").text
    assert text.count("/runs/") == 50
    assert "and more" in text


def test_parallel_renders_are_done_sooner() -> None:
    assert QueueCounts(queued=9, rendering=3).rounds == 4
    assert QueueCounts(queued=9, rendering=0).rounds == 9


def test_what_a_sensor_waits_for_is_not_done(runs: Runs, login: Login) -> None:
    submitted = Row(
        task_id="submit",
        xcoms={"dashscope_task_id": "a", "return_value": {"task_id": "a", "status": "PENDING"}},
    )
    runs(
        OTHER,
        waits=[submitted, Row(task_id="wait", state="deferred")],
        fails=[submitted, Row(task_id="wait", state="failed")],
        ends=[submitted, Row(task_id="wait", xcoms={"return_value": result("a")})],
    )
    client = login(OTHER)
    for state, expected in {"waiting": "waits", "failed": "fails", "done": "ends"}.items():
        assert all_shown(client, f"state={state}") == [[expected]], state


def test_failures_are_listed_whether_or_not_anything_was_submitted(runs: Runs, login: Login) -> None:
    early = [Row(task_id="speech", state="failed", xcoms={"videoretalk_watch": "/"})]
    runs(DAG, late=clip("a", state="failed"), early=early, good=clip("b"))
    text = login(DAG).get("/videoretalk/failures").text
    assert "/runs/late/" in text
    assert "/runs/early/" in text
    assert "/runs/good/" not in text


def test_a_video_shows_its_language_and_cost(runs: Runs, login: Login, published: Any) -> None:
    runs(DAG, one=finished_run("a", published=published("a", b"0")))
    page = login(DAG).get("/videoretalk/").text
    assert '<span class="name">videoretalk_quickstart · en · Good morning.</span>' in page
    assert "7.5 s billed" in page
