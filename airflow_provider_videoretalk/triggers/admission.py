"""Waits on the triggerer until a submit that is held back may be sent."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.airflow_adapters.job_metrics import job_tags
from airflow_provider_videoretalk.airflow_adapters.metric_buffer import BUFFER
from airflow_provider_videoretalk.airflow_adapters.triggerer_count import open_triggerer_count
from airflow_provider_videoretalk.dashscope.errors import DashScopeError
from airflow_provider_videoretalk.polling.poll_policy import MAX_SECONDS
from airflow_provider_videoretalk.polling.stored_json import read_dataclass
from airflow_provider_videoretalk.polling.trigger_event import VERSION, check_version
from airflow_provider_videoretalk.submission.admission import JobToSubmit
from airflow_provider_videoretalk.triggers.client import client_of, prepare, task_instance_of
from airflow_provider_videoretalk.triggers.single_event import SingleEventTrigger

if TYPE_CHECKING:
    from airflow_provider_videoretalk.dashscope.endpoint import Endpoint


@dataclass(frozen=True, kw_only=True)
class _StoredArguments:
    """The arguments of the trigger, by which :func:`read_dataclass` checks them."""

    dashscope_conn_id: str
    model: str
    held_since: float
    limit: float
    expected_seconds: float | None = None
    deadline: float | None = None

    @property
    def job(self) -> JobToSubmit:
        return JobToSubmit(model=self.model, limit=self.limit, expected_seconds=self.expected_seconds)


class AdmissionTrigger(SingleEventTrigger):
    """Fires once: when a submit is admitted, or at a deadline.

    All triggers on an event loop that use the same account and model share one
    :class:`~airflow_provider_videoretalk.submission.admission_queue.AdmissionQueue`. The event's payload is an object
    with ``refusals``, ``since`` and ``held_since``, and with ``admitted_at`` if the submit is admitted; or ``{"error":
    ...}``. Arguments that this release does not know are ignored.

    :param dashscope_conn_id: The Airflow connection of type ``dashscope``.
    :param model: The model's name.
    :param held_since: When the submit was first held back, in seconds since the epoch: its place in the order.
    :param limit: Seconds after a submit within which its render must begin.
    :param expected_seconds: Expected seconds of output; None if unknown.
    :param deadline: When to fire without an admission, in seconds since the epoch; None for never.
    :param version: The version of these arguments. If it is not 1, the payload has a
        :class:`~airflow_provider_videoretalk.dashscope.errors.StateReadError`.
    """

    def __init__(
        self,
        *,
        dashscope_conn_id: str,
        model: str,
        held_since: float,
        limit: float,
        expected_seconds: float | None = None,
        deadline: float | None = None,
        version: int = VERSION,
        **_: Any,
    ) -> None:
        # Reads nothing: most exceptions here would end the triggerer's loop. wait() reads and checks the arguments.
        super().__init__()
        self.dashscope_conn_id = dashscope_conn_id
        self.model = model
        self.held_since = held_since
        self.limit = limit
        self.expected_seconds = expected_seconds
        self.deadline = deadline
        self.version = version

    def serialize(self) -> tuple[str, dict[str, Any]]:
        arguments = {
            "version": self.version,
            "dashscope_conn_id": self.dashscope_conn_id,
            "model": self.model,
            "held_since": self.held_since,
            "limit": self.limit,
            "expected_seconds": self.expected_seconds,
            "deadline": self.deadline,
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def wait(self) -> dict[str, Any]:
        try:
            return await self._wait()
        except DashScopeError as error:
            return {"error": error.to_json()}

    async def _wait(self) -> dict[str, Any]:
        check_version(self.version)
        held = read_dataclass(_StoredArguments, vars(self), name="trigger's arguments")
        await prepare()
        left = MAX_SECONDS if held.deadline is None else max(0.0, held.deadline - time.time())
        try:
            await asyncio.wait_for(self._admission(held), timeout=left)
        except asyncio.TimeoutError:
            # The worker finds that its deadline has passed.
            return _event(held, now=time.time())
        now = time.time()
        return _event(held, now=now) | {"admitted_at": now}

    async def _admission(self, held: _StoredArguments) -> None:
        # Loads aiohttp.
        from airflow_provider_videoretalk.submission.admission_queue import HeldBack, shared_admission_queue

        endpoint: Endpoint = (await client_of(held.dashscope_conn_id, log=self.log)).endpoint
        async with shared_admission_queue(
            endpoint, model=held.model, triggerers=lambda: open_triggerer_count(endpoint.account_id, model=held.model)
        ) as queue:
            with BUFFER.one_more("waiting_for_admission", tags=job_tags(connection_id=held.dashscope_conn_id)):
                await queue.wait(
                    HeldBack(
                        since=held.held_since,
                        task_instance=task_instance_of(self),
                        job=held.job,
                        on_position=lambda sentence: self.log.info("Held back, nothing is submitted: %s", sentence),
                    )
                )


def _event(held: _StoredArguments, *, now: float) -> dict[str, Any]:
    # No request was refused yet: throttle_timeout counts from the first submit.
    return {"refusals": 0, "since": now, "held_since": held.held_since}
