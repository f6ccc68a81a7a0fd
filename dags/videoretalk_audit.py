"""### What became of each render job

**audit** asks the service about each render job that Airflow lost track of, of all DAGs: whose task failed, was marked
or was deleted while the job went on. It writes down what was billed, for *Spend* and the pages. **publish** saves the
results that are still there. The log of **audit** names the jobs whose results cannot be saved.

It runs every six hours, once you have unpaused it. The service keeps a result for 24 hours, and a run that fails must
not cost one. It asks nothing about jobs whose tasks still wait, so that most runs send no request. It also folds the
job history, so that Airflow does not keep a Variable for each fact. Needs Airflow 3.3 or newer.

The videos are published in the folder `audit`, below the folder that the Variable `videoretalk_folder` names: a folder
with a slash at its end, such as `s3://aws_default@videos/`. It is `file:///tmp/videoretalk/` by default. A folder on a
disk must be in `[videoretalk] allowed_destinations` of Airflow's configuration.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.sdk import DAG

from airflow_provider_videoretalk.operators.audit import AuditJobsOperator
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator

DEFAULT_FOLDER = "file:///tmp/videoretalk/"
FOLDER = f"{{{{ var.value.get('videoretalk_folder', '{DEFAULT_FOLDER}') }}}}"


def to_publish(result: dict[str, Any]) -> dict[str, Any]:
    """A result is read with the connection that its render job was submitted with."""
    return {"source": result, "dashscope_conn_id": result["connection_id"]}


with DAG(
    dag_id="videoretalk_audit",
    schedule=timedelta(hours=6),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=True,
    tags=["videoretalk"],
    doc_md=__doc__,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
):
    audit = AuditJobsOperator(task_id="audit")
    PublishMediaOperator.partial(
        task_id="publish",
        destination=f"{FOLDER}audit/",
        if_exists="skip_same",
    ).expand_kwargs(audit.output.map(to_publish))
