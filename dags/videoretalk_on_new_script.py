"""### A video for each new script

An event of the asset `videoretalk_script` starts **videoretalk_on_new_script**: open the asset in the UI, press *Create
asset event*, and give the script as its extra:

    {"text": "Good morning, and welcome to our spring collection.", "language": "en"}

Another DAG does the same with an outlet. Each event becomes a video, in a folder of its day below the one that the
Variable `videoretalk_folder` names. The video is an event of the asset `videoretalk_video`, which starts
**videoretalk_on_new_video**: it reads from the event where the video lies, how long it is and what it cost.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, Param, task, task_group

from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.speech import TextToSpeechOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator

SAMPLE_VIDEO = "https://help-static-aliyun-doc.aliyuncs.com/file-manage-files/zh-CN/20250717/pvegot/input_video_01.mp4"
FOLDER = "{{ var.value.get('videoretalk_folder', 'file:///tmp/videoretalk/') }}"
SCRIPT = Asset("videoretalk_script")
VIDEO = Asset("videoretalk_video")


@task
def scripts(triggering_asset_events: Any = None) -> list[dict[str, str]]:
    """The scripts of the events that started this run."""
    extras = [event.extra for events in triggering_asset_events.values() for event in events]
    return [{"text": extra["text"], "language": extra.get("language", "en")} for extra in extras]


@task_group
def video(text: str, language: str) -> None:
    speech = TextToSpeechOperator(task_id="speech", text=text, language=language)
    retalk = VideoRetalkOperator(
        task_id="retalk",
        video_url="{{ params.video }}",
        audio_url=speech.output,
        video_extension=True,
        max_cost=20,
        deferrable=True,
        pool="videoretalk",
    )
    PublishMediaOperator(
        task_id="publish",
        source=retalk.output,
        destination=f"{FOLDER}{{{{ dag_run.run_after.strftime('%Y/%m/%d') }}}}/",
        metadata={"script": text, "language": language},
        if_exists="skip_same",
        outlets=[VIDEO],
    )


@task
def tell(triggering_asset_events: Any = None) -> list[dict[str, Any]]:
    """What a person wants to know of the new videos."""
    extras = [event.extra for events in triggering_asset_events.values() for event in events]
    told = [{name: extra.get(name) for name in ("uri", "billed_seconds", "cost", "currency")} for extra in extras]
    for row in told:
        print(f"{row['uri']}: {row['billed_seconds']} s, {row['cost']} {row['currency']}")
    return told


with DAG(
    dag_id="videoretalk_on_new_script",
    schedule=[SCRIPT],
    tags=["videoretalk"],
    doc_md=__doc__,
    # A retry pays nothing twice: it finds the video that an earlier try submitted.
    default_args={"retries": 2, "retry_delay": timedelta(seconds=5)},
    params={
        "video": Param(SAMPLE_VIDEO, type="string", title="Presenter video"),
    },
):
    video.expand_kwargs(scripts())

with DAG(dag_id="videoretalk_on_new_video", schedule=[VIDEO], tags=["videoretalk"], doc_md=__doc__):
    tell()
