"""What each operator's parameters are if a DAG's author leaves them out, and which are rendered.

Both are the interface of every DAG that exists. A default is also what the documentation says.
"""

from __future__ import annotations

import runpy
from datetime import timedelta
from inspect import signature
from types import ModuleType
from typing import Any

import jinja2
import pytest

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.links import BatchLink, WatchLink
from airflow_provider_videoretalk.operators import job
from airflow_provider_videoretalk.operators.approve_videos import ApproveVideosOperator
from airflow_provider_videoretalk.operators.audit import AuditJobsOperator
from airflow_provider_videoretalk.operators.dashscope import DashScopeTaskOperator
from airflow_provider_videoretalk.operators.make_video import MakeVideoOperator
from airflow_provider_videoretalk.operators.manifest import WriteManifestOperator
from airflow_provider_videoretalk.operators.plan_videos import PlanVideosOperator
from airflow_provider_videoretalk.operators.proofread import ProofreadOperator
from airflow_provider_videoretalk.operators.publish import PublishMediaOperator
from airflow_provider_videoretalk.operators.review_video import ReviewVideoOperator
from airflow_provider_videoretalk.operators.segment_speech import SegmentSpeechOperator
from airflow_provider_videoretalk.operators.speech import TextToSpeechOperator
from airflow_provider_videoretalk.operators.talking_photo import TalkingPhotoOperator
from airflow_provider_videoretalk.operators.transcribe import TranscribeOperator
from airflow_provider_videoretalk.operators.translate import TranslateOperator
from airflow_provider_videoretalk.operators.videoretalk import VideoRetalkOperator
from airflow_provider_videoretalk.operators.voice import VoiceOperator
from airflow_provider_videoretalk.sensors import dashscope
from airflow_provider_videoretalk.sensors.dashscope import DashScopeTaskSensor
from airflow_provider_videoretalk.submission.resume import ResumePolicy

JOB = {
    "wait_for_completion": True,
    "deferrable": False,
    "poll_interval": None,
    "max_poll_interval": None,
    # Three hours and one.
    "queue_timeout": 10_800.0,
    "render_timeout": 3_600.0,
    "durable": True,
    "resume": ResumePolicy(
        on_clear="adopt_unfinished", on_changed_input="submit", on_unknown_submit="fail", reconcile_after=60.0
    ),
    "hold_back": None,
    "dashscope_conn_id": "dashscope_default",
    "throttle_timeout": None,
}
CATALOG = {"preflight": "strict", "allowed_sources": None, "max_cost": None, "is_dry_run": False, **JOB}

# By class: the parameters that have no default, the attributes of the others, the rendered fields, the links.
OPERATORS: list[tuple[Any, dict[str, Any], dict[str, Any], str, list[type]]] = [
    (
        VideoRetalkOperator,
        {"video_url": "v", "audio_url": "a"},
        {"ref_image_url": None, "video_extension": False, "query_face_threshold": 170, "face_check": "off", **CATALOG},
        "video_url audio_url ref_image_url video_extension query_face_threshold face_check allowed_sources max_cost "
        "is_dry_run dashscope_conn_id",
        [WatchLink],
    ),
    (
        DashScopeTaskOperator,
        {"model": "m", "path": "p", "input": {}},
        {"parameters": None, "allowed_sources": None, **JOB},
        "model path input parameters allowed_sources dashscope_conn_id",
        [WatchLink],
    ),
    (
        MakeVideoOperator,
        {"row": {}, "folder": "f"},
        {"storage_conn_id": None, **CATALOG},
        "row folder storage_conn_id allowed_sources max_cost is_dry_run dashscope_conn_id",
        [WatchLink],
    ),
    (
        PlanVideosOperator,
        {"table": "t", "folder": "f"},
        {
            "batch": None,
            "defaults": None,
            "speech_model": "cosyvoice-v3-flash",
            "speech_options": None,
            "video_extension": True,
            "query_face_threshold": 170,
            "photo_model": "liveportrait",
            "face_check": "off",
            "max_cost": None,
            "max_cost_per_video": None,
            "skip_bad_rows": False,
            "force": False,
            "prune": "off",
            "is_dry_run": False,
            "allowed_sources": None,
            "allowed_destinations": None,
            "storage_conn_id": None,
            "dashscope_conn_id": "dashscope_default",
        },
        "table folder batch defaults speech_model speech_options video_extension query_face_threshold photo_model "
        "face_check max_cost max_cost_per_video skip_bad_rows force prune is_dry_run allowed_sources "
        "allowed_destinations storage_conn_id dashscope_conn_id",
        [BatchLink],
    ),
    (ApproveVideosOperator, {"plan": {}}, {"approve_above": None}, "plan approve_above", []),
    (
        ReviewVideoOperator,
        {"metadata": {}, "make_task_id": "m"},
        {"ask": True, "response_timeout": timedelta(hours=23)},
        "metadata ask",
        [WatchLink],
    ),
    (
        WriteManifestOperator,
        {"folder": "f", "make_task_id": "m"},
        {"review_task_id": None, "tolerate": 0, "storage_conn_id": None, "trigger_rule": "all_done"},
        "folder tolerate storage_conn_id",
        [BatchLink],
    ),
    (
        PublishMediaOperator,
        {"source": "s", "destination": "d"},
        {
            "storage_conn_id": None,
            "dashscope_conn_id": None,
            "metadata": None,
            "subtitles": (),
            "subtitle_track": False,
            "if_exists": "overwrite",
            "allowed_sources": None,
            "allowed_destinations": None,
            "aigc_label": None,
            "content_credentials": None,
            "presenter": None,
            "lip_check": "off",
        },
        "source destination storage_conn_id dashscope_conn_id metadata subtitles subtitle_track allowed_sources "
        "allowed_destinations aigc_label content_credentials presenter lip_check",
        [WatchLink],
    ),
    (
        TextToSpeechOperator,
        {"text": "t"},
        {
            "model": None,
            "voice": None,
            "audio_format": "wav",
            "sample_rate": 24_000,
            "language": None,
            "options": None,
            "min_seconds": 2.0,
            "max_seconds": 120.0,
            "dashscope_conn_id": "dashscope_default",
            "throttle_timeout": None,
        },
        "text model voice language options dashscope_conn_id",
        [WatchLink],
    ),
    (
        VoiceOperator,
        {"sample": "s", "consent": "c"},
        {
            "target_model": "cosyvoice-v3-flash",
            "language": None,
            "options": None,
            "surplus": "delete",
            "allowed_sources": None,
            "dashscope_conn_id": "dashscope_default",
            "throttle_timeout": None,
        },
        "sample consent target_model language options allowed_sources dashscope_conn_id",
        [WatchLink],
    ),
    (
        TranscribeOperator,
        {"file_url": "f"},
        {
            "model": "qwen3-asr-flash-filetrans",
            "language": None,
            "words": False,
            "speakers": None,
            "destination": None,
            "formats": ("srt", "vtt", "json"),
            "if_exists": "overwrite",
            "storage_conn_id": None,
            "allowed_destinations": None,
            **CATALOG,
        },
        "file_url language words speakers destination storage_conn_id allowed_destinations allowed_sources max_cost "
        "is_dry_run dashscope_conn_id",
        [WatchLink],
    ),
    (
        TalkingPhotoOperator,
        {"image_url": "i", "audio_url": "a"},
        {"model": "liveportrait", "resolution": None, "options": None, "photo_check": "strict", **CATALOG},
        "image_url audio_url resolution options allowed_sources max_cost is_dry_run dashscope_conn_id",
        [WatchLink],
    ),
    (
        SegmentSpeechOperator,
        {"segments": {}, "folder": "f"},
        {
            "seconds": None,
            "model": None,
            "voice": None,
            "language": None,
            "options": None,
            "max_tempo": 1.25,
            "max_cost": None,
            "storage_conn_id": None,
            "allowed_destinations": None,
            "dashscope_conn_id": "dashscope_default",
            "throttle_timeout": None,
        },
        "segments folder seconds model voice language options max_cost storage_conn_id allowed_destinations "
        "dashscope_conn_id",
        [WatchLink],
    ),
    (
        ProofreadOperator,
        {"translation": {}},
        {"ask": True, "max_rate": 1.2, "memory": None, "storage_conn_id": None, "allowed_destinations": None},
        "translation ask memory storage_conn_id allowed_destinations",
        [],
    ),
    (
        TranslateOperator,
        {"source": "s", "target_language": "de"},
        {
            "source_language": None,
            "model": "qwen-mt-plus",
            "glossary": None,
            "domains": None,
            "rate": 1.0,
            "max_rate": 1.2,
            "on_too_long": "flag",
            "memory": None,
            "storage_conn_id": None,
            "allowed_destinations": None,
            "allowed_sources": None,
            "max_cost": None,
            "dashscope_conn_id": "dashscope_default",
            "throttle_timeout": None,
        },
        "source target_language source_language model glossary domains memory storage_conn_id allowed_destinations "
        "allowed_sources max_cost dashscope_conn_id",
        [WatchLink],
    ),
    (AuditJobsOperator, {}, {"timeout": 1_200.0}, "", []),
    (
        DashScopeTaskSensor,
        {"dashscope_task_id": "t"},
        {
            "dashscope_conn_id": "dashscope_default",
            "deferrable": False,
            "cancel_on_kill": False,
            "poke_interval": 15.0,
        },
        "dashscope_task_id dashscope_conn_id",
        [WatchLink],
    ),
]


@pytest.mark.parametrize(
    ("operator", "required", "defaults", "rendered", "links"), OPERATORS, ids=[each.__name__ for each, *_ in OPERATORS]
)
def test_the_interface_of_a_dag(
    operator: Any, required: dict[str, Any], defaults: dict[str, Any], rendered: str, links: list[type]
) -> None:
    made = operator(task_id="t", **required)
    expected = required | defaults
    assert {name: getattr(made, name) for name in expected} == expected
    assert made.template_fields == tuple(rendered.split())
    assert [type(link) for link in made.operator_extra_links] == links


WORDS: list[tuple[Any, dict[str, Any], str, str]] = [
    (VideoRetalkOperator, {"video_url": "v", "audio_url": "a"}, "preflight", "strict, warn, off"),
    (MakeVideoOperator, {"row": {}, "folder": "f"}, "preflight", "strict, warn, off"),
    (PublishMediaOperator, {"source": "s", "destination": "d"}, "if_exists", "fail, skip_same, overwrite"),
    (TextToSpeechOperator, {"text": "t"}, "audio_format", "wav, mp3, pcm, opus"),
    (TranscribeOperator, {"file_url": "f"}, "if_exists", "overwrite, skip_same"),
    (TalkingPhotoOperator, {"image_url": "i", "audio_url": "a"}, "photo_check", "strict, off"),
    (TranslateOperator, {"source": "s", "target_language": "de"}, "on_too_long", "flag, fail, faster"),
    (DashScopeTaskSensor, {"dashscope_task_id": "t"}, "on_failed_subtask", "fail, keep"),
    (DashScopeTaskOperator, {"model": "m", "path": "p", "input": {}}, "on_failed_subtask", "fail, keep"),
]


@pytest.mark.parametrize(
    ("operator", "required", "name", "words"), WORDS, ids=[f"{each[0].__name__}.{each[2]}" for each in WORDS]
)
def test_a_parameter_takes_its_words_alone(operator: Any, required: dict[str, Any], name: str, words: str) -> None:
    """As soon as the DAG is parsed."""
    for word in words.split(", "):
        assert getattr(operator(task_id="t", **required, **{name: word}), name) == word
    with pytest.raises(InputError) as caught:
        operator(task_id="t", **required, **{name: "other"})
    assert caught.value.message == f"{name} is 'other', allowed is one of {words}"


@pytest.mark.parametrize(
    "operator",
    [
        lambda url: VideoRetalkOperator(task_id="t", video_url=url, audio_url="https://h/a.wav"),
        lambda url: PublishMediaOperator(task_id="t", source=url, destination="s3://b/"),
        lambda url: PlanVideosOperator(task_id="t", table=f"text,video\nHello.,{url}\n", folder="s3://b/"),
        lambda url: PlanVideosOperator(task_id="t", table="text\nHello.\n", folder="s3://b/", defaults={"video": url}),
        lambda url: TextToSpeechOperator(task_id="t", text="Hello.", options={"prompt_audio": url}),
    ],
)
def test_a_signature_is_masked_as_it_is_rendered(operator: Any, masked: list[str]) -> None:
    """Airflow stores the rendered fields right afterwards. Before, the signature is not in them."""
    task = operator("{{ url }}")
    url = "https://h/v.mp4?Expires=1995000000&OSSAccessKeyId=k&Signature=rendered-signature"
    task.render_template_fields({"url": url}, jinja_env=jinja2.Environment())
    assert "rendered-signature" in masked


@pytest.mark.parametrize("default", [True, False])
@pytest.mark.parametrize(("module", "name"), [(job, "DashScopeJobOperator"), (dashscope, "DashScopeTaskSensor")])
def test_airflow_says_whether_a_wait_is_deferred(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, default: bool
) -> None:
    """When the module is imported."""
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", str(default))
    imported = runpy.run_path(str(module.__file__))[name]
    assert signature(imported.__init__).parameters["deferrable"].default is default


def test_the_signature_of_each_row_of_a_table_is_masked(masked: list[str]) -> None:
    rows = "".join(f"Hello.,https://h/{row}.mp4?Signature=of-row-{row},\n" for row in range(3))
    task = PlanVideosOperator(task_id="t", table="{{ table }}", folder="s3://b/")
    task.render_template_fields({"table": f"text,video,voice\n{rows}"}, jinja_env=jinja2.Environment())
    assert {"of-row-0", "of-row-1", "of-row-2", "of-row-2,"} <= set(masked)
