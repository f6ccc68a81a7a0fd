"""A person's path through the UI: connection, trigger form, waiting, watching, the board, a review."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from .film import Film
from .person import Person

SCRIPT = "Welcome. This video was made from a few lines of text, by a pipeline that ran on its own."
LOADED = "[...document.querySelectorAll('video')].every(one => one.readyState >= 2 && one.networkState == 1)"
CHANGED = "Good morning. This one is shorter."
SPEND = "in 14 days, by what the service said."


@pytest.fixture
def folder(airflow: Any, tmp_path: Path) -> Path:
    """Where the DAGs publish."""
    airflow.publish_in(tmp_path)
    return tmp_path


def test_the_connection_form_and_its_test_button(person: Person, base_url: str) -> None:
    person.goes_to("/connections")
    person.clicks("button[aria-label='Edit Connection']")
    person.writes("input[name=host]", base_url)
    person.writes("input[name=password]", "sk-typed-by-hand")
    person.opens("Account")
    person.reads("[role=dialog]", text="Id of a sub-workspace")
    person.writes("input[name=element_workspace]", "ws-spring")
    person.takes_picture("connection")
    person.clicks("button", text="Save")
    person.waits_for(
        lambda: not person.browser.find_elements("css selector", "input[name=password]"), why="the form stays"
    )
    person.clicks("button[aria-label='Test Connection']")
    said = person.waits_for(
        lambda: next((text for text in person.toasts() if "accepts the key" in text or "rror" in text), None),
        why="the test says nothing",
    )
    assert "Workspace: ws-spring" in said
    assert "list: yes, cancel: yes, upload: yes; 0 render jobs" in said


@pytest.mark.usefixtures("folder")
def test_from_the_trigger_form_to_the_board(person: Person, airflow: Any, pictures: Path) -> None:
    film = Film(person)
    triggers_the_quickstart(person, film)
    run_id = person.waits_for(lambda: newest_run(airflow, "videoretalk_quickstart"), why="no run began")
    follows_the_watch_link(person, run_id)
    film.shows()
    watches_the_result(person, film)
    run = airflow.run_path("videoretalk_quickstart", run_id)
    person.waits_for(lambda: states(airflow, run).get("publish") == "success", why="it is not published")
    sees_the_published_one(person)
    film.shows()
    opens_the_board(person)
    film.shows()
    film.save(pictures / "demo.webp")
    with Image.open(pictures / "demo.webp") as saved:
        assert (saved.format, saved.is_animated) == ("WEBP", True)


def triggers_the_quickstart(person: Person, film: Film) -> None:
    """With the form as it is: the docs' pictures are what it makes."""
    person.goes_to("/dags/videoretalk_quickstart")
    person.clicks("button", text="Trigger")
    person.waits_for(
        lambda: person.finds("textarea[name=element_script]").get_attribute("value") == SCRIPT, why="it has no script"
    )
    person.takes_picture("trigger")
    film.shows()
    person.clicks("[role=dialog] button", text="Trigger")


def newest_run(airflow: Any, dag_id: str, *, but: str = "") -> str | None:
    runs = airflow.call("GET", f"/dags/{dag_id}/dagRuns?order_by=-id")["dag_runs"]
    return next((run["dag_run_id"] for run in runs if run["dag_run_id"] != but), None)


def follows_the_watch_link(person: Person, run_id: str) -> None:
    def link() -> str | None:
        person.goes_to(f"/dags/videoretalk_quickstart/runs/{run_id}/tasks/retalk/details")
        person.finds("main, [role=main], #root")
        found = person.browser.find_elements("link text", "Watch")
        return found[0].get_attribute("href") if found else None

    person.goes_to(person.waits_for(link, why="there is no Watch link while the task waits"))
    person.reads(text="The service reports the status RUNNING")
    person.reads("h1", text="Waiting")
    person.waits_for(lambda: person.asks(LOADED), why="a video does not load")
    person.takes_picture("waiting")
    assert person.serious_violations() == []


def watches_the_result(person: Person, film: Film) -> None:
    # The page goes on by itself once the video is made.
    person.reads("h1", text="Done")
    person.waits_for(
        lambda: person.asks("document.getElementById('result')?.readyState >= 2"), why="the result cannot be played"
    )
    assert person.asks("document.getElementById('result').currentTime") == 0
    person.clicks("#both")
    person.waits_for(lambda: person.asks("document.getElementById('result').currentTime > 0.5"), why="it stands still")
    assert person.asks("document.getElementById('source').currentTime") > 0
    film.follows(seconds=3)
    person.clicks("#both")
    person.waits_for(lambda: person.asks("document.getElementById('result').paused"), why="it does not pause")
    seeks(person, 3)
    assert person.asks("document.getElementById('result').currentTime") == pytest.approx(3, abs=0.1)
    apart = "Math.abs(document.getElementById('result').currentTime - document.getElementById('source').currentTime)"
    assert person.asks(apart) < 0.5


def seeks(person: Person, second: float) -> None:
    person.browser.execute_script("document.getElementById('result').currentTime = arguments[0]", second)
    person.waits_for(
        lambda: person.asks("['source', 'result'].every(name => !document.getElementById(name).seeking)"),
        why="it does not get there",
    )


def sees_the_published_one(person: Person) -> None:
    for theme in ("dark", "light"):
        person.chooses(theme)  # type: ignore[arg-type]
        person.reads("dl", text="file:///")
        person.waits_for(lambda: person.asks(LOADED), why="the result does not load")
        assert person.serious_violations() == [], theme
        seeks(person, 3)
        person.takes_picture("result-dark" if theme == "dark" else "result", height=1200)


def opens_the_board(person: Person) -> None:
    person.goes_to("/plugin/videoretalk")
    frame = person.finds("iframe[title=VideoRetalk]")
    person.browser.switch_to.frame(frame)
    person.reads("#main", text="Welcome. This video was made")
    person.reads("#main", text="queued in the account of")
    person.waits_for(lambda: person.asks("document.querySelector('.card video').readyState >= 2"), why="no poster")
    assert "CNY" in person.reads("#main p", text=SPEND)
    person.browser.switch_to.default_content()
    person.goes_to("/videoretalk/")
    for theme in ("light", "dark"):
        person.chooses(theme)  # type: ignore[arg-type]
        assert "CNY" in person.reads("#main p", text=SPEND)
        assert person.serious_violations() == [], theme
    person.chooses("light")
    person.reads("#main p", text=SPEND)
    person.waits_for(lambda: "Loading" not in person.finds("#main").text, why="a panel does not load")
    person.waits_for(lambda: person.asks("document.querySelector('.card video').readyState >= 2"), why="no poster")


@pytest.mark.usefixtures("folder")
def test_a_failure_tells_what_to_do(person: Person, airflow: Any, base_url: str) -> None:
    fault = {
        "operation": "submit",
        "effect": "fail_task",
        "code": "InvalidFile.FaceNotMatch",
        "message": "The face of the reference is not in the video.",
    }
    requests.post(f"{origin(base_url)}/emulator/faults", json=fault, timeout=30).raise_for_status()
    run = airflow.run_path("videoretalk_quickstart", airflow.trigger("videoretalk_quickstart", inputs(base_url)))
    person.waits_for(lambda: states(airflow, run).get("retalk") == "failed", why="it does not fail")
    person.goes_to("/videoretalk/")
    person.clicks("#main summary", text="InvalidFile.FaceNotMatch")
    person.clicks("#main details details summary", text="videoretalk_quickstart · retalk")
    person.reads("#main details", text="What to do:")
    person.clicks("#main details a", text="Result page")
    person.reads("h1", text="Failed")
    said = person.reads("#main .bad", text="What to do:")
    assert "InvalidFile.FaceNotMatch" in said
    assert "Request" in said
    person.waits_for(lambda: person.asks(LOADED), why="a video does not load")
    person.takes_picture("failed")
    for theme in ("light", "dark"):
        person.chooses(theme)  # type: ignore[arg-type]
        person.reads("#main .bad", text="What to do:")
        assert person.serious_violations() == [], theme
    person.chooses("light")


def test_a_video_is_sent_back_then_approved(person: Person, airflow: Any, base_url: str, folder: Path) -> None:
    first = airflow.trigger("videoretalk_review", inputs(base_url))
    asked_to_review(person, airflow, first)
    person.writes("textarea[name=element_new_script]", CHANGED)
    person.writes("input[name=element_reason]", "Shorter, please.")
    run = airflow.run_path("videoretalk_review", first)
    person.clicks_until(lambda: states(airflow, run).get("redo") == "success", "button", text="Send back")
    assert states(airflow, run)["publish"] == "skipped"

    second = person.waits_for(lambda: newest_run(airflow, "videoretalk_review", but=first), why="no run follows")
    watch = asked_to_review(person, airflow, second)
    person.reads("code", text="Shorter, please.")
    person.takes_picture("review")
    run = airflow.run_path("videoretalk_review", second)
    person.clicks_until(lambda: states(airflow, run).get("publish") == "success", "button", text="Approve")
    assert states(airflow, run)["redo"] == "skipped"
    (published,) = folder.glob("*.mp4.json")
    assert json.loads(published.read_text())["script"] == CHANGED
    person.goes_to(watch)
    person.reads("h1", text="Done")
    person.goes_to("/plugin/videoretalk")
    person.browser.switch_to.frame(person.finds("iframe[title=VideoRetalk]"))
    # Posters further down load when they are seen.
    person.waits_for(lambda: person.asks("document.querySelector('.card video').readyState >= 2"), why="no poster")
    assert "CNY" in person.reads("#main p", text=SPEND)
    person.browser.switch_to.default_content()
    person.takes_picture("board")


def asked_to_review(person: Person, airflow: Any, run_id: str) -> str:
    """Opens the request for a review; the address of the video's page, that it names."""
    run = airflow.run_path("videoretalk_review", run_id)
    person.waits_for(
        lambda: states(airflow, run).get("review") in ("awaiting_input", "deferred"), why="nobody is asked to review"
    )
    person.goes_to(f"/dags/videoretalk_review/runs/{run_id}/tasks/review/required_actions")
    return str(person.finds("a[href*='/videoretalk/']", text="Watch the video").get_attribute("href"))


def inputs(base_url: str) -> dict[str, str]:
    return {"script": SCRIPT, "video": f"{origin(base_url)}/samples/presenter.mp4"}


def origin(base_url: str) -> str:
    return base_url.removesuffix("/api/v1")


def states(airflow: Any, run: str) -> dict[str, str]:
    return {one["task_id"]: one["state"] for one in airflow.call("GET", f"{run}/taskInstances")["task_instances"]}
