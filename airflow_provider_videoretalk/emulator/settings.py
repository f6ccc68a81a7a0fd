"""The emulator's settings: the service's documented numbers, which a test may change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from airflow_provider_videoretalk.model_catalog.talking_photo import TALKING_PHOTO_MODELS
from airflow_provider_videoretalk.model_catalog.videoretalk import VIDEORETALK
from airflow_provider_videoretalk.model_catalog.voices import VOICE_STORAGE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MissingPart = Literal["list", "cancel", "uploads"]
Gateway = Literal["video-tasks", "flat-tasks", "video-generations"]

HOUR = 3600.0
# How many transcriptions of an account run at once is not known.
RUNNING_TRANSCRIPTIONS = 10
# Documented for both models, as are their five submits, and the five checks of a photo, a second.
RUNNING_PHOTOS = 1
PHOTOS_PER_SECOND = 5.0

# Documented lifetimes in seconds: results and records 24 h, uploads 48 h, unfinished tasks 3 h, upload policies 300 s.
RESULT_SECONDS = 24 * HOUR
UPLOAD_SECONDS = 48 * HOUR
TASK_TIMEOUT_SECONDS = 3 * HOUR
POLICY_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class EmulatorSettings:
    """Settings of one emulator; the defaults are the service's documented values.

    :param host: address to listen on; loopback by default
    :param port: TCP port; 0 for any free port
    :param submits_per_second: VideoRetalk submits per second and account
    :param transcriptions_per_second: submits of transcriptions per second and account; 600 a minute, on the vendor's
        page of one of the models
    :param running: render jobs of one account that run at once; the others wait in a first-in-first-out queue
    :param queries_per_second: calls per second and account, for each of query, list and cancel
    :param speech_per_second: speech requests per second and account; ``None`` for no limit
    :param voices_per_second: requests about voices per second and account; ``None`` for no limit
    :param translations_per_minute: translation requests per minute and account
    :param policies_per_second: upload policies per second and account
    :param time_scale: divides the durations of the service's work: render time, the 3 h limit, the list's delay. It
        divides no rate, and not the 60 s for a download
    :param life_scale: divides the validity of results, records, uploads and upload policies. It is separate from
        ``time_scale``, because clients compare these times with their own clock
    :param render_factor: seconds of render per second of output, before ``time_scale``; 9 in the documented sample
    :param list_delay: seconds from a submission until a list shows the render job or the voice, before
        ``time_scale``. Whether the service's lists are delayed is not known
    :param voice_seconds: seconds until an enrolled voice can be used. The vendor's pages name a status for that time,
        and say that an enrolment takes none
    :param voice_storage: enrolled voices that an account may have, in each dialect
    :param api_keys: the accepted keys; ``None`` accepts every key that starts with ``sk-``
    :param accounts: key -> account name; every other key has an account of its own
    :param missing: parts of the API that a gateway lacks; they answer 404
    :param gateway: a gateway to play whose routes and replies differ from the service's, see :mod:`.api.gateways`
    :param data_dir: folder for uploads, samples and results; ``None`` for a temporary one, which stopping removes
    :param download_timeout: seconds that the download of an input may take; not scaled
    :param upload_megabytes: ``max_file_size_mb`` of an upload policy. The value for videoretalk is not known; its
        largest input is 300 MB
    :param cosyvoice_characters: longest text of the CosyVoice and Qwen-Audio families. The limit is not known: third
        parties report 2000 and 20000
    :param workers: processes that render, shared by all accounts; ``None`` for as many as ``running``
    """

    host: str = "127.0.0.1"
    port: int = 8098
    submits_per_second: float = 1.0
    transcriptions_per_second: float = 10.0
    running: int = 1
    queries_per_second: float = 20.0
    speech_per_second: float | None = None
    voices_per_second: float | None = None
    translations_per_minute: float = 60.0
    policies_per_second: float = 100.0
    time_scale: float = 1.0
    life_scale: float = 1.0
    render_factor: float = VIDEORETALK.render_factor
    list_delay: float = 0.0
    voice_seconds: float = 0.0
    voice_storage: int = VOICE_STORAGE
    api_keys: tuple[str, ...] | None = None
    accounts: Mapping[str, str] = field(default_factory=dict)
    missing: frozenset[MissingPart] = frozenset()
    gateway: Gateway | None = None
    data_dir: Path | None = None
    download_timeout: float = 60.0
    upload_megabytes: int = 300
    cosyvoice_characters: int = 20000
    workers: int | None = None

    def __post_init__(self) -> None:
        if not self.host:
            raise ValueError("host must not be empty")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port must be 0 to 65535, not {self.port}")
        for name in (
            "submits_per_second",
            "transcriptions_per_second",
            "queries_per_second",
            "translations_per_minute",
            "policies_per_second",
            "time_scale",
            "life_scale",
            "download_timeout",
        ):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be greater than 0, not {getattr(self, name)}")
        for name in ("running", "upload_megabytes", "cosyvoice_characters", "voice_storage"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("speech_per_second", "voices_per_second"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise ValueError(f"{name} must be greater than 0 or None, not {getattr(self, name)}")
        for name in ("render_factor", "list_delay", "voice_seconds"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"workers must be at least 1 or None, not {self.workers}")
        if self.api_keys is not None and not all(self.api_keys):
            raise ValueError("api_keys must not hold an empty key")
        if self.gateway is not None and self.gateway not in get_args(Gateway):
            raise ValueError(f"gateway must be None or one of {', '.join(get_args(Gateway))}, not {self.gateway}")
        if unknown := sorted(set(self.missing) - set(get_args(MissingPart))):
            raise ValueError(f"missing must hold only {', '.join(get_args(MissingPart))}, not {', '.join(unknown)}")

    @property
    def result_seconds(self) -> float:
        """How long a result URL is valid and the record of a finished render job is kept."""
        return RESULT_SECONDS / self.life_scale

    @property
    def upload_seconds(self) -> float:
        """How long an uploaded file is kept."""
        return UPLOAD_SECONDS / self.life_scale

    @property
    def task_timeout_seconds(self) -> float:
        """The time limit for a result, from the submission on."""
        return TASK_TIMEOUT_SECONDS / self.time_scale

    @property
    def policy_seconds(self) -> float:
        """How long an upload policy is valid."""
        return POLICY_SECONDS / self.life_scale

    @property
    def list_delay_seconds(self) -> float:
        """How long a list does not show a new render job."""
        return self.list_delay / self.time_scale

    def render_seconds(self, output_seconds: float) -> float:
        """The shortest time for a render with `output_seconds` of output."""
        return output_seconds * self.render_factor / self.time_scale

    def running_of(self, model: str) -> int:
        """How many jobs of a model one account runs at once."""
        if model == VIDEORETALK.name:
            return self.running
        return RUNNING_PHOTOS if model in TALKING_PHOTO_MODELS else RUNNING_TRANSCRIPTIONS

    @property
    def worker_count(self) -> int:
        """The number of processes that render."""
        return self.workers or self.running
