"""### From a script to a published talking-head video

1. **speech** turns the script into audio.
2. **retalk** replaces the presenter's lips to match it; while the task queues and renders, no worker is held.
3. **publish** copies the video to where it outlives the service's 24 hours, with a metadata JSON beside it.

Start it with the *Trigger* button and fill in the form. Then open the task *retalk*: its button *Watch* leads to a page
that tells where the video stands, and plays it beside its source once it is made. All videos are on *VideoRetalk* in
the navigation, with what waits and what it cost. It needs the connection `dashscope_default`; whether that is the real
service or the emulator makes no difference to the DAG.
"""

from __future__ import annotations

from airflow.sdk import DAG, AssetAlias, Param

from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.speech import TextToSpeechOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator

# The presenter of the vendor's own documentation; the emulator answers with one of its own.
SAMPLE_VIDEO = "https://help-static-aliyun-doc.aliyuncs.com/file-manage-files/zh-CN/20250717/pvegot/input_video_01.mp4"

with DAG(
    dag_id="videoretalk_quickstart",
    schedule=None,
    tags=["videoretalk"],
    doc_md=__doc__,
    params={
        "script": Param(
            "Welcome. This video was made from a few lines of text, by a pipeline that ran on its own.",
            type="string",
            format="multiline",
            minLength=1,
            maxLength=2000,
            title="Script",
            description="What the presenter says: 2 to 120 seconds of speech, about 30 to 1,700 characters of English.",
        ),
        "voice": Param(
            None,
            type=["null", "string"],
            title="Voice",
            description="A voice of the text-to-speech model; empty for its default.",
        ),
        "video": Param(
            SAMPLE_VIDEO,
            type="string",
            title="Presenter video",
            description="URL of an mp4, avi or mov with one face, or an object such as s3://aws_default@bucket/clip.mp4: "
            "2 to 120 s, 15 to 60 fps, 640 to 2048 pixels a side.",
            pattern="^[a-z0-9+]+://",
            section="Who says it",
        ),
        "extend": Param(
            True,
            type="boolean",
            title="Extend the picture",
            description="Where the speech is longer, play the picture backwards and forwards; else the speech is cut.",
            section="Who says it",
        ),
        "destination": Param(
            "file:///tmp/videoretalk/",
            type="string",
            title="Destination",
            description="A folder (ending with a slash) or an object, e.g. s3://aws_default@bucket/videos/.",
            pattern="^[a-z0-9+]+://",
            section="Where it goes",
        ),
    },
):
    speech = TextToSpeechOperator(
        task_id="speech",
        text="{{ params.script }}",
        voice="{{ params.voice or '' }}",
    )
    retalk = VideoRetalkOperator(
        task_id="retalk",
        video_url="{{ params.video }}",
        audio_url=speech.output,
        video_extension="{{ params.extend }}",
        deferrable=True,
    )
    PublishMediaOperator(
        task_id="publish",
        source=retalk.output,
        destination="{{ params.destination }}",
        metadata={"script": "{{ params.script }}"},
        outlets=[AssetAlias("videoretalk_quickstart")],
    )
