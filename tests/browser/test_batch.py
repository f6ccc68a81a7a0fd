"""A producer's path through a batch: a table into the form, the price, an approval, a correction, a download."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from media_files import video
from pytest_httpserver import HTTPServer

from .person import Person

DAG = "videoretalk_batch"
SCRIPTS = {
    ("welcome", "en"): "Good morning, and welcome to our spring collection.",
    ("welcome", "de"): "Guten Morgen, und willkommen zu unserer Frühjahrskollektion.",
    ("welcome", "fr"): "Bonjour, et bienvenue dans notre collection de printemps.",
    ("welcome", "es"): "Buenos días, y bienvenidos a nuestra colección de primavera.",
    ("welcome", "zh"): "早上好，欢迎来到我们的春季系列。每一件都经久耐用。",
    ("welcome", "ja"): "おはようございます。春のコレクションへようこそ。",
    ("farewell", "en"): "Thank you for watching, and see you very soon.",
    ("farewell", "de"): "Vielen Dank fürs Zuschauen, und bis bald.",
    ("farewell", "fr"): "Merci de votre attention, et à très bientôt.",
    ("farewell", "es"): "Muchas gracias por su atención, y hasta pronto.",
    ("farewell", "zh"): "谢谢大家的观看，我们很快再见。",
    ("farewell", "ja"): "ご覧いただき、ありがとうございました。",
}
BAD = ("farewell", "es")
TWO_ROWS = """name,language,text
hello,en,Good morning to all of you out there.
hello,de,Guten Morgen euch allen da draußen zusammen.
"""
SPEECH = "/api/v1/services/audio/tts/SpeechSynthesizer"
ENDED = ("success", "failed")
POSTERS = "[...document.querySelectorAll('main video[src]')].filter(one => one.readyState >= 2).length >= 2"


@pytest.fixture
def folder(airflow: Any, tmp_path: Path) -> Path:
    """Where the DAG publishes."""
    airflow.publish_in(tmp_path)
    return tmp_path


@pytest.fixture
def broken_presenter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a video whose header is in order, and whose pictures are zeros: only a render finds out."""
    clip = video(tmp_path_factory.mktemp("clips") / "clip.mp4", seconds=4).read_bytes()
    start, end = clip.index(b"mdat") + 4, clip.index(b"moov") - 4
    with HTTPServer(host="127.0.0.1") as server:
        broken = clip[:start] + bytes(end - start) + clip[end:]
        server.expect_request("/broken.mp4").respond_with_data(broken, content_type="video/mp4")
        yield server.url_for("/broken.mp4")


def table(*, video_of_bad_row: str = "") -> str:
    """The rows as CSV. One of them may name a presenter of its own."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(["name", "language", "text", "video"])
    writer.writerows((*row, text, video_of_bad_row if row == BAD else "") for row, text in SCRIPTS.items())
    return lines.getvalue()


def test_a_table_becomes_a_folder_of_videos(
    person: Person, airflow: Any, base_url: str, folder: Path, broken_presenter: str
) -> None:
    before = paid(base_url)
    triggers_the_batch(person, table(video_of_bad_row=broken_presenter), approve_above="1")
    first = new_run(person, airflow)
    sees_the_plan_and_its_price(person, airflow, first)
    assert paid(base_url) == before
    approves(person, airflow, first)
    sees_the_batch_fill(person)
    is_told_of_the_row_that_failed(person)
    after_first = paid(base_url)
    assert after_first == {"speeches": before["speeches"] + 12, "videos": before["videos"] + 11}
    assert len(list(folder.glob("*.mp4"))) == 11

    triggers_the_batch(person, table())
    second = new_run(person, airflow, but=first)
    sees_one_video_made_and_eleven_kept(person, airflow, second)
    # Its speech was made, and is kept.
    assert paid(base_url) == {"speeches": after_first["speeches"], "videos": after_first["videos"] + 1}
    downloads_the_video(person, folder)


def test_a_video_of_a_batch_is_approved_and_another_sent_back(
    person: Person, airflow: Any, base_url: str, folder: Path
) -> None:
    first = airflow.trigger(DAG, {"table": TWO_ROWS, "review": True})
    person.waits_for(lambda: states(airflow, first).get("plan") == "success", why="there is no plan")
    opens_the_batch_page(person, first)
    person.reads("main", text="0 of 2 videos are there. 2 to review.")
    person.waits_for(lambda: person.asks(POSTERS), why="no posters")
    person.takes_picture("batch-review", height=720)
    answers(person, airflow, first, "hello (en)", "Approve")
    person.reads("main", text="1 of 2 videos are there. 1 to review.")
    answers(person, airflow, first, "hello (de)", "Send back", note="Slower, please.")
    page = person.reads("main", text="1 of 2 videos are there. 1 failed.")
    assert "sent it back: Slower, please. SentBack" in " ".join(page.split())
    assert [path.name for path in folder.glob("*.mp4")] == ["hello-en.mp4"]
    assert json.loads((folder / "hello-en.mp4.json").read_text())["approved_by"]
    person.waits_for(lambda: states(airflow, first).get("manifest") == "failed", why="the run does not end")

    before = paid(base_url)
    second = airflow.trigger(DAG, {"table": TWO_ROWS.replace("Guten", "Einen guten"), "review": True})
    person.waits_for(lambda: states(airflow, second).get("plan") == "success", why="there is no plan")
    opens_the_batch_page(person, second)
    person.reads("main", text="1 of 2 videos are there, 1 of them kept. 1 to review.")
    answers(person, airflow, second, "hello (de)", "Approve")
    person.reads("main", text="2 of 2 videos are there, 1 of them kept.")
    assert paid(base_url) == {name: count + 1 for name, count in before.items()}


def answers(person: Person, airflow: Any, run_id: str, row: str, option: str, *, note: str = "") -> None:
    """From the row to its request by one link, and back by one link."""
    before = waiting(airflow, run_id)
    person.clicks(f"main a[aria-label='Review {row}']")
    assert "/videoretalk/dags/" in str(person.finds("a", text="watch the video").get_attribute("href"))
    page = str(person.finds("a", text="The batch page").get_attribute("href"))
    if note:
        person.writes("input[name=element_note]", note)
    person.clicks_until(lambda: waiting(airflow, run_id) == before - 1, "button", text=option)
    person.goes_to(page)


def triggers_the_batch(person: Person, rows: str, *, approve_above: str = "") -> None:
    person.goes_to(f"/dags/{DAG}")
    person.clicks("button", text="Trigger")
    person.writes("textarea[name=element_table]", rows)
    if approve_above:
        person.takes_picture("batch-form")
        person.opens("What it may cost")
        person.writes("input[name=element_approve_above]", approve_above)
    person.clicks("[role=dialog] button", text="Trigger")


def new_run(person: Person, airflow: Any, *, but: str = "") -> str:
    def newest() -> str | None:
        runs = airflow.call("GET", f"/dags/{DAG}/dagRuns?order_by=-id")["dag_runs"]
        return next((run["dag_run_id"] for run in runs if run["dag_run_id"] != but), None)

    return person.waits_for(newest, why="no run began")


def tasks(airflow: Any, run_id: str) -> list[dict[str, Any]]:
    found = airflow.call("GET", f"{airflow.run_path(DAG, run_id)}/taskInstances?limit=100")["task_instances"]
    return list(found)


def states(airflow: Any, run_id: str) -> Mapping[str, str]:
    """The states of the tasks that are not mapped."""
    return {one["task_id"]: one["state"] for one in tasks(airflow, run_id) if one["map_index"] < 0}


def waiting(airflow: Any, run_id: str) -> int:
    """How many tasks wait for a person's answer."""
    return sum(one["state"] == "awaiting_input" for one in tasks(airflow, run_id))


def sees_the_plan_and_its_price(person: Person, airflow: Any, run_id: str) -> None:
    person.waits_for(lambda: states(airflow, run_id).get("approve") == "awaiting_input", why="nobody is asked")
    opens_the_batch_page(person, run_id)
    page = person.reads("main", text="0 of 12 videos are there. 12 waiting.")
    assert "0.00 CNY so far, at most 1" in page
    assert "A person has to answer before the batch goes on" in page
    assert page.count("at most") == 13, "the price of each row, and of all"


def opens_the_batch_page(person: Person, run_id: str) -> None:
    def link() -> str | None:
        person.goes_to(f"/dags/{DAG}/runs/{run_id}/tasks/plan/details")
        person.finds("main, [role=main], #root")
        found = person.browser.find_elements("link text", "Batch")
        return found[0].get_attribute("href") if found else None

    person.goes_to(person.waits_for(link, why="the task has no button Batch"))


def approves(person: Person, airflow: Any, run_id: str) -> None:
    """From the page to the request by one link, and back by one link."""
    person.clicks("main a", text="Required Actions")
    request = person.finds("p", text="12 to make, 0 kept, at most 1")
    assert "CNY (with speech), ready at about 20" in request.text
    rows = [one.text for one in person.browser.find_elements("css selector", "li") if "CNY, ready at" in one.text]
    assert [row.partition(":")[0] for row in rows] == [f"{name} ({language})" for name, language in SCRIPTS]
    person.takes_picture("batch-approve")
    page = str(person.finds("a", text="The batch page").get_attribute("href"))
    person.clicks_until(lambda: states(airflow, run_id).get("approve") == "success", "button", text="Approve")
    person.goes_to(page)


def sees_the_batch_fill(person: Person) -> None:
    """The page refreshes itself: nobody reloads it."""
    person.browser.execute_script("window.isTheSame = true")
    for count in range(1, 12):
        waits_for_videos(person, count)
        if count == 4:
            person.waits_for(lambda: person.asks(POSTERS), why="no posters")
            person.takes_picture("batch", height=1200)
    person.reads("main", text="11 of 12 videos are there. 1 failed.")
    assert person.asks("window.isTheSame") is True


def waits_for_videos(person: Person, count: int) -> None:
    """Until at least so many videos are there, as the page says."""

    def look() -> bool:
        return int(person.reads("main [role=status]", text="videos are there").partition(" of 12")[0]) >= count

    person.waits_for(look, why=f"there are never {count} videos")


def is_told_of_the_row_that_failed(person: Person) -> None:
    person.waits_for(lambda: person.asks("document.querySelector('[data-final]') !== null"), why="it never ends")
    person.clicks("main select[name=show] option", text="failed")
    person.clicks("main form button", text="Show")
    page = person.reads("main", text="Rows 1 to 1 of 1 that match")
    row = person.finds("main tbody tr").text
    assert row.startswith("farewell es Failed in Airflow"), row
    assert "The video has no picture that can be decoded. InvalidFile.Openerror" in " ".join(row.split())
    assert "welcome" not in page
    has_no_barrier(person)
    person.takes_picture("batch-failed", height=640)
    person.clicks("main a", text="Show all")
    person.reads("main", text="Rows 1 to 12 of 12")
    has_no_barrier(person)


def has_no_barrier(person: Person) -> None:
    for theme in ("dark", "light"):
        person.chooses(theme)  # type: ignore[arg-type]
        person.reads("main", text="InvalidFile.Openerror")
        assert person.serious_violations() == [], theme


def sees_one_video_made_and_eleven_kept(person: Person, airflow: Any, run_id: str) -> None:
    person.waits_for(lambda: states(airflow, run_id).get("approve") in ENDED, why="nothing is approved")
    opens_the_batch_page(person, run_id)
    person.reads("main", text="12 of 12 videos are there, 11 of them kept.")
    person.waits_for(lambda: states(airflow, run_id).get("manifest") == "success", why="the run does not end")


def downloads_the_video(person: Person, folder: Path) -> None:
    downloads = folder.parent / f"{folder.name}-downloads"
    downloads.mkdir()
    allowed = {"behavior": "allow", "downloadPath": str(downloads)}
    person.browser.execute_cdp_cmd("Browser.setDownloadBehavior", allowed)
    person.clicks("main a[aria-label='Download farewell (es)']")
    got = downloads / "farewell-es.mp4"
    person.waits_for(got.exists, why="nothing is downloaded")
    assert got.read_bytes() == (folder / "farewell-es.mp4").read_bytes()


def paid(base_url: str) -> Mapping[str, int]:
    """What the emulator's account book says was made and billed."""
    control = f"{base_url.removesuffix('/api/v1')}/emulator"
    jobs = requests.get(f"{control}/tasks", timeout=30).json()["tasks"]
    asked = requests.get(f"{control}/requests", timeout=30).json()["requests"]
    return {
        "speeches": sum(one["path"] == SPEECH and one["status"] == 200 for one in asked),
        "videos": sum(job["billed_seconds"] > 0 for job in jobs),
    }
