"""The pages alone in a browser: a narrow window, and parts that refresh while somebody reads."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import batch_rows
import job_facts
import pytest
import uvicorn
from dag_readers import reader_of
from fastapi import FastAPI
from selenium.webdriver.common.keys import Keys
from system.waiting import until
from video_rows import Row, finished_run

from airflow_provider_videoretalk.job_history.history import JobHistory
from airflow_provider_videoretalk.ui.airflow_db.task_logs import TaskLog

from ..ui import conftest as page_server
from .person import Person

DAG = "videoretalk_quickstart"
WORD = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen" * 3
PAGES = (
    "",
    *(f"dags/{DAG}/runs/{run}/tasks/retalk/-1" for run in ("done", "waits", "bad", "made", WORD)),
    f"dags/{batch_rows.DAG}/runs/spring/batch",
    *(f"spend?by={by}" for by in ("dag", "label", "person")),
)

Runs = Callable[..., None]

database, server, dags, runs = page_server.database, page_server.server, page_server.dags, page_server.runs
variables, history = page_server.variables, page_server.history


@pytest.fixture(scope="module")
def url(server: FastAPI) -> Iterator[str]:
    """Where the API server listens."""
    runner = uvicorn.Server(uvicorn.Config(server, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=runner.run)
    thread.start()
    until(lambda: runner.started, what="the API server is up", within=60)
    (listener,) = runner.servers[0].sockets
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    runner.should_exit = runner.force_exit = True
    thread.join()


@pytest.fixture
def reader(url: str, tmp_path: Path) -> Iterator[Person]:
    """Somebody who may read the runs of both DAGs."""
    from airflow.api_fastapi.app import get_auth_manager

    driver, browser = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or browser is None:
        pytest.fail("Chromium is missing; on Debian: apt-get install chromium chromium-driver")
    with Person.at(url, browser=browser, driver=driver, pictures=tmp_path) as person:
        person.goes_to("/videoretalk/static/icon.svg")
        token = get_auth_manager().generate_jwt(reader_of(DAG, batch_rows.DAG))
        person.browser.add_cookie({"name": "_token", "value": token})
        yield person


def failed(**xcoms: Any) -> list[Row]:
    return [Row(task_id="retalk", state="failed", xcoms={"videoretalk_watch": "/", **xcoms})]


@pytest.fixture
def many(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Videos of each kind, with words that do not break."""
    line = {"error_detail": [{"exc_type": "TaskFailedError", "exc_value": f"InvalidFile.{WORD}: {WORD}. {WORD}."}]}
    monkeypatch.setattr(TaskLog, "read_last_lines", lambda log: [line])
    published = {"uri": f"s3://bucket/{WORD}.mp4", "sha256": "0", "size": 1, "label": WORD, "language": WORD}
    runs(
        DAG,
        **{
            WORD[:200]: finished_run("t-4", script=WORD),
            "done": finished_run("t-1", script=f"{WORD} {WORD}", published=published),
            "waits": [Row(task_id="retalk", state="deferred", xcoms={"dashscope_task_id": WORD})],
            "made": failed(dashscope_task_id=WORD),
            "bad": failed(),
        },
    )


@pytest.fixture
def batch(runs: Runs) -> None:
    """A batch with a row of each kind."""
    name, problem = f"{WORD[:60]} {WORD[:60]}", f"line 5, column video: {WORD}. {WORD}."
    rows = [
        batch_rows.planned_row(2, name=name, language=WORD[:40]),
        batch_rows.planned_row(3, name="later", script=WORD[:24]),
        batch_rows.planned_row(4, name="bad"),
        batch_rows.planned_row(5, state="refuse", row=None, uri=None, problem=problem),
        batch_rows.planned_row(6, name="kept", state="keep", row=None),
    ]
    error = {"code": WORD, "message": f"{WORD} {WORD}.", "remedy": f"{WORD}."}
    tasks = [*batch_rows.made(0, name=name), batch_rows.task("make", 1, None), *batch_rows.failed(2, **error)]
    runs(batch_rows.DAG, spring=[batch_rows.plan_task(rows, batch=WORD), *tasks])
    batch_rows.set_run_state(batch_rows.DAG, "spring", "running")


@pytest.fixture
def bills(history: JobHistory) -> None:
    """Bills of eight clips, so that some share a colour."""
    for number in range(8):
        label = f"{WORD}{number}" if number else None
        history.note("submitted", job_facts.submit(f"job{number}", label=label, run=str(number)))
        history.note("ended", job_facts.billed(f"job{number}", cost=1000.0 + number))


@pytest.mark.usefixtures("many", "batch", "bills")
def test_no_page_scrolls_sideways_at_a_zoom_of_400_percent(reader: Person) -> None:
    for path in PAGES:
        # 1280 CSS pixels at 400 %.
        reader.goes_to(f"/videoretalk/{path.replace(WORD, WORD[:200])}")
        size = {"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": False}
        reader.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        reader.waits_for(lambda: "Loading" not in reader.finds("main").text, why="a part is not loaded")
        for details in reader.browser.find_elements("css selector", "details > summary"):
            details.click()
        reader.waits_for(lambda: "Reading the task" not in reader.finds("main").text, why="a log is not read")
        assert reader.asks("innerWidth") == 320
        wide = reader.asks(
            "[...document.querySelectorAll('main *')].filter(one => one.getBoundingClientRect().right > 320.5 && "
            "!one.closest('table')).map(one => one.outerHTML.slice(0, 200))"
        )
        assert (path, reader.asks("document.documentElement.scrollWidth"), wide) == (path, 320, [])
        for scheme in ("light", "dark"):
            feature = {"name": "prefers-color-scheme", "value": scheme}
            reader.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
            assert (path, scheme, reader.serious_violations()) == (path, scheme, [])


@pytest.mark.usefixtures("bills")
def test_the_spend_is_read_and_chosen_by_keyboard(reader: Person) -> None:
    reader.goes_to("/videoretalk/")
    reader.finds("a", text="Other days, by label or person, as CSV").send_keys(Keys.ENTER)
    reader.reads("h1", text="Spend")
    assert reader.reads("table.bars tbody tr:nth-child(2)", text="CNY").count("CNY") == 1
    bar = reader.finds("table.bars svg")
    name = reader.browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    read = [node["name"]["value"] for node in name if node["role"].get("value") == "image" and node.get("name")]
    assert f"{DAG}: 8,028.00 CNY" in read
    assert bar.size["width"] >= 60
    reader.finds("select[name=by]").send_keys("label")
    reader.finds("select[name=by]").send_keys(Keys.ENTER)
    reader.finds("form button").send_keys(Keys.ENTER)
    reader.reads("#groups", text="By label")
    assert "by=label" in reader.finds("a[download]").get_attribute("href")


@pytest.mark.usefixtures("many")
def test_a_part_that_refreshes_keeps_the_focus_and_what_is_open(
    reader: Person,
    runs: Runs,
) -> None:
    reader.goes_to("/videoretalk/")
    reader.waits_for(lambda: "failed tasks" in reader.finds("main").text, why="the failures are not loaded")
    reader.finds("#failures ~ details > summary").click()
    reader.browser.execute_script("window.scrollTo(0, 120)")
    cards = "[...document.querySelectorAll('.card')].length"
    assert reader.asks(cards) == 4
    first = reader.finds(".card a").get_attribute("href")
    reader.browser.execute_script("document.querySelector('.card a').focus({ preventScroll: true })")
    reader.browser.execute_script("document.querySelector('.card').dataset.mark = 'untouched'")
    runs(DAG, new=finished_run("t-9"), newer=failed())
    for selector in ("[data-load*='/videos']", "[data-load*='/failures']"):
        reader.browser.execute_async_script(
            "const [selector, done] = arguments; const part = document.querySelector(selector);"
            "load(part, part.dataset.load).then(done);",
            selector,
        )
    assert reader.asks(cards) == 5
    assert reader.asks("document.activeElement.href") == first
    assert reader.asks("document.querySelector('[data-mark]') !== null") is False, "the mark is not in a new version"
    assert reader.asks("document.querySelector('#failures ~ details').open") is True
    assert "3 failed tasks" in reader.finds("main").text
    assert reader.asks("scrollY") >= 120
    reader.browser.switch_to.active_element.send_keys(Keys.ENTER)
    reader.waits_for(lambda: reader.browser.current_url == first, why="the card has no link any more")
