"""How often to ask for a task, and how long to wait for it."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_videoretalk.limits import TASK_SECONDS


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """In seconds, ``None`` for no limit; JSON-safe by ``dataclasses.asdict``.

    :param poll_interval: fewest between two looks at one task
    :param max_poll_interval: most between two looks at one task
    :param queue_timeout: from the submit until the render begins
    :param render_timeout: from the render's begin until its end
    :param deadline: wall-clock end of all waiting, in seconds since the epoch, so that it outlives a restart
    :param service_limit: how long after its submit the service drops a task without a result: one that queues is given
        up two minutes before, while it can still be cancelled
    """

    poll_interval: float = 4.0
    max_poll_interval: float = 300.0
    queue_timeout: float | None = None
    render_timeout: float | None = None
    deadline: float | None = None
    service_limit: float | None = TASK_SECONDS

    def bound(self, pause: float, *, share: float = 1.0) -> float:
        """``pause``, but not below the fewest, nor above ``share`` of the most, seconds between two looks."""
        return max(self.poll_interval, min(pause, share * self.max_poll_interval))
