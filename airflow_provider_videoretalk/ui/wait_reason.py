"""Why a task of Airflow does not go on, in words that name the cause and what to do."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider_videoretalk.ui.airflow_db.wait_facts import Component, PoolFacts, WaitFacts
from airflow_provider_videoretalk.ui.page_rendering import format_time


def wait_reasons(facts: WaitFacts | None) -> list[str]:
    """The causes, the most important one first; empty if nothing holds up the task, or nothing is known of it."""
    return list(_reasons(facts)) if facts is not None else []


def _reasons(facts: WaitFacts) -> Iterator[str]:
    if facts.state == "running":
        return
    if facts.dag_is_paused:
        yield "The DAG is paused, so the scheduler starts none of its tasks. Unpause it."
    if facts.state == "deferred":
        yield from _deferred(facts)
        return
    if facts.scheduler is None or not facts.scheduler.is_alive:
        yield _not_running("scheduler", facts.scheduler, "starts no task")
    if facts.state == "up_for_retry":
        at = f" The next one starts at about {format_time(facts.next_try_at)}." if facts.next_try_at else ""
        yield f"Try {facts.try_number} of {facts.max_tries + 1} failed, and Airflow waits before the next one.{at}"
    elif facts.state == "up_for_reschedule" and facts.next_try_at:
        yield f"The task looks again at {format_time(facts.next_try_at)}."
    elif facts.state == "scheduled" and facts.pool is not None:
        yield _scheduled(facts.pool)
    elif facts.state == "queued":
        since = f" since {format_time(facts.queued_at)}" if facts.queued_at else ""
        queue = f" of the queue {facts.queue!r}" if facts.queue and facts.queue != "default" else ""
        yield (
            f"The task has waited{since} for a worker{queue}. All workers may be busy, or none may be running: check "
            "the executor."
        )
    elif facts.state is None and facts.run_state == "queued":
        yield "The DAG run is queued: as many runs of this DAG are active as max_active_runs allows."
    elif facts.state is None:
        yield "Tasks before it have not ended yet."


def _deferred(facts: WaitFacts) -> Iterator[str]:
    if not facts.has_trigger:
        yield "The task is about to resume: its trigger has fired, or was deleted."
    elif facts.triggerer is None or not facts.triggerer.is_alive:
        yield _not_running("triggerer", facts.triggerer, "waits for the render job")
    elif not facts.is_picked_up:
        yield (
            "No triggerer has taken the task's trigger yet. This takes some seconds. If it lasts, the triggerers are "
            "full, or none of them serves the trigger's queue."
        )


def _not_running(name: str, component: Component | None, effect: str) -> str:
    seen = format_time(component.heartbeat_at) if component is not None else "never"
    return (
        f"Airflow's {name} is not running, so that nothing {effect}. Its last heartbeat: {seen}. "
        f"Start it: `airflow {name}`."
    )


def _scheduled(pool: PoolFacts) -> str:
    if pool.slots is None:
        return f"The pool {pool.name!r} does not exist, so the task never starts. Create it: `airflow pools set`."
    if 0 <= pool.slots < pool.needed:
        return (
            f"The task needs {pool.needed} slots of the pool {pool.name!r}, which has {pool.slots}. It never starts. "
            "Give the pool more slots."
        )
    if 0 <= pool.slots < pool.occupied + pool.needed:
        return (
            f"The pool {pool.name!r} is full: {pool.occupied} of its {pool.slots} slots are in use. The task starts "
            "when enough are free."
        )
    return (
        "The task waits for a slot of the executor. Airflow limits how many tasks run at once: [core] parallelism, and "
        "max_active_tasks of the DAG."
    )
