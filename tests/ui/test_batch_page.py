"""The page of a batch: its rows, filters, pages and CSV, with Airflow's API server and database."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from batch_rows import DAG, ask_about, failed, made, many_rows, plan_task, planned_row, set_run_state, task
from fastapi.testclient import TestClient
from video_rows import Row, write_dags

Runs = Callable[..., None]
Login = Callable[..., TestClient]

HERE = f"/videoretalk/dags/{DAG}/runs/one/batch"

PLANNED = [
    planned_row(2, name="welcome"),
    planned_row(3, name="zebra", cost=9.5),
    planned_row(4, name="Ärger", script="Guten Morgen, und willkommen."),
    planned_row(5, name="kept", state="keep", row=None, cost=0.5, ready_after=None),
    planned_row(6, name="refused", state="refuse", row=None, uri=None, problem="line 6, column video: none. Give one."),
    planned_row(7, name="review", row=3),
    planned_row(8, name="later", row=4),
    planned_row(9, name="dropped", row=5),
    planned_row(10, name="marked", row=6),
    planned_row(11, name="unpublished", row=7),
    planned_row(12, name="retried", row=8),
]
TASKS: list[Row] = [
    *made(0, name="welcome"),
    *failed(1),
    task("make", 2, "deferred"),
    task("publish", 2, None),
    task("make", 3, "success", return_value={}, videoretalk_cost={"cost": 0.6, "currency": "CNY"}),
    task("publish", 3, "deferred"),
    task("make", 4, None),
    task("make", 5, "skipped"),
    task("publish", 5, "skipped"),
    task("make", 6, "success"),
    task("publish", 6, "success"),
    task("make", 7, "success", return_value={}, videoretalk_cost={"cost": 0.6, "currency": "CNY"}),
    task("publish", 7, "failed"),
    task("make", 8, "up_for_retry", videoretalk_error={"code": "Throttling", "message": "Too many requests."}),
]
STATES = {
    "welcome": "Published",
    "zebra": "Failed in Airflow",
    "Ärger": "Being made",
    "kept": "Kept",
    "refused": "Refused",
    "review": "Waits for a review",
    "later": "Not started",
    "dropped": "Not made",
    "marked": "Success in Airflow, without a video",
    "unpublished": "Made, not published",
    "retried": "Waits for another try",
}


@pytest.fixture
def batch(runs: Runs) -> None:
    runs(DAG, one=[plan_task(PLANNED), *TASKS])
    set_run_state(DAG, "one", "running")
    ask_about("one", task_id="video.publish", map_index=3)


def lines(page: str) -> dict[str, str]:
    """The text of each row of the table, by its name."""
    found = {}
    for row in page.partition("<tbody")[2].split("<tr ")[1:]:
        name, *cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        text = [" ".join(re.sub(r"<[^>]*>", " ", cell).split()) for cell in (name, *cells)]
        found[text[0]] = " | ".join(text[1:])
    return found


@pytest.mark.usefixtures("batch")
def test_each_row_says_what_became_of_it(login: Login) -> None:
    page = login(DAG).get(HERE).text
    found = lines(page)
    assert list(found) == [row["name"] for row in PLANNED]
    for name, words in STATES.items():
        assert words in found[name], name
    assert "The speech is too short. InvalidFile.Duration Lengthen the script." in found["zebra"]
    assert "It takes 1 s." not in found["zebra"]
    assert "Too many requests. Throttling" in found["retried"]
    assert "line 6, column video: none. Give one." in found["refused"]
    assert "0.60 CNY" in found["welcome"]
    assert "at most 0.64 CNY" in found["Ärger"]
    assert "nothing" in found["kept"]
    assert "file:///videos/kept-en.mp4" in found["kept"]
    assert "Its page says what became of the render job." in found["unpublished"]
    request = f'href="/dags/{DAG}/runs/one/tasks/video.publish/mapped/3/required_actions"'
    assert re.search(rf"<a [^>]*{re.escape(request)} aria-label=\"Review review \(en\)\"", page)


def test_a_row_that_was_sent_back_says_by_whom_and_why(runs: Runs, login: Login) -> None:
    row = made(0, name="late")[0]
    noted = {
        "row": 0,
        "code": "SentBack",
        "message": "Ada sent it back: <b>Shorter</b>, please.",
        "remedy": "Correct it.",
    }
    tasks = [row, task("review", 0, "failed", videoretalk_error=noted), task("publish", 0, "upstream_failed")]
    asked = [made(1, name="asked")[0], task("review", 1, "awaiting_input"), task("publish", 1, None)]
    runs(DAG, one=[plan_task([planned_row(2, name="late"), planned_row(3, name="asked")]), *tasks, *asked])
    ask_about("one", task_id="video.review", map_index=1)
    set_run_state(DAG, "one", "running")
    page = login(DAG).get(HERE).text
    found = lines(page)
    assert (
        "Made, not published Ada sent it back: &lt;b&gt;Shorter&lt;/b&gt;, please. SentBack Correct it."
        in found["late"]
    )
    assert "Waits for a review Review" in found["asked"]
    assert f"/dags/{DAG}/runs/one/tasks/video.review/mapped/1/required_actions" in page
    (late, _) = csv.DictReader(io.StringIO(login(DAG).get(f"{HERE}.csv").content.decode("utf-8-sig")))
    assert (late["state"], late["code"], late["problem"]) == ("failed", "SentBack", noted["message"])


@pytest.mark.usefixtures("batch")
def test_the_sums(login: Login) -> None:
    page = " ".join(re.sub(r"<[^>]*>", "", login(DAG).get(HERE).text).split())
    assert "2 of 11 videos are there, 1 of them kept." in page
    assert "3 waiting, 1 to review, 2 failed, 2 not made or not published, 1 refused" in page
    # Three were made, and three are ahead.
    assert "1.80 CNY so far, at most 3.72 CNY in all." in page
    assert "The last should be through at about 20" in page


@pytest.mark.usefixtures("batch")
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("show=waiting", ["Ärger", "review", "later", "retried"]),
        ("show=missing", ["zebra", "refused", "dropped", "marked", "unpublished"]),
        ("show=failed", ["zebra", "unpublished"]),
        ("show=review", ["review"]),
        ("show=kept", ["kept"]),
        ("show=done", ["welcome", "kept"]),
        ("q=wel", ["welcome"]),
        ("q=WILLKOMMEN", ["Ärger"]),
        ("q=%C3%A4rger", ["Ärger"]),
        ("q=A%CC%88rger+en", ["Ärger"]),
        ("q=zebra&show=kept", []),
        ("q=%25", []),
        ("show=missing&sort=name", ["dropped", "marked", "refused", "unpublished", "zebra"]),
        ("show=missing&sort=state", ["zebra", "unpublished", "refused", "dropped", "marked"]),
        ("show=missing&sort=cost", ["zebra", "refused", "dropped", "marked", "unpublished"]),
    ],
)
def test_filters_search_and_sort(query: str, names: list[str], login: Login) -> None:
    page = login(DAG).get(f"{HERE}?{query}").text
    assert list(lines(page)) == names
    rows = csv.DictReader(io.StringIO(login(DAG).get(f"{HERE}.csv?{query}").content.decode("utf-8-sig")))
    assert [row["name"] for row in rows] == names
    if not names:
        assert "No row matches." in page


@pytest.mark.usefixtures("batch")
def test_the_csv_has_the_columns_of_the_manifest_and_no_formula(login: Login, runs: Runs) -> None:
    reply = login(DAG).get(f"{HERE}.csv")
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert reply.headers["content-disposition"].startswith('attachment; filename="spring one.csv"')
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(reply.content.decode("utf-8-sig")))}
    assert list(rows["zebra"]) == [
        *("line", "name", "language", "state", "uri", "seconds", "cost", "currency", "code", "problem", "remedy")
    ]
    assert (rows["welcome"]["state"], rows["welcome"]["cost"], rows["welcome"]["seconds"]) == ("done", "0.6", "7.5")
    assert rows["welcome"]["uri"] == "file:///videos/welcome-en.mp4"
    bad = rows["zebra"]
    assert (bad["code"], bad["problem"]) == ("InvalidFile.Duration", "The speech is too short. It takes 1 s.")
    assert bad["remedy"] == "Lengthen the script."
    assert rows["unpublished"]["problem"] == "Made, not published"
    runs(DAG, two=[plan_task([planned_row(2, name="=cmd()")]), *failed(0, message="@SUM(A1)")])
    text = login(DAG).get(HERE.replace("one", "two") + ".csv").content.decode("utf-8-sig")
    assert "'=cmd()" in text
    assert "'@SUM(A1)" in text


def test_pages_lead_on_without_a_script(runs: Runs, login: Login) -> None:
    runs(DAG, one=many_rows(120))
    client = login(DAG)
    seen, address = [], f"{HERE}?show=done&q=clip"
    while address:
        page = client.get(address).text
        seen += list(lines(page))
        found = re.search(r'href="([^"]+)" rel="next"', page)
        address = found[1].replace("&amp;", "&") if found else ""
    assert seen == [f"clip{line:04}" for line in range(2, 122)]
    assert "Rows 101 to 120 of 120 that match" in page
    assert 'rel="prev"' in page
    assert "There is no such page." in client.get(f"{HERE}?page=9").text
    assert 'page=2"' in client.get(f"{HERE}?page=9").text, "back to the last one"


def test_the_download_has_the_name_of_the_row(
    runs: Runs, login: Login, published: Callable[[str, bytes], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    publication = published("job-0", b"video") | {"name": "früh", "language": "de"}
    monkeypatch.setenv("AIRFLOW__VIDEORETALK__ALLOWED_DESTINATIONS", publication["uri"].rpartition("/")[0] + "/")
    make, _ = made(0)
    make = task("make", 0, "success", **{**make.xcoms, "return_value": {"task_id": "job-0", "video_url": None}})
    fields = {"destination": publication["uri"]}
    publish = Row(task_id="video.publish", map_index=0, xcoms={"return_value": publication}, fields=fields)
    runs(DAG, one=[plan_task([planned_row(2, name="früh", language="de")]), make, publish])
    page = login(DAG).get(HERE).text
    (address,) = re.findall(r'href="([^"]+/media/result)" download', page)
    assert 'aria-label="Download früh (de)"' in page
    reply = login(DAG).get(address)
    assert (reply.status_code, reply.content) == (200, b"video")
    assert "filename*=UTF-8''fr%C3%BCh-de.mp4" in reply.headers["content-disposition"]


def test_a_dry_run_says_so(runs: Runs, login: Login) -> None:
    rows = [
        plan_task(PLANNED[:3], dry_run=True),
        *(Row(task_id=f"video.{name}", state="skipped") for name in ("make",)),
    ]
    runs(DAG, one=rows)
    page = login(DAG).get(HERE).text
    assert "Dry run: nothing is made or billed" in page
    assert "3 would be made" in page
    assert "The videos would cost at most <strong>10.78 CNY</strong> in all." in " ".join(page.split())
    assert "data-final" in page


@pytest.mark.parametrize(
    ("plan_state", "run_state", "words"),
    [
        ("running", "running", "There is no plan yet: the task <code>plan</code> is running."),
        (None, "queued", "There is no plan yet: the task <code>plan</code> is not started."),
        ("failed", "failed", "The log of the task <code>plan</code> says why."),
        ("success", "success", "The rows of the plan cannot be read"),
    ],
)
def test_without_a_plan(plan_state: str | None, run_state: str, words: str, runs: Runs, login: Login) -> None:
    runs(DAG, one=[Row(task_id="plan", state=plan_state)])
    set_run_state(DAG, "one", run_state)
    assert words in login(DAG).get(HERE).text
    assert login(DAG).get(f"{HERE}.csv").status_code == 404


def test_a_video_that_another_run_has_published(runs: Runs, login: Login) -> None:
    rows = [plan_task([planned_row(2)]), task("make", 0, "skipped", videoretalk_cost={"kept": True})]
    runs(DAG, one=[*rows, task("publish", 0, "skipped")])
    assert "Published by another run" in login(DAG).get(HERE).text
    assert login(DAG).get(f"{HERE}?show=missing").text.count("clip0002") == 0


@pytest.mark.parametrize("state", ["upstream_failed", "skipped"])
def test_rows_that_never_begin_are_missing(state: str, runs: Runs, login: Login) -> None:
    """Before Airflow maps the tasks, one task instance stands for all of them."""
    runs(DAG, one=[plan_task(PLANNED[:3]), Row(task_id="video.make", state=state)])
    set_run_state(DAG, "one", "running")
    assert {text.split(" | ")[1] for text in lines(login(DAG).get(HERE).text).values()} == {"Not made"}


def test_a_person_who_has_to_answer_for_the_whole_batch(runs: Runs, login: Login) -> None:
    runs(
        DAG,
        one=[plan_task(PLANNED[:3]), Row(task_id="approve", state="deferred"), Row(task_id="video.make", state=None)],
    )
    set_run_state(DAG, "one", "running")
    ask_about("one", task_id="approve", map_index=-1)
    page = login(DAG).get(HERE).text
    assert "A person has to answer before the batch goes on" in page
    assert "3 waiting" in page


def test_what_is_no_batch(runs: Runs, login: Login) -> None:
    runs("videoretalk_quickstart", one=[Row(task_id="retalk")])
    client = login("videoretalk_quickstart", DAG)
    reply = client.get("/videoretalk/dags/videoretalk_quickstart/runs/one/batch")
    assert (reply.status_code, "makes no batch" in reply.text) == (404, True)
    assert client.get(HERE.replace("one", "none")).status_code == 404
    runs(DAG, one=[plan_task(PLANNED)])
    assert client.get(f"{HERE}?plan=manifest").status_code == 404
    assert client.get(f"{HERE}?plan=plan").status_code == 200


@pytest.mark.usefixtures("batch")
def test_only_readers_of_the_dag_see_it(login: Login) -> None:
    for part in ("", "/rows", ".csv"):
        assert login().get(HERE + part).status_code == 401
        other = login("videoretalk_quickstart")
        for address in (HERE + part, f"{HERE}{part}?dag_id=videoretalk_quickstart&plan=plan"):
            assert (other.get(address).status_code, "zebra" in other.get(address).text) == (403, False)
        assert "zebra" in login(DAG).get(HERE + part).text
    assert "zebra" not in login("videoretalk_quickstart").get("/videoretalk/").text


@pytest.mark.parametrize("query", ["page=-1", "page=10001", "page=x", "show=all", "sort=-name", "q=" + "x" * 201])
def test_bounds_of_the_query(query: str, runs: Runs, login: Login) -> None:
    runs(DAG, one=[plan_task(PLANNED)])
    for part in ("", "/rows", ".csv"):
        assert login(DAG).get(f"{HERE}{part}?{query}").status_code == 422


def test_what_the_table_says_is_text(runs: Runs, login: Login) -> None:
    rows = [
        planned_row(2, name="<b>x</b>", language="<i>", problem="<script>alert(1)</script>", state="refuse", row=None)
    ]
    runs(DAG, one=[plan_task([*rows, planned_row(3, name="a\u202eb\nc", row=0)], batch='"><script>'), *made(0)])
    page = login(DAG).get(HERE).text
    assert page.count("<script") == 1
    assert "<b>" not in page
    assert "&lt;b&gt;x" in page
    assert "\u202e" not in page


def test_no_signature_is_shown(runs: Runs, login: Login) -> None:
    url = "https://bucket.example.com/a.mp4?X-Amz-Signature=secret-of-source"
    error = {"message": f"The server refused {url}", "remedy": f"Sign {url} anew."}
    video = {"task_id": "job-1", "video_url": url, "expires_at": "2999-01-01T00:00:00+00:00"}
    bad, good = failed(0, **error), task("make", 1, "success", return_value=video, videoretalk_cost={})
    runs(DAG, one=[plan_task([planned_row(2), planned_row(3)]), *bad, good])
    for part in ("", "/rows", ".csv"):
        text = login(DAG).get(HERE + part).text
        assert "The server refused https://bucket.example.com/a.mp4" in text
        assert "secret-of-source" not in text


@pytest.mark.usefixtures("batch")
def test_links_lead_there_and_back(login: Login) -> None:
    client = login(DAG)
    page = client.get(HERE).text
    (video,) = set(re.findall(r'href="([^"]+/tasks/[^"]+/0)"', page))
    for address in (video, video.replace("video.make", "video.publish"), "/videoretalk/"):
        assert f'href="{HERE}?plan=plan"' in client.get(address).text, address
    assert client.get(f"{HERE}?plan=plan").status_code == 200


def test_a_video_of_no_batch_has_no_such_link(runs: Runs, login: Login) -> None:
    runs("videoretalk_quickstart", one=[Row(task_id="retalk", xcoms={"dashscope_task_id": "t"})])
    client = login("videoretalk_quickstart")
    for address in ("/videoretalk/", "/videoretalk/dags/videoretalk_quickstart/runs/one/tasks/retalk/-1"):
        assert "/runs/one/batch" not in client.get(address).text


@pytest.mark.usefixtures("batch")
def test_the_table_can_be_read_aloud(login: Login) -> None:
    page = login(DAG).get(HERE).text
    assert page.count('<th role="columnheader" scope="col"') == 6
    assert page.count('<th role="rowheader" scope="row">') == len(PLANNED)
    assert "<caption>Rows 1 to 11 of 11</caption>" in page
    assert 'aria-sort="ascending"' in login(DAG).get(f"{HERE}?sort=name").text
    assert page.count('role="status"') == 2
    part = login(DAG).get(f"{HERE}/rows").text
    assert "<html" not in part
    assert lines(part) == lines(page)
    assert "data-final" not in part
    set_run_state(DAG, "one", "failed")
    part = login(DAG).get(f"{HERE}/rows").text
    assert "data-final" in part
    assert "Not made" in lines(part)["later"]


def test_5000_rows_cost_a_handful_of_statements(runs: Runs, login: Login) -> None:
    from airflow.utils.session import create_session
    from sqlalchemy import event

    runs(DAG, one=many_rows(5_000))
    client = login(DAG)
    client.get(HERE)
    with create_session(scoped=False) as session:
        engine = session.get_bind()
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if re.search(r"\b(task_instance|xcom\w*|dag_run)\b", statement):
            statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        page = client.get(f"{HERE}?page=60&sort=name").text
        for_page = len(statements)
        rows = client.get(f"{HERE}.csv").content.decode("utf-8-sig").splitlines()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert "5000 of 5000" in page
    assert "3,000.00 CNY" in page
    assert len(lines(page)) == 50
    assert len(rows) == 5_001
    assert for_page == 5, "the run, the plan, the tasks, the reviews, and the page"
    assert len(statements) == 10
    assert len(json.dumps(page)) < 200_000


TWO_BATCHES = """
from airflow.sdk import DAG
from airflow_provider_videoretalk.operators.make_video import MakeVideoOperator
from airflow_provider_videoretalk.operators.manifest import WriteManifestOperator
from airflow_provider_videoretalk.operators.plan_videos import PlanVideosOperator
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator

class OurPlan(PlanVideosOperator):
    pass

with DAG(dag_id="two_batches", schedule=None):
    for name in ("spring", "autumn"):
        read = OurPlan(task_id=f"read_{name}", table="t", folder="file:///v/")
        render = MakeVideoOperator.partial(task_id=f"render_{name}", folder="file:///v/").expand(row=read.output)
        store = PublishMediaOperator.partial(task_id=f"store_{name}", destination="file:///v/").expand(source=render.output)
        copy = PublishMediaOperator(task_id=f"copy_{name}", source="a", destination="file:///v/")
        end = WriteManifestOperator(task_id=f"end_{name}", folder="file:///v/", make_task_id=render.task_id)
        store >> copy >> end
"""


def test_other_task_ids_and_two_batches(runs: Runs, login: Login, tmp_path: Path) -> None:
    (tmp_path / "two_batches.py").write_text(TWO_BATCHES)
    write_dags(tmp_path)
    ids = {"make": "render_spring", "publish": "store_spring", "plan": "read_spring"}
    rows = [
        replace(row, task_id=ids[row.task_id.removeprefix("video.")])
        for row in (
            plan_task([planned_row(2), planned_row(3), planned_row(4)]),
            *made(0),
            *failed(1),
            task("make", 2, "success", return_value={}, videoretalk_cost={"cost": 0.6, "currency": "CNY"}),
        )
    ]
    # Airflow maps the second task when all of the first have ended. The copy is not one of a row.
    later = [
        Row(task_id="store_spring", state=None),
        Row(task_id="copy_spring", state="skipped"),
        Row(task_id="read_autumn"),
    ]
    runs("two_batches", one=[*rows, *later])
    set_run_state("two_batches", "one", "running")
    client, here = login("two_batches"), "/videoretalk/dags/two_batches/runs/one/batch"
    page = client.get(f"{here}?plan=read_spring").text
    assert [text.split(" | ")[1].split(" The ")[0] for text in lines(page).values()] == [
        "Published",
        "Failed in Airflow",
        "Made, being published",
    ]
    assert f'href="{here}?plan=read_autumn"' in page
    assert 'name="plan" value="read_spring"' in page
    assert "plan=read_spring" in re.findall(r'data-load="([^"]+)"', page)[0]
    assert "The rows of the plan cannot be read" in client.get(here).text, "the first one by its id"
    (video, *_) = re.findall(r'href="([^"]+/tasks/[^"]+/0)"', page)
    assert f'href="{here}?plan=read_spring"' in client.get(video).text
    board = client.get("/videoretalk/batches").text
    assert re.findall(r'href="([^"]+/batch[^"]*)"', board) == [f"{here}?plan=read_autumn", f"{here}?plan=read_spring"]
    assert "<strong>1 of 3</strong> done" in board
