"""Whatever a reply holds, the answer is a typed error or values that Airflow can store."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_videoretalk.dashscope.errors import DashScopeError, OutcomeUnknownError, TransportError
from airflow_provider_videoretalk.dashscope.reply_values import parse_reply, plain_id, web_url
from airflow_provider_videoretalk.dashscope.request import Reply, Request
from airflow_provider_videoretalk.dashscope.task import Task, cancel_task, get_task
from airflow_provider_videoretalk.dashscope.task_list import list_tasks
from airflow_provider_videoretalk.dashscope.temporary_storage import get_upload_policy
from airflow_provider_videoretalk.model_catalog.speech import synthesize_speech
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK
from airflow_provider_videoretalk.polling.poll_policy import PollPolicy
from airflow_provider_videoretalk.polling.render_times import RenderTimes
from airflow_provider_videoretalk.polling.schedule import Schedule
from airflow_provider_videoretalk.polling.trigger_event import AwaitedJob, event_of, task_of

# What each of Airflow's stores takes.
MAX_INTEGER, MAX_TEXT = 9_223_372_036_854_775_807, 8192
TASK_ID = "86ecf553-d340-4e21-af6e-a0c6a421c010"
SUCCEEDED = {
    "request_id": "r-1",
    "output": {
        "task_id": TASK_ID,
        "task_status": "SUCCEEDED",
        "submit_time": "2026-11-25 10:00:00.000",
        "scheduled_time": "2026-11-25 10:00:01.000",
        "end_time": "2026-11-25 10:01:00.000",
        "video_url": "https://result.example/x.mp4?Expires=1795716060",
    },
    "usage": {"video_duration": 6.0, "size": "640*640", "fps": 25, "video_ratio": "standard"},
}
FAILED = {"request_id": "r-1", "output": {"task_id": TASK_ID, "task_status": "FAILED", "code": "c", "message": "m"}}
ROW = {"task_id": TASK_ID, "status": "RUNNING", "model_name": "videoretalk", "gmt_create": 1795176929887}
POLICY = {
    "policy": "p",
    "signature": "s",
    "upload_dir": "dashscope-instant/a/b",
    "upload_host": "https://store.example",
    "max_file_size_mb": 300,
    "oss_access_key_id": "k",
    "x_oss_object_acl": "private",
    "x_oss_forbid_overwrite": "true",
}
SUBMIT = VIDEORETALK.submit_request(
    urls={"video_url": "https://h/v.mp4", "audio_url": "https://h/a.wav"}, parameters={}
)
REQUESTS: list[tuple[str, Request[Any], dict[str, Any]]] = [
    ("submit", SUBMIT, {"request_id": "r-1", "output": {"task_id": TASK_ID, "task_status": "PENDING"}}),
    ("succeeded", get_task(TASK_ID), SUCCEEDED),
    ("failed", get_task(TASK_ID), FAILED),
    ("list", list_tasks(), {"request_id": "r-1", "total": 1, "total_page": 1, "data": [ROW]}),
    ("cancel", cancel_task(TASK_ID), {"request_id": "r-1"}),
    (
        "speech",
        synthesize_speech(text="Hello."),
        {"request_id": "r-1", "output": {"audio": {"url": "https://h/a.wav", "expires_at": 1795716060}}, "usage": {}},
    ),
    ("upload", get_upload_policy(model="videoretalk"), {"request_id": "r-1", "data": POLICY}),
]
every_request = pytest.mark.parametrize(
    ("request_", "reply"), [row[1:] for row in REQUESTS], ids=[r[0] for r in REQUESTS]
)

# As text, since Python's json reads and writes these, and no JSON has them.
ODD = [
    "NaN",
    "-Infinity",
    "1e999",
    "1180591620717411303424",
    "-9223372036854775809",
    "9" * 5000,
    '"\\ud83d"',
    '"a\\u0000b"',
    '"\\u001b[31mred\\r\\n2026-11-25 ERROR forged"',
    '"' + "x" * 100_000 + '"',
    "[" * 200 + "]" * 200,
    '"../pwn"',
    '"file:///etc/passwd"',
    '"s3://conn@bucket/key"',
    '"http://[bad"',
    '"https://"',
    '"javascript:alert(1)"',
    '"0001-01-01 00:00:00"',
    '"9999-12-31 23:59:59.999"',
    '"1970-01-01 08:00:00"',
    "1e308",
    "1e22",
    "-9.3e18",
    "-1",
    "true",
    "null",
    '""',
    "{}",
    "[]",
    '[{"task_id": "../x"}, 7, null]',
]
values = st.sampled_from(ODD) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters()),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=8,
).map(json.dumps)


def paths(value: Any, prefix: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value in a JSON value, and to fields that the value does not have."""
    yield prefix
    if isinstance(value, dict):
        for name in (*value, "code", "message"):
            yield from paths(value.get(name), (*prefix, name))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from paths(each, (*prefix, number))


def with_value(reply: dict[str, Any], path: tuple[Any, ...], odd: str) -> bytes:
    """The reply with a JSON text in one place."""
    if not path:
        return odd.encode()
    changed = copy.deepcopy(reply)
    parent: Any = changed
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = "@ODD@"
    return json.dumps(changed).replace('"@ODD@"', odd).encode()


def assert_storable(value: Any) -> None:
    """Fails for what PostgreSQL's JSON, or a log, does not take."""
    text = json.dumps(value, allow_nan=False, default=str, ensure_ascii=False)
    assert "\x00" not in text.encode().decode()
    assert "\\u0000" not in text

    def check(each: Any) -> None:
        if isinstance(each, dict):
            assert all(isinstance(name, str) for name in each)
            for name in each.values():
                check(name)
        elif isinstance(each, list | tuple):
            for one in each:
                check(one)
        elif isinstance(each, str):
            # A message adds a few words to a text of the reply.
            assert len(each) <= MAX_TEXT + 500
            assert "\x1b" not in each
        elif isinstance(each, int | float):
            # PostgreSQL gives a large float back as an integer, which Airflow cannot send to a worker.
            assert math.isfinite(each)
            assert abs(each) <= MAX_INTEGER

    check(value)


def outcome(request: Request[Any], content: bytes, status: int = 200) -> Any:
    try:
        return request.read(Reply(status=status, headers={}, content=content))
    except DashScopeError as raised:
        error = raised
    assert_storable(error.to_json())
    assert "\n" not in str(error)
    return error


@every_request
@given(data=st.data())
def test_any_value_in_any_field(request_: Request[Any], reply: dict[str, Any], data: st.DataObject) -> None:
    content = with_value(reply, data.draw(st.sampled_from(list(paths(reply)))), data.draw(values))
    found = outcome(request_, content, data.draw(st.sampled_from([200, 200, 400, 404, 429, 500])))
    if isinstance(found, Task):
        check_task(found)


def check_task(task: Task) -> None:
    """The job is waited for, its event is read back, and its result is stored."""
    awaited = AwaitedJob(task_id=TASK_ID)
    event = event_of(task, awaited)
    assert_storable(event)
    assert task_of(json.loads(json.dumps(event))) == task
    now = 1.8e9
    schedule = Schedule(task_id=TASK_ID, poll_policy=PollPolicy(render_timeout=600.0), submitted_at=now - 10)
    pause = schedule.after_query(task, now=now)
    assert pause is None or 0 <= pause <= 600
    RenderTimes().learn(task)
    try:
        task.raise_for_status()
        assert_storable(task.result())
    except DashScopeError as error:
        assert_storable(error.to_json())


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    "path", [each for each in paths(SUCCEEDED) if each[:1] == ("usage",) or each[-1:] == ("code",)]
)
def test_decorative_values_never_lose_a_result(path: tuple[Any, ...], odd: str) -> None:
    task = outcome(get_task(TASK_ID), with_value(SUCCEEDED, path, odd))
    assert task.result()["video_url"] == SUCCEEDED["output"]["video_url"]  # type: ignore[index]
    check_task(task)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("field", ["submit_time", "scheduled_time", "end_time"])
def test_times_are_possible_or_unknown(field: str, odd: str) -> None:
    task = outcome(get_task(TASK_ID), with_value(SUCCEEDED, ("output", field), odd))
    result = task.result()
    assert result["video_url"]
    times = [result["submitted_at"], result["started_at"], result["finished_at"]]
    assert times.count(None) == 1
    assert all(result[name] is None or result[name] >= 0 for name in ("queue_seconds", "render_seconds"))


@pytest.mark.parametrize(
    "code", ['"Success"', '"200"', "200", "0", '""', "null", '"OK"', '"InternalError"', '"InvalidParameter"', "{}"]
)
def test_a_reply_that_names_a_job_is_a_submission(code: str) -> None:
    content = with_value({"output": {"task_id": TASK_ID, "task_status": "PENDING"}, "code": 1}, ("code",), code)
    assert outcome(SUBMIT, content).task_id == TASK_ID


@pytest.mark.parametrize(
    "task_id", ['"../pwn"', '"a/b"', '""', "null", "[]", '"a\\u0000"', '"' + "a" * 300 + '"', "-1", '".x"']
)
def test_the_id_of_a_job_is_plain(task_id: str) -> None:
    content = with_value({"output": {"task_id": 1, "task_status": "PENDING"}}, ("output", "task_id"), task_id)
    error = outcome(SUBMIT, content)
    assert isinstance(error, OutcomeUnknownError)
    assert isinstance(outcome(get_task("x"), content), TransportError)


def test_a_reply_about_another_job_is_retryable() -> None:
    error = outcome(get_task("t2"), json.dumps(SUCCEEDED).encode())
    assert f"the reply is about render job '{TASK_ID}', not 't2'" in str(error)
    assert error.retryable


@pytest.mark.parametrize("url", ODD)
def test_a_result_is_a_web_url_or_none(url: str) -> None:
    task = outcome(get_task(TASK_ID), with_value(SUCCEEDED, ("output", "video_url"), url))
    assert task.result_url is None
    with pytest.raises(TransportError, match="succeeded, but the reply has no result") as raised:
        task.result()
    assert raised.value.retryable


@pytest.mark.parametrize(
    "output",
    [
        {"results": [{"url": "https://h/1.png"}]},
        {"results": {"transcription_url": "https://h/1.json"}},
        {"choices": [{"message": "text"}]},
    ],
)
def test_other_results_count_as_results(output: dict[str, Any]) -> None:
    reply = {"output": {"task_id": TASK_ID, "task_status": "SUCCEEDED"} | output}
    assert outcome(get_task(TASK_ID), json.dumps(reply).encode()).result()["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "s3://conn@bucket/key", "/etc/passwd", "http://[bad", "ftp://h/a"]
)
def test_speech_and_uploads_lead_to_the_web_only(url: str) -> None:
    speech = {"output": {"audio": {"url": url}}}
    assert isinstance(outcome(synthesize_speech(text="Hi."), json.dumps(speech).encode()), TransportError)
    policy = {"data": POLICY | {"upload_host": url}}
    assert isinstance(outcome(get_upload_policy(model="m"), json.dumps(policy).encode()), TransportError)


@pytest.mark.parametrize(
    ("field", "value"), [("upload_dir", "../x"), ("upload_dir", "a\r\nb"), ("signature", "a\r\n\r\nb")]
)
def test_upload_fields_cannot_forge_others(field: str, value: str) -> None:
    policy = {"data": POLICY | {field: value}}
    assert isinstance(outcome(get_upload_policy(model="m"), json.dumps(policy).encode()), TransportError)


def test_rows_without_an_id_are_counted() -> None:
    page = outcome(list_tasks(), json.dumps({"total": 3, "data": [ROW, {"task_id": "../x"}, 7]}).encode())
    assert [row.task_id for row in page.rows] == [TASK_ID]
    assert page.unreadable == 2


@given(st.binary())
def test_any_bytes(content: bytes) -> None:
    outcome(SUBMIT, content)
    outcome(get_task(TASK_ID), content)


@pytest.mark.parametrize("depth", [50, 990, 5000, 200_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting(depth: int, opening: str, closing: str) -> None:
    content = (opening * depth + "1" + closing * depth).encode()
    try:
        assert_storable(parse_reply(content))
    except ValueError:
        assert depth > 900


@pytest.mark.parametrize("digits", ["9223372036854775808", "9223372036854775809", "-9223372036854775808"])
def test_an_integer_that_a_database_cannot_store_is_none(digits: str) -> None:
    assert parse_reply(digits.encode()) is None


def test_the_largest_integer() -> None:
    assert parse_reply(b"9223372036854775807") == 9_223_372_036_854_775_807
    assert parse_reply(b"-9223372036854775807") == -9_223_372_036_854_775_807


def test_a_url_that_was_cut_is_none() -> None:
    start = "https://h/v.mp4?s="
    whole = start + "a" * (8191 - len(start))
    assert web_url(parse_reply(json.dumps(whole).encode())) == whole
    assert web_url(parse_reply(json.dumps(whole + "a").encode())) is None
    assert web_url(parse_reply(json.dumps(whole + "aaa").encode())) is None


def test_a_submit_that_is_refused_in_another_shape_raises_the_refusal() -> None:
    """The reply has content, but no job in it."""
    reply = {"code": "InvalidParameter", "message": "m", "request_id": "r", "output": {"task": "none"}}
    error = outcome(SUBMIT, json.dumps(reply).encode())
    assert type(error) is OutcomeUnknownError
    assert (error.code, error.request_id, error.status) == ("InvalidParameter", "r", 200)


def test_what_came_in_place_of_json() -> None:
    with pytest.raises(TransportError, match="the endpoint answered 6 bytes of text/html, not a JSON object"):
        Reply(status=200, headers={"content-type": "text/html; charset=utf-8"}, content=b"<html>").payload()
    with pytest.raises(TransportError, match="the endpoint answered an empty body, not a JSON object"):
        Reply(status=200, headers={}, content=b"").payload()


@given(st.text(st.characters()))
def test_single_values(text: str) -> None:
    for read in (plain_id, web_url):
        found: Callable[[object], str | None] = read
        assert found(text) in (None, text)
