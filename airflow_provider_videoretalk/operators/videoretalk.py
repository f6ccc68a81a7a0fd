"""Replaces the lips in a video to match new speech."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, cast
from urllib.parse import urlsplit

from airflow_provider_videoretalk.operators.job import DashScopeJobOperator
from airflow_provider_videoretalk.operators.values import check_word

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_videoretalk.dashscope.request import Request
    from airflow_provider_videoretalk.dashscope.speech import SpeechResult
    from airflow_provider_videoretalk.dashscope.task import Submission, Task
    from airflow_provider_videoretalk.media.appraisal import Appraisal
    from airflow_provider_videoretalk.media.inputs import Inputs
    from airflow_provider_videoretalk.media.location import Location
    from airflow_provider_videoretalk.media.preflight import Preflight
    from airflow_provider_videoretalk.media.quote import QuotedResult, QuotedSubmission
    from airflow_provider_videoretalk.waiting.event import Awaited
    from airflow_provider_videoretalk.waiting.record import Intent


class VideoRetalkOperator(DashScopeJobOperator):
    """Submits a VideoRetalk task and returns its result, a
    :class:`~airflow_provider_videoretalk.media.quote.QuotedResult`: ids, video URL and when it dies, billed seconds,
    times, what it was expected to cost and what it cost.

    The inputs may lie anywhere: behind an http or https URL that is downloadable from mainland China without a login;
    in a store that Airflow knows (``s3://conn@bucket/key``), which signs a URL when the task is submitted; or in a file
    on the worker, which is uploaded to the service's temporary store. Whatever the service would refuse fails the task
    before anything is sent, as far as ``preflight`` finds it.

    :param video_url: the presenter: mp4, avi or mov, 2 to 120 s, 15 to 60 fps, sides 640 to 2048 px (templated)
    :param audio_url: the speech: wav, mp3 or aac of 2 to 120 s, or what ``TextToSpeechOperator`` returned (templated)
    :param ref_image_url: the face to retalk where several are in the picture; the largest by default (templated)
    :param video_extension: where the speech is longer: ``True`` extends the picture by playing it backwards and
        forwards, ``False`` cuts the speech (templated)
    :param query_face_threshold: 120 to 200, how like ``ref_image_url`` the face must be (templated)
    :param preflight: ``strict`` looks at the inputs' headers and fails the task for what the service would refuse, and
        for speech that it would cut; ``warn`` only says so; ``off`` looks at nothing. What could not be checked is said
        and never fails the task
    :param max_cost: most that the task may be estimated to cost, in the price's currency; any sum by default
        (templated)
    :param dry_run: ``True`` logs what would be sent, what was found and what it would cost, pushes it as XCom
        ``dashscope_dry_run``, and skips the task (templated, as ``is_dry_run``)

    All other parameters are those of :class:`~airflow_provider_videoretalk.operators.job.DashScopeJobOperator`.
    """

    template_fields: Sequence[str] = (
        "video_url",
        "audio_url",
        "ref_image_url",
        "video_extension",
        "query_face_threshold",
        "max_cost",
        "is_dry_run",
        "dashscope_conn_id",
    )

    def __init__(
        self,
        *,
        video_url: Location,
        audio_url: Location | SpeechResult,
        ref_image_url: Location | None = None,
        video_extension: bool | str = False,
        query_face_threshold: int | str = 170,
        preflight: Preflight = "strict",
        max_cost: float | str | None = None,
        dry_run: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_word("preflight", preflight, ("strict", "warn", "off"))
        self.video_url = video_url
        self.audio_url = audio_url
        self.ref_image_url = ref_image_url
        self.video_extension = video_extension
        self.query_face_threshold = query_face_threshold
        self.preflight = preflight
        self.max_cost = max_cost
        # An operator's dry_run is a method of Airflow's own.
        self.is_dry_run = dry_run

    model = "videoretalk"

    def attempt(self, context: Context, *, refusals: int, since: float) -> Any:
        from airflow_provider_videoretalk.operators.values import as_bool

        if as_bool("dry_run", self.is_dry_run):
            self._rehearse(context)
        return super().attempt(context, refusals=refusals, since=since)

    def identity(self) -> Mapping[str, Any]:
        return self._inputs.identity()

    def place(self) -> Mapping[str, Any]:
        return self._inputs.place()

    def appraise(self, intent: Intent) -> Intent:
        appraisal = self._appraisal()
        for warning in appraisal.report.warnings:
            self.log.warning("%s", warning)
        self._check(appraisal)
        self.log.info("Estimate: %s", appraisal.estimate)
        return replace(intent, expected_seconds=appraisal.expected_seconds, quote=appraisal.quote)

    def submission(self) -> Request[Submission]:
        from airflow.sdk.log import mask_secret

        from airflow_provider_videoretalk.dashscope.upload import upload
        from airflow_provider_videoretalk.dashscope.url import without_signature

        until = _in(self.queue_timeout + self.render_timeout)
        urls = self._inputs.urls(
            until=until, upload=lambda content: upload(self.hook.client, content, model=self.model)
        )
        for url in urls.values():
            if without_signature(url) != url:
                mask_secret(urlsplit(url).query)
        return self._inputs.request(urls)

    def receipt(self, awaited: Awaited) -> QuotedSubmission:
        return cast("QuotedSubmission", {**super().receipt(awaited), **awaited.quote})

    def result(self, task: Task, awaited: Awaited) -> QuotedResult:
        from airflow_provider_videoretalk.dashscope.errors import TaskFailedError
        from airflow_provider_videoretalk.media.quote import with_cost

        result = super().result(task, awaited)
        if result["video_url"] is None:
            raise TaskFailedError(
                f"task {task.task_id} succeeded without a video URL",
                request_id=result["request_id"],
                remedy="Ask the vendor with the request_id: the task may have been billed.",
            )
        return with_cost(result, awaited.quote)

    @cached_property
    def _inputs(self) -> Inputs:
        """
        :raises InputError: a field the service would refuse
        """
        from airflow_provider_videoretalk.media.inputs import Inputs
        from airflow_provider_videoretalk.operators.values import as_bool, as_int, as_location

        return Inputs.at(
            video=as_location("video_url", self.video_url),
            audio=as_location("audio_url", _location_of(self.audio_url)),
            ref_image=as_location("ref_image_url", self.ref_image_url) if self.ref_image_url else None,
            video_extension=as_bool("video_extension", self.video_extension),
            query_face_threshold=as_int("query_face_threshold", self.query_face_threshold),
            audio_seconds=self.audio_url.get("seconds") if isinstance(self.audio_url, Mapping) else None,
        )

    def _appraisal(self) -> Appraisal:
        """
        :raises ResultExpiredError: the speech's URL is dead
        """
        from airflow_provider_videoretalk.dashscope.expiry import check_not_expired
        from airflow_provider_videoretalk.media.estimate import price_of

        if isinstance(self.audio_url, Mapping):
            check_not_expired("audio_url", self.audio_url.get("expires_at"))
        return self._inputs.appraise(
            price=price_of(self.model, self.hook.prices),
            preflight=self.preflight,
            allow_private=self.hook.allow_private,
            until=_in(self.queue_timeout),
        )

    def _check(self, appraisal: Appraisal) -> None:
        """
        :raises InputError: the task must not be submitted
        """
        from airflow_provider_videoretalk.media.estimate import check_max_cost

        appraisal.report.check()
        check_max_cost(appraisal.estimate, self.max_cost)

    def _rehearse(self, context: Context) -> NoReturn:
        """Says what would be done.

        :raises AirflowSkipException: it could be done
        :raises InputError: it could not
        """
        from airflow.providers.common.compat.sdk import AirflowSkipException

        appraisal = self._appraisal()
        for sentence in appraisal.sentences:
            self.log.info("Dry run: %s", sentence)
        context["ti"].xcom_push(key="dashscope_dry_run", value=appraisal.to_json())
        self._check(appraisal)
        raise AirflowSkipException("a dry run: nothing was sent")


def _in(seconds: float) -> datetime:
    return datetime.now(timezone.utc) + timedelta(seconds=seconds)


def _location_of(audio: Location | SpeechResult) -> Location:
    """Where ``audio`` lies; a text-to-speech result is checked by what it knows of itself.

    :raises InputError: the speech is too short or too long
    """
    if not isinstance(audio, Mapping):
        return audio
    from airflow_provider_videoretalk.dashscope.errors import InputError
    from airflow_provider_videoretalk.limits import AUDIO_CONTAINERS, AUDIO_SECONDS

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
    return audio["audio_url"]
