"""### A video in one language in, videos in other languages out

1. **transcript** writes down what is said in the video, with the times of each sentence.
2. For each language, **translation** translates the sentences, and **proofread** shows them to a person, before any
   speech is paid for. Turn that off in the form. **speech** speaks each sentence when the presenter speaks it.
3. If the form names a sample of the presenter's voice, and who agreed to its use, **voice** enrols it once.
4. **plan** says what the videos cost, **approve** asks a person if they cost more than the form says, **make** replaces
   the lips, and **publish** copies each video to the folder, with subtitle files.
5. **manifest** lists all videos. Run the DAG again after a failure, or to correct a sentence: transcript, translations,
   corrections, speech and videos are kept in the folder, and what has not changed is not paid for again.

A video may be longer than two minutes: it is made of pieces. The workers need the extra `media`. Make the pool before
the first run:

    airflow pools set videoretalk 3 "VideoRetalk render jobs in flight" --include-deferred

The videos are published in the folder that the Variable `videoretalk_folder` names: a folder with a slash at its end,
such as `s3://aws_default@videos/`. It is `file:///tmp/videoretalk/` by default. The speech is kept there, too, so the
folder must be in `[videoretalk] allowed_destinations` and `allowed_sources` of Airflow's configuration if it is on a
disk.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task, task_group

from airflow_provider_videoretalk.operators.approve_videos import ApproveVideosOperator
from airflow_provider_videoretalk.operators.make_video import MakeVideoOperator
from airflow_provider_videoretalk.operators.manifest import WriteManifestOperator
from airflow_provider_videoretalk.operators.plan_videos import PlanVideosOperator
from airflow_provider_videoretalk.operators.proofread import ProofreadOperator
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.segment_speech import SegmentSpeechOperator
from airflow_provider_videoretalk.operators.transcribe import TranscribeOperator
from airflow_provider_videoretalk.operators.translate import TranslateOperator
from airflow_provider_videoretalk.operators.voice import VoiceOperator

# A field that is left empty has the presenter that the Variable names, or that of the vendor's own documentation.
SAMPLE_VIDEO = "https://help-static-aliyun-doc.aliyuncs.com/file-manage-files/zh-CN/20250717/pvegot/input_video_01.mp4"
PRESENTER = f"{{{{ params.video or var.value.get('videoretalk_presenter', '{SAMPLE_VIDEO}') }}}}"

# Who triggers the DAG can choose neither a store nor a folder, and no higher cost. Add the prefixes of stores whose
# objects the form may name, such as s3://aws_default@clips/.
ALLOWED_SOURCES = ["https://", "http://"]
DEFAULT_FOLDER = "file:///tmp/videoretalk/"
FOLDER = f"{{{{ var.value.get('videoretalk_folder', '{DEFAULT_FOLDER}') }}}}"
MAX_COST, MAX_COST_PER_VIDEO, MAX_TEXT_COST = 500, 100, 10
# A retry pays for nothing twice: it finds what an earlier try has made. Airflow 3.1 and 3.2 keep no record of it: set
# retries to 0 there.
RETRIES = {"retries": 3, "retry_delay": timedelta(seconds=10)}


# Transcripts and translations are kept there, by the name of the video. So are speech and pieces.
TRANSCRIPT = f"{FOLDER}transcripts/{{{{ params.name }}}}"
MEMORY = f"{FOLDER}translations/{{{{ params.name }}}}/"


@task
def languages(params: dict[str, Any] | None = None) -> list[str]:
    """The languages of the form, each once."""
    assert params is not None
    return list(dict.fromkeys(word.strip() for word in params["languages"] if word.strip()))


@task.short_circuit(ignore_downstream_trigger_rules=False)
def has_sample(params: dict[str, Any] | None = None) -> bool:
    """Whether a voice is enrolled. Otherwise a system voice speaks."""
    assert params is not None
    return bool(params["voice_sample"])


@task
def table(speeches: Any, params: dict[str, Any] | None = None) -> str:
    """A row for each language: its speech is a recording. The presenter is the video itself."""
    assert params is not None
    # Of a single language, Airflow gives the value itself.
    speeches = [speeches] if isinstance(speeches, dict) else speeches
    rows = [
        {
            "name": params["name"],
            "language": speech["language"],
            "text": speech["script"],
            "audio": speech["audio"],
        }
        for speech in speeches
    ]
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)


@task_group
def dub(language: str, transcript: Any, voice: Any) -> Any:
    translation = TranslateOperator(
        task_id="translation",
        source=transcript,
        target_language=language,
        glossary="{{ params.glossary or '' }}",
        on_too_long="faster",
        memory=MEMORY,
        allowed_destinations=FOLDER,
        max_cost=MAX_TEXT_COST,
        allowed_sources=ALLOWED_SOURCES,
        map_index_template="{{ task.target_language }}",
    )
    proofread = ProofreadOperator(
        task_id="proofread",
        translation=translation.output,
        ask="{{ params.proofread }}",
        memory=MEMORY,
        allowed_destinations=FOLDER,
        map_index_template="{{ task.translation['target_language'] }}",
    )
    speech = SegmentSpeechOperator(
        task_id="speech",
        segments=proofread.output,
        voice=voice,
        language=language,
        seconds="{{ ti.xcom_pull(task_ids='transcript')['estimated_seconds'] }}",
        folder=FOLDER,
        max_cost=MAX_TEXT_COST,
        allowed_destinations=FOLDER,
        # Without a sample, no voice is enrolled.
        trigger_rule="none_failed",
        map_index_template="{{ task.language }}",
    )
    return speech.output


@task_group
def video(row: Any) -> None:
    made = MakeVideoOperator(
        task_id="make",
        row=row,
        folder=FOLDER,
        allowed_sources=[*ALLOWED_SOURCES, FOLDER],
        deferrable=True,
        pool="videoretalk",
        map_index_template="{{ task.row['label'] }}",
    )
    PublishMediaOperator(
        task_id="publish",
        source=made.output,
        destination=made.output["videoretalk_destination"],
        metadata=made.output["videoretalk_metadata"],
        subtitles="srt,vtt",
        subtitle_track=True,
        allowed_destinations=FOLDER,
        if_exists="overwrite",
        map_index_template="{{ task.metadata['label'] }}",
    )


with DAG(
    dag_id="videoretalk_dub",
    schedule=None,
    # Two runs would make the same videos.
    max_active_runs=1,
    tags=["videoretalk"],
    doc_md=__doc__,
    default_args=RETRIES,
    params={
        "video": Param(
            None,
            type=["null", "string"],
            title="Video",
            description="URL of a video in which one person speaks. "
            "Empty: the one that the Variable videoretalk_presenter names, or the vendor's sample.",
        ),
        "name": Param("dub", type="string", title="Name", description="Of the new files, before the language."),
        "languages": Param(
            ["de", "zh", "es"],
            type="array",
            items={"type": "string"},
            minItems=1,
            maxItems=20,
            title="Languages",
            description="Of the new videos: a code in each line.",
        ),
        "proofread": Param(
            True,
            type="boolean",
            title="Proofread",
            description="A person corrects each translation before it is spoken.",
        ),
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Only look at the video, and say what its transcript costs: make and pay nothing.",
        ),
        "glossary": Param(
            None,
            type=["null", "string"],
            format="multiline",
            title="Glossary",
            description="A table of terms: source,target or source and a column for each language.",
        ),
        "voice_sample": Param(
            None,
            type=["null", "string"],
            title="Sample of the voice",
            description="URL of 10 to 20 s of the presenter's speech: WAV, MP3 or M4A, at most 60 s and 10 MB. "
            "Empty: a system voice speaks.",
            section="The presenter's own voice",
        ),
        "consent": Param(
            None,
            type=["null", "string"],
            title="Consent",
            description="Who agreed to the use of the voice, and when. Needed with a sample.",
            section="The presenter's own voice",
        ),
        "max_cost": Param(
            100,
            type="number",
            exclusiveMinimum=0,
            maximum=MAX_COST,
            title="Highest cost",
            description="Of all videos that this run makes, without transcript, translation and speech. If they may "
            "cost more, none is made.",
            section="What it may cost",
        ),
        "approve_above": Param(
            50,
            type="number",
            minimum=0,
            maximum=MAX_COST,
            title="Ask above",
            description="If all videos may cost more, a person is asked first.",
            section="What it may cost",
        ),
    },
):
    transcript = TranscribeOperator(
        task_id="transcript",
        file_url=PRESENTER,
        destination=TRANSCRIPT,
        if_exists="skip_same",
        allowed_destinations=FOLDER,
        max_cost=MAX_TEXT_COST,
        dry_run="{{ params.dry_run }}",
        allowed_sources=ALLOWED_SOURCES,
        deferrable=True,
    )
    voice = VoiceOperator(
        task_id="voice",
        sample="{{ params.voice_sample }}",
        consent="{{ params.consent or '' }}",
        allowed_sources=ALLOWED_SOURCES,
    )
    has_sample() >> voice
    speeches = dub.partial(transcript=transcript.output, voice=voice.output).expand(language=languages())
    plan = PlanVideosOperator(
        task_id="plan",
        table=table(speeches),
        folder=FOLDER,
        defaults={"video": PRESENTER},
        max_cost="{{ params.max_cost }}",
        max_cost_per_video=MAX_COST_PER_VIDEO,
        allowed_sources=[*ALLOWED_SOURCES, FOLDER],
        allowed_destinations=FOLDER,
    )
    approve = ApproveVideosOperator(
        task_id="approve", plan=plan.output["videoretalk_plan"], approve_above="{{ params.approve_above }}"
    )
    videos = video.expand(row=plan.output)
    manifest = WriteManifestOperator(task_id="manifest", folder=FOLDER, make_task_id="video.make")
    approve >> videos >> manifest
