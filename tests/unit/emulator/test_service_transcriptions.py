"""Transcriptions as the service documents them: two families, their requests, replies and refusals."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from airflow_provider_videoretalk.emulator.engine.errors import MediaRefusedError
from airflow_provider_videoretalk.emulator.execution.media_engine import TranscriptionOutcome, TranscriptionRequest
from airflow_provider_videoretalk.emulator.fake_engine import FakeEngine

PATH = "/services/audio/asr/transcription"
ASYNC = {"X-DashScope-Async": "enable"}
FILE, LIST = "qwen3-asr-flash-filetrans", "qwen-audio-3.0-asr-flash-filetrans"


class RefusingEngine(FakeEngine):
    """Refuses the recordings whose number is given."""

    def __init__(self, *refused: int) -> None:
        super().__init__(seconds=61.4)
        self.refused = refused
        self.requests: list[TranscriptionRequest] = []

    async def transcribe(self, job: TranscriptionRequest) -> TranscriptionOutcome:
        self.requests.append(job)
        if len(self.requests) - 1 in self.refused:
            raise MediaRefusedError("InvalidFile.Format", "no sound")
        return await super().transcribe(job)


@pytest.fixture
def engine() -> RefusingEngine:
    return RefusingEngine()


@pytest.fixture
def client(start: Any, connect: Any) -> Any:
    return connect(start())


def transcribe(client: Any, model: str, *, parameters: Any = None, **inputs: Any) -> requests.Response:
    body = {"model": model, "input": inputs, "parameters": {} if parameters is None else parameters}
    return client.post(PATH, json=body, headers=ASYNC)


def ended(client: Any, until: Any, reply: requests.Response) -> dict[str, Any]:
    assert reply.status_code == 200, reply.text
    task_id = reply.json()["output"]["task_id"]

    def has_ended() -> bool:
        client.emulator.state.clock.advance(1)
        return client.status(task_id) in ("SUCCEEDED", "FAILED")

    until(has_ended)
    return dict(client.query(task_id))


def sample(client: Any) -> str:
    return f"{client.emulator.url}/samples/speech.wav"


def test_one_file(client: Any, until: Any, engine: RefusingEngine) -> None:
    reply = transcribe(client, FILE, file_url=sample(client), parameters={"enable_words": True, "language": "en"})
    done = ended(client, until, reply)
    assert done["usage"] == {"seconds": 61}
    assert set(done["output"]) == {
        "task_id",
        "task_status",
        "submit_time",
        "scheduled_time",
        "end_time",
        "result",
    }
    transcript = requests.get(done["output"]["result"]["transcription_url"], timeout=10)
    assert transcript.headers["Content-Type"] == "application/json"
    assert transcript.json()["transcripts"][0]["channel_id"] == 0
    assert (engine.requests[0].has_words, engine.requests[0].has_speakers) == (True, False)
    (row,) = client.emulator.state.job_reports()
    assert (row["model"], row["billed_seconds"], row["inputs"]) == (FILE, 61.0, {"file_urls": [sample(client)]})


def test_several_files_one_of_which_is_refused(client: Any, until: Any, engine: RefusingEngine) -> None:
    engine.refused = (1,)
    urls = [sample(client)] * 3
    done = ended(client, until, transcribe(client, LIST, file_urls=urls, parameters={"diarization_enabled": True}))
    assert done["output"]["task_status"] == "SUCCEEDED"
    assert [row["subtask_status"] for row in done["output"]["results"]] == ["SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert done["output"]["results"][1] == {
        "file_url": sample(client),
        "code": "InvalidFile.Format",
        "message": "no sound",
        "subtask_status": "FAILED",
    }
    assert done["output"]["task_metrics"] == {"TOTAL": 3, "SUCCEEDED": 2, "FAILED": 1}
    assert done["usage"] == {"duration": 123}
    assert engine.requests[0].has_speakers


def test_the_only_file_that_is_refused(client: Any, until: Any, engine: RefusingEngine) -> None:
    """It fails the job of one family, and is a subtask of the other, whose job succeeds."""
    engine.refused = (0, 1)
    failed = ended(client, until, transcribe(client, FILE, file_url=sample(client)))
    assert (failed["output"]["task_status"], failed["output"]["code"]) == ("FAILED", "InvalidFile.Format")
    done = ended(client, until, transcribe(client, LIST, file_urls=[sample(client)]))
    assert (done["output"]["task_status"], done["output"]["task_metrics"]["FAILED"]) == ("SUCCEEDED", 1)
    assert sum(row["billed_seconds"] for row in client.emulator.state.job_reports()) == 0


def test_a_file_that_cannot_be_downloaded(client: Any, until: Any) -> None:
    done = ended(client, until, transcribe(client, LIST, file_urls=[f"{client.emulator.url}/nothing.wav"]))
    assert done["output"]["results"][0]["code"] == "InvalidURL"


@pytest.mark.parametrize(
    ("model", "inputs", "parameters", "status", "code"),
    [
        ("videoretalk", {"file_url": "http://x.example/a.wav"}, {}, 404, "ModelNotFound"),
        (FILE, {"file_urls": ["http://x.example/a.wav"]}, {}, 400, "InvalidParameter"),
        (FILE, {"file_url": "a.wav"}, {}, 400, "InvalidURL"),
        (FILE, {"file_url": "oss://dashscope-instant/a.wav"}, {}, 400, "InvalidParameter.DataInspection"),
        (FILE, {"file_url": "http://x.example/a.wav"}, {"enable_words": "yes"}, 400, "InvalidParameter"),
        (LIST, {"file_url": "http://x.example/a.wav"}, {}, 400, "InvalidParameter"),
        (LIST, {"file_urls": []}, {}, 400, "InvalidParameter"),
        (LIST, {"file_urls": ["http://x.example/a.wav"] * 101}, {}, 400, "InvalidParameter"),
        (LIST, {"file_urls": ["http://x.example/a.wav"]}, {"speaker_count": 1}, 400, "InvalidParameter"),
        (LIST, None, {}, 400, "BadRequest.EmptyInput"),
    ],
)
def test_refusals(client: Any, model: str, inputs: Any, parameters: Any, status: int, code: str) -> None:
    body = {"model": model, "input": inputs, "parameters": parameters}
    reply = client.post(PATH, json=body, headers=ASYNC)
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert not client.emulator.state.jobs


def test_it_is_asynchronous_only(client: Any) -> None:
    reply = client.post(PATH, json={"model": FILE, "input": {"file_url": sample(client)}})
    assert (reply.status_code, reply.json()["code"]) == (403, "AccessDenied")


def test_transcriptions_do_not_queue_behind_videos(start: Any, connect: Any, until: Any) -> None:
    """Each model has a queue of its own, and submits of transcriptions a rate of their own."""
    client = connect(start(submits_per_second=1.0))
    assert client.submit().status_code == 200
    replies = [transcribe(client, FILE, file_url=sample(client)) for _ in range(10)]
    assert {reply.status_code for reply in replies} == {200}
    assert transcribe(client, FILE, file_url=sample(client)).status_code == 429
    until(lambda: all(client.status(reply.json()["output"]["task_id"]) == "RUNNING" for reply in replies))


def test_the_list_names_the_model(client: Any, until: Any) -> None:
    ended(client, until, transcribe(client, FILE, file_url=sample(client)))
    client.submitted()
    (row,) = client.get("/tasks", model_name=FILE).json()["data"]
    assert row["model_name"] == FILE
    assert row["user_api_unique_key"] == f"apikey:v1:audio:asr:transcription:{FILE}"
    assert client.get("/tasks").json()["total"] == 2
