"""What is found in the ``output`` of a model that this package does not know. The replies have documented shapes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_videoretalk.dashscope.errors import InputError, TaskFailedError
from airflow_provider_videoretalk.dashscope.task import Task
from airflow_provider_videoretalk.dashscope.task_output import (
    check_on_failed_subtask,
    result_urls,
    subtasks_of,
)

H = "https://results.example"

IMAGES = {
    "results": [{"url": f"{H}/{n}.png?Signature=s"} for n in range(3)] + [{"code": "InternalError", "message": "m"}]
}
TRANSCRIPTS = {
    "results": [
        {"file_url": f"{H}/in1.wav", "transcription_url": f"{H}/1.json", "subtask_status": "SUCCEEDED"},
        {
            "file_url": f"{H}/in2.wav",
            "code": "InvalidFile.DownloadFailed",
            "message": "The audio file https://mine.example/in2.wav?Signature=secret cannot be downloaded.",
            "subtask_status": "FAILED",
        },
    ],
    "task_metrics": {"TOTAL": 2, "SUCCEEDED": 1, "FAILED": 1},
}


def task(output: dict[str, Any]) -> Task:
    return Task.parse({"request_id": "r", "output": {"task_id": "t1", "task_status": "SUCCEEDED", **output}})


@pytest.mark.parametrize(
    ("output", "urls"),
    [
        ({"video_url": f"{H}/v.mp4"}, ["v.mp4"]),
        ({"results": {"video_url": f"{H}/v.mp4"}}, ["v.mp4"]),
        ({"output_video_url": f"{H}/v.mp4"}, ["v.mp4"]),
        ({"image_url": f"{H}/i.png"}, ["i.png"]),
        ({"output_image_url": f"{H}/i.png"}, ["i.png"]),
        ({"result": {"transcription_url": f"{H}/t.json"}}, ["t.json"]),
        (TRANSCRIPTS, ["1.json"]),
        (IMAGES, ["0.png?Signature=s", "1.png?Signature=s", "2.png?Signature=s"]),
        (
            {"choices": [{"message": {"content": [{"image": f"{H}/c.png"}, {"text": "See https://x.example"}]}}]},
            ["c.png"],
        ),
        ({"a": [f"{H}/x", [f"{H}/y", f"{H}/x"]]}, ["x", "y"]),
        ({"a": "ftp://h/x", "b": "no url", "c": 7, "d": None, "e": "https://"}, []),
        ({}, []),
    ],
)
def test_every_url_is_found_where_a_model_puts_it(output: dict[str, Any], urls: list[str]) -> None:
    assert result_urls(output) == [f"{H}/{name}" for name in urls]
    assert task({"x": 1, **output}).whole_result()["result_urls"] == result_urls(output)


@pytest.mark.parametrize(
    ("output", "statuses"),
    [
        ({"video_url": f"{H}/v.mp4"}, []),
        ({"results": {"video_url": f"{H}/v.mp4"}}, []),
        (IMAGES, ["SUCCEEDED", "SUCCEEDED", "SUCCEEDED", "FAILED"]),
        (TRANSCRIPTS, ["SUCCEEDED", "FAILED"]),
        ({"results": [{"subtask_status": "succeeded"}, {"subtask_status": "NEW-WORD"}]}, ["SUCCEEDED", "NEW-WORD"]),
        ({"results": [{"url": f"{H}/1"}], "task_metrics": {"FAILED": 2}}, ["SUCCEEDED", "FAILED", "FAILED"]),
        ({"results": [{"code": "OK", "url": f"{H}/1"}]}, ["SUCCEEDED"]),
        ({"results": [None, 7, "x"], "task_metrics": {"FAILED": "2"}}, []),
        ({"results": [], "task_metrics": {"FAILED": 2**62}}, ["FAILED"] * 100),
        ({"results": [{"subtask_status": ["x"], "code": 418, "message": 7}]}, ["FAILED"]),
    ],
)
def test_the_state_of_each_subtask(output: dict[str, Any], statuses: list[str]) -> None:
    assert [subtask["status"] for subtask in subtasks_of(output)] == statuses


def test_the_whole_output_is_handed_through_without_secrets_in_its_messages() -> None:
    reply = {"task_id": "t1", "task_status": "SUCCEEDED", **TRANSCRIPTS}
    result = task(TRANSCRIPTS).whole_result(request_id="of the submit")
    assert result["request_id"] == "of the submit"
    assert result["video_url"] is None
    safe = "The audio file https://mine.example/in2.wav cannot be downloaded."
    failed = {**TRANSCRIPTS["results"][1], "message": safe}  # type: ignore[index]
    assert result["output"] == {**reply, "results": [TRANSCRIPTS["results"][0], failed]}  # type: ignore[index]
    assert result["subtasks"][1] == {"status": "FAILED", "code": "InvalidFile.DownloadFailed", "message": safe}
    assert json.loads(json.dumps(result)) == result
    assert "secret" not in json.dumps(dict(task(TRANSCRIPTS).payload))


def test_the_result_expires_with_the_first_url() -> None:
    output = {"results": [{"transcription_url": f"{H}/t.json?Expires=1795263400&Signature=x"}]}
    assert task(output).whole_result()["expires_at"] == "2026-11-21T12:16:40+00:00"


def test_a_failed_subtask_is_an_error_with_its_code() -> None:
    with pytest.raises(TaskFailedError) as caught:
        task(TRANSCRIPTS).raise_for_subtasks()
    assert (caught.value.code, caught.value.request_id, caught.value.retryable) == (
        "InvalidFile.DownloadFailed",
        "r",
        False,
    )
    assert "render job t1 succeeded, but 1 of its 2 subtasks failed: The audio file" in str(caught.value)
    assert "on_failed_subtask='keep'" in str(caught.value)


def test_a_subtask_that_failed_without_a_word_is_an_error() -> None:
    with pytest.raises(TaskFailedError, match="1 of its 1 subtasks failed: the service gave no reason"):
        task({"task_metrics": {"FAILED": 1}}).raise_for_subtasks()


@pytest.mark.parametrize("output", [{}, {"results": [{"url": f"{H}/1"}]}, {"task_metrics": {"FAILED": 0}}])
def test_no_failed_subtask_is_no_error(output: dict[str, Any]) -> None:
    task(output).raise_for_subtasks()


@pytest.mark.parametrize("value", ["ignore", None, True])
def test_an_unknown_policy_is_named(value: object) -> None:
    with pytest.raises(InputError, match=r"on_failed_subtask is .*, allowed is one of fail, keep"):
        check_on_failed_subtask(value)
