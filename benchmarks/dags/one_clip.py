"""One clip, for ``benchmarks/end_to_end.py``: by a task that waits on the triggerer, or by one on its worker."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator

URLS = {"video": Param(type="string"), "audio": Param(type="string")}

for is_deferrable in (True, False):
    with DAG(dag_id="deferred" if is_deferrable else "blocking", schedule=None, params=URLS):
        VideoRetalkOperator(
            task_id="retalk",
            video_url="{{ params.video }}",
            audio_url="{{ params.audio }}",
            deferrable=is_deferrable,
            retries=0,
        )
