from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_videoretalk.emulator.service.clock import service_time
from airflow_provider_videoretalk.emulator.service.errors import ServiceError
from airflow_provider_videoretalk.emulator.service.job_inputs import VideoRetalkInputs
from airflow_provider_videoretalk.emulator.service.render_job import JobOutcome, RenderJob
from airflow_provider_videoretalk.emulator.service.state import Caller, EmulatorState
from airflow_provider_videoretalk.emulator.settings import EmulatorSettings

HOUR = 3600


@pytest.fixture
def state(clock: Any) -> EmulatorState:
    return EmulatorState(settings=EmulatorSettings(running=2), clock=clock)


def submit(state: EmulatorState, *, key: str = "sk-one") -> RenderJob:
    inputs = VideoRetalkInputs(video_url="http://x.example/v.mp4", audio_url="http://x.example/a.wav")
    return state.submit(caller=caller(state, key), inputs=inputs, origin="http://127.0.0.1")


def caller(state: EmulatorState, key: str) -> Caller:
    return state.authenticate(f"Bearer {key}")


def succeed(state: EmulatorState, job: RenderJob) -> None:
    state.succeed(job, JobOutcome(output={}, usage={"video_duration": 7.2}, billed_seconds=7.2, face_found=True))


def test_runs_as_many_as_allowed_and_queues_the_rest_in_order(state: EmulatorState) -> None:
    jobs = [submit(state) for _ in range(4)]
    account = jobs[0].account
    assert state.start_next_job(account) is jobs[0]
    assert state.start_next_job(account) is jobs[1]
    assert state.start_next_job(account) is None
    assert [job.status for job in jobs] == ["PRE-PROCESSING", "PRE-PROCESSING", "PENDING", "PENDING"]
    state.release_slot(jobs[0])
    assert state.start_next_job(account) is jobs[2]


def test_accounts_do_not_share_slots(state: EmulatorState) -> None:
    one, other = submit(state), submit(state, key="sk-two")
    assert state.start_next_job(one.account) is one
    assert state.start_next_job(other.account) is other


def test_keys_of_one_account_share_everything(clock: Any) -> None:
    state = EmulatorState(settings=EmulatorSettings(accounts={"sk-a": "team", "sk-b": "team"}), clock=clock)
    first, second = caller(state, "sk-a"), caller(state, "sk-b")
    assert first.account is second.account
    assert first.api_key_id != second.api_key_id
    state.count_call(first, "submit")
    with pytest.raises(ServiceError) as caught:
        state.count_call(second, "submit")
    assert (caught.value.status, caught.value.code) == (429, "Throttling.RateQuota")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "   "])
def test_no_key(state: EmulatorState, header: str | None) -> None:
    with pytest.raises(ServiceError, match="No API-key provided") as caught:
        state.authenticate(header)
    assert (caught.value.status, caught.value.code) == (401, "InvalidApiKey")


@pytest.mark.parametrize("header", ["Bearer nonsense", "Basic sk-one", "sk-one sk-one"])
def test_wrong_key(state: EmulatorState, header: str) -> None:
    with pytest.raises(ServiceError, match="Invalid API-key provided"):
        state.authenticate(header)


def test_only_listed_keys(clock: Any) -> None:
    state = EmulatorState(settings=EmulatorSettings(api_keys=("secret",)), clock=clock)
    assert state.authenticate("Bearer secret")
    with pytest.raises(ServiceError, match="Invalid API-key"):
        state.authenticate("Bearer sk-one")


def test_three_hours_without_a_result_end_a_job(state: EmulatorState, clock: Any) -> None:
    timed_out: list[RenderJob] = []
    state.on_timeout = timed_out.append
    running, queued = submit(state), submit(state)
    state.start_next_job(running.account)
    clock.advance(3 * HOUR - 1)
    state.end_overdue_jobs()
    assert not timed_out
    clock.advance(1)
    state.end_overdue_jobs()
    assert timed_out == [running, queued]
    assert (running.status, running.code) == ("FAILED", "InternalError.Timeout")
    assert queued not in state.queue_of(queued.account)
    succeed(state, running)
    assert (running.status, running.billed_seconds) == ("FAILED", 0)


def test_the_time_limit_reads_no_job_behind_the_oldest_unfinished_one(
    state: EmulatorState, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [submit(state) for _ in range(5000)]
    looked: list[str] = []

    def final(job: RenderJob) -> bool:
        looked.append(job.task_id)
        return job is jobs[0]

    monkeypatch.setattr(RenderJob, "final", property(final))
    state.end_overdue_jobs()
    assert looked == [jobs[0].task_id, jobs[1].task_id]
    state.end_overdue_jobs()
    assert looked[2:] == [jobs[1].task_id], "what has ended is not looked at again"


def test_record_is_kept_for_a_day_after_the_end(state: EmulatorState, clock: Any) -> None:
    job = submit(state)
    state.start_next_job(job.account)
    clock.advance(HOUR)
    succeed(state, job)
    clock.advance(24 * HOUR - 1)
    assert state.find_job(account=job.account, task_id=job.task_id) is job
    clock.advance(1)
    assert state.find_job(account=job.account, task_id=job.task_id) is None
    assert state.job_reports()[0]["billed_seconds"] == 7.2


def test_other_accounts_and_unknown_ids_find_nothing(state: EmulatorState) -> None:
    job = submit(state)
    assert state.find_job(account=caller(state, "sk-two").account, task_id=job.task_id) is None
    assert state.find_job(account=job.account, task_id="never-seen") is None


def test_cancel_accepts_a_queued_job_only(state: EmulatorState) -> None:
    queued, unknown = submit(state), "never-seen"
    state.cancel(account=queued.account, task_id=queued.task_id)
    assert queued.status == "CANCELED"
    assert state.start_next_job(queued.account) is None
    running = submit(state)
    state.start_next_job(running.account)
    for task_id in (queued.task_id, running.task_id, unknown):
        with pytest.raises(ServiceError) as caught:
            state.cancel(account=queued.account, task_id=task_id)
        assert (caught.value.status, caught.value.code) == (400, "UnsupportedOperation")


def test_failures_cost_nothing(state: EmulatorState) -> None:
    job = submit(state)
    state.fail(job, "InvalidFile.Duration", "too long")
    assert (job.status, job.code, job.billed_seconds) == ("FAILED", "InvalidFile.Duration", 0)


def test_times_are_written_in_utc_plus_8() -> None:
    assert service_time(1_795_176_929.887) == "2026-11-20 20:15:29.887"
