"""No address and no stored value gives an error of the server, and no page shows what cannot be."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

import pytest
from batch_rows import many_rows, plan_task, plan_xcom, planned_row
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from video_rows import Row, finished_run, tables

from airflow_provider_videoretalk.batches.plan_rows import COLUMNS
from airflow_provider_videoretalk.ui.failure_reason import find_failure_reason
from airflow_provider_videoretalk.ui.stored_values import (
    MAX_STORED_LENGTH,
    as_moment,
    as_number,
    as_time,
    checked_values,
    read_json,
    stored_value,
)

DAG = "videoretalk_quickstart"
HERE = f"dags/{DAG}/runs/one/tasks/retalk"
PARTS = ("", "/status", "/outcome", "/failure")
PAGES = ("", "videos", "batches", "queue", "spend", "spend/panel", "failures", *(f"{HERE}/-1{part}" for part in PARTS))
MEDIA = tuple(f"{HERE}/-1/media/{part}" for part in ("source", "result", "audio"))

Runs = Callable[..., None]
Login = Callable[..., TestClient]

fast = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    # The rows are replaced for each value.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

ODD_TEXTS = st.sampled_from(
    [
        *("", " ", "\0", "a\0b", "\ud800", "\udfff\ud800", "é\u202e", "x" * 10_000, "../../etc/passwd", "~", "%00"),
        *("http://[bad", "http://[::1", "s3://[", "https://h/\ud800.mp4", "//", "http://h:99999999/v.mp4"),
        *("file:///etc/passwd", "s3://nobody@b/k.mp4", "http://127.0.0.1:1/v.mp4", "[" * 5_000, "{" * 5_000),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30", "NaN", "9" * 5_000, "null"),
    ]
)
ODD_NUMBERS = st.sampled_from(
    [0, -1, 2**31, 2**63, 2**64, 10**400, -(10**400), 1e308, -1e308, 5e-324, float("nan"), float("inf"), float("-inf")]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | ODD_TEXTS | ODD_NUMBERS
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
)
FIELDS = st.sampled_from(
    [
        *("task_id", "request_id", "status", "video_url", "audio_url", "expires_at", "billed_seconds", "usage", "cost"),
        *("submitted_at", "started_at", "finished_at", "queue_seconds", "render_seconds", "currency", "seconds"),
        *("estimated_cost", "estimated_seconds", "inputs", "uri", "sha256", "size", "script", "language", "label"),
        *("dashscope_conn_id", "dashscope_task_id", "text", "path", "input", "poll_policy"),
    ]
)
LIKE_RETURN_VALUES = st.dictionaries(FIELDS, JSON, max_size=6) | st.builds(
    lambda base, odd: base | odd,
    st.sampled_from(
        [
            {"task_id": "t", "video_url": "https://h/v.mp4", "expires_at": "2999-01-01T00:00:00+00:00"},
            {"task_id": "t", "status": "PENDING"},
            {"audio_url": "https://h/a.wav"},
            {"uri": "s3://b/k.mp4", "sha256": "0", "task_id": "t"},
        ]
    ),
    st.dictionaries(FIELDS, JSON, max_size=3),
)
VALUES = JSON | LIKE_RETURN_VALUES | LIKE_RETURN_VALUES.map(lambda value: json.dumps(value))

IDS = ODD_TEXTS | st.text(max_size=300) | st.sampled_from([DAG, "one", "retalk", "~"])
INDEXES = (
    st.integers().map(str)
    | st.sampled_from([str(10**30), "-2", "-1", "0", "1e3", "+1", " 1", "0x1", "٣", "9" * 5_000, str(2**31), "", "1.0"])
    | ODD_TEXTS
)


def text_of(value: str) -> str:
    """A text as a browser could send it: half a surrogate pair has no bytes."""
    return quote(value.encode("utf-8", "surrogatepass"), safe="")


@fast
@given(ids=st.tuples(IDS, IDS, IDS), index=INDEXES, page=st.sampled_from([*PARTS, "/media/result"]))
@example(ids=(DAG, "one", "retalk"), index=str(10**30), page="")
@example(ids=(DAG, "\0", "retalk"), index="-1", page="/status")
@example(ids=(DAG, "one", "x" * 10_000), index="0", page="/failure")
def test_any_path(ids: tuple[str, str, str], index: str, page: str, login: Login) -> None:
    dag, run, task = map(text_of, ids)
    reply = login(DAG).get(f"/videoretalk/dags/{dag}/runs/{run}/tasks/{task}/{text_of(index)}{page}")
    assert reply.status_code < 500
    assert "content-security-policy" in reply.headers


DEEP = "[" * 100_000 + "]" * 100_000
NESTED = '{"video_url":' * 20_000 + "1" + "}" * 20_000
BATCH = "dags/videoretalk_batch/runs/one/batch"
BATCH_PARTS = ("", "/rows", ".csv")

QUERY_VALUES = (
    ODD_TEXTS
    | st.text(max_size=60)
    | st.dates().map(str)
    | st.sampled_from(
        [
            *("9999-12-31", "0001-01-01", "10000-01-01", "1e20", "-1", "253402300800", "2026-11-26T00:00:00"),
            *(
                "99999999999999999999",
                "99999999999999999999.0.x",
                "1.99999999999999999999.x",
                "9.9.\0",
                "1.-1." + "x" * 999,
            ),
            *("waiting", "failed", "done", DAG),
        ]
    )
)


@fast
@given(
    page=st.sampled_from(["", "videos", "batches", "queue", "spend", "spend.csv", "failures"]),
    query=st.lists(
        st.tuples(
            st.sampled_from(["dag", "dag_id", "state", "day", "q", "from", "to", "by", "after", "page", "x"]),
            QUERY_VALUES,
        ),
        max_size=4,
    ),
)
@example(page="", query=[("day", "9999-12-31")])
@example(page="", query=[("after", "99999999999999999999.0.retalk")])
@example(page="", query=[("dag_id", "\0")])
@example(page="", query=[("q", "\ud800"), ("state", "done")])
@example(page="spend", query=[("from", "2000-01-01"), ("by", "person")])
@example(page="spend.csv", query=[("to", "2000-01-01"), ("dag", "\n")])
@example(page="failures", query=[("day", "0001-01-01")])
@example(page="failures", query=[("page", "99999999999999999999")])
@example(page="failures", query=[("page", "10000")])
def test_any_query(page: str, query: list[tuple[str, str]], login: Login) -> None:
    text = "&".join(f"{name}={text_of(value)}" for name, value in query)
    assert login(DAG).get(f"/videoretalk/{page}?{text}").status_code < 500


@fast
@given(
    part=st.sampled_from(BATCH_PARTS),
    query=st.lists(
        st.tuples(st.sampled_from(["plan", "show", "q", "sort", "page", "dag_id"]), QUERY_VALUES), max_size=4
    ),
)
@example(part="", query=[("q", "\ud800"), ("page", "10000")])
@example(part=".csv", query=[("plan", "\0")])
def test_any_query_of_a_batch(part: str, query: list[tuple[str, str]], login: Login, runs: Runs) -> None:
    delete_runs()
    runs("videoretalk_batch", one=many_rows(2))
    text = "&".join(f"{name}={text_of(value)}" for name, value in query)
    assert login("videoretalk_batch").get(f"/videoretalk/{BATCH}{part}?{text}").status_code < 500


CELLS = st.lists(JSON | st.sampled_from(["make", "keep", "refuse", 0, 1]), min_size=len(COLUMNS), max_size=len(COLUMNS))
LIKE_PLANS = st.builds(
    lambda odd, rows: {**plan_xcom([planned_row(2), planned_row(3)]), **odd, **({"rows": rows} if rows else {})},
    st.dictionaries(st.sampled_from(["batch", "planned_at", "dry_run", "currency", "uri_prefix", "plan_uri"]), JSON),
    st.lists(CELLS, max_size=4),
)


@fast
@given(
    rows=(VALUES | LIKE_PLANS).map(json.dumps), cost=LIKE_RETURN_VALUES.map(json.dumps), error=JSON.map(json.dumps),
    state=st.sampled_from(["deferred", "failed", "success", None]),
)  # fmt: skip
@example(rows=DEEP, cost=DEEP, error=DEEP, state="failed")
@example(rows="no JSON", cost="{", error="", state="success")
@example(rows="9" * 10_000, cost='{"cost": 1e999}', error='{"code": [1], "message": {}}', state="failed")
@example(rows=json.dumps({"version": 1, "columns": [{}, []], "rows": {}}), cost="NaN", error="null", state="success")
@example(rows='"' + "x" * 5_000_000 + '"', cost='"' + "x" * 300_000 + '"', error="[]", state="success")
def test_any_stored_value_of_a_batch(
    rows: str, cost: str, error: str, state: str | None, runs: Runs, login: Login
) -> None:
    tasks = [
        Row(task_id="video.make", map_index=0, state=state, xcoms={"videoretalk_cost": {}, "videoretalk_error": {}}),
        Row(task_id="video.publish", map_index=0, state=state, xcoms={"return_value": {}}),
    ]
    delete_runs()
    runs("videoretalk_batch", one=[plan_task([planned_row(2)]), *tasks])
    poison(
        xcoms={
            "videoretalk_rows": rows,
            "videoretalk_plan": rows,
            "videoretalk_cost": cost,
            "videoretalk_error": error,
            "return_value": rows,
        }
    )
    client = login("videoretalk_batch")
    for part in BATCH_PARTS:
        assert client.get(f"/videoretalk/{BATCH}{part}").status_code in (200, 404), part
    assert client.get(f"/videoretalk/{BATCH}").status_code == 200
    assert client.get("/videoretalk/batches").status_code == 200


RANGES = ["bytes=" + "0-0," * 500, "bytes=0-99999999999999999999", "\xff", "bytes=-", "x" * 9_000]


@pytest.mark.parametrize("header", RANGES, ids=range(len(RANGES)))
def test_any_range(header: str, runs: Runs, login: Login) -> None:
    runs(DAG, one=finished_run("t", inputs={"video_url": "http://127.0.0.1:1/v.mp4"}))
    for address in MEDIA:
        assert login(DAG).get(f"/videoretalk/{address}", headers={"range": header.encode("latin-1")}).status_code < 500


@pytest.fixture
def unconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection can be used, so nothing is sent."""
    monkeypatch.setenv("AIRFLOW_CONN_DASHSCOPE_DEFAULT", "{}")


def poison(*, xcoms: dict[str, str], fields: str | None = None) -> None:
    """Replaces stored values by JSON texts, which need not be valid."""
    from airflow.utils.session import create_session
    from sqlalchemy import text

    xcom_model, fields_model, _ = tables()
    with create_session(scoped=False) as session:
        for key, value in xcoms.items():
            statement = f"UPDATE {xcom_model.__table__.name} SET value = :value WHERE key = :key"
            session.execute(text(statement), {"key": key, "value": value})
        if fields is not None:
            session.execute(text(f"UPDATE {fields_model.__table__.name} SET rendered_fields = :f"), {"f": fields})


def all_pages_come(client: TestClient) -> None:
    for address in PAGES:
        assert client.get(f"/videoretalk/{address}").status_code == 200, address
    for address in MEDIA:
        assert client.get(f"/videoretalk/{address}").status_code in (200, 404), address


@fast
@given(
    value=VALUES.map(json.dumps), job_id=JSON.map(json.dumps), start=JSON.map(json.dumps),
    fields=LIKE_RETURN_VALUES.map(json.dumps), state=st.sampled_from(["deferred", "failed", "success"]),
)  # fmt: skip
@example(value=DEEP, job_id=DEEP, start=DEEP, fields=DEEP, state="deferred")
@example(value=NESTED, job_id=NESTED, start=NESTED, fields=NESTED, state="success")
@example(value="9" * 10_000, job_id="9" * 10_000, start="9" * 10_000, fields="9" * 10_000, state="deferred")
@example(value="NaN", job_id="Infinity", start="1e999", fields="-Infinity", state="deferred")
@example(value='{"task_id": [1], "video_url": {}}', job_id='["t"]', start='{"a": 1}', fields="[]", state="success")
@example(value='"' + "x" * 1_000_000 + '"', job_id='"t"', start="1e30", fields='{"video_url": 5}', state="deferred")
@example(value="no JSON", job_id="{", start="", fields="no JSON", state="failed")
def test_any_stored_value(
    value: str, job_id: str, start: str, fields: str, state: str, runs: Runs, login: Login, unconnected: None
) -> None:
    stored = {"dashscope_task_id": "x", "dashscope_expected_start": 1.0, "return_value": {}, "videoretalk_watch": "/"}
    stored["dashscope_dry_run"] = {}
    rows = [Row(task_id=row.task_id, state=state, xcoms=stored, fields={"a": 1}) for row in finished_run("t")]
    delete_runs()
    runs(DAG, one=rows)
    odd = {"return_value": value, "dashscope_task_id": job_id, "dashscope_expected_start": start}
    poison(xcoms=odd | {"dashscope_dry_run": value}, fields=fields)
    all_pages_come(login(DAG))


def delete_runs() -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session(scoped=False) as session:
        session.execute(delete(DagRun))


@fast
@given(arguments=st.dictionaries(FIELDS | st.sampled_from(["queue_timeout", "cancel_on_kill"]), JSON))
@example(arguments={"poll_policy": {"queue_timeout": float("nan"), "render_timeout": 10**400}})
@example(arguments={"poll_policy": [1], "expected_seconds": float("inf")})
def test_any_argument_of_a_trigger(
    arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch, login: Login, runs: Runs, unconnected: None
) -> None:
    from airflow_provider_videoretalk.ui import result_page

    monkeypatch.setattr(result_page, "read_trigger_arguments", lambda *_: checked_values(arguments))
    delete_runs()
    runs(DAG, one=[Row(task_id="retalk", state="deferred", xcoms={"dashscope_task_id": "t"})])
    assert login(DAG).get(f"/videoretalk/{HERE}/-1/status").status_code == 200


@fast
@given(line=st.dictionaries(st.sampled_from(["event", "error_detail", "level"]), JSON), detail=JSON)
@example(line={"event": "Task failed with exception"}, detail=[{"exc_type": ["x"], "exc_value": "\ud800" * 90_000}])
@example(line={}, detail={"0": 1})
@example(line={}, detail="text")
@example(line={}, detail=[None])
def test_any_line_of_a_log(
    line: dict[str, Any], detail: Any, monkeypatch: pytest.MonkeyPatch, login: Login, runs: Runs
) -> None:
    from airflow_provider_videoretalk.ui import result_page
    from airflow_provider_videoretalk.ui.airflow_db.task_logs import TaskLog

    monkeypatch.setattr(TaskLog, "read_last_lines", lambda log: [line, {**line, "error_detail": detail}])
    monkeypatch.setattr(result_page, "_FAILURES", replace(result_page._FAILURES))
    delete_runs()
    runs(DAG, one=[Row(task_id="retalk", state="failed")])
    page = login(DAG).get(f"/videoretalk/{HERE}/-1/failure")
    assert page.status_code == 200
    assert "could not be read" not in page.text
    find_failure_reason([line])


@pytest.mark.parametrize(
    "value", [True, "1", None, [1], {}, float("nan"), float("inf"), 10**400, -(10**400), 1e13, 2**63]
)
def test_what_is_no_number(value: Any) -> None:
    assert as_number(value) is None
    assert as_moment(value) is None


def test_times_at_the_ends_of_the_calendar_are_none() -> None:
    impossible = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1970-01-01", "2026-13-01")
    for text in (*impossible, "", "now", 5, None):
        assert as_time(text) is None
    assert as_time("2026-11-26T01:00:00+08:00") == datetime(2026, 11, 25, 17, tzinfo=timezone.utc)
    assert as_moment(1_764_000_000) == datetime.fromtimestamp(1_764_000_000, tz=timezone.utc)


def test_a_value_within_a_text_and_one_that_is_too_deep() -> None:
    assert stored_value(json.dumps(json.dumps({"cost": 1}))) == {"cost": 1.0}
    assert stored_value('"123"') == "123"
    assert read_json(DEEP) is None
    assert "cost" not in checked_values({"cost": -1, "task_id": ["t"]})
    assert MAX_STORED_LENGTH > 100_000
