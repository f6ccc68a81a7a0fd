"""Which render jobs a person has to look at after a lost submit: those of its time, by the service's clock."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import cast

import pytest
from hostile_service import HostileService, InProcessClient, ListLie, VirtualTime
from state_store import TaskStateStore

from airflow_provider_videoretalk.dashscope.client import Client
from airflow_provider_videoretalk.dashscope.endpoint import Endpoint
from airflow_provider_videoretalk.dashscope.service_clock import TimeSpan
from airflow_provider_videoretalk.dashscope.task_list import list_tasks
from airflow_provider_videoretalk.submission.lost_submit_candidates import jobs_in_question
from airflow_provider_videoretalk.submission.record import ClearCount, Intent, Record
from airflow_provider_videoretalk.submission.registry import SubmissionRegistry

SUBMIT = 1_750_000_000.0
NOW = SUBMIT + 1000.0
INTENT = Intent(
    task_instance="dag/run/retalk/-1",
    connection_id="c",
    fingerprint="f",
    model="videoretalk",
    clear_count=ClearCount(max_tries=1, clear_number=0),
    account_id="a",
)
LOST = Record(intent=INTENT, intended_at=SUBMIT, service_time=TimeSpan(earliest=SUBMIT - 2, latest=SUBMIT + 2))


@pytest.fixture
def service() -> HostileService:
    """Its clock is an hour ahead."""
    return HostileService(VirtualTime(NOW), random.Random(1), offset=3600.0)


@pytest.fixture
def registry(service: HostileService) -> SubmissionRegistry:
    return SubmissionRegistry(TaskStateStore(), clock=service.time)


def named(service: HostileService, lost: Record, registry: SubmissionRegistry, *, measured: bool = False) -> list[str]:
    """
    :param measured: whether the worker has measured the service's clock
    """
    client = InProcessClient(service, Endpoint(api_key="sk-x", base_url="https://h/api/v1"), clock=service.time)
    if measured:
        client.send(list_tasks())
    return sorted(row.task_id for row in jobs_in_question(cast("Client", client), lost, registry, now=service.time()))


def created(service: HostileService, *seconds: float) -> list[str]:
    """Jobs that were created at these moments after the submit."""
    return [service.create(None, at=SUBMIT + after).task_id for after in seconds]


def test_the_time_of_the_submit_was_measured(service: HostileService, registry: SubmissionRegistry) -> None:
    """A minute before and after it, and the 70 seconds that a submit may take."""
    service.offset = 0.0
    _, *inside, _ = created(service, -62.5, -62, 132, 132.5)
    assert named(service, LOST, registry) == inside


def test_the_clock_is_measured_now(service: HostileService, registry: SubmissionRegistry) -> None:
    """It is known to two seconds, and to how long a reply took."""
    _, *inside, _ = created(service, -64, -59, 129, 134)
    assert named(service, replace(LOST, service_time=None), registry, measured=True) == inside


def test_the_clock_is_not_known(service: HostileService, registry: SubmissionRegistry) -> None:
    """Ten minutes before and after it."""
    service.offset = 0.0
    _, *inside, _ = created(service, -600.5, -599.5, 669.5, 670.5)
    assert named(service, replace(LOST, service_time=None), registry) == inside


@pytest.mark.parametrize("lie", ["no_models", "no_times"])
def test_a_row_that_does_not_say_it_may_be_the_job(
    service: HostileService, registry: SubmissionRegistry, lie: ListLie
) -> None:
    service.offset, service.lie = 0.0, lie
    (job,) = created(service, 0)
    assert named(service, LOST, registry) == [job]


def test_a_job_of_another_model_is_not_the_job(service: HostileService, registry: SubmissionRegistry) -> None:
    service.offset = 0.0
    created(service, 0)
    assert named(service, replace(LOST, intent=replace(INTENT, model="another")), registry) == []


@pytest.mark.parametrize(("after", "is_known"), [(-131, False), (-129, True), (129, True), (131, False)])
def test_a_job_of_a_known_submit_is_not_the_job(
    service: HostileService, registry: SubmissionRegistry, after: float, is_known: bool
) -> None:
    """Of any connection: another one may lead to the same account."""
    service.offset = 0.0
    job, another = created(service, 0, 1)
    other = replace(INTENT, task_instance="dag/run/other/-1", connection_id="other")
    registry.write(Record(intent=other, intended_at=SUBMIT + after, task_id=job, submitted_at=SUBMIT + after))
    assert named(service, LOST, registry) == ([another] if is_known else [job, another])


def test_five_pages_of_the_list_are_read(service: HostileService, registry: SubmissionRegistry) -> None:
    """Without times in it, it would be read to its end."""
    service.lie = "no_times"
    created(service, *range(60))
    assert len(named(service, LOST, registry)) == 50
    assert service.requests == 5


def test_no_list_hides_no_error(
    service: HostileService, registry: SubmissionRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    service.lie = "away"
    assert named(service, LOST, registry) == []
    assert "The render jobs in question cannot be named" in caplog.text
