"""How the emulator behaves: the service's documented numbers, and what a test may change about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MissingPart = Literal["list", "cancel", "uploads"]

HOUR = 3600.0
# Documented lifetimes in seconds: results and records 24 h, uploads 48 h, unfinished tasks 3 h, upload policies 300 s.
RESULT_SECONDS = 24 * HOUR
UPLOAD_SECONDS = 48 * HOUR
TASK_TIMEOUT_SECONDS = 3 * HOUR
POLICY_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class EmulatorSettings:
    """Settings of one emulator; the defaults are the service's documented values.

    :param host: address to listen on; loopback by default
    :param port: TCP port, 0 for any free one
    :param submits_per_second: VideoRetalk submits an account may send per second
    :param running: tasks of one account that run at once; the rest queue, first in first out
    :param queries_per_second: rate of each of query, list and cancel, per account
    :param speech_per_second: rate of speech requests per account; ``None`` for no limit
    :param policies_per_second: rate of upload policies per account
    :param time_scale: divides what the service takes its time for (render time, the 3 h limit, the list's delay), never
        a rate and never the 60 s a download may take
    :param life_scale: divides how long things live (results and records, uploads, an upload policy's 300 s); apart from
        ``time_scale``, since clients compare these moments with their own clock
    :param render_factor: seconds a render takes per second of output, before ``time_scale``; 9 in the documented sample
    :param list_delay: seconds after its submission from when on the list shows a task, before ``time_scale``. Whether
        the service's list lags at all is not known
    :param api_keys: the keys that are accepted; ``None`` accepts whatever starts with ``sk-``
    :param accounts: key -> account name; a key not named here is an account of its own
    :param missing: parts a gateway does not have; they answer 404
    :param data_dir: folder for uploads, samples and results; ``None`` for a temporary one, removed at stop
    :param download_timeout: seconds an input may take to download, not scaled
    :param upload_megabytes: ``max_file_size_mb`` of an upload policy; not known for videoretalk, whose largest input is
        300 MB
    :param cosyvoice_characters: longest text of the CosyVoice and Qwen-Audio families. The limit is not known: third
        parties report 2000 and 20000
    :param workers: processes that render, shared by all accounts; ``None`` for as many as ``running``
    """

    host: str = "127.0.0.1"
    port: int = 8098
    submits_per_second: float = 1.0
    running: int = 1
    queries_per_second: float = 20.0
    speech_per_second: float | None = None
    policies_per_second: float = 100.0
    time_scale: float = 1.0
    life_scale: float = 1.0
    render_factor: float = 9.0
    list_delay: float = 0.0
    api_keys: tuple[str, ...] | None = None
    accounts: Mapping[str, str] = field(default_factory=dict)
    missing: frozenset[MissingPart] = frozenset()
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
            "queries_per_second",
            "policies_per_second",
            "time_scale",
            "life_scale",
            "download_timeout",
        ):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be greater than 0, not {getattr(self, name)}")
        for name in ("running", "upload_megabytes", "cosyvoice_characters"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.speech_per_second is not None and not self.speech_per_second > 0:
            raise ValueError(f"speech_per_second must be greater than 0 or None, not {self.speech_per_second}")
        for name in ("render_factor", "list_delay"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"workers must be at least 1 or None, not {self.workers}")
        if self.api_keys is not None and not all(self.api_keys):
            raise ValueError("api_keys must not hold an empty key")
        if unknown := sorted(set(self.missing) - set(get_args(MissingPart))):
            raise ValueError(f"missing knows {', '.join(get_args(MissingPart))}, not {', '.join(unknown)}")

    @property
    def result_seconds(self) -> float:
        """How long a result URL and a finished task's record live."""
        return RESULT_SECONDS / self.life_scale

    @property
    def upload_seconds(self) -> float:
        """How long an uploaded file lives."""
        return UPLOAD_SECONDS / self.life_scale

    @property
    def task_timeout_seconds(self) -> float:
        """How long after its submission a task may go without a result."""
        return TASK_TIMEOUT_SECONDS / self.time_scale

    @property
    def policy_seconds(self) -> float:
        """How long an upload policy is valid."""
        return POLICY_SECONDS / self.life_scale

    @property
    def list_delay_seconds(self) -> float:
        """How long after its submission a task is not in the list yet."""
        return self.list_delay / self.time_scale

    def render_seconds(self, output_seconds: float) -> float:
        """Shortest time the service takes to make `output_seconds` of video."""
        return output_seconds * self.render_factor / self.time_scale

    @property
    def worker_count(self) -> int:
        return self.workers or self.running
