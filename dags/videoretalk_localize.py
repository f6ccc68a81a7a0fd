"""### One presenter, many scripts and languages

Each script walks through speech, retalk and publish by itself: one that fails stops none of the others. **manifest**
runs at the end in any case and writes down which videos exist and which are missing.

The service renders one task at a time and queues the rest. The pool `videoretalk` (2 or 3 slots, **counting deferred
tasks**) keeps that queue short: one task renders, the next stands ready, and none waits long enough to be dropped. Make
it before the first run:

    airflow pools set videoretalk 3 "VideoRetalk tasks in flight" --include-deferred
"""

from __future__ import annotations

import json
from typing import Any

from airflow.sdk import DAG, ObjectStoragePath, Param, task, task_group

from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.speech import TextToSpeechOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator

SAMPLE_VIDEO = "https://help-static-aliyun-doc.aliyuncs.com/file-manage-files/zh-CN/20250717/pvegot/input_video_01.mp4"


@task
def scripts(params: dict[str, Any]) -> list[dict[str, str]]:
    """The form's scripts, one for each language."""
    return [{"language": language, "text": text} for language, text in params["scripts"].items()]


@task(trigger_rule="all_done")
def manifest(wanted: list[dict[str, str]], published: Any, params: dict[str, Any]) -> dict[str, str | None]:
    """Where each language's video lies, ``None`` for one that failed; also written beside the videos."""
    found = {video["language"]: video["uri"] for video in published or [] if video}
    table = {script["language"]: found.get(script["language"]) for script in wanted}
    path = ObjectStoragePath(params["destination"]) / "manifest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(table, indent=2))
    return table


@task_group
def localize(language: str, text: str) -> Any:
    speech = TextToSpeechOperator(task_id="speech", text=text, language=language)
    retalk = VideoRetalkOperator(
        task_id="retalk",
        video_url="{{ params.video }}",
        audio_url=speech.output,
        video_extension=True,
        deferrable=True,
        pool="videoretalk",
    )
    publish = PublishMediaOperator(
        task_id="publish",
        source=retalk.output,
        destination="{{ params.destination }}",
        metadata={"language": language, "script": text},
    )
    return publish.output


with DAG(
    dag_id="videoretalk_localize",
    schedule=None,
    tags=["videoretalk"],
    doc_md=__doc__,
    params={
        "scripts": Param(
            {
                "en": "Good morning, and welcome to our spring collection. Every piece is made to last.",
                "zh": "早上好，欢迎来到我们的春季系列。每一件都经久耐用，物有所值。",
            },
            type="object",
            title="Scripts",
            description="Language code to script.",
        ),
        "video": Param(SAMPLE_VIDEO, type="string", title="Presenter video"),
        "destination": Param(
            "file:///tmp/videoretalk/",
            type="string",
            title="Destination folder",
            description="Ends with a slash.",
        ),
    },
):
    wanted = scripts()
    manifest(wanted, localize.expand_kwargs(wanted))
