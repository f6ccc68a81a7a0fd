from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain, islice, product
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from connections import connect
from pytest_httpserver import HTTPServer
from state_store import TaskStateStore
from werkzeug import Request, Response

from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.errors import (
    ConfigurationError,
    InputError,
    ServerError,
    StateReadError,
    ThrottledError,
)
from airflow_provider_videoretalk.emulator.fake_engine import FakeEngine
from airflow_provider_videoretalk.emulator.faults import FaultRule
from airflow_provider_videoretalk.emulator.server import Emulator
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings
from airflow_provider_videoretalk.model_catalog.transcription import TranscribedSegment
from airflow_provider_videoretalk.operators import base, transcript_files
from airflow_provider_videoretalk.operators.translate import TranslateOperator
from airflow_provider_videoretalk.operators.translation_answers import TranslationAnswers
from airflow_provider_videoretalk.operators.translation_memory import TranslationMemory

PATH = "/api/v1/services/aigc/text-generation/generation"

TRANSCRIPT = {
    "language": "en",
    "seconds": 9.0,
    "segments": [
        {"start": 0.5, "end": 2.0, "text": "Good morning.", "speaker": 0},
        {"start": 2.5, "end": 3.0, "text": ""},
        {"start": 3.0, "end": 5.0, "text": "Welcome to Acme."},
        {"start": 6.0, "end": 8.0, "text": "Good morning."},
    ],
}


class CrashError(BaseException):
    """The process dies."""


class Service:
    """Translates each line to itself in capitals, and remembers what was asked.

    :ivar asked: the lines of each request that was answered
    :ivar merges: how many replies will have their lines in one
    :ivar answers: replies that come first, instead of a translation
    """

    def __init__(self, server: HTTPServer) -> None:
        self.asked: list[list[str]] = []
        self.bodies: list[dict[str, Any]] = []
        self.merges = 0
        self.answers: list[Response] = []
        server.expect_request(PATH, method="POST").respond_with_handler(self._handle)

    def throttle(self, *, retry_after: str | None = None) -> None:
        headers = {"Retry-After": retry_after} if retry_after else {}
        body = json.dumps({"code": "Throttling.RateQuota", "message": "Requests rate limit exceeded"})
        self.answers.append(Response(body, status=429, headers=headers, content_type="application/json"))

    def answer(self, content: str, finish_reason: str = "stop") -> None:
        choice = {"finish_reason": finish_reason, "message": {"role": "assistant", "content": content}}
        body = {"request_id": "r-scripted", "output": {"choices": [choice]}, "usage": {"input_tokens": 1}}
        self.answers.append(Response(json.dumps(body), content_type="application/json"))

    def _handle(self, request: Request) -> Response:
        body = request.get_json()
        self.bodies.append(body)
        if self.answers:
            return self.answers.pop(0)
        lines = body["input"]["messages"][0]["content"].split("\n")
        self.asked.append(lines)
        text = "\n".join(line.upper() for line in lines)
        if self.merges and len(lines) > 1:
            self.merges -= 1
            text = text.replace("\n", " ")
        choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        usage = {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110}
        reply = {"request_id": f"r-{len(self.asked)}", "output": {"choices": [choice]}, "usage": usage}
        return Response(json.dumps(reply), content_type="application/json")


@pytest.fixture
def qwen(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setattr(base.time, "sleep", lambda _: None)
    return Service(service)


def operator(**arguments: Any) -> TranslateOperator:
    return TranslateOperator(task_id="translate", **{"source": TRANSCRIPT, "target_language": "de", **arguments})


def segments(*texts: str, seconds: float = 100.0) -> dict[str, Any]:
    return {
        "segments": [
            {"start": number * seconds, "end": (number + 1) * seconds, "text": text}
            for number, text in enumerate(texts)
        ]
    }


def long(text: str) -> str:
    """A segment of which two do not go into one request."""
    return text + " a" * 510


def test_result(qwen: Service, context: dict[str, Any]) -> None:
    assert operator().execute(context) == {
        "source_language": "en",
        "target_language": "de",
        "model": "qwen-mt-plus",
        "text": "GOOD MORNING.\nWELCOME TO ACME.\nGOOD MORNING.",
        "segments": [
            {
                "start": 0.5,
                "end": 2.0,
                "text": "GOOD MORNING.",
                "source_text": "Good morning.",
                # 13 letters a second.
                "estimated_seconds": 1.0,
                "room": 2.0,
                "fits": True,
                "rate": 1.0,
                "speaker": 0,
            },
            {
                "start": 2.5,
                "end": 3.0,
                "text": "",
                "source_text": "",
                "estimated_seconds": 0.0,
                "room": 0.5,
                "fits": True,
                "rate": 1.0,
            },
            {
                "start": 3.0,
                "end": 5.0,
                "text": "WELCOME TO ACME.",
                "source_text": "Welcome to Acme.",
                "estimated_seconds": 1.23,
                "room": 3.0,
                "fits": True,
                "rate": 1.0,
            },
            {
                "start": 6.0,
                "end": 8.0,
                "text": "GOOD MORNING.",
                "source_text": "Good morning.",
                "estimated_seconds": 1.0,
                # The recording takes nine seconds.
                "room": 3.0,
                "fits": True,
                "rate": 1.0,
            },
        ],
        "estimated_seconds": 3.23,
        "too_long": 0,
        "input_tokens": 100,
        "output_tokens": 10,
        # 100 * 1.8 + 10 * 5.4 millionths.
        "cost": 0.000234,
        "currency": "CNY",
        "request_ids": ["r-1"],
    }
    # Each line once.
    assert qwen.asked == [["Good morning.", "Welcome to Acme."]]


def test_everything_is_sent(qwen: Service, context: dict[str, Any]) -> None:
    glossary = {"acme": "Akme", "spring": "Frühling"}
    operator(glossary=glossary, domains="A greeting.", model="qwen-mt-flash").execute(context)
    assert qwen.bodies == [
        {
            "model": "qwen-mt-flash",
            "input": {"messages": [{"role": "user", "content": "Good morning.\nWelcome to Acme."}]},
            "parameters": {
                "translation_options": {
                    "source_lang": "English",
                    "target_lang": "German",
                    # Only what the text has: each term is billed.
                    "terms": [{"source": "acme", "target": "Akme"}],
                    "domains": "A greeting.",
                },
                "result_format": "message",
                "max_tokens": 154,
            },
        }
    ]


def test_the_room_is_told_in_milliseconds(qwen: Service, context: dict[str, Any]) -> None:
    result = operator(source={"segments": [{"start": 0.1234, "end": 1.0, "text": "One."}]}).execute(context)
    assert result["segments"][0]["room"] == 0.877


def test_a_text_keeps_its_paragraphs(qwen: Service, context: dict[str, Any]) -> None:
    result = operator(source="\nOne.\r\n\nTwo  lines\n").execute(context)
    assert result["text"] == "ONE.\n\nTWO LINES"
    assert (result["segments"], result["source_language"], result["too_long"]) == ([], "auto", 0)
    assert result["estimated_seconds"] == 1.0
    assert qwen.asked == [["One.", "Two lines"]]
    assert qwen.bodies[0]["parameters"]["translation_options"]["source_lang"] == "auto"


def test_a_long_transcript_is_sent_in_parts(qwen: Service, context: dict[str, Any]) -> None:
    texts = [f"{number} {'a' * 900}" for number in range(5)]
    result = operator(source=segments(*texts)).execute(context)
    assert [len(lines) for lines in qwen.asked] == [2, 2, 1]
    assert [segment["text"] for segment in result["segments"]] == [text.upper() for text in texts]
    assert (result["input_tokens"], result["output_tokens"]) == (300, 30)
    assert result["request_ids"] == ["r-1", "r-2", "r-3"]


def test_the_segments_of_a_long_recording_are_read_from_its_file(
    qwen: Service, context: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "talk.json"
    file.write_text(json.dumps(TRANSCRIPT))
    transcript = {**TRANSCRIPT, "segments": [], "files": {"json": f"file://{file}"}}
    whole = operator().execute(context)
    assert operator(source=transcript).execute(context)["segments"] == whole["segments"]
    # Those of a short one are read from what was returned.
    file.unlink()
    transcript["segments"] = TRANSCRIPT["segments"]
    assert operator(source=transcript).execute(context)["segments"] == whole["segments"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "is no transcript"),
        ("{", "is no transcript"),
        ('{"segments": []}', "source.segments is a list of 0"),
        (None, "talk.json"),
    ],
)
def test_a_file_without_a_transcript(
    qwen: Service, context: dict[str, Any], tmp_path: Path, content: str | None, message: str
) -> None:
    file = tmp_path / "talk.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InputError, match=message):
        operator(source={"segments": [], "files": {"json": f"file://{file}"}}).execute(context)
    assert qwen.asked == []


def test_the_largest_file_of_a_transcript(
    qwen: Service, context: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = json.dumps(TRANSCRIPT).encode()
    (tmp_path / "talk.json").write_bytes(content)
    source = {"segments": [], "files": {"json": f"file://{tmp_path}/talk.json"}}
    monkeypatch.setattr(transcript_files, "MAX_BYTES", len(content))
    assert operator(source=source).execute(context)["text"]
    monkeypatch.setattr(transcript_files, "MAX_BYTES", len(content) - 1)
    with pytest.raises(InputError, match=r"talk\.json has over \d+ bytes, allowed are"):
        operator(source=source).execute(context)


def test_a_transcript_is_read_where_sources_are_allowed(qwen: Service, context: dict[str, Any], tmp_path: Path) -> None:
    given = {"segments": [], "files": {"json": f"file://{tmp_path}/talk.json"}}
    with pytest.raises(InputError, match=r"^source is .*allowed_sources"):
        operator(source=given, allowed_sources=["s3://bucket/"]).execute(context)


def another_run(context: dict[str, Any]) -> dict[str, Any]:
    return {**context, "task_state_store": TaskStateStore()}


def test_what_an_earlier_run_translated_is_not_paid_again(
    qwen: Service, context: dict[str, Any], tmp_path: Path
) -> None:
    memory = f"file://{tmp_path}/translations/"
    first = operator(memory=memory).execute(context)
    again = operator(memory=memory).execute(another_run(context))
    assert again["segments"] == first["segments"]
    assert (again["input_tokens"], again["cost"], again["request_ids"]) == (0, 0.0, [])
    assert len(qwen.asked) == 1
    corrected = {**TRANSCRIPT, "segments": [*TRANSCRIPT["segments"][:2], {"start": 3.0, "end": 5.0, "text": "Hello."}]}
    operator(source=corrected, memory=memory).execute(another_run(context))
    assert qwen.asked[1:] == [["Hello."]]
    assert [path.name for path in (tmp_path / "translations").iterdir()] == ["de.json"]


@pytest.mark.parametrize(
    "changed", [{"model": "qwen-mt-flash"}, {"domains": "A greeting."}, {"target_language": "fr"}, {"memory": None}]
)
def test_what_was_translated_otherwise_is_translated_again(
    qwen: Service, context: dict[str, Any], tmp_path: Path, changed: dict[str, Any]
) -> None:
    memory = f"file://{tmp_path}/"
    operator(memory=memory).execute(context)
    operator(**{"memory": memory, **changed}).execute(another_run(context))
    assert len(qwen.asked) == 2


def test_a_person_s_text_takes_the_place_of_a_translation(
    qwen: Service, context: dict[str, Any], tmp_path: Path
) -> None:
    """Also of one that was never translated, whose lines are not sent."""
    memory = f"file://{tmp_path}/"
    kept = TranslationMemory.open(memory, language="de", storage_conn_id=None, allowed_destinations=None)
    kept.keep_corrections({("Good morning.", 0): "Moin.", ("Good morning.", 1): "Hallo.", ("Welcome to Acme.", 0): ""})
    result = operator(memory=memory).execute(context)
    assert [segment["text"] for segment in result["segments"]] == ["Moin.", "", "", "Hallo."]
    assert result["segments"][0]["source_text"] == "Good morning."
    assert (result["text"], qwen.asked, result["cost"]) == ("Moin.\nHallo.", [], 0.0)


def test_a_correction_is_of_one_place(qwen: Service, context: dict[str, Any], tmp_path: Path) -> None:
    memory = f"file://{tmp_path}/"
    kept = TranslationMemory.open(memory, language="de", storage_conn_id=None, allowed_destinations=None)
    kept.keep_corrections({("Good morning.", 1): "Hallo."})
    result = operator(memory=memory).execute(context)
    assert [segment["text"] for segment in result["segments"]] == ["GOOD MORNING.", "", "WELCOME TO ACME.", "Hallo."]


@pytest.mark.parametrize(
    "content",
    [
        "{",
        '{"version": 2}',
        '{"version": 1, "lines": {}, "corrections": [{"text": "a"}]}',
        '{"version": 1, "lines": []}',
    ],
)
def test_a_memory_that_cannot_be_read_is_told_before_anything_is_paid(
    qwen: Service, context: dict[str, Any], tmp_path: Path, content: str
) -> None:
    (tmp_path / "de.json").write_text(content)
    with pytest.raises(StateReadError, match=r"de\.json"):
        operator(memory=f"file://{tmp_path}/").execute(context)
    assert qwen.asked == []


def test_a_memory_that_another_task_wrote_to_keeps_both(tmp_path: Path) -> None:
    def opened() -> TranslationMemory:
        return TranslationMemory.open(
            f"file://{tmp_path}/", language="de", storage_conn_id=None, allowed_destinations=None
        )

    first, second = opened(), opened()
    first.keep_lines({"a": "A", "c": "of the first"})
    second.keep_lines({"b": "B", "c": "of the second"})
    assert opened().lines == {"a": "A", "b": "B", "c": "of the second"}
    first.keep_corrections({("x", 0): "X", ("z", 0): "of the first"})
    second.keep_corrections({("y", 1): "Y", ("z", 0): "of the second"})
    assert opened().corrections == {("x", 0): "X", ("y", 1): "Y", ("z", 0): "of the second"}


def test_a_memory_is_kept_where_it_is_allowed(qwen: Service, context: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^memory is .*allowed_destinations"):
        operator(memory=f"file://{tmp_path}/", allowed_destinations=["s3://bucket/"]).execute(context)


def test_a_long_segment_is_sent_as_sentences_and_joined(qwen: Service, context: dict[str, Any]) -> None:
    text = "This is a sentence of about sixty letters, as people speak. " * 40
    result = operator(source=segments(text, seconds=300)).execute(context)
    assert result["segments"][0]["text"] == text.strip().upper()
    # The four parts are the same, and sent once.
    assert len(qwen.asked) == 1


def test_lines_that_were_merged_are_asked_for_by_themselves(qwen: Service, context: dict[str, Any]) -> None:
    qwen.merges = 1
    result = operator(source=segments("One.", "Two.", "Three.")).execute(context)
    assert qwen.asked == [["One.", "Two.", "Three."], ["One."], ["Two."], ["Three."]]
    assert [segment["text"] for segment in result["segments"]] == ["ONE.", "TWO.", "THREE."]
    # The reply that was of no use is billed as well.
    assert result["input_tokens"] == 400


def test_lines_that_were_cut_are_asked_for_by_themselves(qwen: Service, context: dict[str, Any]) -> None:
    qwen.answer("ONE.\nTW", finish_reason="length")
    result = operator(source=segments("One.", "Two.")).execute(context)
    assert [segment["text"] for segment in result["segments"]] == ["ONE.", "TWO."]
    assert qwen.asked == [["One."], ["Two."]]
    # One reply did not say how many tokens it had.
    assert (result["input_tokens"], result["output_tokens"], result["cost"]) == (201, None, None)


@pytest.mark.parametrize(
    ("content", "finish_reason", "what"),
    [(" \n", "stop", "no words"), ("ON", "length", "only the begin of the translation")],
)
def test_a_line_without_a_translation_is_not_paid_for_again_and_again(
    qwen: Service, context: dict[str, Any], content: str, finish_reason: str, what: str
) -> None:
    qwen.answer(content, finish_reason)
    with pytest.raises(AirflowFailException, match=rf"answered {what} of 'One\.' \(request_id r-scripted\)"):
        operator(source="One.").execute(context)
    assert len(qwen.bodies) == 1


def test_a_long_line_without_a_translation_is_named_by_its_first_60_characters(
    qwen: Service, context: dict[str, Any]
) -> None:
    qwen.answer("")
    with pytest.raises(AirflowFailException, match=r"answered no words of 'One a{56}' \(request_id"):
        operator(source=f"One {'a' * 57}").execute(context)


CRASHES = ["before the request", "before the reply is kept", "after the reply is kept"]


@pytest.mark.parametrize("crash", CRASHES)
@pytest.mark.parametrize("number", [0, 1, 2, 3, 4])
def test_a_killed_try_pays_nothing_again_for_what_was_kept(
    qwen: Service, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch, crash: str, number: int
) -> None:
    """Three requests, the first of which has to be asked for line by line: five in all."""
    texts = ["One.", long("Two."), long("Three."), long("Four.")]
    calls = {"send": 0, "keep": 0}
    send, keep = Client.send, TranslationAnswers.keep

    def crashing_send(client: Client, request: Any) -> Any:
        calls["send"] += 1
        if crash == CRASHES[0] and calls["send"] == number + 1:
            raise CrashError
        return send(client, request)

    def crashing_keep(answers: TranslationAnswers, *args: Any, **kwargs: Any) -> None:
        calls["keep"] += 1
        if crash == CRASHES[1] and calls["keep"] == number + 1:
            raise CrashError
        keep(answers, *args, **kwargs)
        if crash == CRASHES[2] and calls["keep"] == number + 1:
            raise CrashError

    monkeypatch.setattr(Client, "send", crashing_send)
    monkeypatch.setattr(TranslationAnswers, "keep", crashing_keep)
    qwen.merges = 1
    source = segments(*texts)
    with pytest.raises(CrashError):
        operator(source=source).execute(context)
    result = operator(source=source).execute(context)
    assert [segment["text"] for segment in result["segments"]] == [text.upper() for text in texts]
    asked = [[texts[0], texts[1]], [texts[0]], [texts[1]], [texts[2]], [texts[3]]]
    if crash == CRASHES[1] and number == 0:
        # The service does not merge the lines when it is asked again.
        assert qwen.asked == [asked[0], asked[0], asked[3], asked[4]]
    elif crash == CRASHES[1]:
        # What was answered and not kept is asked for again, and nothing else.
        assert qwen.asked == [*asked[: number + 1], *asked[number:]]
    else:
        assert qwen.asked == asked
        assert (result["input_tokens"], result["output_tokens"]) == (500, 50)


def test_a_lost_reply_is_asked_for_again_by_a_retry_alone(qwen: Service, context: dict[str, Any]) -> None:
    source = segments(long("One."), long("Two."))
    qwen.answer(long("ONE."))
    qwen.answers.append(Response("{}", status=500, content_type="application/json"))
    with pytest.raises(ServerError):
        operator(source=source).execute(context)
    operator(source=source).execute(context)
    assert qwen.asked == [[long("Two.")]]


def test_a_corrected_segment_costs_itself_alone(qwen: Service, context: dict[str, Any]) -> None:
    operator(source=segments("One.", "Two.", "Three.")).execute(context)
    result = operator(source=segments("One.", "Too.", "Three.")).execute(context)
    assert qwen.asked == [["One.", "Two.", "Three."], ["Too."]]
    assert [segment["text"] for segment in result["segments"]] == ["ONE.", "TOO.", "THREE."]


@pytest.mark.parametrize(
    "changed",
    [
        {"target_language": "fr"},
        {"source_language": "nl"},
        {"model": "qwen-mt-flash"},
        {"domains": "Law."},
        {"glossary": {"One": "Eins"}},
    ],
)
def test_another_translation_is_another_one(qwen: Service, context: dict[str, Any], changed: dict[str, Any]) -> None:
    operator(source="One.").execute(context)
    operator(source="One.", **changed).execute(context)
    assert len(qwen.asked) == 2


def test_a_term_that_is_not_there_changes_nothing(qwen: Service, context: dict[str, Any]) -> None:
    operator(source="One.").execute(context)
    operator(source="One.", glossary={"Two": "Zwei"}).execute(context)
    assert len(qwen.asked) == 1


def test_what_another_release_kept_is_no_translation(qwen: Service, context: dict[str, Any]) -> None:
    operator(source="One.").execute(context)
    store = context["task_state_store"]
    store.set("videoretalk_translation_0", {**store.get("videoretalk_translation_0"), "version": 2})
    assert operator(source="One.").execute(context)["text"] == "ONE."
    assert len(qwen.asked) == 2
    assert set(store) == {"videoretalk_translation_0", "videoretalk_translation_1"}


def test_a_value_in_the_state_is_small(qwen: Service, context: dict[str, Any]) -> None:
    """Airflow warns about a value of more than 65,535 bytes."""
    operator(source=segments(*(f"{number} {'字' * 300}" for number in range(20)))).execute(context)
    assert max(len(json.dumps(value)) for value in context["task_state_store"].values()) < 65_535


def test_a_throttled_account_is_asked_again(qwen: Service, context: dict[str, Any]) -> None:
    qwen.throttle()
    qwen.throttle()
    assert operator(source="One.").execute(context)["text"] == "ONE."
    assert len(qwen.bodies) == 3


def test_an_answer_ends_a_throttling(qwen: Service, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses begin anew after a request that was accepted, and so does the time until the task gives up."""
    seen = []

    def again(task: TranslateOperator, error: ThrottledError, *, refusals: int, since: float) -> None:
        seen.append((refusals, since))
        task.run_again_at(0, refusals=refusals + 1, since=since)

    monkeypatch.setattr(TranslateOperator, "retry_throttled", again)
    qwen.throttle()
    qwen.throttle()
    qwen.answer(long("ONE."))
    qwen.throttle()
    operator(source=segments(long("One."), long("Two."))).execute(context)
    assert [refusals for refusals, _ in seen] == [0, 1, 0]
    assert seen[0][1] == seen[1][1] < seen[2][1]


@pytest.mark.parametrize("has_store", [True, False])
def test_a_deferral_loses_no_answer(qwen: Service, context: dict[str, Any], has_store: bool) -> None:
    """Before Airflow 3.3 there is no task state: the trigger keeps the answers."""
    if not has_store:
        del context["task_state_store"]
    qwen.answer(long("ONE."))
    qwen.throttle(retry_after="60")
    source = segments(long("One."), long("Two."))
    with pytest.raises(TaskDeferred) as deferred:
        operator(source=source).execute(context)
    note = json.loads(json.dumps(deferred.value.trigger.note))
    assert ("answers" in note) is not has_store
    result = operator(source=source).execute_again(context, note)
    assert [segment["text"] for segment in result["segments"]] == [long("ONE."), long("Two.").upper()]
    assert qwen.asked == [[long("Two.")]]


def test_a_throttling_that_does_not_end(qwen: Service, context: dict[str, Any]) -> None:
    qwen.throttle(retry_after="60")
    with pytest.raises(ThrottledError):
        operator(throttle_timeout=30).execute(context)


# "One." has 4 bytes: at most 4 + 128 tokens of input and 3 * 4 + 64 of output, so 132 * 1.8 + 76 * 5.4 millionths.
ONE = 0.000648


def test_max_cost(qwen: Service, context: dict[str, Any]) -> None:
    with pytest.raises(
        InputError,
        match=r"at most 0\.000648 CNY, by the prices as of 2026-11-27, allowed is at most 0\.0006 CNY \(max_cost\)",
    ):
        operator(source="One.", max_cost="0.0006").execute(context)
    assert not qwen.bodies
    operator(source="One.", max_cost=ONE).execute(context)
    # What is there costs nothing.
    operator(source="One.", max_cost=0).execute(context)


def test_max_cost_has_the_lines_that_are_asked_for_twice(qwen: Service, context: dict[str, Any]) -> None:
    """Both lines together: 9 bytes. Then each alone."""
    together = (9 + 128) * 1.8 + (27 + 64) * 5.4
    most = (together + 2 * (132 * 1.8 + 76 * 5.4)) / 1e6
    with pytest.raises(InputError, match="max_cost"):
        operator(source="One.\nTwo.", max_cost=most - 1e-6).execute(context)
    operator(source="One.\nTwo.", max_cost=most).execute(context)


@pytest.mark.parametrize(("domain", "lines", "most"), [(115, [5], "0.072090"), (116, [2, 3], "0.072868")])
def test_a_request_has_8192_tokens_at_most(
    qwen: Service, context: dict[str, Any], domain: int, lines: list[int], most: str
) -> None:
    """By their highest number: 128, a byte of the lines, 45 of each of 150 terms, and one for each of the domain.

    The most that they cost has the terms and the domain of each request. Lines that are sent together may have to be
    sent again one by one.
    """
    words = [f"word{number:03}" for number in range(150)]
    given: dict[str, Any] = {
        "source": "\n".join(" ".join(words[start : start + 30]) for start in range(0, 150, 30)),
        "glossary": dict.fromkeys(words, "x" * 22),
        "domains": "a" * domain,
    }
    with pytest.raises(InputError, match=f"costs at most {most} CNY"):
        operator(**given, max_cost=0).execute(context)
    operator(**given).execute(context)
    assert [len(asked) for asked in qwen.asked] == lines
    assert "\n".join(chain.from_iterable(qwen.asked)) == given["source"]


def test_a_price_of_the_connection(
    qwen: Service, context: dict[str, Any], service: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    price = {"per_million_input": "100", "per_million_output": "1000", "currency": "USD", "as_of": "2026-12-01"}
    connect(monkeypatch, host=service.url_for("/api/v1"), prices={"qwen-mt-plus": price})
    result = operator(source="One.").execute(context)
    assert (result["cost"], result["currency"]) == (0.02, "USD")
    connect(monkeypatch, host=service.url_for("/api/v1"), prices={"qwen-mt-plus": {"per_second": 1}})
    with pytest.raises(ConfigurationError, match="the price of 'qwen-mt-plus'"):
        operator(source="One.").execute(context)


def test_a_price_that_is_not_known(qwen: Service, context: dict[str, Any]) -> None:
    result = operator(source="One.", model="qwen-mt-next").execute(context)
    assert (result["cost"], result["currency"], result["input_tokens"]) == (None, None, 100)
    with pytest.raises(InputError, match="max_cost is 1, but the price of qwen-mt-next is not known"):
        operator(source="Two.", model="qwen-mt-next", max_cost=1).execute(context)
    assert qwen.asked == [["One."]]


# 26 letters take two seconds.
LONG = {
    "segments": [{"start": 0, "end": 1.7, "text": "abcdefghijklmnopqrstuvwxyz"}, {"start": 1.7, "end": 9, "text": "b"}]
}


def test_what_does_not_fit_is_flagged(qwen: Service, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    log = Mock()
    monkeypatch.setattr(TranslateOperator, "log", log)
    result = operator(source=LONG).execute(context)
    assert [(one["fits"], one["rate"], one["room"]) for one in result["segments"]] == [
        (False, 1.0, 1.7),
        (True, 1.0, 7.3),
    ]
    assert result["too_long"] == 1
    log.warning.assert_called_with(
        "%s", "1 segments are too long by estimate: segment 0 at 0 s takes about 2 s and has 1.7 s"
    )


def test_what_does_not_fit_is_spoken_faster(qwen: Service, context: dict[str, Any]) -> None:
    result = operator(source=LONG, on_too_long="faster").execute(context)
    # 2 / 1.7 is 1.176.
    assert [(one["fits"], one["rate"]) for one in result["segments"]] == [(True, 1.18), (True, 1.0)]
    result = operator(source=LONG, on_too_long="faster", max_rate=1.1).execute(context)
    assert [(one["fits"], one["rate"]) for one in result["segments"]] == [(False, 1.1), (True, 1.0)]
    result = operator(source=LONG, on_too_long="faster", rate=1.2, max_rate=1.2).execute(context)
    assert [(one["fits"], one["rate"]) for one in result["segments"]] == [(True, 1.2), (True, 1.2)]
    assert result["estimated_seconds"] == 1.73


def test_what_does_not_fit_fails(qwen: Service, context: dict[str, Any]) -> None:
    with pytest.raises(AirflowFailException, match=r"1 segments are too long by estimate: segment 0 at 0 s"):
        operator(source=LONG, on_too_long="fail").execute(context)
    assert operator(source=LONG, on_too_long="fail", rate=1.3).execute(context)["too_long"] == 0
    assert len(qwen.asked) == 1


@pytest.mark.parametrize(("number", "more"), [(10, ""), (12, " and 2 more")])
def test_a_message_names_ten_segments(qwen: Service, context: dict[str, Any], number: int, more: str) -> None:
    source = segments(*(f"{place} {'a' * 26}" for place in range(number)), seconds=1)
    with pytest.raises(
        AirflowFailException, match=rf"{number} segments .*; segment 9 at 9 s[^;]* has 1 s{more}\. Shorten"
    ):
        operator(source=source, on_too_long="fail").execute(context)


@pytest.mark.parametrize(
    ("language", "given", "sent"),
    [
        ("en", None, "English"),
        ("en-US", None, "English"),
        ("en", "auto", "auto"),
        ("en", " AUTO ", "auto"),
        ("en", "Dutch", "Dutch"),
        ("tlh", None, "auto"),
        (7, None, "auto"),
        (None, None, "auto"),
        (None, "zh-TW", "Traditional Chinese"),
    ],
)
def test_the_source_language(
    qwen: Service, context: dict[str, Any], language: Any, given: str | None, sent: str
) -> None:
    operator(source={**segments("One."), "language": language}, source_language=given).execute(context)
    assert qwen.bodies[0]["parameters"]["translation_options"]["source_lang"] == sent


NO_VALUES = ["", "None", " ", None]


@pytest.mark.parametrize("nothing", NO_VALUES)
def test_fields_without_a_value_are_left_out(qwen: Service, context: dict[str, Any], nothing: Any) -> None:
    """A form's empty field renders as one of these."""
    fields = dict.fromkeys(("source_language", "model", "glossary", "domains", "max_cost"), nothing)
    result = operator(source="One.", **fields).execute(context)
    assert (result["source_language"], result["model"]) == ("auto", "qwen-mt-plus")
    assert qwen.bodies[0]["parameters"]["translation_options"] == {"source_lang": "auto", "target_lang": "German"}


def test_a_model_that_is_not_known_may_have_other_languages(qwen: Service, context: dict[str, Any]) -> None:
    result = operator(source="One.", model="other-mt", target_language="Klingon").execute(context)
    assert (result["target_language"], qwen.bodies[0]["model"]) == ("Klingon", "other-mt")
    assert qwen.bodies[0]["parameters"]["translation_options"]["target_lang"] == "Klingon"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *(({"source": nothing}, r"^source is ") for nothing in NO_VALUES),
        ({"source": 3}, r"^source is 3"),
        ({"source": {}}, r"^source\.segments is a NoneType"),
        ({"source": {"segments": []}}, r"^source\.segments is a list of 0"),
        ({"source": {"segments": [], "files": {"srt": "s3://b/a.srt"}}}, r"^source\.segments is a list of 0"),
        ({"source": segments("", " ")}, r"^source has no words"),
        ({"source": "<speak>Hi</speak>"}, r"^source is SSML"),
        ({"source": "a" * 3000}, r"^paragraph 0 of source: the script has no blank"),
        ({"source": segments("One.", "a" * 3000)}, r"^source\.segments\[1\]: the script has no blank"),
        *(({"target_language": nothing}, r"^target_language is ") for nothing in NO_VALUES),
        ({"target_language": "Klingon"}, r"^target_language is 'Klingon', .* qwen-mt-plus: English \(en\), "),
        ({"target_language": "auto"}, r"^target_language is 'auto'"),
        ({"source_language": "Klingon"}, r"^source_language is 'Klingon'"),
        ({"target_language": "Welsh", "model": "qwen-mt-lite"}, r"^target_language is 'Welsh'"),
        ({"target_language": "English"}, r"^target_language is 'en', which is the source's own"),
        ({"domains": "a" * 1001}, r"^domains has 1001 bytes, allowed are 1000"),
        ({"domains": 3}, r"^domains is 3"),
        ({"source_language": 3}, r"^source_language is 3"),
        ({"max_cost": "much"}, r"^max_cost is 'much'"),
        ({"glossary": {"Acme": 3}}, r"^glossary has the target 3"),
        ({"glossary": 3}, r"^glossary is 3"),
        ({"model": 3}, r"^model is 3"),
    ],
)
def test_bad_input_is_found_before_anything_is_sent(
    qwen: Service, context: dict[str, Any], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        operator(**arguments).execute(context)
    assert not qwen.bodies


@pytest.mark.parametrize("domains", ["a" * 1000, "\ud800"])
def test_what_a_domain_may_be(qwen: Service, context: dict[str, Any], domains: str) -> None:
    """Also half of a character, which a form may send."""
    operator(source="One.", domains=domains).execute(context)
    assert qwen.bodies[0]["parameters"]["translation_options"]["domains"] == domains


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"on_too_long": "shorten"}, r"^on_too_long is 'shorten', allowed is one of flag, fail, faster"),
        ({"rate": 0.4}, r"^rate is 0\.4, allowed is a number from 0\.5 to 2"),
        ({"rate": "1"}, r"^rate is '1'"),
        ({"rate": True}, r"^rate is True"),
        ({"max_rate": 2.1}, r"^max_rate is 2\.1"),
        ({"rate": 1.3, "on_too_long": "faster"}, r"^max_rate is 1\.2, allowed is the rate of 1\.3 or more"),
    ],
)
def test_bad_arguments_are_found_when_the_dag_is_parsed(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        operator(**arguments)


def test_a_line_with_too_many_terms_is_found_before_anything_is_sent(qwen: Service, context: dict[str, Any]) -> None:
    words = ["".join(letters) for letters in islice(product("abcdef", repeat=4), 200)]
    texts = [long("One."), " ".join(words)]
    with pytest.raises(InputError, match=r"text has up to .* tokens with its 200 terms"):
        operator(source=segments(*texts), glossary=dict.fromkeys(words, "x" * 60)).execute(context)
    assert not qwen.bodies


def test_many_terms_make_smaller_requests(qwen: Service, context: dict[str, Any]) -> None:
    words = [f"word{number:03}" for number in range(160)]
    texts = [" ".join(words[start : start + 10]) for start in range(0, 160, 10)]
    glossary = dict.fromkeys(words, "x" * 30)
    operator(source=segments(*texts), glossary=glossary).execute(context)
    assert [len(lines) for lines in qwen.asked] == [8, 8]
    assert [len(body["parameters"]["translation_options"]["terms"]) for body in qwen.bodies] == [80, 80]


def test_a_limit_of_the_connection(
    qwen: Service, context: dict[str, Any], service: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, host=service.url_for("/api/v1"), throttle_timeout=60)
    with pytest.raises(InputError, match=r"^throttle_timeout is 120 s, allowed is 60 s or less"):
        operator(throttle_timeout=120).execute(context)
    assert not qwen.bodies


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    with Emulator(EmulatorSettings(port=0, translations_per_minute=1e6), engine=FakeEngine()) as emulator:
        yield emulator


@pytest.fixture
def on_emulator(running: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    connect(monkeypatch, host=running.base_url)
    running.faults.clear()
    running.state.requests.clear()
    return running


@pytest.mark.parametrize("language", ["German", "zh", "Spanish", "th", "ar"])
def test_on_the_emulator(on_emulator: Emulator, context: dict[str, Any], language: str, tmp_path: Path) -> None:
    table = tmp_path / "glossary.csv"
    table.write_text("source,target,de\nAcme,ACME,Akme\n")
    texts = [f"Part {number} of the spring collection by Acme." for number in range(50)]
    task = operator(source=segments(*texts), target_language=language, glossary=f"file://{table}", max_cost=1)
    result = task.execute(context)
    code = result["target_language"]
    for number, segment in enumerate(result["segments"]):
        assert segment["text"].startswith(f"[{code}] ")
        assert str(number) in segment["text"]
        assert ("Akme" if code == "de" else "ACME") in segment["text"]
    # 50 lines are two requests.
    assert [entry["status"] for entry in on_emulator.state.requests] == [200, 200]
    assert 0 < result["cost"] < 1


def test_on_an_emulator_that_merges_lines(on_emulator: Emulator, context: dict[str, Any]) -> None:
    on_emulator.faults.arm(FaultRule(operation="translation", effect="merge_lines"))
    result = operator(source=segments("One.", "Two.", "Three.")).execute(context)
    assert all(segment["text"].startswith("[de] ") for segment in result["segments"])
    assert [entry["status"] for entry in on_emulator.state.requests] == [200] * 4


@pytest.mark.parametrize("effect", ["drop_after", "error_after", "html_after"])
def test_a_reply_that_is_lost_on_the_emulator(on_emulator: Emulator, context: dict[str, Any], effect: str) -> None:
    """The service has no id for a request: it is paid for again, and nothing else is."""
    source = segments(long("One."), long("Two."), long("Three."))
    on_emulator.faults.arm(FaultRule(operation="translation", effect=effect, after=1))  # type: ignore[arg-type]
    with pytest.raises(Exception) as lost:  # noqa: PT011
        operator(source=source).execute(context)
    assert lost.value.retryable  # type: ignore[attr-defined]
    operator(source=source).execute(context)
    assert len(on_emulator.state.requests) == 4


def test_no_cost_is_above_what_was_said(on_emulator: Emulator, context: dict[str, Any]) -> None:
    """By the emulator's tokens. The bound is one of bytes, so that it holds for the service's as well."""
    source = segments("Good morning, and welcome.", "我们今天介绍三个新产品，欢迎。", "Ünïcödé 😀 und mehr")
    on_emulator.faults.arm(FaultRule(operation="translation", effect="merge_lines"))
    with pytest.raises(InputError, match="costs at most") as refused:
        operator(source=source, max_cost=0).execute(context)
    most = float(str(refused.value).partition("at most ")[2].partition(" ")[0])
    result = operator(source=source).execute(context)
    assert 0 < result["cost"] <= most
    billed = [entry["billed"] for entry in on_emulator.state.requests if entry["billed"]]
    assert len(billed) == 4
    assert result["input_tokens"] == sum(one["input_tokens"] for one in billed)
    assert result["output_tokens"] == sum(one["output_tokens"] for one in billed)


def test_what_a_transcription_returns_is_a_source(qwen: Service, context: dict[str, Any]) -> None:
    sentences = [
        TranscribedSegment(start=0.0, end=1.5, text="Good morning.", speaker=0, language="en"),
        TranscribedSegment(start=2.0, end=4.0, text="Welcome.", speaker=1, language="en"),
    ]
    result = operator(source={"text": "Good morning. Welcome.", "language": "en", "segments": sentences}).execute(
        context
    )
    assert [(one["start"], one["end"], one["text"], one["speaker"]) for one in result["segments"]] == [
        (0.0, 1.5, "GOOD MORNING.", 0),
        (2.0, 4.0, "WELCOME.", 1),
    ]
    assert result["source_language"] == "en"
