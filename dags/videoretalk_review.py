"""### A person watches before anybody else does

1. **speech** turns the script into audio, **retalk** makes the video.
2. **review** waits for a person, without holding a worker: *Required Actions* of the run shows the request, with a link
   to the page on which to watch the video, beside its source.
3. *Approve*, and **publish** copies the video to its destination.
4. *Send back*, with a note and a changed script, and **redo** starts another run with that script, which is reviewed in
   its turn. Nothing is published, and the note is among the new run's parameters.

Who does not answer within a day lets the run fail; the service keeps the video no longer.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Param, task

from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.speech import TextToSpeechOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator

SAMPLE_VIDEO = "https://help-static-aliyun-doc.aliyuncs.com/file-manage-files/zh-CN/20250717/pvegot/input_video_01.mp4"


@task.branch
def decide(answer: dict[str, Any]) -> str:
    """What the reviewer chose, as the task that does it."""
    return {"Approve": "publish", "Send back": "redo"}[answer["chosen_options"][0]]


with DAG(
    dag_id="videoretalk_review",
    schedule=None,
    tags=["videoretalk"],
    doc_md=__doc__,
    params={
        "script": Param(
            "Welcome. Nobody sees this video before somebody has watched it.",
            type="string",
            format="multiline",
            minLength=1,
            title="Script",
            description="What the presenter says: 2 to 120 seconds of speech, about 30 to 1,700 characters of English.",
        ),
        "note": Param(None, type=["null", "string"], title="Note", description="Why it was sent back, if it was."),
        "video": Param(SAMPLE_VIDEO, type="string", title="Presenter video"),
        "destination": Param(
            "file:///tmp/videoretalk/",
            type="string",
            title="Destination folder",
            description="Ends with a slash.",
            pattern="/$",
        ),
    },
):
    speech = TextToSpeechOperator(task_id="speech", text="{{ params.script }}")
    retalk = VideoRetalkOperator(
        task_id="retalk",
        video_url="{{ params.video }}",
        audio_url=speech.output,
        video_extension=True,
        deferrable=True,
    )
    review = HITLOperator(
        task_id="review",
        subject="May this video be published?",
        body=(
            "[Watch the video]({{ ti.xcom_pull(task_ids='retalk', key='videoretalk_watch') }}), beside its source and "
            "its script.\n\n> {{ params.script }}\n\n{% if params.note %}It was sent back before: {{ params.note }}"
            "{% endif %}\n\n*Approve* publishes it. *Send back* makes another one, of the script below."
        ),
        options=["Approve", "Send back"],
        params={
            # A field that may not be null has to be filled before either button works.
            "new_script": Param(
                None,
                type=["null", "string"],
                format="multiline",
                title="Changed script",
                description="Only for a video that is sent back; empty for the same script.",
            ),
            "reason": Param(None, type=["null", "string"], title="Note", description="Why it is sent back."),
        },
        response_timeout=timedelta(hours=23),
    )
    answer = "ti.xcom_pull(task_ids='review')['params_input']"
    publish = PublishMediaOperator(
        task_id="publish",
        source=retalk.output,
        destination="{{ params.destination }}",
        metadata={
            "script": "{{ params.script }}",
            "approved_by": "{{ ti.xcom_pull(task_ids='review')['responded_by_user']['name'] }}",
        },
    )
    redo = TriggerDagRunOperator(
        task_id="redo",
        trigger_dag_id="videoretalk_review",
        conf={
            "script": f"{{{{ {answer}['new_script'] or params.script }}}}",
            "note": f"{{{{ {answer}['reason'] or '' }}}}",
            "video": "{{ params.video }}",
            "destination": "{{ params.destination }}",
        },
    )
    retalk >> review
    decide(review.output) >> [publish, redo]
