"""How often to query a render job, and how long to wait for it."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_videoretalk.dashscope.task import JOB_SECONDS

MAX_SECONDS = 366 * 24 * 3600.0
"""Maximum of every time span that a person sets: a year. The service forgets a job after a day."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PollPolicy:
    """All values in seconds, ``None`` for no limit. ``dataclasses.asdict`` makes it JSON-safe.

    :param poll_interval: minimum between two status queries of one job
    :param max_poll_interval: maximum between two status queries of one job. Without a list, ten queued jobs are queried
        in that time
    :param queue_timeout: from the submit until the render begins
    :param render_timeout: from the begin of the render until its end
    :param deadline: end of the whole wait, in seconds since the epoch, so that it survives a restart
    :param service_limit: how long after the submit the service drops a job without a result; the wait for a queued job
        ends two minutes earlier, while the job can still be cancelled
    :param begun_by: when the render is known to have begun, in seconds since the epoch; ``None`` if that is not known.
        ``render_timeout`` counts from then at the latest
    """

    poll_interval: float = 4.0
    max_poll_interval: float = 300.0
    queue_timeout: float | None = None
    render_timeout: float | None = None
    deadline: float | None = None
    service_limit: float | None = JOB_SECONDS
    begun_by: float | None = None

    def bound(self, pause: float, *, share: float = 1.0) -> float:
        """``pause``, but at least ``poll_interval`` and at most ``share`` of ``max_poll_interval``."""
        return max(self.poll_interval, min(pause, share * self.max_poll_interval))
