from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_videoretalk.emulator.api.task_list import ListQuery, list_tasks
from airflow_provider_videoretalk.emulator.service.clock import service_time
from airflow_provider_videoretalk.emulator.service.errors import ServiceError
from airflow_provider_videoretalk.emulator.service.job_inputs import VideoRetalkInputs
from airflow_provider_videoretalk.emulator.service.render_job import RenderJob
from airflow_provider_videoretalk.emulator.service.state import EmulatorState
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings

if TYPE_CHECKING:
    from airflow_provider_videoretalk.emulator.api.response_models import TaskPage

HOUR = 3600


@pytest.fixture
def state(clock: Any) -> EmulatorState:
    return EmulatorState(settings=EmulatorSettings(), clock=clock)


def submit(state: EmulatorState, *, key: str = "sk-one") -> RenderJob:
    inputs = VideoRetalkInputs(video_url="http://x.example/v.mp4", audio_url="http://x.example/a.wav")
    return state.submit(caller=state.authenticate(f"Bearer {key}"), inputs=inputs, origin="http://127.0.0.1")


def page(state: EmulatorState, **query: str) -> TaskPage:
    account = state.authenticate("Bearer sk-one").account
    return list_tasks(state, account=account, query=ListQuery.parse(query, now=state.clock()), request_id="r")


def ids(found: TaskPage) -> list[str]:
    return [row.task_id for row in found.data]


def stamp(epoch: float) -> str:
    return service_time(epoch)[:19].translate(str.maketrans("", "", "- :"))


def test_row_has_the_documented_fields(state: EmulatorState, clock: Any) -> None:
    task = submit(state)
    row = page(state).data[0].model_dump(exclude_none=True)
    assert row == {
        "api_key_id": task.api_key_id,
        "caller_parent_id": task.account.uid,
        "caller_uid": task.account.uid,
        "gmt_create": int(clock.now * 1000),
        "model_name": "videoretalk",
        "region": "cn-beijing",
        "request_id": task.request_id,
        "status": "PENDING",
        "task_id": task.task_id,
        "user_api_unique_key": "apikey:v1:aigc:image2video:video-synthesis:videoretalk",
    }


def test_end_time_is_absent_while_running(state: EmulatorState, clock: Any) -> None:
    task = submit(state)
    clock.advance(7)
    state.start_next_job(task.account)
    row = page(state).data[0]
    assert (row.status, row.start_time, row.end_time) == ("RUNNING", int(clock.now * 1000), None)
    clock.advance(60)
    state.fail(task, "InternalError.Algo", "x")
    row = page(state).data[0]
    assert (row.status, row.end_time) == ("FAILED", int(clock.now * 1000))


def test_pages_are_counted(state: EmulatorState) -> None:
    tasks = [submit(state).task_id for _ in range(25)]
    first = page(state)
    assert (first.total, first.total_page, first.page_no, first.page_size) == (25, 3, 1, 10)
    assert ids(first) + ids(page(state, page_no="2")) + ids(page(state, page_no="3")) == tasks[::-1]
    assert page(state, page_no="4").data == []
    assert page(state, page_size="100").total_page == 1


def test_no_tasks(state: EmulatorState) -> None:
    empty = page(state)
    assert (empty.total, empty.total_page, empty.data) == (0, 0, [])


def test_filters(state: EmulatorState) -> None:
    running, queued = submit(state), submit(state)
    submit(state, key="sk-two")
    state.start_next_job(running.account)
    assert ids(page(state, status="RUNNING")) == [running.task_id]
    assert ids(page(state, status="PENDING")) == [queued.task_id]
    assert page(state, status="UNKNOWN").total == 0
    assert page(state, model_name="videoretalk").total == 2
    assert page(state, model_name="wan2.2-s2v").total == 0
    assert page(state, region="cn-beijing").total == 2
    assert page(state, region="ap-southeast-1").total == 0
    assert page(state, api_key_id=queued.api_key_id).total == 2
    assert page(state, api_key_id="1").total == 0
    assert ids(page(state, task_id=queued.task_id)) == [queued.task_id]
    assert page(state, task_id="never-seen").total == 0


def test_window_without_bounds_is_the_last_day(state: EmulatorState, clock: Any) -> None:
    task = submit(state)
    clock.advance(2 * HOUR)
    state.start_next_job(task.account)
    state.fail(task, "InternalError.Algo", "x")
    clock.advance(22 * HOUR)
    assert page(state).total == 1
    clock.advance(1)
    assert page(state).total == 0
    assert page(state, task_id=task.task_id).total == 1
    clock.advance(2 * HOUR)
    assert page(state, task_id=task.task_id).total == 0, "the record is a day past its end"


def test_window_with_one_bound_reaches_a_day(state: EmulatorState, clock: Any) -> None:
    submit(state)
    now = clock.now
    assert page(state, start_time=stamp(now)).total == 1
    assert page(state, start_time=stamp(now + 1)).total == 0
    assert page(state, start_time=stamp(now - 24 * HOUR)).total == 1
    assert page(state, start_time=stamp(now - 24 * HOUR - 1)).total == 0
    assert page(state, end_time=stamp(now)).total == 1
    assert page(state, end_time=stamp(now - 1)).total == 0
    assert page(state, end_time=stamp(now + 24 * HOUR)).total == 1


def test_second_named_by_the_end_belongs_to_the_window(state: EmulatorState, clock: Any) -> None:
    clock.advance(0.9)
    submit(state)
    assert page(state, start_time=stamp(clock.now), end_time=stamp(clock.now)).total == 1


@pytest.mark.parametrize(
    "query",
    [
        {"start_time": "20261120000000", "end_time": "20261121000001"},
        {"start_time": "20261121000000", "end_time": "20261120000000"},
        {"start_time": "2026-11-20"},
        {"start_time": "20261341000000"},
        {"end_time": "٢٠٢٦١١٢٠٠٠٠٠٠٠"},
        {"status": "DONE"},
        {"page_no": "0"},
        {"page_no": "x"},
        {"page_size": "101"},
        {"page_size": "-1"},
    ],
)
def test_wrong_filter_is_refused(state: EmulatorState, query: dict[str, str]) -> None:
    with pytest.raises(ServiceError) as caught:
        page(state, **query)
    assert (caught.value.status, caught.value.code) == (400, "InvalidParameter")


def test_list_may_lag(clock: Any) -> None:
    state = EmulatorState(settings=EmulatorSettings(list_delay=30, time_scale=20), clock=clock)
    first = submit(state)
    clock.advance(1.4)
    second = submit(state)
    assert page(state, task_id=first.task_id).total == 0
    clock.advance(0.2)
    assert ids(page(state)) == [first.task_id]
    assert state.find_job(account=second.account, task_id=second.task_id) is second, "a query does not lag"
    clock.advance(1.4)
    assert ids(page(state)) == [second.task_id, first.task_id]


def test_a_whole_day_is_no_longer_than_a_day(state: EmulatorState) -> None:
    assert page(state, start_time="20261120000000", end_time="20261121000000").total == 0
