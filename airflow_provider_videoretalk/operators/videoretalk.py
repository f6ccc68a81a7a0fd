"""Replaces the lip movements in a video so that they match new speech."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.dashscope.errors import InputError
from airflow_provider_videoretalk.dashscope.result_expiry import check_not_expired
from airflow_provider_videoretalk.model_catalog.videoretalk import (
    AUDIO_CONTAINERS,
    AUDIO_SECONDS,
    DEFAULT_FACE_THRESHOLD,
    VIDEORETALK,
)
from airflow_provider_videoretalk.operators.catalog_model import CatalogModelOperator
from airflow_provider_videoretalk.operators.location_fields import is_task_output, url_of_output
from airflow_provider_videoretalk.operators.template_values import (
    as_bool,
    as_int,
    as_optional_text,
    check_word,
    is_empty,
)

if TYPE_CHECKING:
    from airflow_provider_videoretalk.inputs.face_check import FaceCheck
    from airflow_provider_videoretalk.inputs.preflight_report import PreflightReport
    from airflow_provider_videoretalk.inputs.retalk_inputs import RetalkInputs
    from airflow_provider_videoretalk.media.location import Location
    from airflow_provider_videoretalk.model_catalog.speech import SpeechResult


class VideoRetalkOperator(CatalogModelOperator):
    """Submits a VideoRetalk render job and returns its result.

    The result is a :class:`~airflow_provider_videoretalk.inputs.priced_result.PricedResult`: ids, the video's URL and
    when it expires, billed seconds, times, estimated cost and cost.

    An input can be, as far as ``allowed_sources`` has it:

    - an http or https URL that can be downloaded from mainland China without a login;
    - an object in a store that Airflow knows (``s3://conn@bucket/key``). The store signs a URL at the submit;
    - a file on the worker. It is uploaded to the service's temporary store.

    :param video_url: The presenter: mp4, avi or mov of 2 to 120 s, 15 to 60 fps, sides of 640 to 2048 px. (templated)
    :param audio_url: The speech: wav, mp3 or aac of 2 to 120 s, or the return value of ``TextToSpeechOperator``.
        (templated)
    :param ref_image_url: The face to process if the video shows several. Defaults to the largest one. (templated)
    :param video_extension: For speech that is longer than the video: True extends the video by playing it backwards and
        forwards, False cuts the speech. (templated)
    :param query_face_threshold: Required similarity to ``ref_image_url``, from 120 (lenient) to 200 (strict).
        (templated)
    :param preflight: ``strict`` reads the headers of the inputs, and fails the task for a problem for which the service
        would refuse the job, or for speech that it would cut. ``warn`` only logs such a problem. ``off`` reads nothing.
        A property that could not be checked is logged and never fails the task.
    :param face_check: ``refuse`` looks at a dozen frames of the video, and fails the task without a face that is
        frontal, large and sharp enough. ``warn`` only logs that. ``off`` (default) reads no frame. A video that is not
        on this machine is downloaded for it. Needs the extra ``faces``. (templated)
    :param allowed_sources: Where inputs may be: a list of prefixes such as ``s3://conn@bucket/folder/``, or one text
        with commas between them. It narrows ``[videoretalk] allowed_sources`` of Airflow's configuration. (templated)
    :param max_cost: Highest estimated cost, in the price's currency. Defaults to no limit. (templated)
    :param dry_run: If True, logs the inputs, the findings and the estimated cost, pushes them as XCom
        ``dashscope_dry_run``, and skips the task. (templated, as ``is_dry_run``)

    All other parameters are those of :class:`~airflow_provider_videoretalk.operators.job.DashScopeJobOperator`.
    """

    catalog_entry = VIDEORETALK
    template_fields: Sequence[str] = (
        "video_url",
        "audio_url",
        "ref_image_url",
        "video_extension",
        "query_face_threshold",
        "face_check",
        *CatalogModelOperator.template_fields,
    )

    def __init__(
        self,
        *,
        video_url: Location,
        audio_url: Location | SpeechResult,
        ref_image_url: Location | None = None,
        video_extension: bool | str = False,
        query_face_threshold: int | str = DEFAULT_FACE_THRESHOLD,
        face_check: FaceCheck | str = "off",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.video_url = video_url
        self.audio_url = audio_url
        self._audio_is_output = is_task_output(audio_url)
        self.ref_image_url = ref_image_url
        self.video_extension = video_extension
        self.query_face_threshold = query_face_threshold
        self.face_check = face_check

    def job_inputs(self) -> RetalkInputs:
        # Loads requests.
        from airflow_provider_videoretalk.inputs.retalk_inputs import RetalkInputs

        return RetalkInputs.from_locations(
            video=self.location("video_url", self.video_url),
            audio=self._audio_location(),
            ref_image=self._ref_image_location(),
            video_extension=as_bool("video_extension", self.video_extension, default=False),
            query_face_threshold=as_int(
                "query_face_threshold", self.query_face_threshold, default=DEFAULT_FACE_THRESHOLD
            ),
            audio_seconds=self.audio_url.get("seconds") if isinstance(self.audio_url, Mapping) else None,
        )

    @property
    def output_fields(self) -> Collection[str]:
        return ("audio_url",) if self._audio_is_output and isinstance(self.audio_url, Mapping) else ()

    def _ref_image_location(self) -> Location | None:
        url = self.ref_image_url
        return None if url is None or is_empty(url) else self.location("ref_image_url", url)

    def _audio_location(self) -> Location:
        if isinstance(self.audio_url, Mapping):
            return _speech_url(self.audio_url)
        return self.location("audio_url", self.audio_url)

    def preflight_report(self) -> PreflightReport:
        """
        :raises ResultExpiredError: the URL of the speech has expired
        :raises InputError: ``face_check`` is none of its words
        :raises ConfigurationError: the connection of a store, or the extra ``faces``, is missing
        """
        if isinstance(self.audio_url, Mapping):
            check_not_expired("audio_url", self.audio_url.get("expires_at"))
        mode = as_optional_text("face_check", self.face_check) or "off"
        check_word("face_check", mode, ("off", "warn", "refuse"))
        report = super().preflight_report()
        return report if mode == "off" or report.inspection.refusals else self._with_faces(report, mode)

    def _with_faces(self, report: PreflightReport, mode: str) -> PreflightReport:
        """The report with what is found of the presenter's face."""
        # Loads the readers of media.
        from airflow_provider_videoretalk.inputs.face_check import check_faces

        found = check_faces(
            self._job_inputs.sources["video_url"].location,
            field="video_url",
            access=self.hook.media_access,
            names_face="ref_image_url" in self._job_inputs.sources,
        )
        inspection = replace(
            report.inspection,
            face_findings=found.findings,
            refuses_faces=mode == "refuse",
            unchecked=report.inspection.unchecked + found.unchecked,
        )
        return replace(report, inspection=inspection, faces=found.faces.to_json() if found.faces else {})


def _speech_url(audio: Mapping[str, Any]) -> str:
    """The URL in a text-to-speech result. The format and duration that it states are checked.

    :raises InputError: there is no http or https URL, or the speech is in another format, too short or too long
    """
    url = url_of_output("audio_url", audio, names=("audio_url",))
    audio_format, seconds = audio.get("format"), audio.get("seconds")
    if audio_format is not None and audio_format not in AUDIO_CONTAINERS:
        raise InputError(
            f"audio_url has the format {audio_format!r}, allowed is one of {', '.join(AUDIO_CONTAINERS)}",
            remedy="Set audio_format of TextToSpeechOperator to wav or mp3.",
        )
    if isinstance(seconds, int | float) and not AUDIO_SECONDS.allows(seconds):
        raise InputError(AUDIO_SECONDS.refusal(seconds), remedy="Shorten or lengthen the script.")
    return url
