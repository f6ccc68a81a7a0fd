"""### A table in, a folder of videos out

Paste a table into the form, or give the location of one. A row is a video: its name, its script, its language, its
voice, its presenter. CSV, TSV, JSON Lines and XLSX will do. A script may take up to two hours: its video is made of
pieces (install the extra `media`).

1. **plan** checks all rows, and says what each problem is. It looks at the videos that are there already, and keeps
   those whose rows have not changed. It says what the others cost and when they are ready. A *dry run* ends here.
2. **approve** asks a person if the videos cost more than the form says.
3. **make** makes the speech and the video of each row, and **publish** copies it to the folder. A row that fails stops
   no other. If the form says so, **review** lets a person watch each video before it is published.
4. **manifest** lists all videos, with the cause and the remedy of each that is missing. The run fails if more are
   missing than you tolerate. Run it again with the same table: only what is missing or changed is made and paid for.

The service renders one job at a time and queues the rest. The pool `videoretalk` (2 or 3 slots, **counting deferred
tasks**) keeps that queue short: one job renders, the next is ready, and none queues long enough to be dropped. Make the
pool before the first run:

    airflow pools set videoretalk 3 "VideoRetalk render jobs in flight" --include-deferred

The videos are published in the folder that the Variable `videoretalk_folder` names: a folder with a slash at its end,
such as `s3://aws_default@videos/`. It is `file:///tmp/videoretalk/` by default. A folder on a disk must be in
`[videoretalk] allowed_destinations` of Airflow's configuration.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task_group

from airflow_provider_videoretalk.model_catalog.system_voices import LANGUAGE_CODES, VOICE_NAMES, VOICES_MARKDOWN
from airflow_provider_videoretalk.operators.approve_videos import ApproveVideosOperator
from airflow_provider_videoretalk.operators.make_video import MakeVideoOperator
from airflow_provider_videoretalk.operators.manifest import WriteManifestOperator
from airflow_provider_videoretalk.operators.plan_videos import PlanVideosOperator
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.review_video import ReviewVideoOperator

# A field that is left empty has the presenter that the Variable names, or that of the vendor's own documentation.
SAMPLE_VIDEO = "https://help-static-aliyun-doc.aliyuncs.com/file-manage-files/zh-CN/20250717/pvegot/input_video_01.mp4"
PRESENTER = f"{{{{ params.video or var.value.get('videoretalk_presenter', '{SAMPLE_VIDEO}') }}}}"
SAMPLE_TABLE = """name,language,text
welcome,en,"Good morning, and welcome to our spring collection. Every piece is made to last."
welcome,zh,早上好，欢迎来到我们的春季系列。每一件都经久耐用，物有所值。
"""

# Who triggers the DAG can choose neither a store nor a folder, and no higher cost. Add the prefixes of stores whose
# objects the form and the table may name, such as s3://aws_default@clips/.
ALLOWED_SOURCES = ["https://", "http://"]
DEFAULT_FOLDER = "file:///tmp/videoretalk/"
FOLDER = f"{{{{ var.value.get('videoretalk_folder', '{DEFAULT_FOLDER}') }}}}"
MAX_COST, MAX_COST_PER_VIDEO = 500, 20
# A retry pays for no video twice: it finds the render job of an earlier try. Airflow 3.1 and 3.2 keep no record of it:
# set retries to 0 there.
RETRIES = {"retries": 3, "retry_delay": timedelta(seconds=10)}


@task_group
def video(row: Any) -> None:
    made = MakeVideoOperator(
        task_id="make",
        row=row,
        folder=FOLDER,
        allowed_sources=ALLOWED_SOURCES,
        deferrable=True,
        pool="videoretalk",
        map_index_template="{{ task.row['label'] }}",
    )
    reviewed = ReviewVideoOperator(
        task_id="review",
        metadata=made.output["videoretalk_metadata"],
        make_task_id="video.make",
        ask="{{ params.review }}",
        map_index_template="{{ task.metadata['label'] }}",
    )
    PublishMediaOperator(
        task_id="publish",
        source=made.output,
        destination=made.output["videoretalk_destination"],
        metadata=reviewed.output,
        subtitles="{{ 'srt,vtt' if params.subtitles else '' }}",
        allowed_destinations=FOLDER,
        # Also if it is the same video again: its metadata says of which row it is.
        if_exists="overwrite",
        map_index_template="{{ task.metadata['label'] }}",
    )


with DAG(
    dag_id="videoretalk_batch",
    schedule=None,
    # Two runs would make the same videos.
    max_active_runs=1,
    tags=["videoretalk"],
    doc_md=__doc__,
    default_args=RETRIES,
    params={
        "table": Param(
            SAMPLE_TABLE,
            type="string",
            format="multiline",
            minLength=1,
            title="Table",
            description="The table itself, with the names of its columns in the first line, or its location. Columns: "
            "name, text or text_location or audio, language, voice, video or photo, destination.",
        ),
        "dry_run": Param(False, type="boolean", title="Dry run", description="Only plan: make and pay nothing."),
        "review": Param(
            False,
            type="boolean",
            title="Review",
            description="A person approves or sends back each video before it is published. Others go on.",
        ),
        "subtitles": Param(
            False,
            type="boolean",
            title="Subtitles",
            description="Write subtitle files beside each video. The workers need the extra media.",
        ),
        "video": Param(
            None,
            type=["null", "string"],
            title="Presenter video",
            description="URL, of the rows that name none. "
            "Empty: the one that the Variable videoretalk_presenter names, or the vendor's sample.",
            section="Rows without their own",
        ),
        "language": Param(
            None,
            type=["null", "string"],
            examples=list(LANGUAGE_CODES),
            title="Language",
            description="Of the rows that name none, such as en. Empty: it is detected.",
            section="Rows without their own",
        ),
        "voice": Param(
            None,
            type=["null", "string"],
            examples=list(VOICE_NAMES),
            title="Voice",
            description_md="Of the rows that name none. Any voice of the text-to-speech model. Empty: its default. "
            f"Some of them:\n\n{VOICES_MARKDOWN}",
            section="Rows without their own",
        ),
        "max_cost": Param(
            100,
            type="number",
            exclusiveMinimum=0,
            maximum=MAX_COST,
            title="Highest cost",
            description="Of all videos that this run makes, with their speech. If they may cost more, none is made.",
            section="What it may cost",
        ),
        "max_cost_per_video": Param(
            10,
            type="number",
            exclusiveMinimum=0,
            maximum=MAX_COST_PER_VIDEO,
            title="Highest cost of a video",
            description="Without its speech. A video that costs more is not made. One whose speech is not made yet "
            "counts with no more than this.",
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
        "skip_bad_rows": Param(
            False,
            type="boolean",
            title="Leave out rows with faults",
            description="Otherwise a fault stops the batch before anything is made.",
            section="What if",
        ),
        "tolerate": Param(
            0,
            type="integer",
            minimum=0,
            title="Missing videos to tolerate",
            description="The run fails if more are missing.",
            section="What if",
        ),
        "force": Param(
            False, type="boolean", title="Make all again", description="Also those that are there.", section="What if"
        ),
    },
):
    plan = PlanVideosOperator(
        task_id="plan",
        table="{{ params.table }}",
        folder=FOLDER,
        defaults={
            "video": PRESENTER,
            "language": "{{ params.language or '' }}",
            "voice": "{{ params.voice or '' }}",
        },
        max_cost="{{ params.max_cost }}",
        max_cost_per_video="{{ params.max_cost_per_video }}",
        skip_bad_rows="{{ params.skip_bad_rows }}",
        force="{{ params.force }}",
        dry_run="{{ params.dry_run }}",
        allowed_sources=ALLOWED_SOURCES,
        allowed_destinations=FOLDER,
    )
    approve = ApproveVideosOperator(
        task_id="approve", plan=plan.output["videoretalk_plan"], approve_above="{{ params.approve_above }}"
    )
    videos = video.expand(row=plan.output)
    manifest = WriteManifestOperator(
        task_id="manifest",
        folder=FOLDER,
        make_task_id="video.make",
        review_task_id="video.review",
        tolerate="{{ params.tolerate }}",
    )
    approve >> videos >> manifest
