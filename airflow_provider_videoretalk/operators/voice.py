"""Enrols the voice of a person from a sample of their speech."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_videoretalk.airflow_adapters.job_history_writer import task_instance_name
from airflow_provider_videoretalk.airflow_adapters.location_policy import LocationPolicy
from airflow_provider_videoretalk.airflow_adapters.url_masking import mask_urls
from airflow_provider_videoretalk.dashscope.errors import ThrottledError
from airflow_provider_videoretalk.model_catalog.speech import SPEECH_CURRENCY
from airflow_provider_videoretalk.model_catalog.voices import (
    COSYVOICE,
    DEFAULT_TARGET_MODEL,
    create_voice,
    voice_dialect_of,
    voice_prefix,
)
from airflow_provider_videoretalk.operators.base import DashScopeOperator
from airflow_provider_videoretalk.operators.job_submission import record_store_of, shared_store
from airflow_provider_videoretalk.operators.location_fields import is_task_output, url_of_output
from airflow_provider_videoretalk.operators.template_values import (
    as_location,
    as_optional_mapping,
    as_optional_text,
    as_text,
    check_word,
)
from airflow_provider_videoretalk.submission.enrollment_turn import EnrollmentTurn
from airflow_provider_videoretalk.submission.fault_points import fault_point
from airflow_provider_videoretalk.submission.record import ClearCount
from airflow_provider_videoretalk.submission.record_store import Store, VolatileStore

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_videoretalk.dashscope.request import Request
    from airflow_provider_videoretalk.inputs.voice_sample import VoiceSample
    from airflow_provider_videoretalk.media.location import Location
    from airflow_provider_videoretalk.model_catalog.voices import CreatedVoice, VoiceResult
    from airflow_provider_videoretalk.submission.voice_enrollment import SurplusPolicy, VoiceEnrollment

# The service fetches the sample before it answers.
_URL_LIFE = timedelta(hours=1)


class VoiceOperator(DashScopeOperator):
    """Enrols a voice once for each sample and speech model, and returns it.

    Returns a :class:`~airflow_provider_videoretalk.model_catalog.voices.VoiceResult`, which ``TextToSpeechOperator``
    takes as ``voice``.

    The SHA-256 of the sample's bytes and the target model determine a part of the voice's id. If the account's list has
    such a voice, it is returned. Else it is enrolled. That holds for retries, killed tries and parallel runs. The
    operator deletes no voice except the surplus one that it has enrolled itself, while another Airflow did the same.

    :param sample: 10 to 20 s of clear speech of one person: wav of 16 bits, mp3 or m4a, up to 60 s and 10 MB, mono,
        with 24,000 Hz or more (CosyVoice: also stereo and 16,000 Hz). A URL, an object in a store, a file, or a return
        value with a URL. (templated)
    :param consent: A sentence that says who has agreed to the use of the voice, and when. It is kept in the result.
        (templated)
    :param target_model: The CosyVoice, Qwen-Audio or Qwen-TTS model that will speak with the voice. It determines the
        endpoint's dialect. (templated)
    :param language: Of the sample, as a code such as ``en``. By default the service detects it. (templated)
    :param options: Further fields of the request's ``input``, e.g. ``{"max_prompt_audio_length": 20}`` for CosyVoice or
        ``{"text": "..."}`` for Qwen-TTS. (templated)
    :param surplus: ``delete`` deletes a voice of this task if another Airflow was first. ``keep`` leaves it.
    :param allowed_sources: Where the sample may be: a list of prefixes such as ``s3://conn@bucket/folder/``, or one
        text with commas between them. It narrows ``[videoretalk] allowed_sources`` of Airflow's configuration.
        (templated)
    :param dashscope_conn_id: The Airflow connection of type ``dashscope``. (templated)
    :param throttle_timeout: How long to go on sending while the account is throttled. Defaults to the connection's
        ``throttle_timeout``, or one hour. An operator may only shorten a value that the connection sets.
    :raises InputError: the sample is not allowed, or the service would refuse it; ``consent`` is missing
    :raises OutcomeUnknownError: the reply to the enrolment was lost, and the list does not have the voice
    :raises AccessError: the account's storage for voices is full
    :raises DashScopeError: see :mod:`airflow_provider_videoretalk.dashscope.errors`
    """

    template_fields: Sequence[str] = (
        "sample",
        "consent",
        "target_model",
        "language",
        "options",
        "allowed_sources",
        "dashscope_conn_id",
    )

    def __init__(
        self,
        *,
        sample: Location | Mapping[str, Any],
        consent: str,
        target_model: str = DEFAULT_TARGET_MODEL,
        language: str | None = None,
        options: Mapping[str, Any] | None = None,
        surplus: SurplusPolicy = "delete",
        allowed_sources: Sequence[str] | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sample = sample
        self._sample_is_output = is_task_output(sample)
        self.consent = consent
        self.target_model = target_model
        self.language = language
        self.options = options
        check_word("surplus", surplus, ("delete", "keep"))
        self.surplus = surplus
        self.allowed_sources = allowed_sources

    def attempt(self, context: Context, *, refusals: int, since: float) -> VoiceResult:
        consent = as_text("consent", self.consent).strip()
        model = as_optional_text("target_model", self.target_model) or DEFAULT_TARGET_MODEL
        self.hook.settings.check(**self.own_settings)
        # Refuses wrong fields before the sample is read.
        self._request(model, prefix="", sample_url="")
        sample = self._read_sample(model)
        try:
            enrolled = self._enrollment(context, model=model, sample=sample).voice()
        except ThrottledError as error:
            self.retry_throttled(error, refusals=refusals, since=since)
        if not enrolled.reused:
            cost = Decimal(0) if voice_dialect_of(model) is COSYVOICE else None
            self.charges(context, "voice").add(cost, currency=SPEECH_CURRENCY, model=model)
        fault_point("after_result")
        voice = enrolled.voice
        self.log.info("%s the voice %s for %s", "Uses" if enrolled.reused else "Enrolled", voice.id, model)
        return {
            "voice": voice.id,
            "target_model": model,
            "sample": sample.source.description,
            "sample_sha256": sample.sha256,
            "created_at": voice.created.astimezone(timezone.utc).isoformat() if voice.created else None,
            "consent": consent,
            "reused": enrolled.reused,
            "request_id": enrolled.request_id,
        }

    def _enrollment(self, context: Context, *, model: str, sample: VoiceSample) -> VoiceEnrollment:
        # Loads requests.
        from airflow_provider_videoretalk.submission.voice_enrollment import VoiceEnrollment

        prefix = voice_prefix(sample_sha256=sample.sha256, target_model=model)
        return VoiceEnrollment(
            client=self.hook.client,
            target_model=model,
            prefix=prefix,
            create=lambda: self._request(model, prefix=prefix, sample_url=_url_of(sample)),
            states=_states_of(context),
            clear_count=_clear_count_of(context),
            turn=EnrollmentTurn(
                shared_store(),
                account=self.hook.endpoint.account_id,
                voice=prefix,
                task_instance=task_instance_name(context["ti"]),
            ),
            surplus=self.surplus,
        )

    def _request(self, model: str, *, prefix: str, sample_url: str) -> Request[CreatedVoice]:
        return create_voice(
            target_model=model,
            prefix=prefix,
            sample_url=sample_url,
            language=as_optional_text("language", self.language),
            options=as_optional_mapping("options", self.options),
        )

    def _read_sample(self, model: str) -> VoiceSample:
        """
        :raises InputError: the sample is not allowed, or the service would refuse it
        """
        # Loads requests and the readers of media.
        from airflow_provider_videoretalk.inputs.source import source_of
        from airflow_provider_videoretalk.inputs.voice_sample import read_voice_sample

        policy = LocationPolicy(setting="allowed_sources", own=self.allowed_sources)
        location: Location
        if isinstance(self.sample, Mapping):
            location = url_of_output("sample", self.sample, names=("url", "audio_url", "video_url"))
        else:
            policy.check_remote("sample", self.sample)
            location = as_location("sample", self.sample)
        source = source_of("sample", location)
        if not (self._sample_is_output and isinstance(self.sample, Mapping)):
            policy.check("sample", source.location)
        return read_voice_sample(source, dialect=voice_dialect_of(model), access=self.hook.media_access)


def _url_of(sample: VoiceSample) -> str:
    url = sample.url(until=datetime.now(timezone.utc) + _URL_LIFE)
    mask_urls(url)
    return url


def _states_of(context: Context) -> Store:
    """Airflow's task state store. Before Airflow 3.3 there is none: then only this try knows what it has sent."""
    store = record_store_of(context, durable=True)
    return VolatileStore() if store is None else store


def _clear_count_of(context: Context) -> ClearCount:
    return ClearCount(max_tries=context["ti"].max_tries, clear_number=getattr(context["dag_run"], "clear_number", 0))
