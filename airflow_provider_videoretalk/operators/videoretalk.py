"""Replaces the lips in a video to match new speech."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.operators.job import DashScopeJobOperator

if TYPE_CHECKING:
    from airflow_provider_videoretalk.dashscope.request import Request
    from airflow_provider_videoretalk.dashscope.speech import SpeechResult
    from airflow_provider_videoretalk.dashscope.task import Submission, Task, TaskResult


class VideoRetalkOperator(DashScopeJobOperator):
    """Submits a VideoRetalk task and returns its result, a
    :class:`~airflow_provider_videoretalk.dashscope.task.TaskResult`: ids, video URL and when it dies, billed seconds,
    times.

    Values that the service would refuse fail the task before anything is sent. The URLs must be downloadable from
    mainland China, without a login, for as long as the task may queue.

    :param video_url: the presenter: mp4, avi or mov, 2 to 120 s, 15 to 60 fps, sides 640 to 2048 px (templated)
    :param audio_url: the speech: a URL of wav, mp3 or aac of 2 to 120 s, or what ``TextToSpeechOperator`` returned
        (templated)
    :param ref_image_url: the face to retalk where several are in the picture; the largest by default (templated)
    :param video_extension: where the speech is longer: ``True`` extends the picture by playing it backwards and
        forwards, ``False`` cuts the speech (templated)
    :param query_face_threshold: 120 to 200, how like ``ref_image_url`` the face must be (templated)

    All other parameters are those of :class:`~airflow_provider_videoretalk.operators.job.DashScopeJobOperator`.
    """

    template_fields: Sequence[str] = (
        "video_url",
        "audio_url",
        "ref_image_url",
        "video_extension",
        "query_face_threshold",
        "dashscope_conn_id",
    )

    def __init__(
        self,
        *,
        video_url: str,
        audio_url: str | SpeechResult,
        ref_image_url: str | None = None,
        video_extension: bool | str = False,
        query_face_threshold: int | str = 170,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.video_url = video_url
        self.audio_url = audio_url
        self.ref_image_url = ref_image_url
        self.video_extension = video_extension
        self.query_face_threshold = query_face_threshold

    model = "videoretalk"

    def submission(self) -> Request[Submission]:
        from airflow_provider_videoretalk.dashscope.videoretalk import submit_videoretalk
        from airflow_provider_videoretalk.operators.values import as_bool, as_int

        return submit_videoretalk(
            video_url=self.video_url,
            audio_url=_url_of(self.audio_url),
            ref_image_url=self.ref_image_url,
            video_extension=as_bool("video_extension", self.video_extension),
            query_face_threshold=as_int("query_face_threshold", self.query_face_threshold),
        )

    def expected_seconds(self) -> float | None:
        """The speech's length, where it came with the URL: the output is no longer than that."""
        seconds = self.audio_url.get("seconds") if isinstance(self.audio_url, Mapping) else None
        return float(seconds) if seconds is not None else None

    def result(self, task: Task, *, request_id: str | None) -> TaskResult:
        from airflow_provider_videoretalk.dashscope.errors import TaskFailedError

        result = super().result(task, request_id=request_id)
        if result["video_url"] is None:
            raise TaskFailedError(
                f"task {task.task_id} succeeded without a video URL",
                request_id=result["request_id"],
                remedy="Ask the vendor with the request_id: the task may have been billed.",
            )
        return result


def _url_of(audio: str | SpeechResult) -> str:
    """The URL in ``audio``; a text-to-speech result is checked by what it knows of itself.

    :raises InputError: the speech is too short or too long
    :raises ResultExpiredError: its URL is dead
    """
    if not isinstance(audio, Mapping):
        return audio
    from airflow_provider_videoretalk.dashscope.errors import InputError
    from airflow_provider_videoretalk.limits import AUDIO_CONTAINERS, AUDIO_SECONDS
    from airflow_provider_videoretalk.media.expiry import check_not_expired

    if "audio_url" not in audio:
        raise InputError(
            f"audio_url is a mapping with the keys {sorted(audio)}, allowed is one with 'audio_url'",
            remedy="Pass a URL, or what TextToSpeechOperator returned.",
        )
    audio_format, seconds = audio.get("format"), audio.get("seconds")
    if audio_format is not None and audio_format not in AUDIO_CONTAINERS:
        raise InputError(
            f"audio_url has the format {audio_format!r}, allowed is one of {', '.join(AUDIO_CONTAINERS)}",
            remedy="Let the speech be made as wav or mp3.",
        )
    if isinstance(seconds, int | float) and not AUDIO_SECONDS.allows(seconds):
        raise InputError(AUDIO_SECONDS.refusal(seconds), remedy="Shorten or lengthen the script.")
    check_not_expired("audio_url", audio.get("expires_at"))
    return audio["audio_url"]
