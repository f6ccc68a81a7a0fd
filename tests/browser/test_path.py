"""A person's path through the UI: connection, trigger form, waiting, watching, the board, a review."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .person import Person

SCRIPT = "Good morning, and welcome. This video was made from a few lines of text."


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return f"{tmp_path.as_uri()}/"


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
    assert "list: yes, cancel: yes, upload: yes; 0 tasks wait" in said


def test_from_the_trigger_form_to_the_board(person: Person, airflow: Any, base_url: str, folder: str) -> None:
    triggers_the_quickstart(person, video=f"{base_url.removesuffix('/api/v1')}/samples/presenter.mp4", folder=folder)
    run_id = person.waits_for(lambda: newest_run(airflow), why="no run began")
    follows_the_watch_link(person, run_id)
    watches_the_result(person)
    opens_the_board(person)


def triggers_the_quickstart(person: Person, *, video: str, folder: str) -> None:
    person.goes_to("/dags/videoretalk_quickstart")
    person.clicks("button", text="Trigger")
    person.writes("textarea[name=element_script]", SCRIPT)
    person.takes_picture("trigger")
    person.opens("Who says it")
    person.writes("input[name=element_video]", video)
    person.opens("Where it goes")
    person.writes("input[name=element_destination]", folder)
    person.clicks("[role=dialog] button", text="Trigger")


def newest_run(airflow: Any) -> str | None:
    runs = airflow.call("GET", "/dags/videoretalk_quickstart/dagRuns?order_by=-id")["dag_runs"]
    return runs[0]["dag_run_id"] if runs else None


def follows_the_watch_link(person: Person, run_id: str) -> None:
    def link() -> str | None:
        person.goes_to(f"/dags/videoretalk_quickstart/runs/{run_id}/tasks/retalk/details")
        person.finds("main, [role=main], #root")
        found = person.browser.find_elements("link text", "Watch")
        return found[0].get_attribute("href") if found else None

    person.goes_to(person.waits_for(link, why="there is no Watch link while the task waits"))
    person.reads(text="The service calls it RUNNING")
    person.reads("h1", text="Waiting")
    person.takes_picture("waiting")
    assert person.serious_violations() == []


def watches_the_result(person: Person) -> None:
    # The page goes on by itself once the video is made.
    person.reads("h1", text="Done")
    person.waits_for(
        lambda: person.asks("document.getElementById('result')?.readyState >= 2"), why="the result can't be played"
    )
    assert person.asks("document.getElementById('result').currentTime") == 0
    person.clicks("#both")
    person.waits_for(lambda: person.asks("document.getElementById('result').currentTime > 0.5"), why="it stands still")
    assert person.asks("document.getElementById('source').currentTime") > 0
    person.clicks("#both")
    person.waits_for(lambda: person.asks("document.getElementById('result').paused"), why="it does not pause")
    person.browser.execute_script("document.getElementById('result').currentTime = 3")
    person.waits_for(
        lambda: person.asks("['source', 'result'].every(name => !document.getElementById(name).seeking)"),
        why="it does not get there",
    )
    assert person.asks("document.getElementById('result').currentTime") == pytest.approx(3, abs=0.1)
    apart = "Math.abs(document.getElementById('result').currentTime - document.getElementById('source').currentTime)"
    assert person.asks(apart) < 0.5
    person.takes_picture("result", height=1200)
    for theme in ("light", "dark"):
        person.chooses(theme)  # type: ignore[arg-type]
        person.waits_for(
            lambda: person.asks("document.getElementById('result')?.readyState >= 2"), why="the result does not load"
        )
        assert person.serious_violations() == [], theme
    person.takes_picture("result-dark")
    person.chooses("light")


def opens_the_board(person: Person) -> None:
    person.goes_to("/plugin/videoretalk")
    frame = person.finds("iframe[title=VideoRetalk]")
    person.browser.switch_to.frame(frame)
    person.reads("#main", text="Good morning, and welcome.")
    person.reads("#main", text="waiting in the account of")
    person.waits_for(lambda: person.asks("document.querySelector('.card video').readyState >= 2"), why="no poster")
    person.reads("#main", text="CNY in 14 days")
    person.browser.switch_to.default_content()
    person.takes_picture("board")
    person.goes_to("/videoretalk/")
    for theme in ("light", "dark"):
        person.chooses(theme)  # type: ignore[arg-type]
        person.reads("#main", text="CNY in 14 days")
        assert person.serious_violations() == [], theme
    person.chooses("light")


def test_a_video_is_approved_before_it_is_published(person: Person, airflow: Any, base_url: str, folder: str) -> None:
    video = f"{base_url.removesuffix('/api/v1')}/samples/presenter.mp4"
    run_id = airflow.trigger("videoretalk_review", {"script": SCRIPT, "video": video, "destination": folder})
    run = airflow.run_path("videoretalk_review", run_id)
    person.waits_for(
        lambda: states(airflow, run).get("review") in ("awaiting_input", "deferred"), why="nobody is asked to review"
    )
    person.goes_to(f"/dags/videoretalk_review/runs/{run_id}/tasks/review/required_actions")
    watch = person.finds("a[href*='/videoretalk/']", text="Watch the video").get_attribute("href")
    person.takes_picture("review")
    person.clicks("button", text="Approve")
    person.waits_for(lambda: states(airflow, run).get("publish") == "success", why="it is not published")
    assert states(airflow, run)["redo"] == "skipped"
    assert list(Path(folder.removeprefix("file://")).glob("*.mp4"))
    person.goes_to(str(watch))
    person.reads("h1", text="Done")


def states(airflow: Any, run: str) -> dict[str, str]:
    return {one["task_id"]: one["state"] for one in airflow.call("GET", f"{run}/taskInstances")["task_instances"]}
