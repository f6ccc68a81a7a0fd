"""The service's replies as models, which build the replies and describe them in the OpenAPI document."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Reply(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ErrorReply(Reply):
    """Every error reply."""

    code: str
    message: str
    request_id: str


class SubmittedTask(Reply):
    task_id: str
    task_status: str


class SubmitReply(Reply):
    output: SubmittedTask
    request_id: str


class TaskOutput(Reply):
    """A render job in the reply to a query; an UNKNOWN one has the first two fields only. Times are UTC+8."""

    task_id: str
    task_status: str
    submit_time: str | None = None
    scheduled_time: str | None = None
    end_time: str | None = None
    video_url: str | None = None
    result: dict[str, str] | None = None
    results: list[dict[str, str]] | dict[str, str] | None = None
    task_metrics: dict[str, int] | None = None
    code: str | None = None
    message: str | None = None


class Usage(Reply):
    """Of a video: billed seconds, ``W*H`` in pixels, always "standard", frames per second.

    Of a transcription: billed seconds, as ``seconds`` or ``duration``.
    """

    video_duration: float | None = None
    size: str | None = None
    video_ratio: str | None = None
    fps: int | None = None
    seconds: int | None = None
    duration: int | None = None
    video_count: int | None = None


class DetectUsage(Reply):
    image_count: int


class DetectReply(Reply):
    """``output`` has ``check_pass`` and ``humanoid``, or ``pass``; and ``message`` if the photo does not pass."""

    request_id: str
    output: dict[str, bool | str]
    usage: DetectUsage


class TaskReply(Reply):
    request_id: str
    output: TaskOutput
    usage: Usage | None = None


class TaskRow(Reply):
    """A render job in a list. Times are milliseconds since the epoch, and absent until they are known."""

    api_key_id: str
    caller_parent_id: str
    caller_uid: str
    gmt_create: int
    start_time: int | None = None
    end_time: int | None = None
    model_name: str
    region: str
    request_id: str
    status: str
    task_id: str
    user_api_unique_key: str


class TaskPage(Reply):
    request_id: str
    total: int
    total_page: int
    page_no: int
    page_size: int
    data: list[TaskRow]


class CancelReply(Reply):
    request_id: str


class UploadPolicy(Reply):
    policy: str
    signature: str
    upload_dir: str
    upload_host: str
    expire_in_seconds: int
    max_file_size_mb: int
    capacity_limit_mb: int
    oss_access_key_id: str
    x_oss_object_acl: str
    x_oss_forbid_overwrite: str


class PolicyReply(Reply):
    request_id: str
    data: UploadPolicy


class SpeechAudio(Reply):
    """`expires_at` is in seconds since the epoch; `data` is empty without streaming."""

    data: str
    url: str
    id: str
    expires_at: int


class CosyVoiceOutput(Reply):
    finish_reason: str
    audio: SpeechAudio


class CosyVoiceUsage(Reply):
    characters: int


class CosyVoiceReply(Reply):
    request_id: str
    output: CosyVoiceOutput
    usage: CosyVoiceUsage


class QwenOutput(Reply):
    text: str | None
    finish_reason: str
    choices: list[str] | None
    audio: SpeechAudio


class QwenUsage(Reply):
    input_tokens: int
    output_tokens: int
    characters: int


class QwenReply(Reply):
    """A success has `code` and `message` too; both are empty."""

    status_code: int
    request_id: str
    code: str
    message: str
    output: QwenOutput
    usage: QwenUsage
