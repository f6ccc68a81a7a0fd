"""The operator that asks the service about render jobs that Airflow lost track of."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection
from dataclasses import asdict
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException
from airflow.sdk import BaseOperator

from airflow_provider_videoretalk.airflow_adapters.error_note import notes_error
from airflow_provider_videoretalk.airflow_adapters.job_history_writer import open_history
from airflow_provider_videoretalk.airflow_adapters.task_instance_state import run_has_ended, states_of_task
from airflow_provider_videoretalk.airflow_adapters.url_masking import mask_urls
from airflow_provider_videoretalk.dashscope.task import JOB_SECONDS, RESULT_LIFE
from airflow_provider_videoretalk.job_history.charges import total_charges
from airflow_provider_videoretalk.job_history.fact_keys import day_of
from airflow_provider_videoretalk.job_history.fold import fold
from airflow_provider_videoretalk.job_history.history import LATER_FACTS
from airflow_provider_videoretalk.job_history.lost_jobs import TaskStates, is_lost, needs_look
from airflow_provider_videoretalk.operators.job_audit import UNSAVED, JobAudit
from airflow_provider_videoretalk.operators.template_values import as_seconds

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_videoretalk.dashscope.client import Client
    from airflow_provider_videoretalk.job_history.history import JobHistory
    from airflow_provider_videoretalk.job_history.job_record import JobRecord
    from airflow_provider_videoretalk.operators.job_audit import AuditedJob

MAX_JOBS = 500
"""Lost jobs that one audit asks about. Those whose results expire first come first."""

# Jobs that the XCom names. The log names all.
_MAX_NAMED = 50


class AuditJobsOperator(BaseOperator):
    """Asks the service about each render job that Airflow lost track of, and returns the results that can be saved.

    A job is lost if its bill is not known, or its result was not published, and no task waits for it any more: the task
    that submitted it failed, was skipped or removed, or its run was deleted; or the task succeeded or was marked so,
    its run has ended, and no task has seen the end of the job. One status query is sent for each lost job, which is
    free. The answer goes into the job history, from which *Spend* and the pages read it. Jobs of all DAGs and all
    connections are audited, of the last three days.

    The operator returns a list of results. Each is what the job's own task would have returned, with ``task_instance``
    (``dag_id/run_id/task_id/map_index``), ``label`` and ``connection_id``. They can be published::

        audit = AuditJobsOperator(task_id="audit")
        PublishMediaOperator.partial(task_id="publish", destination="s3://aws_default@videos/audit/").expand_kwargs(
            audit.output.map(lambda result: {"source": result, "dashscope_conn_id": result["connection_id"]})
        )

    The log has one line for each lost job, and one for each submit whose outcome is unknown. The XCom
    ``dashscope_audit`` counts them by outcome, and names those that cannot be saved. Its ``charges`` are what was paid
    in these days without a render job: speech, translation, checks of photos and enrolments of voices.

    The audit also folds the history: the facts of past days become one Variable a day, and days older than 31 days are
    deleted. Only one audit may run at a time, so its DAG has ``max_active_runs=1``. Needs Airflow 3.3 or newer.

    :param timeout: How long to go on asking, as a timedelta or in seconds. The next audit asks about the rest.
    :raises AirflowSkipException: this Airflow keeps no job history
    """

    def __init__(self, *, timeout: timedelta | float = timedelta(minutes=20), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.timeout = as_seconds("timeout", timeout)

    @notes_error
    def execute(self, context: Context) -> list[dict[str, Any]]:
        history, now = open_history(), time.time()
        if history.store is None:
            raise AirflowSkipException("This Airflow keeps no job history. Airflow 3.3 and newer do.")
        records, charges = history.load_with_charges(day_of(now) - LATER_FACTS)
        lost = _lost_jobs(records, now=now)
        audit = JobAudit(client_for=self._client_for, deadline=now + self.timeout)
        audited = [self._audit(audit, history, *pair) for pair in lost[:MAX_JOBS]]
        unknown = [record for record in records if record.job_id is None and record.billed_seconds is None]
        for record in unknown:
            self.log.warning("A submit of %s may have created a render job: its reply was lost", record.task_instance)
        results = [dict(job.result) for job in audited if job.result is not None]
        mask_urls(results)
        summary = _summary(audited, left=len(lost) - len(audited), submits_of_unknown_outcome=len(unknown))
        summary["charges"] = [asdict(total) for total in total_charges(charges)]
        context["ti"].xcom_push(key="dashscope_audit", value=summary)
        folded = fold(history.store, now=now)
        self.log.info("Folded %s facts into %s days, deleted %s old ones", folded.facts, folded.days, folded.deleted)
        return results

    def _audit(self, audit: JobAudit, history: JobHistory, record: JobRecord, state: str | None) -> AuditedJob:
        job = audit.ask(record, task_state=state)
        if job.report is not None:
            history.note("checked", job.report)
        log = self.log.warning if job.outcome in UNSAVED else self.log.info
        log("%s", job.sentence)
        return job

    def _client_for(self, connection_id: str) -> Client:
        # Loads requests.
        from airflow_provider_videoretalk.hooks.dashscope import DashScopeHook

        return DashScopeHook(connection_id).client


def _lost_jobs(records: Collection[JobRecord], *, now: float) -> list[tuple[JobRecord, str | None]]:
    """The lost jobs with Airflow's states of their tasks, those first whose results expire first."""
    runs: dict[tuple[str, str], set[str]] = {}
    doubtful = [record for record in records if record.map_index is not None and needs_look(record, now=now)]
    for record in doubtful:
        runs.setdefault((str(record.dag_id), str(record.task_id)), set()).add(str(record.run_id))
    states = {task: states_of_task(*task, run_ids) for task, run_ids in runs.items()}
    has_ended = cache(run_has_ended)
    lost = []
    for record in doubtful:
        dag_id, run_id = str(record.dag_id), str(record.run_id)
        state = states[dag_id, str(record.task_id)].get((run_id, record.map_index or 0), "removed")
        ended = state == "success" and has_ended(dag_id, run_id)
        if is_lost(record, TaskStates(task=state, run_has_ended=ended)):
            lost.append((record, state))
    return sorted(lost, key=lambda pair: _urgency(pair[0], now=now))


def _urgency(record: JobRecord, *, now: float) -> tuple[bool, float]:
    """The oldest first, before those whose results have expired by now."""
    submitted_at = record.submitted_at or 0.0
    return now - submitted_at > JOB_SECONDS + RESULT_LIFE.total_seconds(), submitted_at


def _summary(audited: Collection[AuditedJob], **counts: int) -> dict[str, Any]:
    """The outcomes as JSON-safe values."""
    reports = [job.report for job in audited if job.report is not None]
    unsaved = [job for job in audited if job.outcome in UNSAVED]
    return {
        "outcomes": dict(Counter(job.outcome for job in audited)),
        "billed_seconds": sum(report.billed_seconds or 0.0 for report in reports),
        "unsaved": [
            {"job_id": job.record.job_id, "task_instance": job.record.task_instance, "outcome": job.outcome}
            for job in unsaved[:_MAX_NAMED]
        ],
        **counts,
    }
