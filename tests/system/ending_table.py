"""The endings, by hand: every way of Airflow with the ways of the service that it meets."""

from __future__ import annotations

from typing import Any

from system.endings import (
    Ending,
    another_task_fails,
    cancelled_by_others,
    cleared_with_publish,
    key_changed,
    published,
    release,
    run_marked_while,
    sensor_waits,
    submitted_again,
    then,
    worker_stops,
)
from system.scenarios import cleared_while, dies_at, marked_while, worker_dies_waiting

MADE, FAILED, CANCELED = "The video was made", "The service could not make the video", "The video was cancelled"
RENDERS, QUEUES = "The video is still being rendered", "The video is still queued"
UNKNOWN, NO_JOB = "It is unknown whether the video was made", "No render job is known"
MARKED_FAILED, MARKED_SUCCESS = "marked the task failed at", "marked the task success at"

AIRFLOW_FAILED = "Failed in Airflow"


def submit(effect: str, **rule: Any) -> dict[str, Any]:
    return {"operation": "submit", "effect": effect, **rule}


def every_query(field: str, value: str) -> dict[str, Any]:
    """Each reply to a status query has the JSON text; the first query of all only finds out whether it can be sent."""
    return {"operation": "query", "effect": "replace", "field": field, "value": value, "after": 1, "times": 1_000_000}


REFUSED = submit("fail_task", code="InvalidFile.Duration", message="The video is too long.")
BROKEN = submit("fail_task", code="InternalError.Timeout", message="Try again.")
FORGETFUL = {"life_scale": 4320}
"""The record of a render is kept for 20 s after its end."""

DROPS = {"time_scale": 120, "render_factor": 72000}
"""The service drops what has no result after a minute and a half, its three hours."""

QUEUED = {"pace": "endless", "queued": True}

SUCCEEDS = (
    Ending(name="made", airflow="succeeds, deferred", service="makes the video", badge="Done", spend="0.24 CNY",
           jobs=["SUCCEEDED"]),
    Ending(name="made_on_a_worker", airflow="succeeds, on a worker", service="makes the video", badge="Done",
           spend="0.24 CNY", path="blocking", jobs=["SUCCEEDED"]),
    Ending(name="made_and_sensed", airflow="submits, and a sensor succeeds", service="makes the video", badge="Done",
           spend="0.24 CNY", shape="sensor", jobs=["SUCCEEDED"]),
    Ending(name="made_without_usage", airflow="succeeds", service="makes the video, and does not say what it bills",
           badge="Done", spend="unknown", faults=[every_query("usage", "{}")], billed=[None], jobs=["SUCCEEDED"]),
    Ending(name="found_in_the_list", airflow="succeeds, with `on_unknown_submit=\"reconcile\"`",
           service="makes the video; the reply to the submit is lost", badge="Done", spend="0.24 CNY",
           shape="reconcile", faults=[submit("drop_after")], jobs=["SUCCEEDED"]),
    Ending(name="made_by_a_retry", airflow="succeeds in its second try", service="fails, then makes the video",
           badge="Done", spend="0.24 CNY", shape="retries", faults=[BROKEN], jobs=["FAILED", "SUCCEEDED"]),
)  # fmt: skip

FAILS = (
    Ending(name="refused_inputs", airflow="fails", service="fails: the inputs are refused", badge=AIRFLOW_FAILED,
           page=FAILED, also="InvalidFile.Duration", spend="nothing", faults=[REFUSED], jobs=["FAILED"]),
    Ending(name="refused_inputs_on_a_worker", airflow="fails, on a worker", service="fails: the inputs are refused",
           badge=AIRFLOW_FAILED, page=FAILED, also="InvalidFile.Duration", spend="nothing", path="blocking",
           faults=[REFUSED], jobs=["FAILED"]),
    Ending(name="failed_without_a_code", airflow="fails", service="fails, and names no code", badge=AIRFLOW_FAILED,
           page=FAILED, spend="nothing", faults=[submit("fail_task", code="")], jobs=["FAILED"]),
    Ending(name="retries_exhausted", airflow="fails after all retries", service="fails each time", badge=AIRFLOW_FAILED,
           page=FAILED, also="InternalError.Timeout", spend="nothing", shape="retries", faults=[{**BROKEN, "times": 3}],
           jobs=["FAILED"] * 3),
    Ending(name="cancelled_by_others", airflow="fails", service="cancels it, in the vendor's console",
           badge=AIRFLOW_FAILED, page=CANCELED, spend="nothing", play=cancelled_by_others, jobs=["CANCELED"], **QUEUED),
    Ending(name="submit_refused", airflow="fails", service="refuses the submit", badge=AIRFLOW_FAILED, page=NO_JOB,
           spend="nothing", faults=[submit("error_before", status=400, code="InvalidParameter")], jobs=[]),
    Ending(name="key_refused", airflow="fails", service="refuses the key", badge=AIRFLOW_FAILED, page=NO_JOB,
           spend="nothing", faults=[submit("error_before", status=401, code="InvalidApiKey")], jobs=[]),
    Ending(name="throttled", airflow="fails", service="throttles each submit", badge=AIRFLOW_FAILED, page=NO_JOB,
           spend="nothing", shape="throttle_timeout", faults=[submit("throttle", times=1_000_000)], jobs=[]),
    Ending(name="reply_lost_and_made", airflow="fails", service="makes the video; the reply to the submit is lost",
           badge=AIRFLOW_FAILED, page=NO_JOB, also="The reply to a submit was lost", spend="unknown",
           faults=[submit("drop_after")], billed=[], jobs=["SUCCEEDED"]),
    Ending(name="answered_500", airflow="fails", service="makes the video; its reply to the submit is 500",
           badge=AIRFLOW_FAILED, page=NO_JOB, also="The reply to a submit was lost", spend="unknown",
           faults=[submit("error_after", status=500)], billed=[], jobs=["SUCCEEDED"]),
    Ending(name="request_lost", airflow="fails", service="never gets the submit", badge=AIRFLOW_FAILED, page=NO_JOB,
           also="The reply to a submit was lost", spend="unknown", faults=[submit("drop_before")], jobs=[]),
    Ending(name="no_address", airflow="fails", service="makes the video, and names no address of it",
           badge=AIRFLOW_FAILED, page=MADE, also="no address of the video", spend="0.24 CNY",
           faults=[every_query("output.video_url", "null")], jobs=["SUCCEEDED"]),
)  # fmt: skip

NOT_SUBMITTED = (
    Ending(name="too_dear", airflow="fails: the price is above `max_cost`", service="is not asked",
           badge=AIRFLOW_FAILED, page=NO_JOB, spend="nothing", shape="max_cost", jobs=[]),
    Ending(name="dry_run", airflow="is skipped by a dry run", service="is not asked", badge="Skipped", also="Dry run",
           spend="nothing", shape="dry_run", jobs=[]),
    Ending(name="upstream_failed", airflow="is not run: a task before it failed", service="is not asked",
           badge=AIRFLOW_FAILED, page=NO_JOB, spend="nothing", shape="upstream_fails", jobs=[]),
)  # fmt: skip

MARKED = (
    Ending(name="marked_failed_queued", airflow="is marked failed", service="has it in the queue",
           badge=AIRFLOW_FAILED, page=CANCELED, also=MARKED_FAILED, spend="nothing",
           play=marked_while("failed", "PENDING"), jobs=["CANCELED"], **QUEUED),
    Ending(name="marked_failed_made", airflow="is marked failed", service="renders, and makes the video",
           badge=AIRFLOW_FAILED, page=MADE, also=MARKED_FAILED, spend="0.24 CNY", is_saved=True, pace="held",
           play=marked_while("failed", "RUNNING"), jobs=["SUCCEEDED"]),
    Ending(name="marked_failed_on_a_worker", airflow="is marked failed, on a worker",
           service="renders, and makes the video", badge=AIRFLOW_FAILED, page=MADE, also=MARKED_FAILED,
           spend="0.24 CNY", is_saved=True, path="blocking", pace="held",
           play=then(marked_while("failed", "RUNNING"), worker_stops), jobs=["SUCCEEDED"]),
    Ending(name="marked_failed_and_dropped", airflow="is marked failed", service="renders, and drops it: too late",
           badge=AIRFLOW_FAILED, page=FAILED, also=MARKED_FAILED, spend="nothing", settings=DROPS,
           play=marked_while("failed", "RUNNING"), jobs=["FAILED"]),
    Ending(name="marked_failed_renders", airflow="is marked failed", service="renders on", badge=AIRFLOW_FAILED,
           page=RENDERS, also=MARKED_FAILED, spend="not ended", pace="endless", play=marked_while("failed", "RUNNING"),
           jobs=["RUNNING"]),
    Ending(name="marked_failed_forgotten", airflow="is marked failed", service="makes the video, and forgets it",
           badge=AIRFLOW_FAILED, page=UNKNOWN, also=MARKED_FAILED, spend="unknown", pace="held", settings=FORGETFUL,
           play=marked_while("failed", "RUNNING"), billed=[None], jobs=["SUCCEEDED"]),
    Ending(name="marked_failed_key_changed", airflow="is marked failed; the connection gets another key",
           service="makes the video, and refuses the key", badge=AIRFLOW_FAILED, page=UNKNOWN,
           also="The service refuses the key of the connection", spend="not ended", pace="held",
           play=then(marked_while("failed", "RUNNING"), key_changed), billed=[None], jobs=["SUCCEEDED"]),
    Ending(name="marked_success_queued", airflow="is marked success", service="has it in the queue",
           badge=AIRFLOW_FAILED, page=CANCELED, also=MARKED_SUCCESS, spend="nothing",
           play=marked_while("success", "PENDING"), jobs=["CANCELED"], **QUEUED),
    Ending(name="marked_success_made", airflow="is marked success", service="renders, and makes the video",
           badge=AIRFLOW_FAILED, page=MADE, also=MARKED_SUCCESS, spend="0.24 CNY", is_saved=True, pace="held",
           play=marked_while("success", "RUNNING"), jobs=["SUCCEEDED"]),
    Ending(name="marked_skipped_made", airflow="is marked skipped", service="renders, and makes the video",
           badge="Skipped", page=MADE, also="marked the task skipped at", spend="0.24 CNY", is_saved=True, pace="held",
           play=marked_while("skipped", "RUNNING"), jobs=["SUCCEEDED"]),
    Ending(name="run_marked_failed_made", airflow="its run is marked failed", service="renders, and makes the video",
           badge=AIRFLOW_FAILED, page=MADE, also="marked the DAG run failed at", spend="0.24 CNY", is_saved=True,
           pace="held", play=run_marked_while("failed", "RUNNING"), jobs=["SUCCEEDED"]),
    Ending(name="run_marked_success_queued", airflow="its run is marked success", service="has it in the queue",
           badge="Skipped", page=CANCELED, also="marked the DAG run success at", spend="nothing",
           play=run_marked_while("success", "PENDING"), jobs=["CANCELED"], **QUEUED),
    Ending(name="run_deleted_made", airflow="its run is marked failed and deleted",
           service="renders, and makes the video", badge="There is no such task instance", spend="0.24 CNY",
           is_saved=True, pace="held", play=run_marked_while("failed", "RUNNING", deleted=True), jobs=["SUCCEEDED"]),
    Ending(name="run_deleted_queued", airflow="its run is marked failed and deleted", service="has it in the queue",
           badge="There is no such task instance", spend="nothing",
           play=run_marked_while("failed", "PENDING", deleted=True), jobs=["CANCELED"], **QUEUED),
    Ending(name="sensor_marked_failed", airflow="submits, and its sensor is marked failed",
           service="renders, and makes the video", badge=AIRFLOW_FAILED, page=MADE, also=MARKED_FAILED,
           spend="0.24 CNY", is_saved=True, shape="sensor", pace="held",
           play=then(sensor_waits, lambda clip: clip.cluster.mark(clip.dag_id, clip.run_id, "wait", "failed")),
           jobs=["SUCCEEDED"]),
)  # fmt: skip

CLEARED = (
    Ending(name="cleared_rendering", airflow="is cleared", service="renders, and makes the video", badge="Done",
           spend="0.24 CNY", pace="held", play=then(cleared_while("RUNNING"), release), jobs=["SUCCEEDED"]),
    Ending(name="cleared_queued_fresh", airflow="is cleared, with `on_clear=\"fresh\"`",
           service="cancels it in the queue, and makes another", badge="Done", spend="0.24 CNY", shape="fresh",
           pace="held", queued=True, play=then(cleared_while("PENDING"), submitted_again, release),
           jobs=["CANCELED", "SUCCEEDED"]),
    Ending(name="cleared_rendering_fresh", airflow="is cleared, with `on_clear=\"fresh\"`",
           service="renders, makes the video, and makes another", badge="Done", spend="0.48 CNY", is_saved=True,
           shape="fresh", pace="held", play=then(cleared_while("RUNNING"), submitted_again, release),
           jobs=["SUCCEEDED", "SUCCEEDED"]),
    Ending(name="cleared_when_made", airflow="is cleared after it succeeded", service="makes the video twice",
           badge="Done", spend="0.48 CNY", play=then(published, cleared_with_publish), jobs=["SUCCEEDED", "SUCCEEDED"]),
    Ending(name="cleared_when_made_reuse", airflow="is cleared after it succeeded, with `on_clear=\"reuse\"`",
           service="makes the video once", badge="Done", spend="0.24 CNY", shape="reuse",
           play=then(published, cleared_with_publish), jobs=["SUCCEEDED"]),
)  # fmt: skip

KILLED = (
    Ending(name="killed_after_the_post", airflow="its worker is killed during the submit", service="makes the video",
           badge=AIRFLOW_FAILED, page=NO_JOB, also="The reply to a submit was lost", spend="unknown",
           steps=["after_post"], play=dies_at("after_post"), billed=[], jobs=["SUCCEEDED"]),
    Ending(name="killed_before_the_post", airflow="its worker is killed after the intent, before the submit",
           service="is not asked", badge=AIRFLOW_FAILED, page=NO_JOB, also="The reply to a submit was lost",
           spend="unknown", steps=["after_intent"], play=dies_at("after_intent"), jobs=[]),
    Ending(name="killed_after_the_id", airflow="its worker is killed after the submit", service="makes the video",
           badge=AIRFLOW_FAILED, page=MADE, spend="0.24 CNY", is_saved=True, steps=["after_id"],
           play=dies_at("after_id"), jobs=["SUCCEEDED"]),
    Ending(name="killed_waiting", airflow="its worker is killed while it waits", service="renders, and makes the video",
           badge=AIRFLOW_FAILED, page=MADE, also="Airflow lost the task's worker", spend="0.24 CNY", is_saved=True,
           path="blocking", pace="held", play=worker_dies_waiting, jobs=["SUCCEEDED"]),
    Ending(name="killed_and_retried", airflow="its worker is killed, and its retry succeeds", service="makes the video",
           badge="Done", spend="0.24 CNY", shape="retries", steps=["after_id"], play=dies_at("after_id"),
           jobs=["SUCCEEDED"]),
    Ending(name="killed_without_record", airflow="its worker is killed, and its retry succeeds, with `durable=False`",
           service="makes the video twice", badge="Done", spend="0.48 CNY", is_saved=True,
           shape="retried_without_record", steps=["after_id"], play=dies_at("after_id"),
           jobs=["SUCCEEDED", "SUCCEEDED"]),
)  # fmt: skip

TIMED_OUT = (
    Ending(name="execution_timeout_queued", airflow="`execution_timeout` is over", service="has it in the queue",
           badge=AIRFLOW_FAILED, page=CANCELED, spend="nothing", shape="execution_timeout", jobs=["CANCELED"],
           **QUEUED),
    Ending(name="execution_timeout_made", airflow="`execution_timeout` is over", service="renders, and makes the video",
           badge=AIRFLOW_FAILED, page=MADE, spend="0.24 CNY", is_saved=True, shape="execution_timeout", pace="held",
           jobs=["SUCCEEDED"]),
    Ending(name="execution_timeout_on_a_worker", airflow="`execution_timeout` is over, on a worker",
           service="renders on", badge=AIRFLOW_FAILED, page=RENDERS, spend="not ended", shape="execution_timeout",
           path="blocking", pace="endless", jobs=["RUNNING"]),
    Ending(name="queue_timeout", airflow="`queue_timeout` is over", service="has it in the queue", badge=AIRFLOW_FAILED,
           page=CANCELED, spend="nothing", shape="queue_timeout", jobs=["CANCELED"], **QUEUED),
    Ending(name="queue_timeout_not_cancelled", airflow="`queue_timeout` is over",
           service="accepts the cancel, and cancels nothing", badge=AIRFLOW_FAILED, page=QUEUES, spend="not ended",
           shape="queue_timeout", settings={"time_scale": 1, "render_factor": 3600},
           faults=[{"operation": "cancel", "effect": "ignore", "times": 1_000_000}], queued=True, jobs=["PENDING"]),
    Ending(name="render_timeout", airflow="`render_timeout` is over", service="renders, and makes the video",
           badge=AIRFLOW_FAILED, page=MADE, spend="0.24 CNY", is_saved=True, shape="render_timeout", pace="held",
           jobs=["SUCCEEDED"]),
    Ending(name="sensor_timeout", airflow="submits, and the sensor's `timeout` is over",
           service="renders, and makes the video", badge=AIRFLOW_FAILED, page=MADE, spend="0.24 CNY", is_saved=True,
           shape="sensor_timeout", pace="held", jobs=["SUCCEEDED"]),
    Ending(name="dagrun_timeout", airflow="`dagrun_timeout` is over", service="renders on", badge="Skipped",
           page=RENDERS, spend="not ended", shape="dagrun_timeout", pace="endless", jobs=["RUNNING"]),
    Ending(name="fail_fast", airflow="is skipped by `fail_fast`: another task failed",
           service="renders, and makes the video", badge="Skipped", page=MADE, also="and the DAG has fail_fast",
           spend="0.24 CNY", is_saved=True, shape="fail_fast", pace="held", play=another_task_fails,
           jobs=["SUCCEEDED"]),
)  # fmt: skip

NOT_PUBLISHED = (
    Ending(name="destination_refused", airflow="succeeds, and publishing fails", service="makes the video",
           badge="Not published", also="No, the publish task failed.", spend="0.24 CNY", shape="elsewhere",
           jobs=["SUCCEEDED"]),
    Ending(name="result_lost", airflow="succeeds, and publishing fails", service="makes the video, and loses the file",
           badge="Not published", also="No, the publish task failed.", spend="0.24 CNY",
           faults=[{"operation": "result", "effect": "expired", "times": 1_000_000}], jobs=["SUCCEEDED"]),
    Ending(name="not_published", airflow="succeeds, and publishing is skipped", service="makes the video", badge="Done",
           also="No, the publish task was skipped.", spend="0.24 CNY", shape="publish_skips", jobs=["SUCCEEDED"]),
    Ending(name="publish_killed", airflow="succeeds; publishing is killed halfway", service="makes the video",
           badge="Not published", also="No, the publish task failed.", spend="0.24 CNY", steps=["during_publish"],
           play=dies_at("during_publish"), jobs=["SUCCEEDED"]),
)  # fmt: skip

ENDINGS = (*SUCCEEDS, *FAILS, *NOT_SUBMITTED, *MARKED, *CLEARED, *KILLED, *TIMED_OUT, *NOT_PUBLISHED)
"""In the order of the table in ``docs/endings.md``."""
