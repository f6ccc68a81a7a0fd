"""Subtitles are published beside a video, and nothing about them keeps the video from being published."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import av
import pytest
from airflow.sdk import ObjectStoragePath
from object_store import ObjectStore, attached
from pytest_httpserver import HTTPServer
from spoken_sounds import film, words_and_pauses

from airflow_provider_videoretalk.airflow_adapters.oss_filesystem import register_paths
from airflow_provider_videoretalk.dashscope.errors import InputError, TransportError
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.publishing import subtitle_publication

SCRIPT = "Good morning to you all. And now the news."
CUES = [(0.5, 2.616, "Good morning to you all."), (2.7, 4.4, "And now the news.")]
FOLDER = "s3://mine@bucket/videos/"

pytestmark = pytest.mark.usefixtures("sources_on_this_machine")


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A video that speaks from 0.5 to 2.0, and from 2.7 to 3.9."""
    path = tmp_path_factory.mktemp("film") / "a.mp4"
    return film(path, words_and_pauses(0.5, 1.5, 0.7, 1.2, 0.6)).read_bytes()


@pytest.fixture
def result(httpserver: HTTPServer, content: bytes) -> dict[str, Any]:
    httpserver.expect_request("/out.mp4").respond_with_data(content, content_type="video/mp4")
    return {
        "task_id": "t1",
        "request_id": "r1",
        "status": "SUCCEEDED",
        "video_url": httpserver.url_for("/out.mp4"),
        "expires_at": (datetime.now(timezone.utc) + timedelta(hours=1)).isoformat(),
        "billed_seconds": 4.5,
    }


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    store = ObjectStore()
    with attached(mine=store):
        yield store


def publish(source: Any, context: dict[str, Any], **options: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"destination": f"{FOLDER}welcome-en.mp4", "metadata": {"script": SCRIPT, "language": "en"}}
    given |= {"subtitles": ("srt", "vtt")} | options
    task = PublishMediaOperator(task_id="publish", source=source, **given)
    returned: dict[str, Any] = task.execute(context)
    return returned


def assert_subtitles(content: bytes) -> None:
    """Within a few hundredths of a second: coders of sound differ."""
    found = re.findall(r"00:00:0(.{5}) --> 00:00:0(.{5})\n(.+)\n", content.decode())
    assert [text for *_, text in found] == [text for *_, text in CUES]
    moments = [float(moment.replace(",", ".")) for *times, _ in found for moment in times]
    assert moments == pytest.approx([moment for *times, _ in CUES for moment in times], abs=0.05)


def names(store: ObjectStore) -> set[str]:
    return {key.rpartition("/")[2] for key in store.objects}


def metadata(store: ObjectStore, name: str = "welcome-en.mp4") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(store.objects[f"bucket/videos/{name}.json"])
    return found


def test_they_are_beside_the_video(
    store: ObjectStore, result: dict[str, Any], content: bytes, context: dict[str, Any]
) -> None:
    returned = publish(result, context)
    assert names(store) == {"welcome-en.mp4", "welcome-en.mp4.json", "welcome-en.srt", "welcome-en.vtt"}
    assert store.objects["bucket/videos/welcome-en.mp4"] == content
    assert_subtitles(store.objects["bucket/videos/welcome-en.srt"])
    assert_subtitles(store.objects["bucket/videos/welcome-en.vtt"])
    assert returned["subtitles"] == {"srt": f"{FOLDER}welcome-en.srt", "vtt": f"{FOLDER}welcome-en.vtt"}
    assert metadata(store) == {name: value for name, value in returned.items() if name != "metadata_uri"}
    types = {opened["path"]: opened.get("ContentType") for opened in store.opened}
    assert types["bucket/videos/welcome-en.vtt"] == "text/vtt"
    assert types["bucket/videos/welcome-en.mp4.json"] == "application/json"


@pytest.mark.parametrize(
    ("name", "beside"),
    [("a.b.mp4", "a.b.srt"), ("a.wav", "a.srt"), ("a.png", "a.png.srt"), ("a.v2", "a.v2.srt"), ("a", "a.srt")],
)
def test_a_player_finds_them_by_the_name_of_video_or_sound(name: str, beside: str) -> None:
    path = ObjectStoragePath(f"file:///videos/{name}")
    assert subtitle_publication.subtitle_path(path, "srt").path == f"/videos/{beside}"


def test_what_a_track_is_recognised_by() -> None:
    """Other names or values would publish every video again."""
    source = subtitle_publication.SubtitleSource(script="Good morning.", language="en")
    script = "e3522eadca07c9501d5e4422f42559a7db6e4cee9d116248117bd4af2f884659"
    assert subtitle_publication.SubtitleTrack(source).edit.settings == {"script": script, "language": "en"}
    assert subtitle_publication.SubtitleTrack(replace(source, script="\ud800")).edit.settings["script"]


def test_the_pieces_of_a_long_video_say_when_each_is_spoken(
    store: ObjectStore, result: dict[str, Any], context: dict[str, Any]
) -> None:
    parts = [{"start": 0.0, "end": 1.0, "text": "First."}, {"start": 3.0, "end": 4.5, "text": "Then the second."}]
    publish(result, context, metadata={"script": "First. Then the second.", "language": "en", "parts": parts})
    cues = re.findall(r"00:00:0(\S+) --> .*\n(.+)\n", store.objects["bucket/videos/welcome-en.srt"].decode())
    assert [text for _, text in cues] == ["First.", "Then the second."]
    first, second = (float(start.replace(",", ".")) for start, _ in cues)
    assert first < 1.0
    assert second >= 3.0


@pytest.mark.parametrize("parts", ["all", [{"start": "soon"}], [1], {"a": 1}])
def test_damaged_pieces_are_not_needed(
    store: ObjectStore, result: dict[str, Any], context: dict[str, Any], parts: Any
) -> None:
    publish(result, context, metadata={"script": SCRIPT, "language": "en", "parts": parts})
    assert_subtitles(store.objects["bucket/videos/welcome-en.srt"])


def test_a_disk(tmp_path: Path, result: dict[str, Any], context: dict[str, Any]) -> None:
    destination = (tmp_path / "a b.mp4").as_uri()
    returned = publish(result, context, destination=destination, subtitles="srt")
    assert_subtitles((tmp_path / "a b.srt").read_bytes())
    assert returned["subtitles"] == {"srt": (tmp_path / "a b.srt").as_uri()}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a b.mp4", "a b.mp4.json", "a b.srt"]


def test_all_destinations_get_them(store: ObjectStore, result: dict[str, Any], context: dict[str, Any]) -> None:
    publish(result, context, destination=[f"{FOLDER}a.mp4", f"{FOLDER}b.mp4"], subtitles=["vtt"])
    assert {"a.vtt", "b.vtt"} < names(store)
    assert metadata(store, "b.mp4")["subtitles"] == {"vtt": f"{FOLDER}b.vtt"}


@pytest.mark.parametrize(
    ("given", "made"), [("vtt, SRT", ["vtt", "srt"]), ("srt,,srt ,", ["srt"]), ([" VTT"], ["vtt"])]
)
def test_spellings_of_the_formats(
    store: ObjectStore, result: dict[str, Any], context: dict[str, Any], given: Any, made: list[str]
) -> None:
    assert list(publish(result, context, subtitles=given)["subtitles"]) == made


@pytest.mark.parametrize("subtitles", [(), "", None, "None"])
@pytest.mark.parametrize("track", [False, "", None])
def test_none_are_wanted(
    store: ObjectStore, result: dict[str, Any], context: dict[str, Any], subtitles: Any, track: Any
) -> None:
    returned = publish(result, context, subtitles=subtitles, subtitle_track=track)
    assert names(store) == {"welcome-en.mp4", "welcome-en.mp4.json"}
    assert not {"subtitles", "subtitle_track"} & set(returned)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subtitles": "ass"}, "^subtitles is 'ass'"),
        ({"subtitles": 7}, r"^subtitles is 7, allowed is a list of srt and vtt, or a text\. Give subtitles="),
        ({"subtitles": ["srt", 7]}, r"^subtitles is \['srt', 7\], allowed is a list of srt and vtt"),
        ({"subtitle_track": "perhaps"}, "^subtitle_track is 'perhaps'"),
    ],
)
def test_a_wrong_wish_is_refused_before_anything_is_done(
    store: ObjectStore, result: dict[str, Any], context: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=f"^(?:{message})"):
        publish(result, context, **options)
    assert store.objects == {}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "the metadata has no script"),
        ({"script": ["a"]}, "the metadata has no script"),
        ({"script": " "}, "the metadata has no script"),
        ({"script": "\x01"}, "the script has no words to show"),
        ({"script": SCRIPT * 100}, "the published file has 3.4 s of speech"),
    ],
)
@pytest.mark.parametrize("wish", [{"subtitles": "srt"}, {"subtitles": "", "subtitle_track": True}])
def test_the_video_is_published_without_those_that_cannot_be_made(
    store: ObjectStore,
    result: dict[str, Any],
    content: bytes,
    context: dict[str, Any],
    given: dict[str, Any],
    message: str,
    wish: dict[str, Any],
) -> None:
    published = rf"^s3://mine@bucket/videos/welcome-en\.mp4 is published, but without all of its subtitles: .*{message}"
    with pytest.raises(InputError, match=published):
        publish(result, context, metadata=given, **wish)
    assert store.objects["bucket/videos/welcome-en.mp4"] == content
    assert names(store) == {"welcome-en.mp4", "welcome-en.mp4.json"}
    assert "subtitles" not in metadata(store)


@pytest.mark.parametrize("failing", ["welcome-en.srt", "welcome-en.vtt", "welcome-en.mp4.json"])
def test_a_retry_makes_what_a_store_refused(
    store: ObjectStore, result: dict[str, Any], context: dict[str, Any], httpserver: HTTPServer, failing: str
) -> None:
    """Without downloading the video again, whose URL may have expired by then."""
    if failing.endswith("json"):
        publish(result, context, subtitles=())
    store.fail("commit", failing)
    with pytest.raises(TransportError, match="is published, but without all of its subtitles") as raised:
        publish(result, context, if_exists="skip_same")
    assert raised.value.retryable
    assert "subtitles" not in metadata(store)
    store.failures.clear()
    downloads = len(httpserver.log)
    returned = publish(result, context, if_exists="skip_same")
    assert len(httpserver.log) == downloads
    assert_subtitles(store.objects["bucket/videos/welcome-en.vtt"])
    assert (
        metadata(store)["subtitles"]
        == returned["subtitles"]
        == {
            "srt": f"{FOLDER}welcome-en.srt",
            "vtt": f"{FOLDER}welcome-en.vtt",
        }
    )


def test_what_is_there_is_not_made_again(store: ObjectStore, result: dict[str, Any], context: dict[str, Any]) -> None:
    first = publish(result, context, if_exists="skip_same")
    store.steps.clear()
    assert publish(result, context, if_exists="skip_same") == first
    assert {step for step, _ in store.steps} <= {"info", "read"}


def test_a_deleted_file_is_made_again(store: ObjectStore, result: dict[str, Any], context: dict[str, Any]) -> None:
    publish(result, context, if_exists="skip_same")
    del store.objects["bucket/videos/welcome-en.srt"]
    publish(result, context, if_exists="skip_same")
    assert_subtitles(store.objects["bucket/videos/welcome-en.srt"])


def test_a_file_that_the_metadata_does_not_name_is_none_of_its_subtitles(
    store: ObjectStore, result: dict[str, Any], context: dict[str, Any]
) -> None:
    publish(result, context, subtitles="srt")
    store.objects["bucket/videos/welcome-en.vtt"] = b"of another program"
    returned = publish(result, context, if_exists="skip_same")
    assert_subtitles(store.objects["bucket/videos/welcome-en.vtt"])
    assert set(returned["subtitles"]) == {"srt", "vtt"}


def test_no_subtitles_of_an_older_video_are_left(
    store: ObjectStore, result: dict[str, Any], context: dict[str, Any]
) -> None:
    publish(result, context)
    with pytest.raises(InputError):
        publish(result, context, metadata={"script": "\x01"})
    assert names(store) == {"welcome-en.mp4", "welcome-en.mp4.json"}


def test_those_of_an_older_video_that_cannot_be_removed_are_logged(
    store: ObjectStore, result: dict[str, Any], context: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    publish(result, context)
    store.fail("remove", "welcome-en.srt")
    with pytest.raises(InputError, match="no words to show"):
        publish(result, context, metadata={"script": "\x01"})
    assert f"{FOLDER}welcome-en.srt may be of an older video, and remains: OSError" in caplog.text
    assert "welcome-en.vtt" not in names(store)


def test_those_of_a_video_that_was_kept_are_left(
    store: ObjectStore, result: dict[str, Any], context: dict[str, Any]
) -> None:
    publish(result, context, subtitles="srt")
    store.fail("commit", "welcome-en.vtt")
    with pytest.raises(TransportError, match=r"welcome-en\.vtt cannot be published"):
        publish(result, context, if_exists="skip_same")
    assert_subtitles(store.objects["bucket/videos/welcome-en.srt"])
    assert metadata(store)["subtitles"] == {"srt": f"{FOLDER}welcome-en.srt"}


@pytest.mark.parametrize("scheme", ["s3", "oss"])
def test_another_file_is_not_replaced(
    store: ObjectStore, result: dict[str, Any], context: dict[str, Any], scheme: str
) -> None:
    """Also in a store that is not asked to replace nothing."""
    register_paths()
    store.objects["bucket/videos/welcome-en.srt"] = b"by hand"
    with (
        attached(scheme, mine=store),
        pytest.raises(InputError, match=r"welcome-en\.srt exists already, and if_exists is 'fail'"),
    ):
        publish(result, context, destination=f"{scheme}://mine@bucket/videos/welcome-en.mp4", if_exists="fail")
    assert store.objects["bucket/videos/welcome-en.srt"] == b"by hand"
    assert "welcome-en.mp4" in names(store)


def test_a_track(store: ObjectStore, result: dict[str, Any], context: dict[str, Any], tmp_path: Path) -> None:
    given = {"script": SCRIPT, "language": "English"}
    returned = publish(result, context, subtitles="", subtitle_track=True, metadata=given)
    path = tmp_path / "a.mp4"
    path.write_bytes(store.objects["bucket/videos/welcome-en.mp4"])
    with av.open(path) as container:
        track = container.streams.subtitles[0]
        texts = [bytes(packet)[2:].decode() for packet in container.demux(track) if packet.size > 2]
        assert track.metadata["language"] == "eng"
    assert texts == ["Good morning to you all.", "And now the news."]
    assert returned["subtitle_track"] == {"language": "en"}
    assert returned["size"] == path.stat().st_size
    assert returned["edits"]["names"] == ["subtitle_track"]
    assert "subtitles" not in returned


@pytest.mark.parametrize("language", ["", 7, ["en"]])
def test_a_language_that_is_no_text_is_not_known(
    store: ObjectStore, result: dict[str, Any], context: dict[str, Any], language: Any
) -> None:
    returned = publish(result, context, subtitle_track=True, metadata={"script": SCRIPT, "language": language})
    assert returned["subtitle_track"] == {"language": None}


def test_a_track_of_another_script_replaces_the_video(
    store: ObjectStore, result: dict[str, Any], context: dict[str, Any]
) -> None:
    options: dict[str, Any] = {"subtitles": "", "subtitle_track": True, "if_exists": "skip_same"}
    first = publish(result, context, **options)
    assert publish(result, context, **options) == first
    other = publish(result, context, metadata={"script": "Something else. Indeed."}, **options)
    assert other["sha256"] != first["sha256"]


def test_a_file_that_appears_meanwhile_is_not_replaced(
    store: ObjectStore, result: dict[str, Any], context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not there when it was looked for."""
    store.objects["bucket/videos/welcome-en.srt"] = b"by hand"
    monkeypatch.setattr(subtitle_publication, "find_object", lambda path: None)
    with pytest.raises(InputError, match=r"welcome-en\.srt exists already, and if_exists is 'fail'"):
        publish(result, context, if_exists="fail")
    assert store.objects["bucket/videos/welcome-en.srt"] == b"by hand"
    # Nothing of it is left in the store.
    assert store.uploads == {}
