"""VideoRetalk: replaces the lips in a video to match new speech."""

from __future__ import annotations

from typing import Any

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.dashscope.request import Request
from airflow_provider_videoretalk.dashscope.task import Submission, submit_task
from airflow_provider_videoretalk.dashscope.url import media_url
from airflow_provider_videoretalk.limits import FACE_THRESHOLD

MODEL = "videoretalk"
PATH = "services/aigc/image2video/video-synthesis"
DEFAULT_FACE_THRESHOLD = 170


def submit_videoretalk(
    *,
    video_url: str,
    audio_url: str,
    ref_image_url: str | None = None,
    video_extension: bool = False,
    query_face_threshold: int = DEFAULT_FACE_THRESHOLD,
) -> Request[Submission]:
    """Starts a VideoRetalk task.

    :param video_url: the presenter: mp4, avi or mov; 2 to 120 s, 15 to 60 fps, sides 640 to 2048 px, 300 MB at most
    :param audio_url: the speech: wav, mp3 or aac; 2 to 120 s, 30 MB at most
    :param ref_image_url: the face to retalk where several are in the picture; the largest one by default
    :param video_extension: where the speech is longer than the video: ``True`` plays the picture backwards and forwards
        until it ends, ``False`` cuts the speech. A video longer than the speech is always cut
    :param query_face_threshold: 120 (lenient) to 200 (strict), how like the face must be; for ``ref_image_url`` only
    :raises InputError: a value the service would refuse
    """
    inputs: dict[str, Any] = {
        "video_url": media_url("video_url", video_url),
        "audio_url": media_url("audio_url", audio_url),
    }
    if ref_image_url:
        inputs["ref_image_url"] = media_url("ref_image_url", ref_image_url)
    check_face_threshold(query_face_threshold)
    parameters = {"video_extension": video_extension, "query_face_threshold": query_face_threshold}
    return submit_task(path=PATH, model=MODEL, inputs=inputs, parameters=parameters)


def check_face_threshold(value: int) -> None:
    """
    :raises InputError: the service would refuse it
    """
    if not FACE_THRESHOLD.allows(value):
        raise InputError(
            FACE_THRESHOLD.refusal(value),
            code=FACE_THRESHOLD.code,
            remedy=f"{DEFAULT_FACE_THRESHOLD} is the service's default.",
        )
