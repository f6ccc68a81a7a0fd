"""### Submitting and waiting as tasks of their own

**submit** sends the task and ends at once; **wait** is a deferrable sensor on its id. Take the two apart when something
else has to happen in between, or when another DAG submits. Otherwise `VideoRetalkOperator` alone does both.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.sensors.dashscope import DashScopeTaskSensor

SAMPLES = "https://help-static-aliyun-doc.aliyuncs.com/file-manage-files/zh-CN/20250717"

with DAG(
    dag_id="videoretalk_submit_and_sense",
    schedule=None,
    tags=["videoretalk"],
    doc_md=__doc__,
    params={
        "video": Param(f"{SAMPLES}/pvegot/input_video_01.mp4", type="string", title="Presenter video"),
        "audio": Param(
            f"{SAMPLES}/aumwir/stella2-%E6%9C%89%E5%A3%B0%E4%B9%A67.wav",
            type="string",
            title="Speech",
            description="URL of a wav, mp3 or aac of 2 to 120 s.",
        ),
        "destination": Param("file:///tmp/videoretalk/", type="string", title="Destination"),
    },
):
    submit = VideoRetalkOperator(
        task_id="submit",
        video_url="{{ params.video }}",
        audio_url="{{ params.audio }}",
        wait_for_completion=False,
    )
    wait = DashScopeTaskSensor(
        task_id="wait",
        dashscope_task_id=submit.output["task_id"],
        deferrable=True,
        timeout=4 * 60 * 60,
    )
    PublishMediaOperator(
        task_id="publish",
        source=wait.output,
        destination="{{ params.destination }}",
    )
